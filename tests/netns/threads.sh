#!/usr/bin/env bash
# One application, four channels: each thread listens on the same port, connections are spread over
# them, and every stream is whole.
#
#   ob-load (4 threads) -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel -- kpeer
#
# timeout: 120
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

load_up threads
# spread: how many channels have connections while they are held open.
spread() {
	python3 -c '
import collections, json, sys
by = collections.Counter(row["chan"] for row in json.load(open(sys.argv[1]))["rows"])
print("connections by channel:", dict(by))
sys.exit(not (len(by) == 4 and sum(by.values()) == 200 and min(by.values()) >= 20))' "$dir/conns"
}
# The same look serves both: on a busy machine some end right after it.
all_there() {
	ctl "$ENGINE_SOCKET" conns --json >"$dir/conns"
	[ "$(grep -o '"lport"' "$dir/conns" | wc -l)" = 200 ]
}
# All 200 stay for a moment when they are done, so that they can be counted.
(
	wait_for 30 all_there && spread >"$dir/spread" && touch "$dir/good"
) &
watcher=$!
load serves engine --threads 4 --conns 200 -- --conns 200 --bytes 100000 --hold 3
wait "$watcher"
cat "$dir/spread" 2>/dev/null
[ -e "$dir/good" ] || die "not spread over four channels"
load connects kernel --conns 200 -- --threads 4 --conns 200 --bytes 100000
exit 0
