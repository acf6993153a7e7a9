#!/usr/bin/env bash
# What outboard-replay puts on the wire is what is in the file, segment by segment:
#
#   N-eng: engine ---- veth ---- N-peer: tcpdump on peer0, outboard-replay as 10.77.0.200
#
# timeout: 180
# quick
set -u
. "${0%/*}/../../tools/lib.sh"
. "$OB_ROOT/tests/netns/lib/replay.sh"
require_root
replay_up replaywire
compare() { run python3 "$lib/replay_compare.py" "$@" || die "the wire is not the file"; }

# exact FILE SIDE COPIES SPEED [OPTIONS]: without any fallback. Where CPUs are taken away from the engine for
# longer than a retransmission time-out, the replayer retransmits as any peer would, and says so: then again.
exact() {
	local file=$1 side=$2 copies=$3 speed=$4 name attempt
	name=$(basename "$file" .pcap)-$side-$copies-$speed
	echo "--- $name"
	for attempt in 1 2 3; do
		wire_open "$name"
		replay "$name" "$file" --side "$side" --copies "$copies" --speed "$speed" ||
			die "$(cat "$dir/$name.log" "$dir/$name.json")"
		wire_closed
		[ "$(figure "$name" 'r["fallback"]["retransmits"]')" != 0 ] || break
		echo "attempt $attempt: $(figure "$name" 'r["fallback"]')"
	done
	figures "$name" 'r["failed"] == 0 and r["fallback"]["total"] == 0 and r["segments"]["split"] == 0'
	compare "$file" "$wire_file" "$side" "$copies" "${@:5}"
}

# Holes, doubles and reordering of the client's segments, pauses kept and left out.
exact "$captures/upload.pcap" client 1 1
exact "$captures/upload.pcap" client 1 max --no-time
exact "$captures/upload.pcap" client 10 2 --no-time
figures upload-client-1-1 'r["segments"]["duplicates"] > 0 and r["segments"]["retransmissions"] > 0'
# Of the server's; what was lost behind the place of capture is there twice.
exact "$captures/download.pcap" server 1 1
figures download-server-1-1 'r["segments"]["duplicates"] > 0 and r["segments"]["reordered"] > 0
	and r["segments"]["retransmissions"] > 0'
exact "$captures/sender.pcap" client 1 1
# Small segments with pauses, three connections that a reset ended, on one tuple.
exact "$captures/chat.pcap" client 1 1
exact "$captures/chat.pcap" server 1 1
exact "$captures/chat.pcap" client 5 max --no-time

echo "--- duplicate ACKs and SACK blocks of one that receives badly"
wire_open download
replay download "$captures/download.pcap" || die "$(cat "$dir/download.log" "$dir/download.json")"
wire_closed
figures download 'r["failed"] == 0 and r["fallback"]["retransmits"] == 0 and r["engine"]["again"] > 0'
compare "$captures/download.pcap" "$wire_file" client 1 --acks "$(figure download 'r["fallback"]["acks"]')"
wait_for 5 nothing_left || die "the engine keeps connections: $(ctl "$ENGINE_SOCKET" conns)"
exit 0
