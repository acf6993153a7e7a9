#!/usr/bin/env bash
# Half-close in both directions: one side ends its direction first, the other goes on sending; the
# engine as server and as client.
#
#   ob-load -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel -- kpeer
#
# timeout: 120
# sanitized
set -u
. "$(dirname "$0")/../../tools/lib.sh"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

load_up half
look before
for first in local peer; do
	load "serves-$first" engine --conns 50 --half-close=$first -- --conns 50 --bytes 200000 \
		--half-close=$([ $first = local ] && echo peer || echo local)
	load "connects-$first" kernel --conns 50 --half-close=$first -- --conns 50 --bytes 200000 \
		--half-close=$([ $first = local ] && echo peer || echo local)
done
look after
# All ended in order, half of them by way of TIME-WAIT here, half there.
check before after '(tcp_established == 200 and tcp_closed == 200 and tcp_reset_rx == 0
	and tcp_reset_tx == 0 and tcp_timeout == 0 and 80 <= tcp_tw_entered <= 120)'
exit 0
