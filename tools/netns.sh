#!/usr/bin/env bash
# The wire between an engine and a Linux kernel, on one machine:
#
#   NAME-eng             NAME-peer
#   eng0 ---- veth ---- peer0 10.77.0.2/24 fd77::2/64
#
# The engine owns eng0, so the kernel has no address there and stays silent. With --relay a third
# namespace holds what outboard-wire connects:
#
#   NAME-eng             NAME-wire             NAME-peer
#   eng0 ---- veth ---- w0    w1 ---- veth ---- peer0
#
# With --wire tap the engine makes the interface eng0 itself; after it has, "join" moves the
# kernel's side of it to NAME-peer as peer0.
set -u
. "${BASH_SOURCE[0]%/*}/lib.sh"
OB_WHO=netns

eng_mac=02:0b:0a:4d:00:01
peer_mac=02:0b:0a:4d:00:02
mtu=${OB_MTU:-1500}

usage() {
	cat >&2 <<-END
	usage: tools/netns.sh up NAME [--wire af_packet|af_xdp|tap] [--relay]
	       tools/netns.sh join NAME
	       tools/netns.sh down NAME
	END
	exit 2
}

ns_exists() { [ -e "/run/netns/$1" ]; }

# make_ns NAMESPACE: with lo up.
make_ns() {
	ip netns add "$1" && ip -n "$1" link set lo up
}

# Without these, a kernel hands over frames larger than the MTU, or with sums left to hardware.
plain_frames() {
	ip netns exec "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null 2>&1
	ip netns exec "$1" ethtool -K "$2" tx off >/dev/null
}

# One CPU for all received packets: veth reorders otherwise.
one_cpu() {
	local mask=1
	[ "$(nproc)" -gt 1 ] && mask=2
	ip netns exec "$1" sh -c "echo $mask >/sys/class/net/$2/queues/rx-0/rps_cpus"
}

# quiet NAMESPACE IF: the kernel never speaks on this interface.
quiet() {
	ip netns exec "$1" sh -c "echo 1 >/proc/sys/net/ipv6/conf/$2/disable_ipv6" 2>/dev/null
	ip -n "$1" link set "$2" arp off
}

# ready NAMESPACE IF
ready() {
	ip -n "$1" link set "$2" mtu "$mtu" && plain_frames "$1" "$2" && one_cpu "$1" "$2" &&
		ip -n "$1" link set "$2" up
}

peer_addresses() {
	ip -n "$1" link set peer0 address "$peer_mac" &&
		ip -n "$1" addr add 10.77.0.2/24 dev peer0 &&
		ready "$1" peer0 || return 1
	# A kernel without IPv6 is good enough for IPv4.
	ip -n "$1" addr add fd77::2/64 dev peer0 nodad 2>/dev/null || warn "no IPv6 address on peer0"
}

up() {
	local name=$1 wire=af_packet relay=
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--wire)
			[ $# -ge 2 ] || usage
			wire=$2
			shift
			;;
		--relay) relay=1 ;;
		*) usage ;;
		esac
		shift
	done
	case $wire in
	af_packet | af_xdp) ;;
	tap) [ -z "$relay" ] || die "--wire tap has no veth that a relay could sit in" ;;
	*) usage ;;
	esac
	local eng=$name-eng peer=$name-peer mid=$name-wire
	! ns_exists "$eng" && ! ns_exists "$peer" && ! ns_exists "$mid" || die "$name exists already"
	complete=
	cleanup_push undo_up "$name"

	make_ns "$eng" && make_ns "$peer" || die "cannot make the namespaces of $name"
	ip netns exec "$eng" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null
	if [ "$wire" = tap ]; then
		complete=1
		say "$eng and $peer are ready; \"tools/netns.sh join $name\" once the engine runs"
		return
	fi
	if [ -n "$relay" ]; then
		make_ns "$mid" &&
			ip netns exec "$mid" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
				echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6' &&
			ip link add eng0 netns "$eng" type veth peer name w0 netns "$mid" &&
			ip link add w1 netns "$mid" type veth peer name peer0 netns "$peer" &&
			quiet "$mid" w0 && quiet "$mid" w1 && ready "$mid" w0 && ready "$mid" w1
	else
		ip link add eng0 netns "$eng" type veth peer name peer0 netns "$peer"
	fi && ip -n "$eng" link set eng0 address "$eng_mac" && quiet "$eng" eng0 &&
		ready "$eng" eng0 && peer_addresses "$peer" || die "cannot make the wire of $name"
	wait_for 5 carrier "$peer" peer0 || die "no carrier on peer0"
	complete=1
}
undo_up() { [ -n "$complete" ] || down "$1"; }
carrier() { [ "$(ip netns exec "$1" cat "/sys/class/net/$2/carrier" 2>/dev/null)" = 1 ]; }

has_link() { ip -n "$1" link show "$2" >/dev/null 2>&1; }
join() {
	local eng=$1-eng peer=$1-peer
	ns_exists "$eng" && ns_exists "$peer" || die "there is no $1"
	wait_for 10 has_link "$eng" eng0 || die "the engine has made no interface eng0"
	ip -n "$eng" link set eng0 netns "$peer" name peer0 && peer_addresses "$peer" ||
		die "cannot move the tap to $peer"
}

down() {
	local name=$1 ns pids link
	for ns in "$name-eng" "$name-peer" "$name-wire"; do
		ns_exists "$ns" || continue
		pids=$(ip netns pids "$ns" 2>/dev/null | tr '\n' ' ')
		if [ -n "$pids" ]; then
			# shellcheck disable=SC2086
			kill -TERM $pids 2>/dev/null
			# shellcheck disable=SC2086
			kill -CONT $pids 2>/dev/null
			# shellcheck disable=SC2086
			wait_for 5 pids_gone $pids || {
				kill -KILL $pids 2>/dev/null
				wait_for 5 pids_gone $pids || warn "still alive in $ns: $pids"
			}
		fi
		for link in eng0 w0 w1 peer0; do
			has_link "$ns" "$link" || continue
			# A killed engine leaves its XDP program behind.
			ip -n "$ns" link set "$link" xdp off 2>/dev/null
			ip -n "$ns" link del "$link" 2>/dev/null
		done
		ip netns del "$ns" || warn "cannot remove $ns"
	done
	return 0
}

require_root
[ $# -ge 2 ] || usage
case $2 in
"" | -* | *[!A-Za-z0-9._-]*) usage ;;
esac
case $1 in
up) up "${@:2}" ;;
join) join "$2" ;;
down)
	[ $# -eq 2 ] || usage
	down "$2"
	;;
*) usage ;;
esac
