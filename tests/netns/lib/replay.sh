# outboard-replay against an engine in namespaces of its own. Sourced behind tools/lib.sh.
# shellcheck shell=bash

captures=$OB_ROOT/tests/captures
lib=$OB_ROOT/tests/netns/lib
http_pcap=/usr/share/doc/python3-dpkt/examples/data/http.pcap

# replay_up SUFFIX: N-eng with an engine, N-peer with the wire's other end; files in dir.
replay_up() {
	N=$(ob_name "$1")
	dir=$(mktemp -d)
	cleanup_push rm -rf "$dir"
	netns_up "$N" || die "no namespaces"
	config_copy "$OB_ROOT/configs/veth.cfg" "$dir/engine.cfg" "$N"
	engine_start "$N" "$dir/engine.cfg"
	export OUTBOARD_SOCKET=$ENGINE_SOCKET
}
# replay NAME FILE OPTIONS...: its figures go to $dir/NAME.json, what it says to $dir/NAME.log.
# Returns its exit status.
replay() {
	local name=$1
	shift
	run ip netns exec "$N-peer" "$OB_BIN/outboard-replay" "$@" --json >"$dir/$name.json" 2>"$dir/$name.log"
}
# figures NAME EXPRESSION: of the JSON, which is `r`.
figures() {
	python3 - "$dir/$1.json" "$2" <<-'END' || die "$1: not so: $2; $(cat "$dir/$1.log")"
		import json, sys
		r = json.load(open(sys.argv[1]))
		if not eval(f"({sys.argv[2]})"):
		    sys.exit(json.dumps(r, indent=1)[:4000])
	END
}
# figure NAME EXPRESSION: prints it.
figure() {
	python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval("(" + sys.argv[2] + ")"))' \
		"$dir/$1.json" "$2"
}
# wire_open NAME: everything of TCP on the wire until wire_closed; at the peer's end, because the engine's
# packets bypass what tcpdump would see at its own.
wire_open() {
	wire_file=$dir/$1.pcap
	spawn "$dir/tcpdump" ip netns exec "$N-peer" tcpdump -i peer0 -B 65536 --immediate-mode -U -s 0 \
		-w "$wire_file" tcp
	wire_pid=$SPAWN_PID
	wait_for 10 grep -qs listening "$dir/tcpdump" || die "no tcpdump: $(cat "$dir/tcpdump")"
}
# What the interface has carried is in the file.
wire_settled() {
	local size
	size=$(stat -c %s "$wire_file")
	[ "$size" = "${wire_size:-}" ] && return 0
	wire_size=$size
	return 1
}
wire_closed() {
	wire_size=
	wait_for 10 wire_settled
	kill -INT "$wire_pid"
	wait_for 5 pid_gone "$wire_pid" || die "tcpdump does not stop"
	grep -q '^0 packets dropped by kernel' "$dir/tcpdump" || die "tcpdump missed packets: $(cat "$dir/tcpdump")"
}
# nothing_left: the engine has no connection and no host any more.
nothing_left() {
	ctl "$ENGINE_SOCKET" stat --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
sys.exit(any(s[k] for k in ("conns", "half_open", "hosts")))'
}
