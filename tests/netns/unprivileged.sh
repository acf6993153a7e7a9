#!/usr/bin/env bash
# Who may attach, and with how much: a user without any privilege whom the socket's mode admits serves
# like everyone else, another is turned away; the engine's limits and those of a user refuse with a reason.
#
#   ob-echod :7 (user nobody)        N-eng         N-peer
#   outboard-engine 10.77.0.1        eng0 -------- peer0
#
# timeout: 120
set -u
. "${0%/*}/lib2/common.sh"
command -v setpriv >/dev/null || skip "needs setpriv"
net_up unpriv
# Where anyone can reach them.
cp "$OB_BIN/ob-echod" "$OBT/obt-host" "$dir" || die "no programs"

# User 65534 with nothing else; to be followed by its group.
nobody=(setpriv --reuid 65534 --clear-groups --bounding-set=-all --no-new-privs --regid)
# turned_away PATTERN COMMAND...: it ends with a status other than 0 and says so.
turned_away() {
	local want=$1
	shift
	if timeout 20 "$@" >"$dir/out" 2>&1; then die "$*: was let in"; fi
	cat "$dir/out"
	grep -Eq -- "$want" "$dir/out" || die "$*: does not say \"$want\""
}
serves() { # COMMAND...: an echo server that works
	ready_log=$dir/echod.$((++servers))
	spawn "$ready_log" "$@" --port 7
	wait_for 10 said_or_gone "$ready_log" "$SPAWN_PID" ready
	pid_gone "$SPAWN_PID" && die "$*: $(cat "$ready_log")"
	peer echo "$OB_ADDR" 7 2000000 || die "$*: no echo"
}
servers=0

echo "--- a group's socket"
engine_up engine.socket_mode=0660 engine.socket_group=65534
serves "${nobody[@]}" 65534 "$dir/ob-echod"
[ "$(rows hosts 'r["uid"] == 65534')" = 1 ] || die "the host is not nobody's"
turned_away 'Permission denied|EACCES' "${nobody[@]}" 12345 "$dir/ob-echod" --port 8
turned_away '^attach: -EACCES$' "${nobody[@]}" 12345 "$dir/obt-host" listen '*:8'
[ "$(rows hosts)" = 1 ] && [ "$(counter host_refused)" = 0 ] || die "someone else came to the engine"
engine_stop "$ENGINE_PID" || die "the engine's exit status"

echo "--- root's socket, and limits"
engine_up engine.socket_mode=0600 limits.host_mb=80 limits.host_conns=20000
turned_away 'Permission denied|EACCES' "${nobody[@]}" 65534 "$dir/ob-echod" --port 7
serves "$dir/ob-echod"
before=$(counter host_refused)
turned_away '^attach: -E2BIG: .*limits.host_mb is 80' "$dir/obt-host" -r 64 listen '*:8'
turned_away '^attach: -E2BIG: .*limits.host_conns is 20000' "$dir/obt-host" -a 18000 listen '*:8'
grew host_refused "$before" 2 || die "refusals are miscounted"
host "$dir/within" -a 15904 -r 32 listen '*:8'
engine_stop "$ENGINE_PID" || die "the engine's exit status"

echo "--- limits of a user"
extra='[user nobody]
ports = 7,100-199
conns = 3
memory_mb = 200
hosts = 2
[user *]
hosts = 0'
engine_up engine.socket_mode=0666
serves "${nobody[@]}" 65534 "$dir/ob-echod"
as_nobody=("${nobody[@]}" 65534 "$dir/obt-host")
before=$(counter req_user_port)
turned_away 'EACCES' "${as_nobody[@]}" -r 8 listen '*:8'
grew req_user_port "$before" 1 || die "a port that is not nobody's is not counted"
# The echo server has one place of two.
ready "$dir/second" "${as_nobody[@]}" -r 8 listen '*:100'
second=$SPAWN_PID
before=$(counter host_quota)
turned_away '^attach: -EDQUOT: .*\[user nobody\] hosts is 2' "${as_nobody[@]}" -r 8 listen '*:101'
turned_away '^attach: -EDQUOT: .*\[user \*\] hosts is 0' "$dir/obt-host" -r 8 listen '*:102'
grew host_quota "$before" 2 || die "refusals by the limits of users are miscounted"
kill -TERM "$second"
wait_for 10 rows_are hosts 1 || die "the second host stays"
turned_away '^attach: -EDQUOT: .*\[user nobody\] memory_mb is 200' "${as_nobody[@]}" -r 190 listen '*:101'
# Three connections, and no fourth until one of them is over.
in_back "$dir/hold1" hold $OB_ADDR 7
in_back "$dir/hold2" hold $OB_ADDR 7
in_back "$dir/hold3" hold $OB_ADDR 7
held=$SPAWN_PID
wait_for 10 rows_are conns 3 || die "not three connections"
before=$(counter drop_syn_user_conns)
spawn "$dir/fourth" ip netns exec "$N-peer" python3 "$LIB2/peer.py" echo $OB_ADDR 7 1000
fourth=$SPAWN_PID
wait_for 10 grew drop_syn_user_conns "$before" || die "a fourth connection is not refused"
[ "$(rows conns)" = 3 ] && ! pid_gone "$fourth" || die "a fourth connection came about"
stop_pid "$held"
wait_for 20 grep -qs whole "$dir/fourth" || die "not served though there is room: $(cat "$dir/fourth")"
engine_stop "$ENGINE_PID" || die "the engine's exit status"
extra=

echo "--- a mode that is none, and a group that is none"
for bad in socket_mode=0999 socket_mode=rw socket_group=no-such-group; do
	config_copy "$dir/base.cfg" "$dir/bad.cfg" "$N" "engine.$bad"
	# shellcheck disable=SC2046
	turned_away "engine.${bad%%=*}" ip netns exec "$N-eng" "$OB_BIN/outboard-engine" --config "$dir/bad.cfg" \
		-- $(eal_memory)
done
exit 0
