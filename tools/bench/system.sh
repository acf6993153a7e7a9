#!/usr/bin/env bash
# Measures real processes for `outboard-bench system`, which starts it: see bench_script() in bench.h
# for what it reads and prints. Arguments: HOST_IDLE, sleep or yield; NICE, of what is measured.
#
# veth: the same server and the same client, in turn with Outboard and with the kernel's TCP under the
# server. The client is always on the kernel's sockets.
#
#   bench-server          V-eng                    V-peer
#   on the host library --- outboard-engine eng0 --- peer0 kernel -- bench-client
#
#                         K-eng                    K-peer
#      bench-server on kernel 10.77.0.1 eng0 --- peer0 kernel -- bench-client
#
# memif: the client is a DPDK process, so that neither a kernel nor the wire is the limit.
#
#   bench-server on the host library --- outboard-engine ===memif=== bench-peer
set -u
. "${BASH_SOURCE[0]%/*}/../lib.sh"
guard_signals "$@"
OB_WHO=system
require_root

host_idle=${1:-sleep} nice=${2:-0}
seconds=${BENCH_SECONDS:-0} repeat=${BENCH_REPEAT:-0}
[ "$seconds" != 0 ] || seconds=1
[ "$repeat" != 0 ] || repeat=5
warm=$(awk -v s="$seconds" 'BEGIN { print s < 1 ? s / 4 : 0.25 }')
# Seconds until a run is given up: those of opening and closing come on top.
patience=$(awk -v s="$seconds" 'BEGIN { printf "%d\n", 2 * s + 60 }')
programs=$OB_BIN/../tools/bench/system
server=$programs/bench-server client=$programs/bench-client dpdk_peer=$programs/bench-peer
[ -x "$server" ] && [ -x "$client" ] && [ -x "$dpdk_peer" ] || die "no programs in $programs: this suite runs from a build tree, as build/bin/outboard-bench system"
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
OB_LOG_DIR=$dir
patterns=()
[ -z "${BENCH_CASES:-}" ] || mapfile -t patterns < <(printf '%s' "$BENCH_CASES")

# --- what is measured --------------------------------------------------------------------------------

# CASE CONNECTIONS: MODE of the server
cases=("echo 1 echo" "echo 64 echo" "echo 512 echo" "bulk_rx 1 sink" "bulk_rx 16 sink" "bulk_tx 1 source"
	"bulk_tx 16 source" "short 64 echo" "idle 10000 echo")
