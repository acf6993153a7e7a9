#!/usr/bin/env bash
# gcc and clang make the same simulator: the same seeds give the same event hash.
# timeout: 1200
set -u
sim=${OB_BIN:-build/bin}/outboard-sim
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
clang=$(command -v clang-14 || command -v clang) || {
	echo "skipped: there is no clang"
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
hash_of() { "$1" --seeds 1-600 | sed -n 's/.*600 run in.*event hash //p'; }

CC=$clang meson setup "$work/b" "$root" >"$work/log" 2>&1 &&
	ninja -C "$work/b" tests/sim/outboard-sim >>"$work/log" 2>&1 || {
	tail -n 20 "$work/log"
	exit 1
}
gcc=$(hash_of "$sim") clang=$(hash_of "$work/b/tests/sim/outboard-sim")
echo "gcc $gcc, clang $clang"
[ -n "$gcc" ] && [ "$gcc" = "$clang" ]
