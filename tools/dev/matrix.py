#!/usr/bin/env python3
"""Checks docs/rfc-matrix.md: what it names exists, and no requirement of RFC 9293's table is missing.

In backquotes, FILE:NAME is a function that the C file defines, or a word that another file has; a path alone
is a file. Code is looked for in engine/tcp, tests (test_*.c) in tests/unit/tcp, unless a path is given. A row
that says "done" names both. --self-test breaks the page in each of these ways and sees it found.
"""

import pathlib
import re
import sys

PAGE = "docs/rfc-matrix.md"
STATES = {"done", "partly", "not yet", "no", "other"}
TABLE = ({f"MUST-{n}" for n in range(1, 70)} | {f"SHLD-{n}" for n in range(1, 32)}
         | {f"MAY-{n}" for n in range(1, 19)} | {"REC-1"})


def is_test(path):
    return path.startswith("tests/")


def path_of(name):
    if "/" in name:
        return name
    folder = "tests/unit/tcp" if re.match(r"test_|states_oracle", name) else "engine/tcp"
    return f"{folder}/{name}"


def defines(path, name):
    text = pathlib.Path(path).read_text()
    if path.endswith(".c") and not name.isupper():
        return re.search(rf"^[a-z][^;\n]*\b{name}\((?![^{{}}]*?;$)", text, re.M) is not None
    return re.search(rf"\b{name}\b", text) is not None


def citations(cell):
    """Paths named in a cell, and what is wrong with them."""
    paths, wrong = [], []
    for cited in re.findall(r"`([^`]+)`", cell):
        m = re.fullmatch(r"([\w./-]+\.(?:c|h|sh|py|def))(?::(\w+))?", cited)
        if not m:
            continue
        path = path_of(m[1])
        paths.append(path)
        if not pathlib.Path(path).is_file():
            wrong.append(f"{path} does not exist")
        elif m[2] and not defines(path, m[2]):
            wrong.append(f"{path} has no {m[2]}")
    return paths, wrong


def check(text):
    wrong, ids, header, rows = [], set(), [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            header = []
            continue
        cells = [c.strip() for c in line.strip("|").split("|")]
        if not header:
            header = cells
            continue
        if set(line) <= set("|- ") or cells[0].startswith("**") or "test" not in header:
            continue
        if len(cells) != len(header):
            wrong.append(f"line {number}: {len(cells)} cells, not {len(header)}")
            continue
        rows += 1
        row = dict(zip(header, cells))
        paths, bad = citations(line)
        wrong += [f"line {number}: {what}" for what in bad]
        ids.update(re.findall(r"^(?:MUST|SHLD|MAY|REC)-\d+", cells[0]))
        if row["state"] not in STATES:
            wrong.append(f"line {number}: '{row['state']}' is no state")
        elif row["state"] == "done" and not (any(is_test(p) for p in citations(row["test"])[0])
                                             and any(not is_test(p) for p in paths)):
            wrong.append(f"line {number}: done, but code or test is not named")
        elif row["state"] in ("no", "not yet", "partly") and not "".join(cells[3:-1] or cells[2:-1]):
            wrong.append(f"line {number}: it does not say why")
    wrong += [f"{i} is missing" for i in sorted(TABLE - ids)]
    if rows < 200:
        wrong.append(f"only {rows} rows")
    return wrong


def self_test():
    good = pathlib.Path(PAGE).read_text()
    for old, new, found in [
            ("`isn.c:isn_make`", "`isn.c:isn_fake`", "has no isn_fake"),
            ("`ack.c:", "`akc.c:", "does not exist"),
            ("`test_loss.c:test_karn`", "`test_loss.c:test_kern`", "has no test_kern"),
            ("`test_loss.c:test_karn`", "", "is not named"),
            ("| MUST-18 |", "| Karn |", "MUST-18 is missing"),
            ("| done | `ack.c:", "| perhaps | `ack.c:", "is no state")]:
        said = check(good.replace(old, new, 1))
        if old not in good or not any(found in line for line in said):
            sys.exit(f"matrix.py: {new!r} is not found: {said}")


if sys.argv[1:] == ["--self-test"]:
    self_test()
errors = check(pathlib.Path(PAGE).read_text())
for error in errors:
    print(f"{PAGE}: {error}")
sys.exit(bool(errors))