# Rows: outboard; kernel, on the same frames and sums as the engine; kernel_offload, as veth comes, with
# large frames and without sums: what the kernel can do where no wire is in between.
rows_of() {
	case $1-$2 in
	memif-*) echo outboard ;;
	veth-bulk_*) echo outboard kernel kernel_offload ;;
	*) echo outboard kernel ;;
	esac
}
common_figures="wall_s cpu_s_engine cpu_s_host cpu_s_peer cpu_s_machine rtx_segs tx_drops"
figures_of() {
	case $1 in
	echo) echo "rps p50_us p99_us max_us host_us_per_op $common_figures" ;;
	bulk_*) echo "gbps host_us_per_mb $common_figures" ;;
	short) echo "cps p50_us p99_us max_us host_us_per_op $common_figures" ;;
	idle) echo "cps p50_us p99_us max_us $common_figures" ;;
	esac
}
# wanted CASE PREFIX: whether any figure of it is asked for.
wanted() {
	local figure pattern
	[ ${#patterns[@]} -gt 0 ] || return 0
	for figure in $(figures_of "$1"); do
		for pattern in "${patterns[@]}"; do
			# shellcheck disable=SC2053
			[[ $2.$figure == $pattern ]] && return 0
		done
	done
	return 1
}
prefix_of() { echo "system.$1.$2.conns=$3.$4"; }
# any_wanted WIRE
any_wanted() {
	local what conns mode row entry
	for entry in "${cases[@]}"; do
		read -r what conns mode <<<"$entry"
		for row in $(rows_of "$1" "$what"); do
			wanted "$what" "$(prefix_of "$1" "$what" "$conns" "$row")" && return 0
		done
	done
	return 1
}

# --- where everything runs -----------------------------------------------------------------------------

n_cpus=$(nproc)
engine_cpu=0 host_cpu=0 client_cpu=0 peer_cpu=0
[ "$n_cpus" -lt 2 ] || engine_cpu=1
[ "$n_cpus" -lt 3 ] || peer_cpu=2
mask() { printf '%x\n' $((1 << $1)); }

setting() { echo "setting $*"; }
setting seconds "$seconds"
setting repeat "$repeat"
setting warm_s "$warm"
setting message_bytes 64
setting host_idle "$host_idle"
setting cpus "engine $engine_cpu; server on Outboard $host_cpu; server on the kernel $engine_cpu; client $client_cpu; DPDK peer $peer_cpu (it gives the CPU away when it has nothing to do)"

# Others on the machine get less. Where the scheduler groups processes by session, that group counts.
favoured=(sh -c 'n=$1; shift; { echo "$n" >/proc/self/autogroup; } 2>/dev/null; exec nice -n "$n" "$@"' sh "$nice")
[ "$nice" != 0 ] || favoured=()
favour() {
	[ "$nice" = 0 ] && return
	renice -n "$nice" -p "$1" >/dev/null
	echo "$nice" 2>/dev/null >"/proc/$1/autogroup"
	return 0
}
setting nice "$nice"

# --- one run ---------------------------------------------------------------------------------------------

port=7000
ready_or_gone() { grep -qs '^ready' "$1" || pid_gone "$2"; }
# server_start ROW MODE: sets SERVER_PID.
server_start() {
	local -a cmd=()
	port=$((port + 1))
	: >"$dir/server"
	case $1 in
	outboard)
		cmd=(taskset -c "$host_cpu" "$server" outboard --socket "$ENGINE_SOCKET")
		[ "$host_idle" = sleep ] || cmd+=(--idle yield)
		;;
	kernel*) cmd=(ip netns exec "$K-eng" taskset -c "$engine_cpu" "$server" kernel) ;;
	esac
	env --default-signal=INT,QUIT setsid "${favoured[@]}" "${cmd[@]}" --mode "$2" --port $port >"$dir/server" \
		2>"$dir/server.err" </dev/null &
	SERVER_PID=$!
	cleanup_push stop_pid "$SERVER_PID" 1
	wait_for 10 ready_or_gone "$dir/server" "$SERVER_PID" && ! pid_gone "$SERVER_PID" && return 0
	echo "failure $1: the server does not start: $(tr '\n' ' ' <"$dir/server.err")"
	return 1
}
server_stop() {
	stop_pid "$SERVER_PID" 5
	unset "ob_cleanup_stack[$((${#ob_cleanup_stack[@]} - 1))]"
}

counters() {
	ctl "$ENGINE_SOCKET" counters --json | tr -d ' ",' |
		awk -F: '$1 == "tcp_rtx_segs" { r = $2 } $1 == "tx_drop_port" { d = $2 } END { print r + 0, d + 0 }'
}

# ask WIRE ROW ARGUMENTS...: the client's answer goes to $dir/answer.
ask() {
	local wire=$1 row=$2 ns=$K lines
	shift 2
	[ "$row" != outboard ] || ns=$V
	if [ "$wire" = veth ]; then
		run "${favoured[@]}" ip netns exec "$ns-peer" taskset -c "$client_cpu" "$client" "$@" >"$dir/answer" 2>&1
		return
	fi
	lines=$(wc -l <"$dir/peer")
	echo "$*" >&"$peer_in"
	answered() { [ "$(wc -l <"$dir/peer")" -gt "$lines" ] || pid_gone "$PEER_PID"; }
	wait_for "$patience" answered || die "the peer does not answer: $(tail -n 5 "$dir/peer.err")"
	tail -n 1 "$dir/peer" >"$dir/answer"
}

