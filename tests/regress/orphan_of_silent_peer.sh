#!/usr/bin/env bash
# A dead application's memory came back never while a peer kept its window closed and answered
# probes: an orphan that does not move has to end.
#
#   obt-host farewell :9 -- engine -- eng0 ---- peer0: reads nothing
#
# timeout: 90
set -u
. "${0%/*}/../netns/lib2/common.sh"
net_up orphan
engine_up tcp.max_rto_us=1000000 tcp.orphan_retries=3 tcp.fin_wait2_ms=1000
cat >"$dir/silent.py" <<'PY'
import signal
import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
s.connect(("10.77.0.1", 9))
print("ready", flush=True)
signal.pause()
PY
host "$dir/farewell" -n 1 farewell '*:9' 900000
writer=$SPAWN_PID
ready "$dir/silent" ip netns exec "$N-peer" python3 "$dir/silent.py"
wait_for 10 pid_gone "$writer" || die "the writer does not end: $(cat "$dir/farewell")"
wait_for 30 rows_are hosts 0 || die "the dead host is still listed, $(counter tcp_probe_tx) probes"
[ "$(counter tcp_probe_tx)" -ge 2 ] || die "given up without probing"
rows_are conns 0 || die "its connection is still there"
exit 0
