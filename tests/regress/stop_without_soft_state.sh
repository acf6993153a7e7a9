#!/usr/bin/env bash
# A clean stop reset only the connections that had soft state: with limits.soft = 16 the other 184 of
# 200 heard nothing.
#
#   ob-echod -- engine -- eng0 ---- peer0: 200 idle connections
#
# timeout: 90
set -u
. "${0%/*}/../netns/lib2/common.sh"
net_up stop
engine_up limits.soft=16 limits.conns=1000
ready "$dir/echod" "$OB_BIN/ob-echod" --socket "$ENGINE_SOCKET" --addr $OB_ADDR --port 7
cat >"$dir/idle.py" <<'PY'
import selectors
import socket
import sys

conns = []
for _ in range(200):
    s = socket.create_connection(("10.77.0.1", 7), timeout=5)
    s.sendall(b"x")
    assert s.recv(10) == b"x"
    conns.append(s)
print("ready", flush=True)
watch = selectors.DefaultSelector()
for s in conns:
    watch.register(s, selectors.EVENT_READ)
reset = 0
while reset < len(conns) and (events := watch.select(10)):
    for key, _ in events:
        watch.unregister(key.fileobj)
        try:
            key.fileobj.recv(10)
        except ConnectionResetError:
            reset += 1
print("reset", reset, flush=True)
sys.exit(reset != len(conns))
PY
ready "$dir/idle" ip netns exec "$N-peer" python3 "$dir/idle.py"
client=$SPAWN_PID
engine_stop "$ENGINE_PID" || die "the engine's exit status"
wait "$client" || die "not all were reset: $(cat "$dir/idle")"
exit 0
