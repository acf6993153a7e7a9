#!/usr/bin/env bash
# Half-close in both directions: one side ends its direction first, and only then the other one begins
# to send; the engine as server and as client, each of them first.
#
#   ob-load -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel -- kpeer
#
# timeout: 120
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

load_up half
look before
for first in local peer; do
	# An end without data behind it, and some with it.
	for bytes in 0 1 1000000; do
		load "served-$first-first-$bytes" engine --conns 50 -- --conns 50 --bytes $bytes --half-close=$first
		load "made-$first-first-$bytes" kernel --conns 50 -- --conns 50 --bytes $bytes --half-close=$first
	done
done
at_rest() { ctl "$ENGINE_SOCKET" stat --json | grep -q '"conns": 0,'; }
wait_for 10 at_rest || die "connections are left: $(ctl "$ENGINE_SOCKET" conns)"
look after
# In order, all of them; the side that ended first went through TIME-WAIT.
check before after 'tcp_established == 600 and tcp_closed == 600 and tcp_tw_entered == 300
	and not (tcp_reset_rx or resets or tcp_timeout or drop_tcp_after_close)'
