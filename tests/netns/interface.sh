#!/usr/bin/env bash
# What happens to the interface under an engine: a second engine on it is refused, whatever its name;
# taken down and up again, connections go on; without a carrier and removed, the log and a counter say so.
#
#   obt-host serve :7      N-eng         N-peer
#   outboard-engine        eng0 -------- peer0
#
# timeout: 120
# sanitized
set -u
. "${0%/*}/lib2/common.sh"
net_up iface
engine_up
said() { grep -q "$1" "$ENGINE_LOG"; }

echo "--- a second engine on the same interface"
config_copy "$dir/engine.cfg" "$dir/second.cfg" "$N-2" || die "no configuration"
# shellcheck disable=SC2046
if timeout 20 ip netns exec "$N-eng" "$OB_BIN/outboard-engine" --config "$dir/second.cfg" -- $(eal_memory) \
	>"$dir/second" 2>&1; then
	die "two engines have eng0"
fi
cat "$dir/second"
grep -q "port: port.vdev: the engine with pid $ENGINE_PID has the interface eng0" "$dir/second" ||
	die "the second engine does not say who has the interface"
[ ! -e "/run/outboard/$N-2.sock" ] || die "the second engine has left a socket"
# One of the same name elsewhere is another interface.
host "$dir/serve" serve '*:7'
peer echo $OB_ADDR 7 100000 || die "no echo"

echo "--- down and up again"
in_back "$dir/hold" hold $OB_ADDR 7
before=$(counter port_down)
ip -n "$N-eng" link set eng0 down
wait_for 5 said "port eng0 is down" || die "the log does not say that eng0 is down"
wait_for 5 grew port_down "$before" 1 || die "not counted"
[ "$(rows conns)" -ge 1 ] || die "the connections are gone"
ip -n "$N-eng" link set eng0 up
wait_for 5 said "port eng0 is up" || die "the log does not say that eng0 is up"
peer echo $OB_ADDR 7 100000 || die "no echo after it came up"

echo "--- no carrier"
ip -n "$N-peer" link set peer0 down
wait_for 5 said "port eng0 has no carrier" || die "the log does not say that there is no carrier"
ip -n "$N-peer" link set peer0 up
wait_for 5 eval '[ "$(grep -c "port eng0 is up" "$ENGINE_LOG")" = 2 ]' || die "no word of the carrier"
# Its routes are the kernel's own.
peer echo $OB_ADDR 7 100000 || die "no echo with the carrier back"

echo "--- removed"
ip -n "$N-eng" link del eng0
wait_for 5 said "port eng0 is gone" || die "the log does not say that eng0 is gone"
ctl "$ENGINE_SOCKET" stat --json >/dev/null || die "the engine does not answer any more"
before=$(counter turns)
wait_for 5 grew turns "$before" || die "the engine does not turn any more"
engine_stop "$ENGINE_PID" || die "the engine's exit status"
exit 0
