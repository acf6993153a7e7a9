"""What options_doc.py and counters_doc.py share: reading .def files, writing or checking pages."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|//[ ]?([^\n]*)|([A-Za-z0-9_.<+-]+)|([(),])|\s+')


class Stale(Exception):
    """Something does not have the form that was expected."""


def tokens(path):
    text = path.read_text()
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            line = text.count("\n", 0, at) + 1
            raise Stale(f"{path.relative_to(ROOT)}:{line}: not understood: {text[at:at + 20]!r}")
        at = match.end()
        string, comment, word, mark = match.groups()
        if comment is not None:
            yield "comment", comment
        elif string is not None:
            yield "string", string.replace('\\"', '"').replace("\\\\", "\\")
        elif word or mark:
            yield "word" if word else mark, word or mark


def calls(path, names, comments=False):
    """(macro, [arguments]) of every use of the macros in `names`, in order.

    comments: also ("comment", text) of those between them. Adjacent strings become one.
    """
    found, macro, args, fresh = [], None, [], True
    for kind, text in tokens(path):
        if macro is None:
            if kind == "comment" and comments:
                found.append(("comment", text))
            elif kind == "word" and text in names:
                macro, args, fresh = text, [], True
            elif kind != "comment":
                raise Stale(f"{path.relative_to(ROOT)}: not expected: {text}")
        elif kind == ")":
            found.append((macro, args))
            macro = None
        elif kind == ",":
            fresh = True
        elif kind in ("word", "string"):
            args = args + [text] if fresh else args[:-1] + [args[-1] + text]
            fresh = False
    if macro is not None:
        raise Stale(f"{path.relative_to(ROOT)}: ends inside {macro}(")
    return found


def update_part(path, name, text):
    r"""The file's text with what stands between its lines `.\" begin NAME` and `.\" end NAME`
    replaced."""
    old = path.read_text()
    begin, end = f'.\\" begin {name}\n', f'.\\" end {name}\n'
    if old.count(begin) != 1 or old.count(end) != 1:
        raise Stale(f"{path.relative_to(ROOT)} has no part called {name}")
    return old[:old.index(begin) + len(begin)] + text + old[old.index(end):]


def write_or_check(path, text, check):
    """Writes the file, or says that it is stale. Returns whether it is as it should be."""
    if path.exists() and path.read_text() == text:
        return True
    if not check:
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
        return True
    script = Path(sys.argv[0]).name
    print(f"{path.relative_to(ROOT)} is stale: run tools/dev/{script}")
    return False