# figures PREFIX CASE CONNECTIONS BEFORE AFTER: of the answer; BEFORE and AFTER are counters.
figures() {
	awk -v prefix="$1" -v what="$2" -v conns="$3" -v before="$4" -v after="$5" '
		function say(name, unit, value) { printf "figure %s.%s %s %.9g\n", prefix, name, unit, value }
		$1 == "done" {
			for (i = 2; i <= NF; i++) {
				split($i, pair, "=")
				v[pair[1]] = pair[2]
			}
			n = v["ops"]
			say("wall_s", "s", v["seconds"])
			if (what == "echo")
				say("rps", "rps", v["ops"] / v["seconds"])
			if (what == "short")
				say("cps", "cps", v["ops"] / v["seconds"])
			if (what == "idle")
				say("cps", "cps", conns / v["opened_s"])
			if (what ~ /^bulk/) {
				say("gbps", "gbps", v["bytes"] * 8e-9 / v["seconds"])
				n = v["bytes"] / 1e6
			} else {
				say("p50_us", "us", v["p50_us"])
				say("p99_us", "us", v["p99_us"])
				say("max_us", "us", v["max_us"])
			}
			for (name in v)
				if (name ~ /^cpu_/)
					say("cpu_s_" substr(name, 5), "s", v[name])
			if (n > 0 && what != "idle")
				say("host_us_per_" (what ~ /^bulk/ ? "mb" : "op"), "us", v["cpu_host"] * 1e6 / n)
			if (before != "") {
				split(before, b, " ")
				split(after, a, " ")
				say("rtx_segs", "segments", a[1] - b[1])
				say("tx_drops", "packets", a[2] - b[2])
			}
			good = 1
		}
		END { if (!good) printf "failure %s: %s\n", prefix, $0 }' "$dir/answer"
}

# measure WIRE CASE CONNECTIONS MODE ROW
measure() {
	local prefix watch=() before= after=
	prefix=$(prefix_of "$1" "$2" "$3" "$5")
	wanted "$2" "$prefix" || return 0
	if [ "$5" = outboard ]; then
		kill -CONT "$ENGINE_PID"
		watch+=(--watch "engine=$ENGINE_PID")
		before=$(counters)
	elif [ -n "${ENGINE_PID:-}" ]; then
		kill -STOP "$ENGINE_PID" # it has no connection now, and would only take CPU time
	fi
	[ "$1" = memif ] || offload "$5"
	server_start "$5" "$4" && {
		ask "$1" "$5" --case "$2" --conns "$3" --seconds "$seconds" --warm "$warm" --to "$OB_ADDR:$port" \
			"${watch[@]}" --watch "host=$SERVER_PID" --watch peer=0 --watch machine=-1
		server_stop
		[ "$5" != outboard ] || after=$(counters)
		figures "$prefix" "$2" "$3" "$before" "$after"
	}
	if [ -n "${ENGINE_PID:-}" ]; then
		kill -CONT "$ENGINE_PID"
		pid_gone "$ENGINE_PID" && die "the engine has ended: $(tail -n 5 "$ENGINE_LOG")"
	fi
	return 0
}

measure_all() {
	local wire=$1 round what conns mode row entry
	for ((round = 0; round < repeat; round++)); do
		for entry in "${cases[@]}"; do
			read -r what conns mode <<<"$entry"
			for row in $(rows_of "$wire" "$what"); do
				measure "$wire" "$what" "$conns" "$mode" "$row"
			done
		done
	done
}

# memory_of WHAT: sets eal to the EAL arguments that the free hugepages ask for now, and says which.
memory_of() {
	# shellcheck disable=SC2207
	eal=($(eal_memory))
	setting "memory_of_$1" "${eal[*]:-hugepages}"
}

# --- the wires -------------------------------------------------------------------------------------------

# receive_on NAMESPACE IF CPU: where the kernel handles what it receives: beside the program that reads it.
receive_on() {
	ip netns exec "$1" sh -c "echo $(mask "$3") >/sys/class/net/$2/queues/rx-0/rps_cpus"
}
# client_side NAME: as a client for many connections wants its kernel.
client_side() {
	receive_on "$1-peer" peer0 "$client_cpu"
	receive_on "$1-eng" eng0 "$engine_cpu"
	in_peer "$1" sh -c 'cd /proc/sys/net/ipv4 && echo 1 >tcp_tw_reuse &&
		echo 1024 65535 >ip_local_port_range' || die "no sysctl"
	# Both of the kernel's ends as the engine: loss-based, whatever the machine's default is.
	ip -n "$1-peer" route change 10.77.0.0/24 dev peer0 src $OB_PEER_ADDR congctl cubic || die "no cubic"
}
offloaded=
# offload ROW
offload() {
	local way=off ns
	case $1 in
	outboard) return ;;
	kernel_offload) way=on ;;
	esac
	[ "$offloaded" != $way ] || return 0
	for ns in eng:eng0 peer:peer0; do
		ip netns exec "$K-${ns%:*}" ethtool -K "${ns#*:}" tx $way rx $way tso $way gso $way gro $way \
			>/dev/null 2>&1
	done
	offloaded=$way
}

