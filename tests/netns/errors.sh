#!/usr/bin/env bash
# What cannot be done, and what it is called: connects that fail, ports that are taken, tables that
# are full.
#
#   obt-host ... on outboard-engine 10.77.0.1       N-peer
#                        eng0 --------------------- peer0 10.77.0.2: listeners, closed ports
#                                                   10.77.0.50: taken in and never answered
#                                                   10.77.0.99: nobody, not even ARP
# timeout: 120
set -u
. "${0%/*}/lib2/common.sh"
net_up errors
# The kernel takes frames for this address and, as it does not forward, drops them.
extra=$'[neighbours]\n10.77.0.50 = 02:0b:0a:4d:00:02'
engine_up tcp.syn_retries=2 tcp.init_rto_us=200000 tcp.synack_retries=5 net.neigh_tries=3 limits.conns=16 \
	limits.half_open=32 limits.listeners=4 limits.host_share=1000000

# connect_is ERROR MIN_MS MAX_MS ARGS...: obt-host connect ends so, all connections alike.
connect_is() {
	local want=$1 min=$2 max=$3
	shift 3
	run "$OBT/obt-host" -t 10000 "$@" >"$dir/out" || die "$*: $(cat "$dir/out")"
	awk -v want="$want" -v min="$min" -v max="$max" '
		{ print } $2 != want || $3 < min || $3 > max { bad = 1 } END { exit bad || !NR }' "$dir/out" ||
		die "$*: not $want in $min to $max ms"
}

echo "--- connects"
connect_is -ECONNREFUSED 0 500 connect 10.77.0.2:9
connect_is -EHOSTUNREACH 400 3000 connect 10.77.0.99:9
connect_is -EHOSTUNREACH 0 500 connect 192.0.2.1:9
connect_is -ETIMEDOUT 1300 4000 connect 10.77.0.50:9
connect_is -EINVAL 0 500 connect 0.0.0.0:9 224.0.0.1:9 127.0.0.1:9 255.255.255.255:9
connect_is -EAFNOSUPPORT 0 500 connect '[fd77::2]:9'
connect_is -EADDRNOTAVAIL 0 500 -f 10.77.0.7:0 connect 10.77.0.2:9
[ "$(counter tcp_connect_refused)" = 1 ] && [ "$(counter tcp_connect_timeout)" = 1 ] &&
	[ "$(counter tcp_connect_unreach)" = 2 ] || die "other counters than those of the failures"
# Both of one tuple at once: one is under way when the other is refused.
run "$OBT/obt-host" -t 10000 -n 2 -f 10.77.0.1:7777 connect 10.77.0.50:9 | tee "$dir/out"
[ "$(awk '{ print $2 }' "$dir/out" | tr '\n' ' ')" = "-EADDRINUSE -ETIMEDOUT " ] || die "one tuple, twice"

echo "--- ports"
outcomes() { awk '/^[0-9*]/ { print $2 }' "$1" | paste -sd ' '; }
host "$dir/a" -c 2 listen 10.77.0.1:80 '*:81' 10.77.0.1:80 10.77.0.7:82 '*:0'
cat "$dir/a"
outcomes "$dir/a" | grep -qx '0 0 -EADDRINUSE -EADDRNOTAVAIL 0' || die "listening"
[ "$(awk '$1 == "*:0" { print $3 }' "$dir/a")" -ge 1024 ] || die "no port was chosen for port 0"
host "$dir/b" listen 10.77.0.1:80 '*:80' 10.77.0.1:81 '*:83' '*:84'
cat "$dir/b"
outcomes "$dir/b" |
	grep -qx -- '-EADDRINUSE -EADDRINUSE -EADDRINUSE 0 -ENFILE' || die "another host's ports"
peer refused "$OB_ADDR" 85 >"$dir/out" 2>&1 || die "a closed port: $(tail -n 1 "$dir/out")"
awk '{ print; exit !($3 < 500) }' "$dir/out" || die "refused, but late"
peer udp $OB_ADDR 53 || die "no ICMP"
stop_pid "$SPAWN_PID"

echo "--- backlog"
host "$dir/c" -b 4 listen '*:90'
before=$(counter drop_syn_backlog)
peer syns $OB_ADDR 90 7 10.77.0.120
wait_for 5 grew drop_syn_backlog "$before" 3 || die "$(counter drop_syn_backlog) dropped, not 3"
stop_pid "$SPAWN_PID"

echo "--- tables"
# ends TEXT ARGS...: how often the connections of obt-host connect ended how.
ends() {
	local want=$1
	shift
	run "$OBT/obt-host" -t 10000 "$@" >"$dir/out" || die "$*: $(cat "$dir/out")"
	awk '$2 ~ /^(0|-E)/ { print $2 }' "$dir/out" | sort | uniq -c | awk '{ printf "%s %s ", $1, $2 }' |
		tee "$dir/ends"
	echo
	[ "$(cat "$dir/ends")" = "$want " ] || die "$*: not $want"
}
ends "1 -ENFILE 3 -ETIMEDOUT" -s 3 -n 4 connect 10.77.0.50:9
ends "1 -ENFILE 32 -ETIMEDOUT" -n 33 connect 10.77.0.50:9
in_back "$dir/listen" listen 100
# fill: as many connections as there is room for, held by the process $full.
fill() {
	host "$dir/full" -t 10000 -k -n 17 connect 10.77.0.2:100
	full=$SPAWN_PID
	awk '$2 ~ /^(0|-E)/ { print $2 }' "$dir/full" | sort | uniq -c | awk '{ printf "%s %s ", $1, $2 }' |
		grep -qx '1 -ENFILE 16 0 ' || die "17 connections, room for 16: $(cat "$dir/full")"
}
fill
host "$dir/d" -a 1 serve '*:101'
# waits COUNTER: a client whose handshake cannot be finished is served as soon as there is room.
waits() {
	local before
	before=$(counter "$1")
	: >"$dir/echo"
	spawn "$dir/echo" ip netns exec "$N-peer" python3 "$LIB2/peer.py" echo $OB_ADDR 101 1000
	wait_for 10 grew "$1" "$before" || die "no $1"
	pid_gone "$SPAWN_PID" && die "served without room"
	"${@:2}"
	wait_for 10 grep -qs whole "$dir/echo" || die "not served though there is room: $(cat "$dir/echo")"
}
waits drop_syn_no_conn stop_pid "$full"
in_back "$dir/hold" hold $OB_ADDR 101
waits drop_syn_no_slot stop_pid "$SPAWN_PID"
# Nothing of all that has cost a record for ever.
wait_for 10 rows_are conns 0 || die "$(rows conns) connections are left"
fill
exit 0
