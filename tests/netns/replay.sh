#!/usr/bin/env bash
# outboard-replay against a live engine: 100 copies at once, every byte checked; wrong bytes found.
#
#   N-eng: engine ---- veth ---- N-peer: outboard-replay as 10.77.0.200
#     its host, through the engine's socket: outboard-replay as well
#
# timeout: 240
set -u
. "${0%/*}/../../tools/lib.sh"
. "$OB_ROOT/tests/netns/lib/replay.sh"
require_root
replay_up replay

# all_right NAME CONNECTIONS HOST_BYTES PEER_BYTES: at least.
all_right() {
	figures "$1" "r['right'] == $2 == r['connections'] and r['failed'] == 0
		and r['checked']['host_bytes'] == $3 and r['checked']['peer_bytes'] >= $4"
	wait_for 5 nothing_left || die "the engine keeps connections: $(ctl "$ENGINE_SOCKET" conns)"
	figure "$1" "f\"$1: {r['connections']} connections, {r['segments']['sent']} segments, {r['checked']},\"
		f\" fallback {r['fallback']['total']}, {r['replay_s']:.2f} s\""
}

echo "--- 100 copies with loss and reordering, both sides, at the captured speed and without pauses"
for speed in 1 max; do
	replay up-$speed "$captures/upload.pcap" --copies 100 --speed $speed || die "$(cat "$dir/up-$speed.json")"
	all_right up-$speed 100 10001100 1100
	figures up-$speed 'r["segments"]["retransmissions"] >= 100 and r["segments"]["duplicates"] >= 100'
	replay down-$speed "$captures/download.pcap" --side server --copies 100 --speed $speed ||
		die "$(cat "$dir/down-$speed.json")"
	all_right down-$speed 100 10000000 1100
	figures down-$speed 'r["segments"]["reordered"] >= 100'
done

echo "--- 100 copies of one that receives badly: the engine has to retransmit"
replay bad "$captures/download.pcap" --copies 100 || die "$(cat "$dir/bad.json")"
all_right bad 100 1100 10000000
figures bad 'r["engine"]["again"] >= 100'

echo "--- both sides, resets and tuples that are used again"
replay chat "$captures/chat.pcap" --side both --copies 50 --speed max || die "$(cat "$dir/chat.json")"
figures chat 'r["right"] == 400 == r["connections"]'

# wrong NAME OPTIONS...: has to fail, and to say where.
wrong() {
	local name=$1 want=$2
	shift 2
	echo "--- $name"
	replay "$name" "$@"
	[ $? = 1 ] || die "a wrong byte is right"
	figures "$name" "r['failed'] == 1 and r['failures'][0]['session'] == 1 and r['failures'][0]['copy'] == 1"
	figure "$name" "r['failures'][0]['why']" | tee "$dir/why"
	grep -q "$want" "$dir/why" || die "not said where: $(cat "$dir/why")"
	wait_for 5 nothing_left || die "the engine keeps connections"
}
wrong flip-peer 'byte 77777 of the client: expected 0x.., found 0x' "$captures/upload.pcap" --copies 3 --flip peer:77777
wrong flip-host 'byte 99999 of the server: expected 0x.., found 0x' "$captures/download.pcap" --copies 3 --flip host:99999
[ "$(figure flip-peer 'r["right"]')" = 2 ] || die "the other copies suffer"

echo "--- an engine that goes"
spawn "$dir/gone.json" ip netns exec "$N-peer" "$OB_BIN/outboard-replay" "$captures/upload.pcap" --speed 0.05 --json
replayer=$SPAWN_PID
attached() { ctl "$ENGINE_SOCKET" conns --json | grep -q ESTABLISHED; }
wait_for 10 attached || die "no connection"
kill -KILL "$ENGINE_PID"
wait_for 5 pid_gone "$replayer" || die "it does not notice"
wait "$replayer"
[ $? = 1 ] || die "all is well without an engine"
grep -q 'the engine is gone' "$dir/gone.json" || die "not said: $(cat "$dir/gone.json")"
exit 0
