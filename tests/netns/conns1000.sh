#!/usr/bin/env bash
# 1,000 connections at once, each moving 1 MB both ways, every byte checked:
#
#   ob-load -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel -- kpeer
#
# The engine serves, with fewer buffers than the windows promise; then it is the client.
# timeout: 300
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

load_up conns1000
look before
load serves engine --conns 1000 --concurrent 200 -- --conns 1000 --bytes 1000000
look between
check before between 'tcp_passive_open == 1000 and tcp_rx_bytes >= 1e9 and tcp_tx_bytes >= 1e9'
load connects kernel --conns 1000 -- --conns 1000 --bytes 1000000
look after
check between after 'tcp_active_open == 1000 and tcp_rx_bytes >= 1e9 and tcp_tx_bytes >= 1e9'
check before after 'tcp_established == 2000 and tcp_timeout == 0 and not resets'
engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly: $(tail -n 5 "$ENGINE_LOG")"
