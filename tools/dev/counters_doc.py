#!/usr/bin/env python3
"""Writes docs/counters.md from shared/counters.def.

  counters_doc.py           writes
  counters_doc.py --check   says whether it is up to date; exit status 1 when it is not
"""

import sys

from defdoc import ROOT, Stale, calls, write_or_check

SOURCE = ROOT / "shared/counters.def"
PAGE = ROOT / "docs/counters.md"

HEAD = """# Counters

Every counter of an engine, as `outboardctl counters`, the telemetry command `/outboard/counters` and
the control socket give it. They begin at 0 when the engine starts and only rise. A packet that goes
no further is counted under exactly one name that begins with `drop_`; a request of a host that is
refused under one that begins with `req_bad_`.

This page is written by `tools/dev/counters_doc.py` from `shared/counters.def`.
"""


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    out = [HEAD]
    try:
        # The first comment is the file's own, the others are headings.
        for kind, args in calls(SOURCE, "X", comments=True)[1:]:
            if kind == "comment":
                out.append(f"\n## {args}\n\n| counter | meaning |\n|---|---|\n")
            else:
                out.append(f"| `{args[0]}` | {args[1]} |\n")
        fresh = write_or_check(PAGE, "".join(out), check)
    except Stale as e:
        sys.exit(f"counters_doc.py: {e}")
    sys.exit(0 if fresh else 1)


if __name__ == "__main__":
    main()
