#!/usr/bin/env bash
# Bad packets on a live engine: each drops under its own counter, and connections do not mind.
#
#   ob-echod -- engine 10.77.0.1 eng0 ---- peer0: bad_packets.py speaks as 10.77.0.3
#
# timeout: 120
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
N=$(ob_name bad)
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"

netns_up "$N" || die "no namespaces"
# Nothing but the table is on the wire.
in_peer "$N" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/peer0/disable_ipv6'
{ cat "$OB_ROOT/configs/veth.cfg" && printf '[neighbours]\n10.77.0.3 = 02:0b:0a:4d:00:03\n'; } \
	>"$dir/base.cfg"
config_copy "$dir/base.cfg" "$dir/engine.cfg" "$N"
engine_start "$N" "$dir/engine.cfg"
spawn "$dir/echod" "$OB_BIN/ob-echod" --socket "$ENGINE_SOCKET" --addr $OB_ADDR --port 7
wait_for 10 grep -qs '^ready' "$dir/echod" || die "no echo server: $(cat "$dir/echod")"
run ip netns exec "$N-peer" python3 "$OB_ROOT/tests/netns/lib/bad_packets.py" "$OB_BIN/outboardctl" \
	"$ENGINE_SOCKET" || die "not as the table says"
exit 0
