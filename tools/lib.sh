# Functions that the scripts in tools/ and the tests in tests/netns/ share. Sourced, never run.
# shellcheck shell=bash
#
# A script that sources this file has a cleanup stack that runs on exit, SIGINT, SIGTERM and SIGHUP.
# Push what undoes a step before the step is taken: every undo here can be called when there is
# nothing to undo.

# Nothing forks before guard_signals(), which says why.
OB_ROOT=$PWD
case ${BASH_SOURCE[0]} in
*/*) cd "${BASH_SOURCE[0]%/*}/.." || exit 1 ;;
*) cd .. || exit 1 ;;
esac
ob_from=$OB_ROOT OB_ROOT=$PWD
cd "$ob_from" || exit 1
OB_BIN=${OB_BIN:-$OB_ROOT/build/bin}
# What every namespace, instance and file of this run begins with; tools/test.sh hands down its own.
OB_PREFIX=${OB_PREFIX:-ob$$}
OB_ADDR=10.77.0.1
OB_PEER_ADDR=10.77.0.2
# Free 2 MB pages below which an engine is started with --no-huge.
OB_HUGE_MIN=${OB_HUGE_MIN:-128}
export PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s: %s\n' "${OB_WHO:-$(basename "$0" .sh)}" "$*"; }
warn() { printf '%s: warning: %s\n' "${OB_WHO:-$(basename "$0" .sh)}" "$*" >&2; }
die() {
	printf '%s: error: %s\n' "${OB_WHO:-$(basename "$0" .sh)}" "$*" >&2
	exit 1
}
# skip REASON...: ends a test that cannot run here.
skip() {
	printf 'skipped: %s\n' "$*"
	exit 77
}
require_root() { [ "$(id -u)" = 0 ] || die "this needs root"; }
# sanitized: the programs under test are built with ASan.
sanitized() { grep -aq __asan_init "$OB_BIN/outboard-engine"; }
# figure TEXT: prints a figure of time or of memory. Fails where such figures say nothing about the
# program, which is under sanitizers: what follows it is not checked then.
figure() {
	if sanitized; then
		echo "$* (under sanitizers, so not checked)"
		return 1
	fi
	echo "$*"
}
# ob_name SUFFIX: a name for a namespace or an instance that no other run uses.
ob_name() { printf '%s%s\n' "$OB_PREFIX" "${1:+-$1}"; }

# --- cleanup -----------------------------------------------------------------------------------

ob_cleanup_stack=()
ob_running=
ob_traps=
# cleanup_push COMMAND ARGS...: to be run on exit, last pushed first.
cleanup_push() {
	set_traps
	ob_cleanup_stack+=("$(printf '%q ' "$@")")
}

ob_cleanup() {
	local status=$? last
	trap '' INT TERM HUP
	trap - EXIT
	set +e
	[ -n "$ob_running" ] && kill_group "$ob_running"
	while [ ${#ob_cleanup_stack[@]} -gt 0 ]; do
		last=$((${#ob_cleanup_stack[@]} - 1))
		local undo=${ob_cleanup_stack[last]}
		unset "ob_cleanup_stack[$last]"
		eval "$undo"
	done
	exit "$status"
}
# From when on there is something to undo.
set_traps() {
	[ -z "$ob_traps" ] || return 0
	ob_traps=1
	trap ob_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
}

# guard_signals "$@": to be called first, with the script's arguments. bash forgets a SIGINT that comes
# while a foreground command or a $(...) runs and that command survives, so the script goes on in a
# session of its own, and this process does nothing but wait for it and hand signals to it, as
# SIGTERM, which bash does not forget. Also when this process is killed, the script ends and cleans up.
#
# No signal is lost on the way there: without a trap it ends this process, which runs no command in the
# foreground and parses no $(...) while it has one (bash 5.2 cannot run a trap then). A trap only notes
# it. As a `wait` that begins just after the signal came is not ended by it, each has an end of its own.
guard_signals() {
	local child tick status got=''
	if [ "${OB_GUARDED:-}" = "$PPID" ]; then
		set_traps
		return 0
	fi
	trap 'got=130' INT
	trap 'got=143' TERM
	trap 'got=129' HUP
	OB_GUARDED=$$ env --default-signal=INT,QUIT setpriv --pdeathsig TERM setsid "$0" "$@" </dev/null &
	child=$!
	until pid_gone "$child"; do
		# Until it is gone: a child that has just been made may forget it, too.
		[ -z "$got" ] || kill -TERM "$child"
		sleep 0.5 &
		tick=$!
		wait -n "$child" "$tick"
		kill -KILL "$tick"
		wait "$tick"
	done 2>/dev/null
	wait "$child"
	status=$?
	# Unless it was done already, it ended because of the signal.
	[ -n "$got" ] && [ $status -ne 0 ] && status=$got
	exit "$status"
}

# --- waiting and processes -----------------------------------------------------------------------

# wait_for SECONDS COMMAND ARGS...: until the command succeeds. Returns 1 when the time is up.
wait_for() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

# Gone, or a zombie that its parent has yet to reap.
pid_gone() {
	local stat
	read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
	case ${stat##*) } in Z* | X*) return 0 ;; esac
	return 1
}
pids_gone() {
	local pid
	for pid in "$@"; do pid_gone "$pid" || return 1; done
}
# takes_sigint PID SCRIPT: it is the script by now, and no more the bash that starts it, which has its
# background commands ignore SIGINT.
takes_sigint() {
	local ignored
	grep -zqxF "$2" "/proc/$1/cmdline" 2>/dev/null || return 1
	ignored=$(sed -n 's/^SigIgn:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null)
	[ -n "$ignored" ] && (((0x$ignored & 2) == 0))
}
group_gone() { ! pgrep -g "$1" -r R,S,D,T,t >/dev/null 2>&1; }

# stop_pid PID [SECONDS]: SIGTERM, and SIGKILL when that took longer than SECONDS (5).
stop_pid() {
	pid_gone "$1" && return 0
	kill -TERM "$1" 2>/dev/null
	# A stopped process gets no signal but SIGKILL until it goes on.
	kill -CONT "$1" 2>/dev/null
	wait_for "${2:-5}" pid_gone "$1" || {
		kill -KILL "$1" 2>/dev/null
		wait_for 5 pid_gone "$1"
	}
	wait "$1" 2>/dev/null
	return 0
}

# kill_group PGID: every process of a group that run or spawn made.
kill_group() {
	kill -TERM -- "-$1" 2>/dev/null
	kill -CONT -- "-$1" 2>/dev/null
	wait_for 5 group_gone "$1" || {
		kill -KILL -- "-$1" 2>/dev/null
		wait_for 5 group_gone "$1"
	}
	wait "$1" 2>/dev/null
	return 0
}

# run COMMAND ARGS...: like calling it, except that a signal to this script alone ends it at once.
run() {
	local status
	set_traps
	env --default-signal=INT,QUIT setsid "$@" &
	ob_running=$!
	wait "$ob_running"
	status=$?
	ob_running=
	return $status
}

# run_quiet: without its output. A redirection of run itself would hold for the cleanup as well.
run_quiet() {
	local status
	set_traps
	env --default-signal=INT,QUIT setsid "$@" >/dev/null &
	ob_running=$!
	wait "$ob_running"
	status=$?
	ob_running=
	return $status
}

# spawn LOG COMMAND ARGS...: in the background, in a group of its own, output to LOG. Sets SPAWN_PID.
# It is stopped at exit.
spawn() {
	local log=$1
	shift
	# Emptied before it runs: whoever waits for a line in it must not find that of the process before.
	: >"$log"
	env --default-signal=INT,QUIT setsid "$@" >"$log" 2>&1 </dev/null &
	SPAWN_PID=$!
	cleanup_push kill_group "$SPAWN_PID"
}

# Processes that were started with OB_TAG_<tag> in their environment, however they were re-parented.
tagged_pids() {
	local file pid
	env -u "OB_TAG_$1" grep -lzx "OB_TAG_$1=1" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ pid file; do
		[ "$pid" = $$ ] || pid_gone "$pid" || echo "$pid"
	done
}
kill_tagged() {
	local pids
	pids=$(tagged_pids "$1" | tr '\n' ' ')
	[ -n "$pids" ] || return 0
	# shellcheck disable=SC2086
	kill -TERM $pids 2>/dev/null
	# shellcheck disable=SC2086
	kill -CONT $pids 2>/dev/null
	# shellcheck disable=SC2086
	wait_for 5 pids_gone $pids || {
		kill -KILL $pids 2>/dev/null
		wait_for 5 pids_gone $pids
	}
	return 0
}

# --- memory ----------------------------------------------------------------------------------------

huge_free() {
	local free=0
	read -r free 2>/dev/null </sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages
	echo "$free"
}
# Whether every process of this machine is seen from here; the number is that of the kernel's first
# PID namespace.
sees_all() { [ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ]; }
# Whether other processes use hugepages, or could without being seen, as from a container.
others_use_huge() { ! sees_all || grep -lE 'hugepage|/memfd:.*huge' /proc/[0-9]*/maps 2>/dev/null | grep -q .; }
# The EAL arguments that this machine's memory asks for: none with hugepages.
eal_memory() {
	[ "$(huge_free)" -ge "$OB_HUGE_MIN" ] && return 0
	echo "--no-huge"
}

