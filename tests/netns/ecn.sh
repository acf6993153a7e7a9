#!/usr/bin/env bash
# ECN with a kernel, each as opener, both ways marked on the way: negotiated, ECE answered, the counts of
# both sides agree with the relay's.
#
#   ob-load -- engine 10.77.0.1 eng0 ---- w0 [outboard-wire] w1 ---- peer0 10.77.0.2 kernel -- kpeer
#
# timeout: 180
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

load_up ecn --relay tcp.ecn=on
in_peer "$N" sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_ecn' || die "no tcp_ecn"
kernel_ce() { in_peer "$N" nstat -asz IpExtInCEPkts | awk '/InCEPkts/ { print $2 }'; }
: >"$dir/wire.log"
spawn "$dir/wire.log" ip netns exec "$N-wire" "$OB_BIN/outboard-wire" --a w0 --b w1 --seed 3 \
	--stats "$dir/wire.json" --ce 0.01
wire=$SPAWN_PID
wait_for 5 grep -qs ready "$dir/wire.log" || die "the relay did not start"
ce_before=$(kernel_ce)
look before
load served engine --conns 2 -- --conns 2 --bytes 3000000
load client kernel --conns 2 -- --conns 2 --bytes 3000000
look after
ce=$(($(kernel_ce) - ce_before))
kill -INT "$wire"
wait_for 5 pid_gone "$wire" || die "the relay does not end"
check before after 'tcp_ecn_negotiated == 4 and tcp_ecn_fallback == 0 and tcp_ecn_stray == 0'
check before after 'tcp_ecn_ce_rx > 0 and tcp_ecn_reduced > 0 and tcp_ecn_cwr_rx > 0 and tcp_ecn_cwr_tx > 0'
python3 - "$dir/wire.json" "$ce" <<'END' || die "the kernel counts other marks than the relay"
import json, sys
s = json.load(open(sys.argv[1]))
print("marked:", s["ab"]["ce_pkts"], "from the engine,", s["ba"]["ce_pkts"], "from the kernel")
assert s["ab"]["ce_pkts"] == int(sys.argv[2]) > 0 and s["ba"]["ce_pkts"] > 0
END
engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly"
exit 0
