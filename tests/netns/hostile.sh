#!/usr/bin/env bash
# Hosts that keep no rule: each harms itself only. It is refused or thrown out under its own counter,
# while a good host's checked stream goes on, and the engine is the same process at the end.
#
#   obt-hostile (speaks the rings by itself)     N-eng         N-peer
#   obt-host serve :7                            eng0 -------- peer0: a checked stream to :7,
#   outboard-engine 10.77.0.1 -------------------'                    an echo server at :100
#
# timeout: 240
set -u
. "${0%/*}/lib2/common.sh"
seconds=${OB_SECONDS:-10}
net_up hostile
engine_up limits.hosts=4 limits.host_mb=256 limits.host_conns=100000 tcp.syn_retries=1 tcp.init_rto_us=200000 \
	tcp.msl2_ms=1000
host "$dir/serve" serve '*:7'
in_back "$dir/echo" serve 100
in_back "$dir/stream" stream $OB_ADDR 7
stream=$SPAWN_PID

# evil ARGS...: obt-hostile; the engine, the good host and its stream outlive it.
evil() {
	run "$OBT/obt-hostile" "$@" >"$dir/evil" 2>&1 || die "obt-hostile $*: $(cat "$dir/evil")"
	alive "$*"
	wait_for 10 rows_are hosts 1 || die "$*: still attached"
}
alive() {
	pid_gone "$ENGINE_PID" && die "$*: the engine is gone: $(tail -n 5 "$ENGINE_LOG")"
	pid_gone "$stream" && die "$*: the good host's stream ended: $(cat "$dir/stream")"
	return 0
}
# counts NAME BY COMMAND...: the counter grows by so many meanwhile.
counts() {
	local name=$1 by=$2 before
	before=$(counter "$1")
	shift 2
	"$@"
	grew "$name" "$before" "$by" || die "$*: $name is $(counter "$name"), was $before, not $by more"
	echo "$name +$by: ${*:2}"
}

echo "--- attaching"
before=$(counter host_refused)
evil attaches "$dir"
refused=$(grep -c ^refused: "$dir/evil")
grew host_refused "$before" "$refused" || die "$(counter host_refused) refused, not $refused more"
[ "$refused" -gt 60 ] || die "only $refused ways of attaching were tried"
echo "$refused ways of attaching, each refused and counted"
for i in 1 2 3; do ready "$dir/host.$i" "$OBT/obt-host" listen "*:$((200 + i))" && more[i]=$SPAWN_PID; done
counts host_refused 1 eval '! "$OBT/obt-host" listen "*:204" >"$dir/evil" || die "a fifth host"'
grep -q 'ENFILE.*limits.hosts' "$dir/evil" || die "no reason: $(cat "$dir/evil")"
for i in 1 2 3; do stop_pid "${more[i]}"; done
wait_for 10 rows_are hosts 1 || die "hosts do not go"

ready "$dir/idlers" "$OBT/obt-hostile" idlers 300
idlers=$SPAWN_PID
host "$dir/host.1" listen '*:201'
rows_are hosts 2 || die "those that say nothing keep others out"
stop_pid "$SPAWN_PID"
stop_pid "$idlers"
alive "300 idle connections to the socket"
wait_for 10 rows_are hosts 1 || die "hosts do not go"

echo "--- indices and requests"
for which in tail-far tail-wild tail-back head-far head-back; do
	counts host_protocol 1 evil indices $which
done
for name in op slot gen span offset value state; do eval "bad_$name=$(counter "req_bad_$name")"; done
evil requests 100
for name in op slot gen span offset value state; do
	before=bad_$name by=1
	[ $name = offset ] && by=3
	grew "req_bad_$name" "${!before}" $by || die "req_bad_$name is not $by more"
done
counts host_fault 0 evil bells 100
counts host_protocol 0 evil deaf 3 100
grew doorbell_limited -1 || die "no doorbell found its socket full"

echo "--- garbage for $seconds s"
seed=${OB_SEED:-$(date +%s)}
before=$(counter req_taken)
established=$(counter tcp_established)
in_back "$dir/knock" knock "$OB_ADDR" 20000 20007
knock=$SPAWN_PID
evil garbage "$seconds" "$seed" 100
cat "$dir/evil"
stop_pid "$knock"
established=$(($(counter tcp_established) - established))
echo "$(($(counter req_taken) - before)) requests taken, $established connections established"
[ $established -gt 20 ] || die "the garbage did not get far"
[ $(($(counter req_taken) - before)) -gt 10000 ] || die "hardly any garbage was taken"

echo "--- holes"
if [ "$(huge_free)" -ge 40 ]; then
	for where in rings rx tx; do
		counts host_fault 1 evil punch $where 100 "$ENGINE_PID"
		cat "$dir/evil"
	done
else
	echo "no hugepages to take away"
fi
alive "all of it"
[ "$(counter host_detached)" = $(($(counter host_attached) - 1)) ] || die "hosts are miscounted"
kill -TERM "$stream"
wait_for 10 pid_gone "$stream"
cat "$dir/stream"
grep -q ^bytes "$dir/stream" || die "the good host's stream is not whole"
wait_for 20 rows_are conns 0 || die "$(rows conns) connections are left"
engine_stop "$ENGINE_PID" || die "the engine's exit status"
[ -z "$(instance_files "$N")" ] || die "files are left: $(instance_files "$N")"
exit 0