veth() {
	V=$(ob_name v) K=$(ob_name k)
	netns_up "$V" && netns_up "$K" || die "no namespaces"
	client_side "$V" && client_side "$K"
	ip -n "$K-eng" addr add $OB_ADDR/24 dev eng0 && ip -n "$K-eng" link set eng0 arp on &&
		ip -n "$K-eng" route change 10.77.0.0/24 dev eng0 src $OB_ADDR congctl cubic || die "no address"
	config_copy "$OB_ROOT/configs/veth.cfg" "$dir/veth.cfg" "$V" engine.core=$engine_cpu || die "no configuration"
	memory_of engine_veth
	engine_start "$V" "$dir/veth.cfg" -- "${eal[@]}"
	favour "$ENGINE_PID"
	setting veth "af_packet on veth, MTU 1500, sums in software at both ends; the kernel's congestion control is cubic"
	measure_all veth
	engine_stop "$ENGINE_PID" || echo "failure veth: the engine did not stop in order"
	ENGINE_PID=
}

peer_in=
peer_ready_or_gone() { grep -qs '^ready' "$dir/peer" || pid_gone "$PEER_PID"; }
# The peer's configuration: TIME-WAIT is short, because it is the one that closes first.
peer_config() {
	cat <<-END
		[engine]
		instance = $1
		core = $peer_cpu
		control_core = $peer_cpu
		memory_mb = 160
		[port]
		vdev = net_memif0,role=client,id=0,socket-abstract=no,socket=$dir/memif.sock,bsize=2048,rsize=11
		mtu = 1500
		[net]
		address = $OB_PEER_ADDR/24
		[tcp]
		port_min = 1024
		port_max = 65535
		msl2_ms = 1000
		[limits]
		conns = 16384
		half_open = 16384
		time_wait = 16384
		soft = 16384
		hosts = 1
	END
}
peer_start() {
	: >"$dir/peer"
	env --default-signal=INT,QUIT setsid "${favoured[@]}" "$dpdk_peer" "$dir/peer.cfg" --yield "${eal[@]}" \
		<"$dir/peer.in" >"$dir/peer" 2>"$dir/peer.err" &
	PEER_PID=$!
	cleanup_push kill_group "$PEER_PID"
	exec {peer_in}>"$dir/peer.in"
	wait_for 20 peer_ready_or_gone && ! pid_gone "$PEER_PID" && return
	exec {peer_in}>&-
	return 1
}
memif() {
	local name
	name=$(ob_name m)
	config_copy "$OB_ROOT/configs/memif.cfg" "$dir/memif.cfg" "$name" engine.core=$engine_cpu \
		"port.vdev=net_memif0,role=server,id=0,socket-abstract=no,socket=$dir/memif.sock,bsize=2048,rsize=11" ||
		die "no configuration"
	netns_up "$name" || die "no namespaces" # for the engine's own; the wire is the socket
	memory_of engine_memif
	engine_start "$name" "$dir/memif.cfg" -- "${eal[@]}"
	favour "$ENGINE_PID"
	peer_config "$name-p" >"$dir/peer.cfg"
	cleanup_push instance_clean "$name-p"
	mkfifo "$dir/peer.in"
	memory_of peer
	peer_start || {
		# Others may have taken the pages meanwhile.
		eal=(--no-huge)
		setting memory_of_peer "--no-huge"
		peer_start
	} || die "no peer: $(tail -n 5 "$dir/peer.err")"
	setting memif "net_memif, rings of 2048 packets, MTU 1500, sums in software at both ends"
	measure_all memif
	exec {peer_in}>&-
	wait_for 10 pid_gone "$PEER_PID" && wait "$PEER_PID" || echo "failure memif: the peer did not stop in order"
	engine_stop "$ENGINE_PID" || echo "failure memif: the engine did not stop in order"
	ENGINE_PID=
}

V= K= ENGINE_PID=
! any_wanted veth || veth
! any_wanted memif || memif
exit 0
