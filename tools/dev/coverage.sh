#!/usr/bin/env bash
# Line coverage of engine/tcp by its unit tests and the simulator together.
#
#   coverage.sh [--min PERCENT] [--missing] [--seeds N]
#
# Builds build-coverage/ (gcc --coverage), runs the unit tests of tcp and core and N seeds of the
# simulator, always the same ones, and prints what of each file ran, and the total. Exit status 1 when
# the total is below PERCENT (90). --missing also prints the lines that did not run. gcov comes with gcc.
set -u
. "${BASH_SOURCE[0]%/*}/../lib.sh"
OB_WHO=coverage
cd "$OB_ROOT" || exit 1

build=$OB_ROOT/build-coverage
min=90 missing= seeds=400
while [ $# -gt 0 ]; do
	case $1 in
	--min) min=${2:?} && shift ;;
	--seeds) seeds=${2:?} && shift ;;
	--missing) missing=1 ;;
	*) die "usage: coverage.sh [--min PERCENT] [--missing] [--seeds N]" ;;
	esac
	shift
done
command -v gcov >/dev/null || skip "gcov is not installed"

if [ ! -f "$build/build.ninja" ]; then
	rm -rf "$build"
	CC=gcc run meson setup "$build" --buildtype=plain -Doptimization=1 -Db_coverage=true \
		-Db_ndebug=false -Dwerror=false >/dev/null || die "cannot configure"
fi
# Not the same tests again with other sequence numbers.
mapfile -t tests < <(meson test -C "$build" --list 2>/dev/null | sed 's|.* / ||' |
	grep -E '^(tcp|core)_' | grep -v _wrap_)
[ ${#tests[@]} -gt 0 ] || die "meson knows no test of tcp"
run ninja -C "$build" tests/sim/outboard-sim >"$build/ninja.log" 2>&1 || {
	tail -n 20 "$build/ninja.log"
	die "cannot build"
}
find "$build" -name '*.gcda' -delete
# Without meson's filling of freed memory: benches have much that they never touch.
export MALLOC_PERTURB_=0
run meson test -C "$build" --print-errorlogs --timeout-multiplier 10 "${tests[@]}" || exit 1

# In processes that end by exit(), as the simulator's own children do not: they would leave no counts.
jobs=$(nproc)
pids=()
for ((i = 0; i < jobs; i++)); do
	"$build/tests/sim/outboard-sim" --here \
		--seeds $((i * seeds / jobs + 1))-$(((i + 1) * seeds / jobs)) >"$build/sim-$i.log" 2>&1 &
	pids+=($!)
done
failed=
for ((i = 0; i < jobs; i++)); do
	wait "${pids[i]}" || {
		failed=1
		tail -n 20 "$build/sim-$i.log"
	}
done
[ -z "$failed" ] || die "the simulator found a failure"

python3 - "$build" "$min" "$missing" <<'PY'
import json
import pathlib
import subprocess
import sys

build, least, missing = pathlib.Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
# What of engine/tcp is in headers runs in the tests' objects as well.
notes = [p for p in build.glob("**/*.gcno") if p.with_suffix(".gcda").exists()
         and (p.name.startswith("tcp_") or "tests/unit/tcp" in str(p))]
files = {}
for at in range(0, len(notes), 64):
    out = subprocess.run(["gcov", "--json-format", "--stdout", *map(str, notes[at:at + 64])],
                         capture_output=True, check=True, text=True).stdout
    for line in out.splitlines():
        if not line.startswith("{"):
            continue
        for f in json.loads(line)["files"]:
            name = f["file"]
            if "engine/tcp/" not in name:
                continue
            name = name[name.index("engine/tcp/"):]
            for l in f["lines"]:
                counts = files.setdefault(name, {})
                counts[l["line_number"]] = counts.get(l["line_number"], 0) + l["count"]
wanted = {str(p) for p in pathlib.Path("engine/tcp").glob("*.c")}
absent = wanted - files.keys()
if absent:
    sys.exit(f"coverage: nothing of {', '.join(sorted(absent))} ran")


def spans(numbers):
    """1, 2, 3, 7 as 1-3 7."""
    out = []
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


ran_all = all_lines = 0
for name in sorted(files):
    counts = files[name]
    ran = sum(1 for c in counts.values() if c)
    ran_all += ran
    all_lines += len(counts)
    print(f"{name:28} {ran:5} of {len(counts):5} lines {100 * ran / len(counts):6.1f} %")
    if missing and ran < len(counts):
        print(f"    {spans(sorted(n for n, c in counts.items() if not c))}")
share = 100 * ran_all / all_lines
print(f"{'engine/tcp':28} {ran_all:5} of {all_lines:5} lines {share:6.1f} % (at least {least:g} %)")
sys.exit(share < least)
PY
