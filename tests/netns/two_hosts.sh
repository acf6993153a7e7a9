#!/usr/bin/env bash
# Two applications on one engine. One is killed in mid-transfer, twenty times: its peers get resets,
# its memory comes back, and the other does not notice. One that writes, closes and ends at once:
# everything it wrote arrives, and a FIN.
#
#   obt-host serve :7   (lives on)     N-eng         N-peer
#   obt-host serve :8   (killed)       eng0 -------- peer0: a checked stream to :7, transfers to :8
#   outboard-engine 10.77.0.1 ---------'
#
# timeout: 240
set -u
. "${0%/*}/lib2/common.sh"
rounds=${OB_ROUNDS:-20}
net_up two
engine_up tcp.msl2_ms=1000
rss() { ctl "$ENGINE_SOCKET" stat --json | python3 -c '
import json, sys
row = json.load(sys.stdin)
print((row[0] if isinstance(row, list) else row)["rss_kb"])'; }

host "$dir/serve.7" serve '*:7'
in_back "$dir/stream" stream $OB_ADDR 7
stream=$SPAWN_PID
# What the engine holds of hosts: mapped segments and their descriptors. Free hugepages would say the
# same, if nothing else ran on this machine.
segments() { grep -c 'memfd:' "/proc/$ENGINE_PID/maps"; }
segments_are() { [ "$(segments)" = "$1" ]; }
one=$(segments)

echo "--- a host is killed in mid-transfer"
slowest=0
for round in $(seq "$rounds"); do
	host "$dir/serve.8" serve '*:8'
	victim=$SPAWN_PID
	in_back "$dir/idle" idle "$OB_ADDR" 8 10
	in_back "$dir/victims" victims "$OB_ADDR" 8 4
	[ "$(rows hosts)" = 2 ] || die "not two hosts"
	begun=$(now_ms)
	kill -KILL "$victim"
	wait_for 5 said_or_gone "$dir/victims" "$SPAWN_PID" reset
	# Those that say nothing would not find out by themselves.
	wait_for 5 said_or_gone "$dir/idle" $$ reset
	took=$(($(now_ms) - begun))
	grep -qx reset "$dir/idle" || die "round $round: no reset of idle connections: $(cat "$dir/idle")"
	grep -qx reset "$dir/victims" || die "round $round: no reset: $(cat "$dir/victims")"
	[ $took -gt "$slowest" ] && slowest=$took
	wait_for 5 rows_are hosts 1 || die "round $round: the dead host is still listed"
	wait_for 5 segments_are "$one" || die "round $round: its memory is not back"
	rows_are conns 1 || die "round $round: $(rows conns) connections, not 1"
	pid_gone "$stream" && die "the other host's stream ended: $(cat "$dir/stream")"
	[ "$round" = 2 ] && rss_first=$(rss)
done
figure "$rounds kills, the slowest reset of all 14 connections after $slowest ms" &&
	[ "$slowest" -ge 1000 ] && die "resets are late"
kill -TERM "$stream"
wait_for 10 pid_gone "$stream"
grep -q '^bytes [0-9]\{7\}' "$dir/stream" || die "the other host's stream was disturbed"
figure "of the other host: $(grep '^bytes' "$dir/stream")" &&
	awk '/^bytes/ && $5 > 200 { late = 1 } END { exit !late }' "$dir/stream" &&
	die "the other host's stream stood still"
# ASan keeps freed memory for a while.
grown=$(($(rss) - ${rss_first:-0}))
[ "$rounds" -lt 3 ] || { figure "the engine grew by $grown kB" && [ $grown -ge 1000 ] &&
	die "that is more than 1,000"; }
[ "$(counter host_attached)" = $((rounds + 1)) ] && [ "$(counter host_detached)" = "$rounds" ] ||
	die "hosts are miscounted"

echo "--- finished writes go out"
# farewell CONNECTIONS BYTES [-k] [OPTIONS]: with -k the engine stands still from the writes to the end.
farewell() {
	host "$dir/farewell" -n "$1" "${@:3}" farewell '*:9' "$2"
	local writer=$SPAWN_PID
	in_back "$dir/collect" collect $OB_ADDR 9 "$2" "$1"
	if [ "${3:-}" = -k ]; then
		wait_for 10 grep -qx accepted "$dir/farewell" || die "$(cat "$dir/farewell")"
		freeze "$ENGINE_PID"
		kill -TERM "$writer"
		wait_for 10 pid_gone "$writer" || die "the writer does not end: $(cat "$dir/farewell")"
		kill -CONT "$ENGINE_PID"
	fi
	wait_for 20 pid_gone "$SPAWN_PID"
	grep -qx whole "$dir/collect" || die "$*: $(cat "$dir/collect" "$dir/farewell")"
	wait_for 5 rows_are hosts 1 || die "$*: the host is still listed"
}
for round in $(seq 5); do
	farewell 1 1000000
	farewell 1 1000000 -k
	farewell 300 1000
	farewell 300 1000 -k
	farewell 100 1000 -d -q 16
done
wait_for 5 segments_are "$one" || die "memory is not back"
stop_pid "$stream"
engine_stop "$ENGINE_PID" || die "the engine's exit status"
[ -z "$(instance_files "$N")" ] || die "files are left: $(instance_files "$N")"
exit 0
