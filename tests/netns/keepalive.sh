#!/usr/bin/env bash
# Keepalive both ways, and peers that fall silent:
#
#   ob-load -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel
#
# The kernel answers the engine's probes, the engine the kernel's. Then the link is cut: what is idle is
# reported as timed out after keepalive's time, what waits for an acknowledgement after the user
# time-out, neither before.
# timeout: 90
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"
idle=1 interval=1 count=3 user_ms=6000

load_up keepalive tcp.keepalive=1 tcp.keepalive_idle_s=$idle tcp.keepalive_interval_s=$interval \
	tcp.keepalive_count=$count
counter() {
	ctl "$ENGINE_SOCKET" counters --json |
		python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}
at_least() { [ "$(counter "$1")" -ge "$2" ]; }
conns_are() { ctl "$ENGINE_SOCKET" stat --json | grep -q "\"conns\": $1,"; }
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# A connection that says nothing, held by the kernel.
cat >"$dir/idle.py" <<'PY'
import socket
import sys
import time

s = socket.create_connection(("10.77.0.1", int(sys.argv[1])))
if len(sys.argv) > 2:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
print("ready", flush=True)
time.sleep(600)
PY
serve engine "$dir/server"
spawn "$dir/idle" ip netns exec "$N-peer" python3 "$dir/idle.py" $load_port
ours=$SPAWN_PID
wait_for 10 conns_are 1 || die "no connection"
wait_for 20 at_least tcp_keepalive_tx 3 || die "no probes: $(counter tcp_keepalive_tx)"
[ "$(counter tcp_keepalive_timeout)" = 0 ] && conns_are 1 || die "an answered connection ended"

# The kernel's keepalive lives on our answers: its timer is there, and the connection, after more than
# its three seconds.
spawn "$dir/theirs" ip netns exec "$N-peer" python3 "$dir/idle.py" $load_port keep
theirs=$SPAWN_PID
wait_for 10 conns_are 2 || die "no second connection"
sent=$(counter tcp_keepalive_tx)
wait_for 20 at_least tcp_keepalive_tx $((sent + 6)) || die "the probes stopped"
ip netns exec "$N-peer" ss -tnoH state established | grep -q 'timer:(keepalive' ||
	die "the kernel has no keepalive timer"
conns_are 2 || die "one of them ended"

# Nobody answers any more.
cut=$(now_ms)
ip -n "$N-peer" link set peer0 down
wait_for 20 at_least tcp_keepalive_timeout 2 || die "silent connections stay"
took=$(($(now_ms) - cut))
# From the last answer: it may have come an interval before the cut, and the record counts whole seconds.
[ $took -ge $(((idle + count * interval) * 1000 - interval * 1000 - 1000)) ] || die "after $took ms: early"
figure "cut off while idle: ended after $took ms" && [ $took -gt $(((idle + count * interval) * 1000 + 2500)) ] &&
	die "that is late"
wait_for 5 conns_are 0 || die "a connection is left"
kill "$ours" "$theirs"
kill "$SERVER_PID" # its connections ended badly, as they should
engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly: $(tail -n 5 "$ENGINE_LOG")"
echo "keepalive: probes answered both ways; a cut link ended both after $took ms"

# Data that waits, and a user time-out.
load_up usertimeout tcp.user_timeout_ms=$user_ms
serve kernel "$dir/sink"
spawn "$dir/writer" "${pin[@]}" "$ob_load" --socket "$ENGINE_SOCKET" --connect "$OB_PEER_ADDR:$load_port" \
	--conns 1 --bytes 100000000000
wait_for 20 at_least tcp_tx_bytes 1000000 || die "nothing is sent: $(cat "$dir/writer")"
cut=$(now_ms)
ip -n "$N-peer" link set peer0 down
wait_for 30 at_least tcp_user_timeout 1 || die "it is not given up"
took=$(($(now_ms) - cut))
[ $took -ge $((user_ms - 500)) ] || die "after $took ms: early"
figure "cut off while sending: ended after $took ms" && [ $took -gt $((user_ms + 1500)) ] && die "that is late"
wait_for 10 pid_gone "$SPAWN_PID"
grep -qi 'timed out' "$dir/writer" || die "the application was not told: $(cat "$dir/writer")"
kill "$SERVER_PID"
engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly: $(tail -n 5 "$ENGINE_LOG")"
echo "user time-out: $took ms"
exit 0
