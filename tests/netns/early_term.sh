#!/usr/bin/env bash
# SIGTERM while an engine starts, at several points of a long start: it ends, and nothing of it is left.
#
#   outboard-engine (limits.conns = 400,000)   eng0 ---- peer0
#
# timeout: 180
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
N=$(ob_name early)
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
netns_up "$N" || die "no namespaces"
{ cat "$OB_ROOT/configs/veth.cfg" && printf '[limits]\n'; } >"$dir/base"
config_copy "$dir/base" "$dir/engine.cfg" "$N" limits.conns=400000 engine.memory_mb=1024 engine.memory=normal || die "no configuration"
cleanup_push instance_clean "$N"

# How far a whole start takes, so that the signals come while it lasts on any machine.
began=${EPOCHREALTIME/[.,]/}
spawn "$dir/log" ip netns exec "$N-eng" "$OB_BIN/outboard-engine" --config "$dir/engine.cfg"
engine=$SPAWN_PID
wait_for 60 [ -S "/run/outboard/$N.sock" ] || die "the engine does not start: $(cat "$dir/log")"
took=$((${EPOCHREALTIME/[.,]/} - began))
kill -TERM "$engine"
wait_for 30 pid_gone "$engine" || die "the engine does not end"
say "a start takes $((took / 1000)) ms"

for percent in 2 5 10 20 30 40 50 60 70 80 90; do
	us=$((took * percent / 100))
	spawn "$dir/log" ip netns exec "$N-eng" "$OB_BIN/outboard-engine" --config "$dir/engine.cfg"
	engine=$SPAWN_PID
	sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
	kill -TERM "$engine" 2>/dev/null || die "gone before the signal: $(cat "$dir/log")"
	wait_for 60 pid_gone "$engine" || die "after $percent % of the start: it goes on"
	left=$(instance_files "$N")
	[ -z "$left" ] || die "after $percent % of the start these are left: $left"
	[ ! -d "/run/dpdk/$N" ] || die "after $percent %: /run/dpdk/$N is left"
done
say "nothing is left"
