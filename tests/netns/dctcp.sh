#!/usr/bin/env bash
# DCTCP between two engines, over a path whose queue marks from K packets on: it keeps the link busy
# with a queue of about K, and loses nothing. NewReno with ECN halves its window for the same marks and
# drains the queue; CUBIC without ECN fills it until it overflows.
#
#   ob-load -- engine 10.77.0.1 eng0 ---- w0 [outboard-wire] w1 ---- peer0 10.77.0.2 engine -- ob-load
#                                        rate, delay, a queue, K
#
# Every figure is the relay's. A packet takes 1.2 ms at this rate: a program that waits 4 ms for a CPU
# then sends a burst of 3 packets, not one that reaches K by itself. OB_RATE (Mb/s), OB_DELAY (us one
# way), OB_K, OB_QUEUE (packets) and OB_BYTES (a run) set another path, for machines that keep up with it.
# timeout: 120
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
ob_load=$OB_BIN/../host_lib/examples/ob-load
[ -x "$ob_load" ] || die "build first: $ob_load is needed"
rate=${OB_RATE:-10} delay=${OB_DELAY:-12000} K=${OB_K:-20} queue=${OB_QUEUE:-120} bytes=${OB_BYTES:-3500000}

N=$(ob_name dctcp)
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
netns_up "$N" --relay || die "no namespaces"
# Here, too, an engine stands in for the kernel: that one stays silent.
in_peer "$N" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/peer0/disable_ipv6'
ip -n "$N-peer" addr flush dev peer0 && ip -n "$N-peer" link set peer0 arp off || die "peer0 keeps its address"

# engines_up [SECTION.KEY=VALUE]...: one at each end. Sets pids and sockets.
engines_up() {
	local side
	{ cat "$OB_ROOT/configs/veth.cfg" && echo '[tcp]'; } >"$dir/base.cfg"
	sed -e 's/iface=eng0/iface=peer0/' -e 's/02:0b:0a:4d:00:01/02:0b:0a:4d:00:02/' \
		-e "s/^address = .*/address = $OB_PEER_ADDR\/24/" -e 's/^core = 1/core = 0/' \
		"$dir/base.cfg" >"$dir/base.peer.cfg"
	cp "$dir/base.cfg" "$dir/base.eng.cfg"
	pids=() sockets=()
	for side in eng peer; do
		# The window has room for the path and its queue.
		config_copy "$dir/base.$side.cfg" "$dir/$side.cfg" "$N-$side" engine.idle=adaptive \
			tcp.rcv_wnd=1048576 "$@" || die "no configuration"
		ENGINE_NS=$N-$side engine_start "$N" "$dir/$side.cfg"
		pids+=("$ENGINE_PID") sockets+=("$ENGINE_SOCKET")
	done
}
engines_down() {
	local pid
	for pid in "${pids[@]}"; do
		engine_stop "$pid" || die "an engine did not stop cleanly"
	done
}

port=6000
# transfer NAME CONNS [SECTION.KEY=VALUE]...: bytes from the first engine to the second, in CONNS
# connections. The relay's figures go to $dir/NAME.json, the sender's counters to $dir/NAME.counters.
transfer() {
	local name=$1 conns=$2 server wire
	port=$((port + 1))
	engines_up "${@:3}"
	spawn "$dir/server" "$ob_load" --socket "${sockets[1]}" --listen "$OB_PEER_ADDR:$port" --conns "$conns" \
		--bytes-up $((bytes / conns)) --bytes-down 0
	server=$SPAWN_PID
	wait_for 20 grep -qs '^ready' "$dir/server" || die "the server does not listen: $(cat "$dir/server")"
	# Only now: its figures are of the transfer alone.
	spawn "$dir/wire" ip netns exec "$N-wire" "$OB_BIN/outboard-wire" --a w0 --b w1 --seed 1 \
		--stats "$dir/$name.json" --rate-mbps "$rate" --delay-us "$delay" --queue "$queue" --ce-queue "$K"
	wire=$SPAWN_PID
	wait_for 5 grep -qs ready "$dir/wire" || die "the relay did not start: $(cat "$dir/wire")"
	run "$ob_load" --socket "${sockets[0]}" --connect "$OB_PEER_ADDR:$port" --conns "$conns" \
		--bytes-up $((bytes / conns)) --bytes-down 0 >"$dir/client" 2>&1 || die "$name: $(cat "$dir/client")"
	wait_for 20 pid_gone "$server" && wait "$server" || die "the server: $(cat "$dir/server")"
	kill -INT "$wire"
	wait_for 5 pid_gone "$wire" && wait "$wire" || die "the relay: $(cat "$dir/wire")"
	ctl "${sockets[0]}" counters --json >"$dir/$name.counters" || die "no counters"
	engines_down
	check "$name" True
}
# check NAME... EXPRESSION: of the first one; the others are run["NAME"]. Prints its figures for "True".
check() {
	python3 - "$dir" "$rate" "$delay" "$K" "$queue" "$@" <<-'END' || die "$1: not so: ${*: -1}"
		import json, sys
		directory, rate, delay, K, queue, *names, expression = sys.argv[1:]
		K, queue = int(K), int(queue)
		# What is under way when the queue is empty, in packets; plus K where marks begin. Slow start
		# goes on for another round trip, and so for twice that, before it hears of them.
		under_way = int(rate) * 2 * int(delay) / 8 / 1514
		overshoot = 2 * (under_way + K)

		class Run:
		    def __init__(self, name):
		        s = json.load(open(f"{directory}/{name}.json"))["ab"]
		        self.used = s["rate_busy_ns"] / s["rate_span_ns"]
		        self.mean = s["queue_wait_ns"] / s["rate_span_ns"]
		        self.max, self.drops = s["queue_max_pkts"], s["queue_drop_pkts"]
		        self.marks, self.pkts = s["ce_pkts"], s["rx_pkts"]
		        counters = json.load(open(f"{directory}/{name}.counters"))
		        self.reduced = counters["tcp_ecn_reduced"]

		run = {name: Run(name) for name in names}
		this = run[names[0]]
		if expression == "True":
		    print(f"{names[0]}: link busy {100 * this.used:.1f} %, queue mean {this.mean:.1f} max {this.max},"
		          f" {this.drops} dropped, {this.marks} of {this.pkts} marked,"
		          f" window reduced {this.reduced} times for marks", flush=True)
		sys.exit(not eval(expression, {**globals(), **vars(this)}))
	END
}

echo "$rate Mb/s, $delay us each way, marks from $K on, room for $queue"
# It takes longer than a run for its first estimate to fade: begun with 0, it has to be measured.
transfer dctcp 1 tcp.congestion_control=dctcp tcp.ecn=on tcp.dctcp_alpha=0
transfer dctcp4 4 tcp.congestion_control=dctcp tcp.ecn=on
transfer newreno-ecn 1 tcp.congestion_control=newreno tcp.ecn=on
transfer cubic 1 tcp.congestion_control=cubic tcp.ecn=off
check dctcp 'used >= 0.9'
# Four windows begin with being halved, and grow by a packet a round trip.
check dctcp4 'used >= 0.85'
for name in dctcp dctcp4; do
	check $name 'drops == 0 and marks > 0 and reduced > 0'
	check $name 'K / 2 <= mean <= 1.5 * K and max <= overshoot < queue'
done
check dctcp newreno-ecn 'mean >= 1.2 * run["newreno-ecn"].mean'
check newreno-ecn 'drops == 0 and marks > 0 and mean <= K and max <= overshoot'
check cubic 'used >= 0.9 and drops > 0 and marks == 0 and mean >= 2 * K and max == queue'
exit 0