# --- namespaces --------------------------------------------------------------------------------------

# netns_up NAME [ARGS]: as tools/netns.sh up; taken down at exit.
netns_up() {
	cleanup_push "$OB_ROOT/tools/netns.sh" down "$1"
	"$OB_ROOT/tools/netns.sh" up "$@"
}
in_eng() { ip netns exec "$1-eng" "${@:2}"; }
in_peer() { ip netns exec "$1-peer" "${@:2}"; }

# --- the engine ----------------------------------------------------------------------------------------

# config_copy SOURCE TARGET INSTANCE [SECTION.KEY=VALUE]...: a configuration for one run. A key is
# replaced where it stands, or added at the end of its section.
config_copy() {
	local source=$1 target=$2 instance=$3
	shift 3
	python3 - "$source" "$target" "engine.instance=$instance" "$@" <<'PY'
import re
import sys

source, target, *changes = sys.argv[1:]
lines = open(source).read().splitlines()
for change in changes:
    name, value = change.split("=", 1)
    want, _, key = name.rpartition(".")
    section, place, end = "", None, None
    for number, line in enumerate(lines):
        head = re.match(r"\s*\[([^]]+)\]", line)
        if head:
            section = head.group(1).strip()
        if section == want:
            if line.strip():
                end = number + 1
            if re.match(rf"\s*{re.escape(key)}\s*=", line):
                place = number
    if place is not None:
        lines[place] = f"{key} = {value}"
    elif end is not None:
        lines.insert(end, f"{key} = {value}")
    else:
        sys.exit(f"config_copy: {source} has no place for {name}")
open(target, "w").write("\n".join(lines) + "\n")
PY
}
instance_of() {
	local name
	name=$(sed -n 's/^[[:space:]]*instance[[:space:]]*=[[:space:]]*\([^[:space:];#]*\).*/\1/p' "$1")
	echo "${name:-default}"
}
# unix_listens PATH PID: a socket at PATH accepts, as the process's network namespace sees it.
unix_listens() {
	awk -v path="$1" '$8 == path && $4 == "00010000" { found = 1 } END { exit !found }' \
		"/proc/$2/net/unix" 2>/dev/null
}
engine_ready_or_gone() { pid_gone "$2" || unix_listens "$1" "$2"; }

