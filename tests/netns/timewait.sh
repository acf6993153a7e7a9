#!/usr/bin/env bash
# TIME-WAIT: the engine closes first; the kernel connects again from the same port at once and gets a
# new connection (RFC 6191), with timestamps and without; entries expire after 2MSL, not before; a full
# table gives up its oldest.
#
#   ob-load -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel: one port again and again
#
# timeout: 120
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"
msl2_ms=3000 again=300 table=64

load_up timewait tcp.msl2_ms=$msl2_ms limits.time_wait=$table
serve engine "$dir/server"
cat >"$dir/again.py" <<'PY'
import errno
import socket
import struct
import sys
import time

port, first, ports, rounds = map(int, sys.argv[1:])
CLOSER = 2  # the server, as in load.h
slowest = 0


def connected(local):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("10.77.0.2", local))
    s.settimeout(10)
    try:
        s.connect(("10.77.0.1", port))
    except OSError as e:
        s.close()
        if e.errno != errno.EADDRNOTAVAIL:
            raise
        return None  # the last connection's last ACK is still on its way
    return s


for i in range(rounds):
    for local in range(first, first + ports):
        begin = time.monotonic()
        while not (s := connected(local)):
            pass
        slowest = max(slowest, time.monotonic() - begin)
        s.sendall(struct.pack("<IIQQBB6x", 0x3144424F, i, 0, 64, CLOSER, 0))
        came = b""
        while part := s.recv(4096):
            came += part
        assert len(came) == 64, f"{len(came)} bytes"
        s.close()
print(f"{ports * rounds} connections from {ports} ports, the slowest SYN was answered after"
      f" {slowest * 1000:.1f} ms")
sys.exit(slowest > 0.5)  # a SYN that was dropped comes again after a second
PY
# from FIRST PORTS ROUNDS
from() { run ip netns exec "$N-peer" python3 "$dir/again.py" $load_port "$@" || die "from $*: failed"; }
waits() { ctl "$ENGINE_SOCKET" stat --json | grep -q "\"time_wait\": $1,"; }
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

for timestamps in 1 0; do
	in_peer "$N" sh -c "echo $timestamps >/proc/sys/net/ipv4/tcp_timestamps"
	look before
	from 20000 1 $again
	closed=$(now_ms)
	wait_for 1 waits 1 || die "not one entry for one port: $(ctl "$ENGINE_SOCKET" stat)"
	look after
	check before after "tcp_tw_entered == $again and tcp_tw_reused == $again - 1 and tcp_tw_evicted == 0
		and drop_syn_time_wait == 0 and tcp_closed == $again and tcp_reset_tx == 0"
	wait_for 10 waits 0 || die "it does not expire"
	took=$(($(now_ms) - closed))
	[ $took -ge $((msl2_ms - 200)) ] || die "expired after $took ms, not $msl2_ms"
	figure "timestamps $timestamps: expired after $took ms" && [ $took -ge $((msl2_ms + 1000)) ] &&
		die "that is late: $msl2_ms ms are asked for"
done

from 21000 200 1
waits $table || die "the table is not full: $(ctl "$ENGINE_SOCKET" stat)"
look full
check after full "tcp_tw_entered == 200 and tcp_tw_evicted == 200 - $table and tcp_reset_tx == 0"
# The first ports were forgotten, the last ones were not.
from 21000 1 1
look first
check full first "tcp_tw_entered == 1 and tcp_tw_reused == 0 and tcp_tw_evicted == 1"
from 21199 1 1
look last
check first last "tcp_tw_entered == 1 and tcp_tw_reused == 1 and tcp_tw_evicted == 0"
wait_for 10 waits 0 || die "they do not expire"
serve_stop "$dir/server"
engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly: $(tail -n 5 "$ENGINE_LOG")"
