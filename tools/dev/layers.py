#!/usr/bin/env python3
"""Checks what the sources include: layers, spelling, cycles.

Layers, from the lowest to the highest; a file includes its own and lower ones:

    shared < base < port < net < state < tcp < offload < hostif < ha < loop and main

host_lib sees shared alone; tools see shared and host_lib; tests and tools/bench see everything.
Includes in quotes are relative to the root of the repository. The library's public header is the
one exception: it is included by its name, from a folder called include.

    layers.py [ROOT]       exit status 1 when something is found, one line for each
    layers.py --self-test  proves that each kind of violation is found
"""

import re
import sys
import tempfile
from pathlib import Path

ENGINE = ["base", "port", "net", "state", "tcp", "offload", "hostif", "ha"]
ORDER = {"shared": 0, **{f"engine/{name}": n + 1 for n, name in enumerate(ENGINE)}}
TOP = len(ORDER)
FOLDERS = ("shared", "engine", "host_lib", "tools", "tests")
PUBLIC = "host_lib/include"
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def layer_of(path):
    """'shared', 'engine/tcp', 'engine' for loop and main, 'host_lib', 'tools', 'bench', 'tests'."""
    parts = path.split("/")
    if parts[0] == "engine":
        if len(parts) == 2:
            return "engine"
        return f"engine/{parts[1]}"
    if parts[:2] == ["tools", "bench"]:
        return "bench"
    return parts[0]


def rank(layer):
    return TOP if layer == "engine" else ORDER.get(layer)


def allowed(source, target):
    """Whether a file of layer source may include one of layer target."""
    if source in ("tests", "bench") or source == target:
        return True
    if source == "host_lib":
        return target == "shared"
    if source == "tools":
        return target in ("shared", "host_lib")
    return rank(source) is not None and rank(target) is not None and rank(target) <= rank(source)


def sources(root):
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".def") and path.is_file():
                yield path.relative_to(root).as_posix()


def check_file(root, name, edges):
    """The findings of one file; what it includes is added to edges."""
    found = []
    text = (root / name).read_text(encoding="utf-8", errors="replace")
    if layer_of(name).startswith("engine/") and layer_of(name) not in ORDER:
        found.append(f"{name}: {layer_of(name)} is no layer")
    for match in INCLUDE.finditer(text):
        target = match.group(1)
        where = f"{name}:{text.count(chr(10), 0, match.start(1)) + 1}"
        if "/" not in target and (root / PUBLIC / target).is_file():
            target = f"{PUBLIC}/{target}"
        if not (root / target).is_file() or ".." in target.split("/"):
            found.append(f'{where}: "{match.group(1)}" is no file, seen from the root')
            continue
        edges.setdefault(name, []).append(target)
        if not allowed(layer_of(name), layer_of(target)):
            found.append(f"{where}: {layer_of(name)} must not include {target}")
    return found


def find_cycles(edges):
    """Each include cycle once, as a list of files."""
    done, cycles = set(), []

    def visit(name, trail):
        if name in trail:
            cycles.append(trail[trail.index(name):] + [name])
            return
        if name in done:
            return
        for target in edges.get(name, []):
            visit(target, trail + [name])
        done.add(name)

    for name in sorted(edges):
        visit(name, [])
    return cycles


def check(root):
    edges, found, count = {}, [], 0
    for name in sources(root):
        count += 1
        found += check_file(root, name, edges)
    found += ["include cycle: " + " -> ".join(cycle) for cycle in find_cycles(edges)]
    return found, count


GOOD = {
    "shared/ring.h": "",
    "engine/base/clock.h": '#include "shared/ring.h"\n',
    "engine/tcp/input.h": '#include "engine/base/clock.h"\n#include "engine/state/record.h"\n',
    "engine/state/record.h": "",
    "engine/loop.c": '#include "engine/tcp/input.h"\n#include "engine/core.h"\n#include <stdio.h>\n',
    "engine/core.h": "",
    "host_lib/include/outboard.h": "",
    "host_lib/api.c": '#include "outboard.h"\n#include "shared/ring.h"\n',
    "tools/ctl/main.c": '#include "outboard.h"\n#include "tools/ctl/table.h"\n',
    "tools/ctl/table.h": "",
    "tools/bench/core.c": '#include "engine/tcp/input.h"\n',
    "tests/unit/tcp/test_input.c": '#include "engine/tcp/input.h"\n',
}
BAD = {
    "an upward include": ("engine/base/up.c", '#include "engine/tcp/input.h"\n'),
    "a layer that includes the loop's": ("engine/ha/up.c", '#include "engine/core.h"\n'),
    "shared that sees the engine": ("shared/up.h", '#include "engine/base/clock.h"\n'),
    "host_lib that sees the engine": ("host_lib/up.c", '#include "engine/base/clock.h"\n'),
    "host_lib that sees tools": ("host_lib/up.c", '#include "tools/ctl/table.h"\n'),
    "a tool that sees the engine": ("tools/ctl/up.c", '#include "engine/base/clock.h"\n'),
    "the engine that sees host_lib": ("engine/hostif/up.c", '#include "outboard.h"\n'),
    "the loop that sees tests": ("engine/up.c", '#include "tests/unit/tcp/test_input.c"\n'),
    "an include that is not from the root": ("engine/tcp/near.c", '#include "input.h"\n'),
    "an include through ..": ("engine/tcp/near.c", '#include "engine/../shared/ring.h"\n'),
    "a file that is not there": ("engine/tcp/gone.c", '#include "engine/tcp/gone.h"\n'),
    "a folder that is no layer": ("engine/misc/file.c", ""),
    "a cycle": ("engine/state/record.h", '#include "engine/state/other.h"\n'),
    "a header that includes itself": ("engine/core.h", '#include "engine/core.h"\n'),
    "a spaced-out directive": ("engine/base/up.c", ' # include  "engine/tcp/input.h"\n'),
}


def found_in(files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return check(root)[0]


def self_test():
    failed = 0
    found = found_in(GOOD)
    if found:
        print("self-test: a good tree was refused: " + "; ".join(found))
        failed += 1
    for what, (name, text) in BAD.items():
        extra = {"engine/state/other.h": '#include "engine/state/record.h"\n'}
        found = found_in({**GOOD, **extra, name: text})
        if len(found) != 1:
            print(f"self-test: {what}: found {len(found)}, not one: {found}")
            failed += 1
    print(f"layers: self-test, {len(BAD) + 1 - failed} right, {failed} wrong")
    return 1 if failed else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    found, count = check(root)
    for line in found:
        print(line)
    print(f"layers: {count} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
