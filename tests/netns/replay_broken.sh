#!/usr/bin/env bash
# Captures of every form and fault, each replayed against a live engine: what is wrong is said, with
# its frame and what to do, and the rest is replayed.
#
#   N-eng: engine ---- veth ---- N-peer: outboard-replay as 10.77.0.200
#
# timeout: 180
# quick
# sanitized
set -u
. "${0%/*}/../../tools/lib.sh"
. "$OB_ROOT/tests/netns/lib/replay.sh"
require_root
replay_up replaybroken
run python3 "$lib/broken_captures.py" "$captures/upload.pcap" "$dir" >"$dir/table" || die "no captures"

bad_sums() { ctl "$ENGINE_SOCKET" counters --json | python3 -c 'import json, sys
print(json.load(sys.stdin)["drop_tcp_csum"])'; }
rows=0
while IFS=$'\t' read -r name status right notes options extra; do
	before=$(bad_sums)
	# shellcheck disable=SC2086
	replay "$name" "$dir/$name.pcap" --timeout 5 $options
	got=$?
	[ "$got" = "$status" ] || die "$name: exit status $got, not $status: $(cat "$dir/$name.log" "$dir/$name.json")"
	if [ "$status" != 2 ]; then
		figures "$name" "r['right'] == $right and ($extra) and
			(','.join(sorted(n['kind'] for n in r['notes'])) or '-') == '$notes'
			and r['segments']['damaged'] == $(bad_sums) - $before"
	else
		[ -s "$dir/$name.log" ] || die "$name: nothing is said"
	fi
	# File, place, what, and what to do.
	if [ "$notes" != - ]; then
		grep -Eq "^outboard-replay: $dir/$name.pcap: (frame [0-9]+: )?[^:]+.*: .+" "$dir/$name.log" ||
			die "$name: not said so that it helps: $(cat "$dir/$name.log")"
		[ "$(grep -c . "$dir/$name.log")" -ge "$(tr , '\n' <<<"$notes" | grep -c .)" ] ||
			die "$name: not all is said: $(cat "$dir/$name.log")"
	fi
	printf '%-20s %s %s\n' "$name" "$status" "$(head -n 1 "$dir/$name.log" | sed "s|.*$name.pcap: ||")"
	rows=$((rows + 1))
done <"$dir/table"
[ $rows -ge 50 ] || die "only $rows captures"

echo "--- what has no frame"
for file in /nonexistent "$dir"; do
	replay none "$file"
	[ $? = 2 ] || die "$file was replayed"
	grep -q "^outboard-replay: $file: " "$dir/none.log" || die "not said: $(cat "$dir/none.log")"
done
echo "--- standard input"
# Not with `run`, which takes it away: it runs its command in the background.
piped() { timeout 30 ip netns exec "$N-peer" "$OB_BIN/outboard-replay" - --speed max --json >"$dir/stdin.json" 2>"$dir/stdin.log"; }
cat "$captures/upload.pcap" | piped || die "from standard input: $(cat "$dir/stdin.log" "$dir/stdin.json")"
figures stdin "r['right'] == 1 and r['file'] == 'standard input'"
gzip -c "$captures/upload.pcap" | piped
[ "${PIPESTATUS[1]}" = 2 ] || die "a packed capture was replayed"
grep -q '^outboard-replay: standard input: packed by gzip: unpack it first' "$dir/stdin.log" ||
	die "not said: $(cat "$dir/stdin.log")"
echo "--- addresses and options that cannot be"
refused() {
	local want=$1
	shift
	replay refused "$captures/chat.pcap" "$@"
	[ $? = 2 ] && grep -q "$want" "$dir/refused.log" || die "$*: $(cat "$dir/refused.log")"
}
refused 'the kernel has' --peer 10.77.0.2
refused 'does not answer ARP' --engine 10.77.0.99
refused 'no such interface' --interface nowhere0
refused 'cannot attach' --socket /nonexistent.sock
refused '1 to 60000' --copies 0
refused 'no such option' --fast 1
exit 0