# engine_start NAME CONFIG [ENGINE ARGS...] [-- EAL ARGS...]: in namespace NAME-eng; returns when its
# socket accepts. Sets ENGINE_PID, ENGINE_SOCKET, ENGINE_LOG. ENGINE_CPUS, if set, is its CPU list.
# ENGINE_NS, if set, is its namespace in place of NAME-eng.
# ENGINE_READY, if set, is a command to wait for in place of the socket (a standby has none yet).
engine_start() {
	local name=$1 config=$2 instance
	local -a args=() eal=()
	shift 2
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	[ $# -gt 0 ] && shift
	# shellcheck disable=SC2207
	case " $* " in *" --no-huge "*) ;; *) eal=($(eal_memory)) ;; esac
	[ ${#eal[@]} -eq 0 ] || warn "fewer than $OB_HUGE_MIN free 2 MB hugepages$(others_use_huge &&
		echo ", because other processes use some, such as another engine"): engine with --no-huge"
	eal+=("$@")
	instance=$(instance_of "$config")
	ENGINE_SOCKET=/run/outboard/$instance.sock
	ENGINE_LOG=${OB_LOG_DIR:-$(dirname "$config")}/engine-$instance.$((++ob_engines)).log
	cleanup_push instance_clean "$instance"
	[ ${#eal[@]} -eq 0 ] || args+=(-- "${eal[@]}")
	spawn "$ENGINE_LOG" ip netns exec "${ENGINE_NS:-$name-eng}" ${ENGINE_CPUS:+taskset -c "$ENGINE_CPUS"} \
		"$OB_BIN/outboard-engine" --config "$config" "${args[@]}"
	ENGINE_PID=$SPAWN_PID
	if [ -n "${ENGINE_READY:-}" ]; then
		wait_for 30 eval "$ENGINE_READY"
	else
		wait_for 30 engine_ready_or_gone "$ENGINE_SOCKET" "$ENGINE_PID"
	fi || {
		tail -n 30 "$ENGINE_LOG" >&2
		die "the engine was not ready after 30 s"
	}
	pid_gone "$ENGINE_PID" && {
		tail -n 30 "$ENGINE_LOG" >&2
		die "the engine ended while it started"
	}
	# A tap exists only once the engine has made it.
	if ip netns exec "$name-peer" true && ! ip -n "$name-peer" link show peer0 >/dev/null 2>&1; then
		"$OB_ROOT/tools/netns.sh" join "$name"
	fi
	return 0
}
ob_engines=0
# engine_stop PID: as a user would; returns its exit status.
engine_stop() {
	kill -TERM "$1" 2>/dev/null
	wait_for 10 pid_gone "$1" || {
		warn "the engine did not stop within 10 s"
		stop_pid "$1" 1
		return 1
	}
	wait "$1"
}

# What engines of an instance leave when they are killed: sockets, EAL files, state segments.
instance_files() {
	find /run/outboard /run/dpdk /dev/hugepages /dev/shm -maxdepth 2 \
		\( -name "$1" -o -name "$1.*" -o -name "$1-*" -o -name "$1map_*" -o -name "outboard-$1*" \
		-o -name "outboard.$1*" \) 2>/dev/null
}
instance_clean() {
	instance_files "$1" | while read -r file; do rm -rf "$file"; done
}

# ctl SOCKET COMMAND...: outboardctl on an engine.
ctl() { "$OB_BIN/outboardctl" --socket "$1" "${@:2}"; }
