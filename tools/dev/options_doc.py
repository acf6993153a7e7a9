#!/usr/bin/env python3
"""Writes docs/configuration.md and the options of docs/man/outboard-engine.8 from
engine/base/options.def and user_options.def.

  options_doc.py           writes
  options_doc.py --check   says whether they are up to date; exit status 1 when they are not
"""

import re
import sys

from defdoc import ROOT, Stale, calls, update_part, write_or_check

SOURCE = ROOT / "engine/base/options.def"
USERS = ROOT / "engine/base/user_options.def"
PAGE = ROOT / "docs/configuration.md"
MAN = ROOT / "docs/man/outboard-engine.8"

SECTIONS = {
    "engine": "The process: its name, its CPUs, its memory.",
    "port": "The network port that the engine owns.",
    "net": "Addresses and neighbours.",
    "limits": "What the tables hold. Memory is taken at start.",
    "tcp": "TCP.",
    "debug": "Aids for tests; not for service.",
}

HEAD = """# Configuration

`outboard-engine --config FILE` reads an INI file: `[section]` lines, `name = value` lines, comments
after `#`. A section or option that does not exist, one that is given twice, a value that is
not a number or out of bounds, a contradiction between options: each is refused at start with file,
option and reason. `outboard-engine --config FILE --check` only checks. Commented examples are in
`configs/`.

This page is written by `tools/dev/options_doc.py` from `engine/base/options.def` and
`engine/base/user_options.def`.
"""

NEIGHBOURS = """
## [neighbours]
Stations that need no ARP, one a line: `address = MAC`, for example
`10.77.0.2 = 02:0b:0a:4d:00:02`.
"""


USER = """One section a user: what its hosts may take of the engine, all of them together. `NAME` is a user's name
or number; `[user *]` holds for each user that has no section of its own. Who may attach at all is the
socket's mode. `configs/users.cfg` is an example, [sharing.md](sharing.md) says what is
refused and how.
"""

PORTS = ("ports", "all", "all, none, or a list", "local ports that it may name in a listen or connect, "
         "for example 80,8000-8999; a port that it leaves to the engine is always allowed")


def user_options():
    """(name, default, bounds, doc) of what a [user] section holds."""
    found = [(a[0], f"{a[1]}", f"{a[2]} to {a[3]} {a[4]}", a[5]) for _, a in calls(USERS, "U")]
    return found + [PORTS]


def options():
    """(section, name, default, bounds, doc) of every option, all text."""
    found = []
    for kind, args in calls(SOURCE, "UBS"):
        section, name, default = args[:3]
        if kind == "U":
            low, high, unit, doc = args[3:]
            found.append((section, name, f"{default}", f"{low} to {high} {unit}", doc))
        elif kind == "B":
            found.append((section, name, "yes" if default == "1" else "no", "yes, no", args[3]))
        else:
            found.append((section, name, default, "text", args[3]))
    return found


def markdown(rows):
    out = [HEAD]
    for section in dict.fromkeys(r[0] for r in rows):
        out.append(f"\n## [{section}]\n{SECTIONS[section]}\n\n"
                   "| option | default | values | meaning |\n|---|---|---|---|\n")
        for _, name, default, bounds, doc in (r for r in rows if r[0] == section):
            shown = f"`{default}`" if default else "empty"
            out.append(f"| `{name}` | {shown} | {bounds} | {doc} |\n")
    out.append(f"\n## [user NAME]\n{USER}\n"
               "| option | default | values | meaning |\n|---|---|---|---|\n")
    for name, default, bounds, doc in user_options():
        out.append(f"| `{name}` | `{default}` | {bounds} | {doc} |\n")
    out.append(NEIGHBOURS)
    return "".join(out)


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def man(rows):
    out = []
    for section in dict.fromkeys(r[0] for r in rows):
        out.append(f".SS [{section}]\n{roff(SECTIONS[section])}\n")
        for _, name, default, bounds, doc in (r for r in rows if r[0] == section):
            out.append(f".TP\n.BR {roff(name)} \" ({roff(bounds)}; default "
                       f"{roff(default) or 'empty'})\"\n{roff(doc)}.\n")
    out.append(".SS [user NAME]\nWhat the hosts of one user may take together; * is each user without a section of "
               "its own.\n")
    for name, default, bounds, doc in user_options():
        out.append(f".TP\n.BR {roff(name)} \" ({roff(bounds)}; default {roff(default)})\"\n{roff(doc)}.\n")
    return "".join(out)


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    try:
        rows = options()
        fresh = write_or_check(PAGE, markdown(rows), check)
        fresh &= write_or_check(MAN, update_part(MAN, "options", man(rows)), check)
    except Stale as e:
        sys.exit(f"options_doc.py: {e}")
    sys.exit(0 if fresh else 1)


if __name__ == "__main__":
    main()
