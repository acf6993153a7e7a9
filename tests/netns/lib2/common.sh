# What the tests of hosts, errors and bad input share. Sourced, never run.
# shellcheck shell=bash
. "${BASH_SOURCE[0]%/*}/../../../tools/lib.sh"
guard_signals "$@"
require_root
LIB2=$OB_ROOT/tests/netns/lib2
OBT=$OB_BIN/../tests/netns/lib2
[ -x "$OBT/obt-host" ] || die "no $OBT/obt-host: build first"

# net_up NAME: namespaces, a work directory $dir, the name in $N.
net_up() {
	N=$(ob_name "$1")
	dir=$(mktemp -d)
	chmod 755 "$dir"
	cleanup_push rm -rf "$dir"
	netns_up "$N" || die "no namespaces"
}
# engine_up [SECTION.KEY=VALUE]...: an engine in them; $extra is added to its configuration.
engine_up() {
	{ cat "$OB_ROOT/configs/veth.cfg" && printf '%s\n' "[limits]" "[tcp]" "${extra:-}"; } >"$dir/base.cfg"
	config_copy "$dir/base.cfg" "$dir/engine.cfg" "$N" "$@" || die "no configuration"
	engine_start "$N" "$dir/engine.cfg"
	export OUTBOARD_SOCKET=$ENGINE_SOCKET
}
# counter NAME: one of the engine's counters.
counter() {
	ctl "$ENGINE_SOCKET" counters --json |
		python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}
# grew NAME BEFORE [BY]: the counter went up, by BY exactly if that is given.
grew() {
	local now
	now=$(counter "$1")
	if [ -n "${3:-}" ]; then [ "$now" -eq $(($2 + $3)) ]; else [ "$now" -gt "$2" ]; fi
}
# rows WHAT [EXPRESSION]: how many rows of conns, hosts, ... for which the Python expression on r holds.
rows() {
	ctl "$ENGINE_SOCKET" "$1" --json | python3 -c '
import json, sys
rows = json.load(sys.stdin)
rows = rows if isinstance(rows, list) else next(v for v in rows.values() if isinstance(v, list))
print(sum(bool(eval(sys.argv[1], {"r": r})) for r in rows))' "${2:-True}"
}
rows_are() { [ "$(rows "$1" "${3:-True}")" -eq "$2" ]; }
huge_are() { [ "$(huge_free)" -eq "$1" ]; }
# freeze PID: SIGSTOP; returns when every thread stands still.
freeze() {
	kill -STOP "$1"
	wait_for 5 frozen "$1" || die "process $1 does not stop"
}
frozen() { ! awk '/^State:/ && $2 != "T" { found = 1 } END { exit !found }' /proc/"$1"/task/*/status; }
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# ready LOG COMMAND...: in the background, once it says "ready". Its process: $SPAWN_PID.
ready() {
	local log=$1
	shift
	: >"$log" # or an earlier "ready" would count
	spawn "$log" "$@"
	wait_for 20 said_or_gone "$log" "$SPAWN_PID" ready
	grep -qx ready "$log" || die "$*: $(cat "$log")"
}
said_or_gone() { grep -qs "^$3" "$1" || pid_gone "$2"; }
# host LOG ARGS...: obt-host so.
host() { ready "$1" "$OBT/obt-host" "${@:2}"; }
# in_back LOG ARGS...: peer.py so, in the kernel's namespace; peer ARGS...: waits for its end.
in_back() { ready "$1" ip netns exec "$N-peer" python3 "$LIB2/peer.py" "${@:2}"; }
peer() { run ip netns exec "$N-peer" python3 "$LIB2/peer.py" "$@"; }
