#!/usr/bin/env bash
# Goodput over a bad path, beside that of two kernels over the same path: a round trip of 10 ms, 1 % of
# the packets lost and 1 % reordered each way, CUBIC on both. One connection at a time, from and to the
# kernel; in turn, with the same seeds for both; median of five.
#
#   ob-load -- engine  P-eng -- P-wire [outboard-wire] -- P-peer  kernel -- kpeer
#   kpeer   -- kernel  K-eng -- K-wire [outboard-wire] -- K-peer  kernel -- kpeer
#
# SACK, timestamps and ECN are on and off at both ends; where ECN is on, 0.5 % of the packets are marked each way
# as well. tests/netns has no such test: what it prints are figures, of a machine that does nothing else.
#
#   tools/bench/goodput.sh [--bytes N] [--repeat N] [--row "SACK TIMESTAMPS ECN"]... [--path "OPTIONS of outboard-wire"]
#                          [--each yes]: the rate of each transfer too
set -u
. "${BASH_SOURCE[0]%/*}/../lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

OB_WHO=goodput
bytes=6000000 repeat=5 each=no rows=() path="--delay-us 5000 --loss 0.01 --reorder 0.01"
while [ $# -ge 2 ]; do
	case $1 in
	--bytes) bytes=$2 ;;
	--repeat) repeat=$2 ;;
	--row) rows+=("$2") ;;
	--path) path=$2 ;;
	--each) each=$2 ;;
	*) die "what is $1?" ;;
	esac
	shift 2
done
[ $# = 0 ] || die "$1 wants a value"
[ ${#rows[@]} -gt 0 ] || rows=("1 1 0" "1 1 1" "1 0 0" "1 0 1" "0 1 0" "0 1 1" "0 0 0" "0 0 1")

P=$(ob_name gp) K=$(ob_name gk)
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
netns_up "$P" --relay && netns_up "$K" --relay || die "no namespaces"
for ns in "$P" "$K"; do
	ip -n "$ns-peer" route change 10.77.0.0/24 dev peer0 src $OB_PEER_ADDR congctl cubic || die "no cubic"
done
ip -n "$K-eng" addr add $OB_ADDR/24 dev eng0 && ip -n "$K-eng" link set eng0 arp on &&
	ip -n "$K-eng" route change 10.77.0.0/24 dev eng0 src $OB_ADDR congctl cubic || die "no address"

# settings SACK TIMESTAMPS ECN: of every kernel.
settings() {
	local ns
	for ns in "$P-peer" "$K-peer" "$K-eng"; do
		ip netns exec "$ns" sh -c "cd /proc/sys/net/ipv4 && echo $1 >tcp_sack && echo $2 >tcp_timestamps &&
			echo $3 >tcp_ecn && echo 1 >tcp_no_metrics_save" || die "no settings in $ns"
	done
}
engine_up() {
	set -- "$1" "$2" "$([ "$3" = 1 ] && echo on || echo off)"
	{ cat "$OB_ROOT/configs/veth.cfg" && printf '[tcp]\n'; } >"$dir/veth.cfg"
	config_copy "$dir/veth.cfg" "$dir/engine.cfg" "$P" engine.idle=poll "tcp.sack=$1" \
		"tcp.timestamps=$2" "tcp.ecn=$3" || die "no configuration"
	# Everything else is on CPU 0. A sleep would be a longer round trip: up to a millisecond of ten.
	ENGINE_CPUS=1 engine_start "$P" "$dir/engine.cfg"
}

# transfer STACK DIRECTION SEED: STACK is engine or kernel. Appends MB/s to $dir/ROW.STACK.DIRECTION.
transfer() {
	local ns=$P wire server status=0
	local -a listen=("$ob_load" --socket "$ENGINE_SOCKET") size=(--bytes-up 0 --bytes-down $bytes)
	[ "$1" = engine ] || { ns=$K && listen=(ip netns exec "$K-eng" "$kpeer"); }
	[ "$2" = sends ] || size=(--bytes-up $bytes --bytes-down 0)
	# shellcheck disable=SC2086
	spawn "$dir/wire" ip netns exec "$ns-wire" "$OB_BIN/outboard-wire" --a w0 --b w1 --seed "$3" $path $ce
	wire=$SPAWN_PID
	wait_for 5 grep -qs ready "$dir/wire" || die "the relay did not start: $(cat "$dir/wire")"
	load_port=$((load_port + 1))
	spawn "$dir/server" "${pin[@]}" "${listen[@]}" --listen $OB_ADDR:$load_port --conns 1
	server=$SPAWN_PID
	wait_for 20 ready_or_ended "$dir/server" "$server" && ! pid_gone "$server" || die "$1: $(cat "$dir/server")"
	run "${pin[@]}" ip netns exec "$ns-peer" "$kpeer" --connect $OB_ADDR:$load_port --conns 1 "${size[@]}" \
		>"$dir/client" 2>&1 || status=1
	[ $status = 0 ] && wait_for 30 pid_gone "$server" && wait "$server" ||
		die "$1 $2: client $(cat "$dir/client"), server $(cat "$dir/server")"
	kill_group "$wire"
	python3 -c 'import json, sys; print(json.loads(sys.stdin.read().strip().splitlines()[-1])["seconds"])' \
		<"$dir/client" >>"$dir/$row.$1.$2"
}

for entry in "${rows[@]}"; do
	row=${entry// /-} ce=
	[ "${entry##* }" = 0 ] || ce="--ce 0.005"
	# shellcheck disable=SC2086
	settings $entry
	# shellcheck disable=SC2086
	engine_up $entry
	for ((seed = 1; seed <= repeat; seed++)); do
		for direction in sends receives; do
			transfer engine $direction $seed
			transfer kernel $direction $seed
		done
	done
	engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly"
	python3 - "$dir/$row" "$bytes" "$entry" "$each" <<-'END'
		import statistics, sys
		path, size, entry, each = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
		for way in ("sends", "receives"):
		    rates = {s: [size * 8e-6 / float(x) for x in open(f"{path}.{s}.{way}")] for s in ("engine", "kernel")}
		    if each == "yes":
		        for s, v in rates.items():
		            print(f"  {s} {way}:", *(f"{x:.1f}" for x in v))
		    for v in rates.values():
		        v.sort()
		    mid = {s: statistics.median(v) for s, v in rates.items()}
		    print("SACK %s timestamps %s ECN %s, %-8s" % (*entry.split(), way), " ".join(
		        f"{s} {mid[s]:.1f} Mb/s ({v[0]:.1f} to {v[-1]:.1f})" for s, v in rates.items()),
		        f"ratio {mid['engine'] / mid['kernel']:.2f}", flush=True)
	END
done
exit 0
