#!/usr/bin/env bash
# The engine forgets: between turns the soft state of random connections is thrown away and rebuilt
# from the hard record. Every stream stays whole, with and without a bad path.
#
#   ob-load -- engine 10.77.0.1 eng0 ---- w0 [outboard-wire] w1 ---- peer0 10.77.0.2 kernel -- kpeer
#
# timeout: 300
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

load_up amnesia --relay debug.amnesia=100000
# wire_up OPTIONS...
wire_up() {
	: >"$dir/wire.log"
	spawn "$dir/wire.log" ip netns exec "$N-wire" "$OB_BIN/outboard-wire" --a w0 --b w1 "$@"
	wire=$SPAWN_PID
	wait_for 5 grep -qs ready "$dir/wire.log" || die "the relay did not start"
}
# transfers NAME ONE HUNDRED: bytes each way of one and of each of 100 connections, both roles.
transfers() {
	load "$1-1s" engine --conns 1 -- --conns 1 --bytes "$2"
	load "$1-1c" kernel --conns 1 -- --conns 1 --bytes "$2"
	load "$1-100s" engine --conns 100 -- --conns 100 --bytes "$3"
	load "$1-100c" kernel --conns 100 -- --conns 100 --bytes "$3"
}

wire_up
look before
transfers good 20000000 1000000
look good
# Some in each turn that takes packets; how many such turns it takes is the machine's choice.
check before good 'tcp_soft_rebuilt > 1000 and tcp_timeout == 0 and tcp_reset_rx == 0'
stop_pid "$wire"
wire_up --seed 11 --loss 0.01 --reorder 0.01 --dup 0.01
transfers bad 5000000 200000
look bad
check good bad 'tcp_soft_rebuilt > 300 and tcp_ooo_segs > 0 and tcp_timeout == 0'
python3 -c '
import json, sys
a, b, c = (json.load(open(f"{sys.argv[1]}/{n}.counters.json")) for n in ("before", "good", "bad"))
print("forgotten:", b["tcp_soft_rebuilt"] - a["tcp_soft_rebuilt"], "times on the good path,",
      c["tcp_soft_rebuilt"] - b["tcp_soft_rebuilt"], "on the bad one")' "$dir"
exit 0
