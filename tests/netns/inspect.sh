#!/usr/bin/env bash
# Looking into an engine three ways, and at its packets; what they say has to agree:
#
#   ob-httpd                          N-eng            N-peer
#      |                              eng0 ---------- peer0 10.77.0.2: ping, curl
#   outboard-engine 10.77.0.1 --------'
#      |-- /run/outboard/N.sock                    outboardctl
#      |-- /run/dpdk/N/dpdk_telemetry.v2           dpdk-telemetry.py
#      '-- /run/dpdk/N/mp_socket                   dpdk-dumpcap
#
# Then the engine is killed while it is looked at, and started again.
#
# timeout: 240
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
command -v dpdk-dumpcap >/dev/null && command -v tcpdump >/dev/null ||
	skip "needs dpdk-dumpcap and tcpdump (Debian packages dpdk, tcpdump)"
[ -z "$(eal_memory)" ] || skip "captures need hugepages: $OB_HUGE_MIN free ones of 2 MB"
N=$(ob_name inspect)
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
look=$OB_ROOT/tests/netns/lib/look.py

# capture_start FILE: returns when packets come through.
capture_start() {
	spawn "$1.log" dpdk-dumpcap --file-prefix="$N" -i 0 -p -q -w "$1"
	capture=$SPAWN_PID
	wait_for 20 captures "$1" || die "nothing is captured: $(cat "$1.log")"
}
captures() {
	in_peer "$N" ping -c 1 -W 1 -q $OB_ADDR >/dev/null
	[ "$(captured "$1" icmp)" -gt 0 ]
}
captured() { tcpdump -nr "$1" "$2" 2>/dev/null | grep -c '^[0-9]'; }
# caught FILE FILTER NUMBER: waits for them; what is in the ring when a capture ends is lost.
caught() { wait_for 5 eval "[ \"\$(captured '$1' '$2')\" -ge $3 ]"; }
# capture_stop FILE: as a user would.
capture_stop() {
	kill -INT "$capture" 2>/dev/null # it may have seen its engine go
	wait_for 10 pid_gone "$capture" || die "the capture does not end"
	! grep 'received/dropped' "$1.log" | grep -qv '/0 (100.0)' || warn "the capture lost packets"
}
# counted FILE FILTER NUMBER WHAT
counted() {
	local n
	n=$(captured "$1" "$2")
	[ "$n" = "$3" ] || die "$n $4 captured, not $3"
}

# look_now NAME: everything that can be asked, as NAME.*.json.
look_now() {
	local what
	for what in stat counters conns listeners groups hosts; do
		ctl "$ENGINE_SOCKET" $what --json >"$dir/$1.$what.json" || die "outboardctl $what"
		ctl "$ENGINE_SOCKET" $what >"$dir/$1.$what.txt" || die "outboardctl $what for people"
		[ -s "$dir/$1.$what.txt" ] || die "outboardctl $what prints nothing"
	done
	for what in stat counters conns listeners groups hosts channels port; do
		echo /outboard/$what | dpdk-telemetry.py -f "$N" >"$dir/$1.$what.telemetry.json" ||
			die "dpdk-telemetry.py /outboard/$what"
	done
}
# look_still NAME: look_now, again until no packet came or went meanwhile.
look_still() {
	local before
	for _ in 1 2 3 4 5 6 7 8; do
		before=$(packets)
		look_now "$1"
		[ "$(packets)" = "$before" ] && return 0
	done
	die "packets do not stop"
}
packets() { ctl "$ENGINE_SOCKET" stat --json | grep -o '"[rt]x_pkts": [0-9]*'; }
# value FILE KEY
value() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$@"; }
engine_up() {
	engine_start "$N" "$dir/engine.cfg"
	spawn "$dir/httpd.log" "$OB_BIN/ob-httpd" --socket "$ENGINE_SOCKET" --addr $OB_ADDR --port 80 \
		--root "$dir/root"
	httpd=$SPAWN_PID
	wait_for 10 listens || die "ob-httpd does not listen: $(cat "$dir/httpd.log")"
}
listens() { ctl "$ENGINE_SOCKET" listeners --json | grep -q '"lport": 80'; }
quiet() { ctl "$ENGINE_SOCKET" stat --json | grep -q '"half_open": 0'; }

