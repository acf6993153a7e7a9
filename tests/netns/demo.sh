#!/usr/bin/env bash
# tools/demo.sh to its end; and with --keep, where what it says works, until --down: nothing is left.
#
#   no topology of its own: the demo makes its own
#
# timeout: 240
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
cd "$OB_ROOT" || exit 1
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
# The demo's own names follow from it.
export OB_PREFIX=$OB_PREFIX-shown

# --down ends every demo that is kept, so none of somebody else's may be there.
[ -z "$(ls -A /run/outboard-demo 2>/dev/null)" ] || skip "somebody keeps a demo running: $(ls /run/outboard-demo)"
# nothing_left: namespaces, files and processes of the demo.
nothing_left() {
	! ip netns list | grep "^$OB_PREFIX" && ! ls -d /run/outboard*/*"$OB_PREFIX"* 2>/dev/null &&
		[ -z "$(tagged_pids "$(tr -c 'A-Za-z0-9\n' _ <<<"$OB_PREFIX-demo")")" ]
}

echo "--- as it is"
run tools/demo.sh >"$dir/log" 2>&1 || die "it failed: $(cat "$dir/log")"
cat "$dir/log"
for what in ' down, ob-httpd' ' up, curl' ' there and back'; do
	grep -q "100 MB$what.*checksums are equal" "$dir/log" || die "it does not say 100 MB$what"
done
grep -q 'doorbells to hosts  *[0-9,]*  *[0-9.]*' "$dir/log" || die "it does not tell the doorbells"
grep -q 'cleaned up: no process' "$dir/log" || die "it was not cleaned up"
nothing_left || die "it left something"

echo "--- --keep"
cleanup_push tools/demo.sh --down
run tools/demo.sh --keep >"$dir/log" 2>&1 || die "it failed: $(cat "$dir/log")"
# Each line that is meant to be typed.
sed -n '/To reach it:$/,/^Logs/s/^  //p' "$dir/log" >"$dir/typed"
[ "$(wc -l <"$dir/typed")" = 3 ] || die "not three ways to reach it: $(cat "$dir/log")"
while read -r line; do
	echo "$line"
	bash -c "$line" </dev/null >"$dir/said" 2>&1 || die "that fails: $(cat "$dir/said")"
	cat "$dir/said" >>"$dir/all"
done <"$dir/typed"
grep -q 'Served by Outboard' "$dir/all" && grep -q "b'hello'" "$dir/all" && grep -q "$OB_PREFIX" "$dir/all" ||
	die "not what was to come: $(cat "$dir/all")"

echo "--- --down"
run tools/demo.sh --down || die "it does not end"
wait_for 5 nothing_left || die "it left something"
exit 0
