#!/usr/bin/env bash
# Deliberate faults, planted one at a time: the simulator must find each of them in the time that the
# default test run gives it.
#
#   bash tests/sim/mutants.sh [--minutes M] [NAME]...
#
# Each of tests/sim/mutants/NAME.patch is applied to a private copy of HEAD, built, and run. Exit
# status 1 when one was not found, or does not apply or build any more. It is not among the tests of
# `tools/test.sh` (it builds the engine many times): run it when the simulator or TCP has changed.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
minutes=3 names=()
while [ $# -gt 0 ]; do
	case $1 in
	--minutes)
		minutes=${2:?}
		shift
		;;
	-*)
		echo "usage: mutants.sh [--minutes M] [NAME]..." >&2
		exit 2
		;;
	*) names+=("$1") ;;
	esac
	shift
done
if [ ${#names[@]} -eq 0 ]; then
	for file in "$root"/tests/sim/mutants/*.patch; do
		file=${file##*/}
		names+=("${file%.patch}")
	done
fi

work=$(mktemp -d /tmp/ob-mutants.XXXXXX)
clean() {
	git -C "$root" worktree remove --force "$work/tree" 2>/dev/null
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
git -C "$root" worktree add -q --detach "$work/tree" HEAD || exit 1
meson setup "$work/build" "$work/tree" >"$work/log" 2>&1 || {
	tail -n 20 "$work/log"
	exit 1
}
build() { ninja -C "$work/build" tests/sim/outboard-sim >"$work/log" 2>&1; }
sim=$work/build/tests/sim/outboard-sim

found=0 missed=0
miss() {
	echo "MISSED $1: $2"
	missed=$((missed + 1))
}

# Without a fault there is nothing to find: else every mutant would be "found".
build || {
	tail -n 20 "$work/log"
	exit 1
}
if ! "$sim" --seeds 1-2000 >"$work/out" 2>&1; then
	tail -n 5 "$work/out"
	echo "the simulator fails without a mutant"
	exit 1
fi

for name in "${names[@]}"; do
	patch=$root/tests/sim/mutants/$name.patch
	if ! git -C "$work/tree" apply "$patch"; then
		miss "$name" "the patch does not apply: renew it"
		continue
	fi
	begin=$SECONDS
	if ! build; then
		tail -n 20 "$work/log"
		miss "$name" "it does not build: renew the patch"
	else
		begin=$SECONDS
		"$sim" --seeds 1-100000000 --minutes "$minutes" >"$work/out" 2>&1
		why=$(grep -m 1 '^FAILED' "$work/out")
		if [ -n "$why" ]; then
			echo "found $name after $((SECONDS - begin)) s: $why"
			found=$((found + 1))
		else
			tail -n 1 "$work/out"
			miss "$name" "not found in $minutes minutes"
		fi
	fi
	git -C "$work/tree" checkout -q -- .
done
echo "$found found, $missed missed"
[ $missed -eq 0 ]