mkdir "$dir/root"
head -c 50000 /dev/urandom >"$dir/root/file"
netns_up "$N" || die "no namespaces"
in_peer "$N" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/peer0/disable_ipv6' 2>/dev/null
config_copy "$OB_ROOT/configs/veth.cfg" "$dir/engine.cfg" "$N" || die "no configuration"

say "traffic, and what is seen of it"
engine_up
capture_start "$dir/first.pcapng"
look_still before
in_peer "$N" ping -c 20 -i 0.02 -s 123 -q $OB_ADDR >/dev/null || die "pings were lost"
for _ in 1 2 3 4 5; do
	in_peer "$N" curl -sS -m 20 -o "$dir/came" "http://$OB_ADDR/file" || die "curl failed"
	cmp -s "$dir/came" "$dir/root/file" || die "the file came changed"
done
spawn "$dir/hold.log" ip netns exec "$N-peer" python3 "$look" hold $OB_ADDR 80 3
wait_for 10 grep -qs ready "$dir/hold.log" || die "no connections: $(cat "$dir/hold.log")"
wait_for 5 quiet || die "handshakes do not end"
look_still after
caught "$dir/first.pcapng" 'tcp src port 80' "$(value "$dir/after.counters.json" tcp_tx_segs)"
capture_stop "$dir/first.pcapng"
python3 "$look" compare "$dir" --instance "$N" --engine "$ENGINE_PID" --host "$httpd" \
	--pings 20 --fetches 5 --held "$dir/hold.log" || die "what is seen does not agree"

say "the capture holds what was counted"
counted "$dir/first.pcapng" 'icmp[0] = 8 and ip[2:2] = 151' 20 "echo requests"
counted "$dir/first.pcapng" 'icmp[0] = 0 and ip[2:2] = 151' 20 "echo replies"
counted "$dir/first.pcapng" 'tcp[13] & 0x12 = 0x02' 8 SYNs
counted "$dir/first.pcapng" 'tcp[13] & 0x12 = 0x12' 8 SYN-ACKs
# No segment came before the capture did.
counted "$dir/first.pcapng" 'tcp dst port 80' "$(value "$dir/after.counters.json" tcp_rx_segs)" \
	"received segments"
counted "$dir/first.pcapng" 'tcp src port 80' "$(value "$dir/after.counters.json" tcp_tx_segs)" \
	"sent segments"

say "no standby: switchover is refused"
ctl "$ENGINE_SOCKET" switchover 2>"$dir/refused" && die "switchover was accepted"
grep -q "comes with failover" "$dir/refused" || die "not the reason: $(cat "$dir/refused")"

say "killed while it is captured, and started again with the same prefix"
capture_start "$dir/killed.pcapng"
kill -KILL "$ENGINE_PID"
wait_for 5 pid_gone "$ENGINE_PID" || die "the engine survives SIGKILL"
kill_group "$httpd"
ctl "$ENGINE_SOCKET" stat 2>/dev/null && die "a killed engine answers"
OB_HUGE_MIN=0 # the hugepages that it held are the next one's
engine_up
capture_stop "$dir/killed.pcapng"
[ "$(captured "$dir/killed.pcapng" icmp)" -gt 0 ] || die "that capture is lost"
capture_start "$dir/second.pcapng"
in_peer "$N" ping -c 5 -i 0.02 -s 123 -q $OB_ADDR >/dev/null || die "pings were lost"
caught "$dir/second.pcapng" 'icmp[0] = 0 and ip[2:2] = 151' 5
capture_stop "$dir/second.pcapng"
counted "$dir/second.pcapng" 'icmp[0] = 0 and ip[2:2] = 151' 5 "echo replies"
look_now again
[ "$(value "$dir/again.stat.json" pid)" = "$ENGINE_PID" ] || die "not the new engine answers"
engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly: $(tail -n 5 "$ENGINE_LOG")"
[ ! -e "/run/dpdk/$N" ] || die "the engine left $(find "/run/dpdk/$N")"
