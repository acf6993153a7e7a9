#!/usr/bin/env bash
# A capture that others made: http.pcap of Debian's python3-dpkt, one whole session over 30 s, the middle
# of another with a retransmission, and DNS. And --raw: the receive path alone, with no wire at all.
#
#   N-eng: engine ---- veth ---- N-peer: outboard-replay as 10.77.0.200
#
# timeout: 120
# quick
set -u
. "${0%/*}/../../tools/lib.sh"
. "$OB_ROOT/tests/netns/lib/replay.sh"
require_root
[ -f "$http_pcap" ] || skip "no $http_pcap: python3-dpkt with its documentation (tools/setup.sh)"
replay_up replayhttp

for speed in 20 max; do
	replay http "$http_pcap" --side both --copies 10 --speed $speed || die "$(cat "$dir/http.json" "$dir/http.log")"
	figures http 'r["right"] == 40 == r["connections"] and r["failed"] == 0 and r["fallback"]["total"] == 0
		and r["checked"]["host_bytes"] == r["checked"]["peer_bytes"] == 10 * (479 + 18364 + 721 + 1590)
		and r["segments"]["sent"] == 10 * 41 and r["segments"]["retransmissions"] == 10
		and {n["kind"] for n in r["notes"]} == {"no_syn", "no_end"}'
	wait_for 5 nothing_left || die "the engine keeps connections: $(ctl "$ENGINE_SOCKET" conns)"
	figure http '"speed %s: %.2f s" % (r["speed"], r["replay_s"])'
done
# 30.4 s in the file
replay timed "$http_pcap" --speed 20 || die "$(cat "$dir/timed.json")"
figures timed '1.4 < r["replay_s"] < 3'

echo "--- the receive path alone"
run "$OB_BIN/outboard-replay" --raw "$http_pcap" --seconds 1 --json >"$dir/raw.json" || die "--raw fails"
cp "$dir/raw.json" "$dir/raw.log"
figures raw 'r["frames"] == 41 and r["pkts_per_s"] > 50000
	and abs(r["counters"]["tcp_rx_segs"] - r["pkts"]) <= 0.02 * r["pkts"] + 1000
	and r["counters"]["drop_tcp_no_conn"] > 0'
[ -z "$(find /dev/shm /run/outboard -name '*raw[0-9-]*' -newer "$dir/engine.cfg")" ] || die "--raw leaves files behind"
run "$OB_BIN/outboard-replay" --raw /nonexistent 2>"$dir/raw.err"
[ $? = 2 ] && grep -q 'No such file' "$dir/raw.err" || die "a file that is not there: $(cat "$dir/raw.err")"
exit 0
