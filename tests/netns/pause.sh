#!/usr/bin/env bash
# A side that stops reading for 10 s: its window closes, the other probes, and goes on when it opens.
# Both sides, both directions.
#
#   ob-load -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel -- kpeer
#
# timeout: 240
set -u
. "$(dirname "$0")/../../tools/lib.sh"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

# Windows on both sides far below what is sent.
load_up pause tcp.rcv_wnd=65536
pause=${OB_PAUSE:-10}
look start
load engine-stops engine --conns 4 --pause-read "$pause" -- --conns 4 --bytes 20000000
look one
# The kernel probes a closed window; it is opened by the engine without being asked.
check start one 'tcp_rx_bytes >= 8e7 and tcp_timeout == 0 and tcp_reset_tx == 0'
load kernel-stops engine --conns 4 -- --conns 4 --bytes 20000000 --pause-read "$pause"
look two
check one two 'tcp_probe_tx >= 4 and tcp_timeout == 0 and tcp_reset_tx == 0'
load engine-client-stops kernel --conns 4 -- --conns 4 --bytes 20000000 --pause-read "$pause"
look three
load kernel-server-stops kernel --conns 4 --pause-read "$pause" -- --conns 4 --bytes 20000000
look four
check three four 'tcp_probe_tx >= 4 and tcp_timeout == 0 and tcp_reset_tx == 0'
# Nothing is kept of what waited.
check start four 'b["stat"]["conns"] == 0 and b["stat"]["mbufs_free"] >= a["stat"]["mbufs_free"] - 2100'
exit 0
