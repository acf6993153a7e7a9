#!/usr/bin/env bash
# The engine goes, by SIGKILL and by SIGTERM, while hosts block in every way there is: all of them
# return, with the error of the header. The next start of the same instance finds nothing in its way
# and leaves nothing of the last. Peers of an engine that was asked to stop are reset.
#
#   obt-host block ... (each way)     N-eng         N-peer
#   obt-host serve :7                 eng0 -------- peer0: a listener :100 that reads nothing,
#   outboard-engine 10.77.0.1 --------'                    500 idle connections to :7
#
# timeout: 180
set -u
. "${0%/*}/lib2/common.sh"
net_up gone
extra=$'[neighbours]\n10.77.0.50 = 02:0b:0a:4d:00:02' # takes frames, and says nothing
in_back "$dir/listen" listen 100
ways=(accept_wait connect_wait send_all recv_wait poll busy_poll epoll)

asleep_or_busy() { grep -Eq '^State:[[:space:]]+(S|R)' "/proc/$1/status"; }
# block WAY: obt-host blocks there; its process is ${pids[WAY]}.
block() {
	local to=10.77.0.2:100
	case $1 in
	accept_wait) to=10.77.0.1:200 ;;
	connect_wait) to=10.77.0.50:100 ;;
	esac
	: >"$dir/$1"
	spawn "$dir/$1" "$OBT/obt-host" block "$1" "$to"
	pids[$1]=$SPAWN_PID
	wait_for 10 said_or_gone "$dir/$1" "$SPAWN_PID" "blocks\|attached"
	pid_gone "$SPAWN_PID" && die "$1: $(cat "$dir/$1")"
	return 0
}
# after_it WAY ERROR: it returned so, and everything after it fails alike.
after_it() {
	wait_for 3 pid_gone "${pids[$1]}" || die "$1: still blocks: $(cat "$dir/$1")"
	grep -qx -- "$1 $2" "$dir/$1" || die "$1 did not return $2: $(cat "$dir/$1")"
	grep -qx "then gone 1 connect -EPIPE listen -EPIPE flush -EPIPE arm -EPIPE channel -EPIPE" "$dir/$1" ||
		die "$1, afterwards: $(cat "$dir/$1")"
}
# hosts_work: a new attach, and an echo through it.
hosts_work() {
	host "$dir/serve" serve '*:8'
	peer echo "$OB_ADDR" 8 1000000 >"$dir/out" || die "no echo: $(cat "$dir/out")"
	stop_pid "$SPAWN_PID"
}

declare -A pids
for signal in KILL TERM; do
	echo "--- SIG$signal"
	engine_up
	host "$dir/serve" serve '*:7'
	in_back "$dir/idle" idle "$OB_ADDR" 7 500
	idle=$SPAWN_PID
	now=("${ways[@]}")
	[ $signal = TERM ] || now+=(listen_wait attach)
	for way in "${now[@]}"; do block "$way"; done
	if [ $signal = KILL ]; then
		freeze "$ENGINE_PID"
		for way in listen_wait attach; do
			kill -TERM "${pids[$way]}"
			wait_for 5 grep -qx blocks "$dir/$way" || die "$way does not block"
		done
	fi
	for way in "${now[@]}"; do asleep_or_busy "${pids[$way]}" || die "$way does not block"; done
	begun=$(now_ms)
	kill -$signal "$ENGINE_PID"
	wait_for 5 pid_gone "$ENGINE_PID" || die "the engine does not end"
	for way in "${now[@]}"; do
		case $way in
		attach) after_it attach -ECONNREFUSED ;;
		*) after_it "$way" -EPIPE ;;
		esac
	done
	took=$(($(now_ms) - begun))
	echo "${#now[@]} ways to block, all ended within $took ms of the signal"
	if [ $signal = TERM ]; then
		wait_for 5 pid_gone "$idle"
		grep -qx reset "$dir/idle" || die "the peers got no reset: $(cat "$dir/idle")"
		[ -z "$(instance_files "$N")" ] || die "a clean stop leaves $(instance_files "$N")"
	else
		stop_pid "$idle"
	fi
done

echo "--- the next start"
for memory in huge normal; do
	engine_up
	kill -KILL "$ENGINE_PID"
	wait_for 5 pid_gone "$ENGINE_PID"
	instance_files "$N" >"$dir/left"
	[ -s "$dir/left" ] || die "nothing was left: then this shows nothing"
	engine_up engine.memory=$memory
	hosts_work
	[ $memory = huge ] || { instance_files "$N" | grep hugepages && die "hugepages of the dead engine are left"; }
	engine_stop "$ENGINE_PID" || die "the engine's exit status"
	[ -z "$(instance_files "$N")" ] || die "left: $(instance_files "$N")"
done
exit 0
