#!/usr/bin/env bash
# outboard-wire between two kernels:
#
#   N-eng               N-wire                      N-peer
#   eng0 10.77.0.1 ---- w0 [ outboard-wire ] w1 ---- peer0 10.77.0.2
#
# timeout: 180
# quick
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
N=$(ob_name wire)
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
transfer=$OB_ROOT/tests/netns/lib/transfer.py

netns_up "$N" --relay || die "no namespaces"
# Here a kernel stands in for the engine, and nothing is on the wire but what the test sends.
ip -n "$N-eng" addr add 10.77.0.1/24 dev eng0
ip -n "$N-eng" neigh add 10.77.0.2 lladdr 02:0b:0a:4d:00:02 nud permanent dev eng0
ip -n "$N-peer" neigh add 10.77.0.1 lladdr 02:0b:0a:4d:00:01 nud permanent dev peer0
in_peer "$N" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/peer0/disable_ipv6'
for side in eng peer; do
	ip netns exec "$N-$side" sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_ecn'
done

# wire_up OPTIONS...: returns when it relays.
wire_up() {
	spawn "$dir/wire.log" ip netns exec "$N-wire" "$OB_BIN/outboard-wire" --a w0 --b w1 \
		--stats "$dir/stats.json" "$@"
	wire=$SPAWN_PID
	wait_for 5 grep -qs ready "$dir/wire.log" || die "the relay did not start: $(cat "$dir/wire.log")"
}
# wire_down: SIGINT, as a user would.
wire_down() {
	kill -INT "$wire"
	wait_for 5 pid_gone "$wire" || die "the relay ignores SIGINT"
	wait "$wire" || die "the relay failed: $(cat "$dir/wire.log")"
	grep -q '^lost_pkts' "$dir/wire.log" || die "the relay printed no table"
}
# check EXPRESSION: on the figures ab and ba.
check() {
	python3 - "$dir/stats.json" "$1" <<-'END' || die "not so: $1"
		import json, sys
		stats = json.load(open(sys.argv[1]))
		ab, ba = stats["ab"], stats["ba"]
		if not eval(sys.argv[2]):
		    sys.exit(f"ab {ab}\nba {ba}")
	END
}
books='all(d["rx_pkts"] + d["dup_pkts"] == d["tx_pkts"] + d["lost_pkts"] + d["queue_drop_pkts"]
	+ d["tx_error_pkts"] + d["tx_pending_pkts"] + d["queued_pkts"] for d in (ab, ba))'

# both_ways BYTES: both kernels send, both check.
port=5000
both_ways() {
	local server status=0
	port=$((port + 1))
	spawn "$dir/serve.log" ip netns exec "$N-eng" python3 "$transfer" serve 10.77.0.1 $port --bytes "$1"
	server=$SPAWN_PID
	wait_for 10 grep -qs ready "$dir/serve.log" || die "no server"
	run ip netns exec "$N-peer" python3 "$transfer" connect 10.77.0.1 $port --bytes "$1" || status=1
	wait "$server" || status=1
	cat "$dir/serve.log"
	[ $status = 0 ] || die "the transfer failed"
}
# datagrams COUNT FILE [SEND OPTIONS]: serial numbers of those that came, sorted.
datagrams() {
	spawn "$dir/recv.log" ip netns exec "$N-eng" python3 "$transfer" udp-recv 10.77.0.1 4000
	local receiver=$SPAWN_PID
	wait_for 10 grep -qs ready "$dir/recv.log" || die "no receiver"
	run ip netns exec "$N-peer" python3 "$transfer" udp-send 10.77.0.1 4000 --count "$1" "${@:3}" ||
		die "cannot send"
	wait "$receiver" || die "the receiver failed"
	grep -v ready "$dir/recv.log" | sort -n >"$2"
}

echo "--- a good path"
wire_up
both_ways 20000000
wire_down
check "$books"
check 'all(d[k] == 0 for d in (ab, ba) for k in ("lost_pkts", "dup_pkts", "reordered_pkts",
	"corrupted_pkts", "ce_pkts", "queue_drop_pkts", "tx_error_pkts", "rx_missed_pkts"))'

