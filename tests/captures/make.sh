#!/usr/bin/env bash
# Makes the captures in this folder again, from real programs on two kernels:
#
#   N-eng               N-wire                      N-peer
#   eng0 10.77.0.1 ---- w0 [ outboard-wire ] w1 ---- peer0 10.77.0.2
#   server                                          client
#
# upload.pcap    the client sends 100 kB; seen at the server, so that the client's segments are
#                missing, doubled and out of order
# download.pcap  the client takes 100 kB; seen at the client, with its duplicate ACKs and SACK blocks
# sender.pcap    as upload.pcap, seen at the client: lost segments are there, and again
# chat.pcap      questions and answers with pauses, then three connections from one port, each
#                ended by a reset; a good path
#
# Run it as root; the tests use the files as they are in the repository. Two runs do not make the
# same files: kernels choose, and the tests hold for any of them.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../tools/lib.sh"
OB_WHO=captures
require_root
out=${1:-$here}
N=$(ob_name capture)
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
bad_path=(--loss-ba 0.06 --reorder-ba 0.06 --dup-ba 0.05 --loss-ab 0.05 --reorder-ab 0.03 --dup-ab 0.03)

netns_up "$N" --relay || die "no namespaces"
ip -n "$N-eng" addr add 10.77.0.1/24 dev eng0
ip -n "$N-eng" neigh add 10.77.0.2 lladdr 02:0b:0a:4d:00:02 nud permanent dev eng0
ip -n "$N-peer" neigh add 10.77.0.1 lladdr 02:0b:0a:4d:00:01 nud permanent dev peer0
ip -n "$N-eng" route change 10.77.0.0/24 dev eng0 src 10.77.0.1 congctl cubic || die "no cubic"
in_peer "$N" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/peer0/disable_ipv6'
spawn "$dir/serve" ip netns exec "$N-eng" python3 "$here/talk.py" serve 10.77.0.1 8000
wait_for 10 grep -qs ready "$dir/serve" || die "no server"

# wire OPTIONS...
wire() {
	spawn "$dir/wire" ip netns exec "$N-wire" "$OB_BIN/outboard-wire" --a w0 --b w1 --delay-us 2000 "$@"
	relay=$SPAWN_PID
	wait_for 5 grep -qs ready "$dir/wire" || die "no relay"
}
# capture FILE SIDE IF COMMAND...: what passes IF in N-SIDE meanwhile.
capture() {
	local file=$1 side=$2 dump
	spawn "$dir/dump" ip netns exec "$N-$side" tcpdump -i "$3" -B 16384 --immediate-mode -U -s 0 -w "$dir/all.pcap" tcp
	dump=$SPAWN_PID
	wait_for 5 grep -qs listening "$dir/dump" || die "no tcpdump"
	shift 3
	"$@" || die "the conversation failed"
	quiet_wire() {
		local before
		before=$(stat -c %s "$dir/all.pcap")
		sleep 1
		[ "$before" = "$(stat -c %s "$dir/all.pcap")" ]
	}
	wait_for 20 quiet_wire || die "the wire does not fall silent"
	kill -INT "$dump"
	wait_for 5 pid_gone "$dump"
	grep -q '^0 packets dropped by kernel' "$dir/dump" || die "tcpdump lost packets"
	cp "$dir/all.pcap" "$out/$file"
	say "$file: $(stat -c %s "$out/$file") bytes"
}
talk() { run ip netns exec "$N-peer" python3 "$here/talk.py" "$1" 10.77.0.1 8000 "${@:2}"; }
both_chats() { talk chat && talk again 40001; }

wire --seed 3 "${bad_path[@]}"
capture upload.pcap eng eng0 talk upload 100000
capture sender.pcap peer peer0 talk upload 60000
capture download.pcap peer peer0 talk download 100000
stop_pid "$relay"
wire
capture chat.pcap peer peer0 both_chats
exit 0
