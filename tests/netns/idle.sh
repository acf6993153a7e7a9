#!/usr/bin/env bash
# An idle engine leaves its core alone: with a host attached and 100 idle connections it takes under
# 5 % of it, and the first reply after a pause comes within 2 ms (median).
#
#   ob-echod -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel: 100 connections
#
# timeout: 120
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
N=$(ob_name idle)
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"

netns_up "$N" || die "no namespaces"
config_copy "$OB_ROOT/configs/veth.cfg" "$dir/engine.cfg" "$N" engine.idle=adaptive
engine_start "$N" "$dir/engine.cfg"
spawn "$dir/echod" "$OB_BIN/ob-echod" --socket "$ENGINE_SOCKET" --addr $OB_ADDR --port 7
wait_for 10 grep -qs '^ready' "$dir/echod" || die "no echo server: $(cat "$dir/echod")"
cat >"$dir/idle.py" <<'PY'
import os
import socket
import statistics
import sys
import time

pid, seconds = int(sys.argv[1]), float(sys.argv[2])


def cpu():
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def exchange(s):
    begin = time.perf_counter()
    s.sendall(b"x" * 64)
    got = 0
    while got < 64:
        part = s.recv(64)
        assert part
        got += len(part)
    return (time.perf_counter() - begin) * 1000


conns = [socket.create_connection(("10.77.0.1", 7), timeout=10) for _ in range(100)]
for s in conns:
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    exchange(s)
time.sleep(0.5)  # the last acknowledgements; what is measured begins behind them
before, begin = cpu(), time.monotonic()
time.sleep(seconds)
share = (cpu() - before) / (time.monotonic() - begin) * 100
replies = []
for i in range(50):
    time.sleep(0.2)  # the pause that the reply comes after
    replies.append(exchange(conns[i]))
replies.sort()
print(f"idle: {share:.2f} % of a core over {seconds:.0f} s; first reply after a pause:"
      f" median {statistics.median(replies):.2f} ms, 90 % {replies[44]:.2f} ms, longest {replies[-1]:.2f} ms")
print("well" if share < 5 and statistics.median(replies) < 2 else "badly")
PY
seconds=${OB_IDLE_S:-10}
! sanitized || seconds=2
run ip netns exec "$N-peer" python3 "$dir/idle.py" "$ENGINE_PID" "$seconds" >"$dir/figures" ||
	die "an exchange failed: $(cat "$dir/figures")"
figure "$(head -n 1 "$dir/figures")" && ! grep -qx well "$dir/figures" && die "not idle enough"
exit 0
