#!/usr/bin/env bash
# 200,000 short connections, and nothing leaks:
#
#   ob-load -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel -- kpeer
#
# In half of them the kernel connects, in half the engine; in half of each the client closes first, in
# half the server. After 20,000 and after all of them everything that was taken has to be back.
# OB_SHORT=N: N in place of 200,000.
# timeout: 400
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"
few=20000 many=${OB_SHORT:-200000}

load_up short tcp.msl2_ms=2000 tcp.port_min=1024
in_peer "$N" sh -c 'cd /proc/sys/net/ipv4 && echo 1 >tcp_tw_reuse && echo 300000 >tcp_max_tw_buckets'

# at_rest: no connection is left in any state.
at_rest() {
	ctl "$ENGINE_SOCKET" stat --json >"$dir/rest.json" &&
		grep -q '"conns": 0,' "$dir/rest.json" && grep -q '"half_open": 0,' "$dir/rest.json" &&
		grep -q '"time_wait": 0,' "$dir/rest.json"
}
# huge: how many kB of hugepages the engine and the host that stays hold, and how many pages are free;
# "?" while others, who come and go, use some too or could.
huge() {
	local unseen=0
	sees_all || unseen=1
	cat /proc/[0-9]*/status 2>/dev/null | awk -v ours=" $ENGINE_PID $host " -v free="$(huge_free)" -v others=$unseen '
		/^Pid:/ { pid = " " $2 " " }
		/^HugetlbPages:/ && $2 > 0 { index(ours, pid) ? held += $2 : others = 1 }
		END { print held + 0, others + 0 ? "?" : free }'
}
# rest NAME: looks when everything is quiet.
rest() {
	wait_for 30 at_rest || die "connections are left: $(ctl "$ENGINE_SOCKET" conns | head -n 5)"
	look "$1"
	huge >"$dir/$1.huge"
}
# round NAME NUMBER: half from either side.
round() {
	load_port=$port
	client kernel "$1-served" --short $(($2 / 2)) --close-first alternate
	load "$1-made" kernel --conns $(($2 / 2)) -- --short $(($2 / 2)) --close-first alternate
}

# Attached all the time, so that its buffers can be looked at.
serve engine "$dir/host.server"
host=$SERVER_PID port=$load_port
# First with fewer ports than the kernel's TIME-WAITs take: it has to wait for some, nothing else does.
in_peer "$N" sh -c 'echo 10000 10299 >/proc/sys/net/ipv4/ip_local_port_range'
client kernel ports --short 900 --close-first local --timeout 0.5
grep 'for a free port' "$dir/ports" || die "no port was missing"
in_peer "$N" sh -c 'echo 10000 65535 >/proc/sys/net/ipv4/ip_local_port_range'
rest begin
round few $few
rest early
round many $((many - few))
rest late
check begin early "tcp_established == $few and tcp_closed == $few and tcp_passive_open == $few / 2"
check begin late "tcp_established == $many and tcp_closed == $many and tcp_passive_open == $many / 2"
# Each side closed first in half of them. A SYN that found its tuple in TIME-WAIT took the entry along.
check begin late "tcp_tw_entered == $many / 2 and tcp_tw_evicted == 0"
check begin late 'not (tcp_reset_rx or resets or tcp_timeout or req_bad_state or req_bad_gen)'
for before in begin early; do
	check $before late 'all(a["stat"][k] == b["stat"][k] for k in ("mbufs_free", "recs_free", "half_free",
		"pieces_free", "soft_free", "ooo_free", "hosts"))'
done
check early late 'a["groups"] == b["groups"] and all(g["n_free"] == g["n_bufs"]
	for g in b["groups"]["rows"])'
read -r held free <"$dir/early.huge"
read -r held_late free_late <"$dir/late.huge"
say "hugepages: $held kB, then $held_late kB; free: $free, then $free_late"
[ "$held" = "$held_late" ] && [[ "$free" = "$free_late" || "$free$free_late" = *\?* ]] || die "not the same"
# A byte a connection would be 180 kB. ASan keeps freed memory for a while, and finds leaks by itself.
resident() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["rss_kb"])' "$dir/$1.stat.json"; }
grown=$(($(resident late) - $(resident early)))
figure "the engine grew by $grown kB of resident memory" && [ $grown -gt 64 ] &&
	die "that is more than 64"
SERVER_PID=$host
serve_stop "$dir/host.server"
engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly: $(tail -n 5 "$ENGINE_LOG")"
