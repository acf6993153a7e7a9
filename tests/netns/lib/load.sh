# An engine and a kernel that load each other: ob-load on the host library, kpeer on plain sockets.
# Sourced behind tools/lib.sh.
# shellcheck shell=bash

ob_load=$OB_BIN/../host_lib/examples/ob-load
kpeer=$OB_BIN/../tests/netns/kpeer
[ -x "$ob_load" ] && [ -x "$kpeer" ] || die "build first: $ob_load and $kpeer are needed"
load_port=6000
# The CPU that veth.cfg leaves free, if this machine has more than one.
pin=(taskset -c 0)

# load_up SUFFIX [--relay] [SECTION.KEY=VALUE...]: namespaces N-*, an engine in N-eng, files in dir.
load_up() {
	local relay=()
	N=$(ob_name "$1")
	shift
	[ "${1:-}" != --relay ] || { relay=(--relay) && shift; }
	dir=$(mktemp -d)
	cleanup_push rm -rf "$dir"
	netns_up "$N" "${relay[@]}" || die "no namespaces"
	# Where the kernel's default is BBR: once a full ring has lost a quarter of its packets, it can stay
	# at some kb/s for minutes, whoever the peer is.
	ip -n "$N-peer" route change 10.77.0.0/24 dev peer0 src $OB_PEER_ADDR congctl cubic ||
		die "no cubic"
	{ cat "$OB_ROOT/configs/veth.cfg" && printf '[tcp]\n[limits]\n[debug]\n'; } >"$dir/veth.cfg"
	config_copy "$dir/veth.cfg" "$dir/engine.cfg" "$N" engine.idle=adaptive "$@" ||
		die "no configuration"
	engine_start "$N" "$dir/engine.cfg"
}
# command_of SIDE ROLE PORT: sets cmd, without options.
command_of() {
	local at=$OB_ADDR
	case $1-$2 in
	engine-listen | kernel-connect) at=$OB_ADDR ;;
	*) at=${KERNEL_ADDR:-$OB_PEER_ADDR} ;;
	esac
	case $1 in
	engine) cmd=("${pin[@]}" "$ob_load" --socket "$ENGINE_SOCKET" "--$2" "$at:$3") ;;
	kernel) cmd=("${pin[@]}" ip netns exec "$N-peer" "$kpeer" "--$2" "$at:$3") ;;
	esac
}
ready_or_ended() { grep -qs '^ready' "$1" || pid_gone "$2"; }

# serve SIDE LOG OPTIONS...: a server on engine or kernel, at a port of its own. Sets SERVER_PID.
serve() {
	local -a cmd=()
	load_port=$((load_port + 1))
	command_of "$1" listen $load_port
	spawn "$2" "${cmd[@]}" "${@:3}"
	SERVER_PID=$SPAWN_PID
	SERVER_ENDS=
	case " ${*:3} " in *" --conns "*) SERVER_ENDS=1 ;; esac
	wait_for 20 ready_or_ended "$2" "$SERVER_PID" && ! pid_gone "$SERVER_PID" ||
		die "the server does not listen: $(cat "$2")"
}
# serve_end LOG: one that was told how many --conns to serve. Fails when it found anything wrong.
serve_end() {
	wait_for 30 pid_gone "$SERVER_PID" && wait "$SERVER_PID" || die "the server: $(cat "$1")"
}
# serve_stop LOG: one that serves for ever, and has no connection now.
serve_stop() {
	kill -TERM "$SERVER_PID"
	serve_end "$1"
}
# client SIDE NAME OPTIONS...: a client of the last server; its figures go to $dir/NAME.
client() {
	local side=$1 name=$2
	local -a cmd=()
	command_of "$side" connect $load_port
	run "${cmd[@]}" "${@:3}" >"$dir/$name" 2>&1 || {
		echo "server: $(cat "$dir"/*.server)" >&2
		die "$name: $(cat "$dir/$name")"
	}
	told "$name" "$side"
}
# load NAME SERVER [SERVER OPTIONS...] -- CLIENT OPTIONS...: SERVER is engine or kernel; the other one
# connects. Both have to find every byte right, in as many connections as --conns says to either.
load() {
	local name=$1 server=$2 side=kernel
	local -a options=()
	shift 2
	[ "$server" = engine ] || side=engine
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	serve "$server" "$dir/$name.server" "${options[@]}"
	client "$side" "$name" "$@"
	serve_end "$dir/$name.server"
}
# told NAME CLIENT: one line for people.
told() {
	python3 - "$dir/$1" "$1" "$2" <<-'END'
		import json, sys
		path, name, client = sys.argv[1:]
		r = json.loads(open(path).read().strip().splitlines()[-1])
		print(f"{name}: {client} connects: {r['completed']} connections, {r['seconds']:.2f} s,"
		      f" {r['mb_per_s']:.1f} MB/s, {r['conns_per_s']:.0f} conn/s, longest {r['max_ms']:.0f} ms",
		      flush=True)
	END
}

# look NAME: counters, gauges and the engine's memory, for check.
look() {
	local what
	for what in counters stat groups hosts conns; do
		ctl "$ENGINE_SOCKET" $what --json >"$dir/$1.$what.json" || die "outboardctl $what"
	done
}
# check NAME NAME EXPRESSION: of what the counters rose by between two looks; `a` and `b` are all that
# was seen then; `resets` is how many were sent to connections. On a busy machine a kernel sends again
# what was acknowledged, and a copy that comes when its connection is over is answered with a reset, too.
check() {
	python3 - "$dir" "$@" <<-'END' || die "not so: $3"
		import json, sys
		directory, first, second, expression = sys.argv[1:]
		kinds = ("counters", "stat", "groups", "hosts", "conns")
		load = lambda name: {k: json.load(open(f"{directory}/{name}.{k}.json")) for k in kinds}
		a, b = load(first), load(second)
		rose = {k: v - a["counters"][k] for k, v in b["counters"].items()}
		rose["resets"] = max(0, rose["tcp_reset_tx"] - rose["drop_tcp_no_conn"])
		if not eval(f"({expression})", {"a": a, "b": b}, rose):
		    changed = {k: v for k, v in rose.items() if v}
		    sys.exit(f"rose by {changed}\nstat {b['stat']}\ngroups {b['groups']}\nhosts {b['hosts']}")
	END
}
