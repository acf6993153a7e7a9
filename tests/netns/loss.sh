#!/usr/bin/env bash
# A bad path: 1 % of the packets lost, 1 % reordered, 1 % twice, 0.1 % damaged; each alone and all at
# once, both roles, bulk and many connections. Nothing is lost. The same between two kernels is
# printed for comparison.
#
#   ob-load -- engine 10.77.0.1 eng0 ---- w0 [outboard-wire] w1 ---- peer0 10.77.0.2 kernel -- kpeer
#
# timeout: 400
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

load_up loss --relay
wire_up() {
	: >"$dir/wire.log"
	spawn "$dir/wire.log" ip netns exec "$N-wire" "$OB_BIN/outboard-wire" --a w0 --b w1 \
		--stats "$dir/wire.json" "$@"
	wire=$SPAWN_PID
	wait_for 5 grep -qs ready "$dir/wire.log" || die "the relay did not start"
}
# wire_down FAULT...: each of them happened, both ways.
wire_down() {
	kill -INT "$wire"
	wait_for 5 pid_gone "$wire" || die "the relay does not end"
	python3 - "$dir/wire.json" "$@" <<-'END' || die "the path was not bad"
		import json, sys
		s = json.load(open(sys.argv[1]))
		for fault in sys.argv[2:]:
		    print(f"  {fault}: {s['ab'][fault]} from the engine, {s['ba'][fault]} from the kernel")
		    assert s["ab"][fault] > 0 and s["ba"][fault] > 0, fault
	END
}
# bad NAME FAULTS OPTIONS...
bad() {
	local name=$1 faults=$2
	echo "--- $name"
	shift 2
	wire_up --seed 7 "$@"
	look "before-$name"
	load "$name-bulk-served" engine --conns 2 -- --conns 2 --bytes 4000000
	load "$name-bulk-client" kernel --conns 2 -- --conns 2 --bytes 4000000
	load "$name-many-served" engine --conns 200 -- --conns 200 --bytes 20000
	load "$name-many-client" kernel --conns 200 -- --conns 200 --bytes 20000
	look "after-$name"
	# shellcheck disable=SC2086
	wire_down $faults
	check "before-$name" "after-$name" 'tcp_timeout == 0 and tcp_reset_rx == 0'
}

bad loss lost_pkts --loss 0.01
check before-loss after-loss 'tcp_rtx_segs > 0 and tcp_ooo_segs > 0 and tcp_rtx_fast > 0'
bad reorder reordered_pkts --reorder 0.01
check before-reorder after-reorder 'tcp_ooo_segs > 0'
bad dup dup_pkts --dup 0.01
check before-dup after-dup 'tcp_dup_segs > 0'
bad all "lost_pkts reordered_pkts dup_pkts corrupted_pkts" --loss 0.01 --reorder 0.01 --dup 0.01 \
	--corrupt 0.001
check before-all after-all 'drop_tcp_csum + drop_ip_csum > 0'
engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly"

echo "--- two kernels, all at once"
ip -n "$N-eng" addr add 10.77.0.1/24 dev eng0
ip -n "$N-eng" link set eng0 arp on
wire_up --seed 7 --loss 0.01 --reorder 0.01 --dup 0.01 --corrupt 0.001
spawn "$dir/kernel.server" ip netns exec "$N-eng" "$kpeer" --listen "$OB_ADDR:7000" --conns 2
wait_for 10 grep -qs '^ready' "$dir/kernel.server" || die "no kernel server"
run ip netns exec "$N-peer" "$kpeer" --connect "$OB_ADDR:7000" --conns 2 --bytes 4000000 \
	>"$dir/kernel-bulk" || die "two kernels: $(cat "$dir/kernel-bulk")"
told kernel-bulk "a kernel, from a kernel,"
exit 0