echo "--- a bad path"
wire_up --seed 5 --loss 0.01 --dup 0.01 --reorder 0.01 --corrupt 0.005 --jitter-us 200
both_ways 10000000
wire_down
check "$books"
# Some 7,000 data segments a direction, and half as many acknowledgements.
check 'all(0.003 * d["rx_pkts"] < d[k] < 0.03 * d["rx_pkts"] for d in (ab, ba)
	for k in ("lost_pkts", "dup_pkts", "reordered_pkts"))'
check 'ab["corrupted_pkts"] > 5 and ba["corrupted_pkts"] > 5'
in_eng "$N" nstat -asz TcpInCsumErrors IpInHdrErrors | grep -v '^#'

echo "--- one direction only"
wire_up --loss-ab 0.2 --dup-ba 0.2
run ip netns exec "$N-peer" ping -q -i 0.002 -c 300 10.77.0.1 >"$dir/ping.log"
wire_down
check 'ab["lost_pkts"] > 20 and ba["lost_pkts"] == 0 and ab["dup_pkts"] == 0 and ba["dup_pkts"] > 20'

echo "--- delay"
wire_up --delay-us 20000
run ip netns exec "$N-peer" ping -q -i 0.2 -c 5 10.77.0.1 | tee "$dir/ping.log"
wire_down
# rtt min/avg/max/mdev = 40.1/40.3/...
sed -n 's/^rtt .* = //p' "$dir/ping.log" | awk -F/ '{ exit !($1 >= 40 && $2 < 60) }' ||
	die "not a round trip of 40 ms"

echo "--- a rate of 50 Mb/s"
wire_up --rate-mbps-ba 50 --queue-ba 100
started=${EPOCHREALTIME/[.,]/}
both_ways 5000000
took=$((${EPOCHREALTIME/[.,]/} - started))
wire_down
check "$books"
[ $took -gt 800000 ] || die "5 MB took $took us, 800,000 at least at 50 Mb/s"
check 'ba["queue_max_pkts"] <= 100 and ab["queue_max_pkts"] == 0'

echo "--- CE marks arrive, and the sums are right"
ce_before=$(in_eng "$N" nstat -asz IpExtInCEPkts | awk '/InCEPkts/ { print $2 }')
wire_up --ce-ba 0.1
both_ways 2000000
wire_down
ce_after=$(in_eng "$N" nstat -asz IpExtInCEPkts | awk '/InCEPkts/ { print $2 }')
check "ba['ce_pkts'] > 0 and ba['ce_pkts'] == $ce_after - $ce_before"

echo "--- the same seed loses the same datagrams"
for attempt in 1 2 3; do
	wire_up --loss 0.02 --seed $((attempt / 2 + 40))
	datagrams 5000 "$dir/came.$attempt" --per-second 20000
	wire_down
	check 'ba["rx_missed_pkts"] == 0 and 50 < ba["lost_pkts"] < 150'
done
# Seeds 40, 41 and 41.
cmp "$dir/came.2" "$dir/came.3" || die "one seed, two outcomes"
! cmp -s "$dir/came.1" "$dir/came.2" || die "two seeds, one outcome"

echo "--- as fast as one sender can"
wire_up
datagrams 200000 "$dir/came.fast"
wire_down
check "$books"
check 'ba["rx_pkts"] + ba["rx_missed_pkts"] >= 200000'
figure "relayed: $(grep tx_pkts "$dir/wire.log")" && check 'ba["rx_pkts"] >= 190000'

echo "--- bad options"
"$OB_BIN/outboard-wire" --a lo --b lo --loss 2 2>/dev/null && die "a probability of 2 was taken"
"$OB_BIN/outboard-wire" --a lo --b no-such-if 2>"$dir/error" && die "no-such-if was taken"
grep -q 'no-such-if: No such device' "$dir/error" || die "no reason given: $(cat "$dir/error")"
exit 0
