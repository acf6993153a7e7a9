#!/usr/bin/env bash
# A side that stops reading for 10 s: its window closes, the other probes it, and goes on when it opens.
# Both sides, as server and as client; every byte is checked.
#
#   ob-load -- engine 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel -- kpeer
#
# OB_PAUSE=S: S seconds in place of 10.
# timeout: 240
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"
pause=${OB_PAUSE:-10} conns=4 window=65536

load_up pause tcp.rcv_wnd=$window
# A kernel that stops half way must not have room for the other half.
in_peer "$N" sh -c 'echo "4096 131072 1048576" >/proc/sys/net/ipv4/tcp_rmem'

# probed SIDE: the window probes that it has sent so far.
probed() {
	case $1 in
	engine) ctl "$ENGINE_SOCKET" counters --json | python3 -c 'import json, sys
print(json.load(sys.stdin)["tcp_probe_tx"])' ;;
	kernel) in_peer "$N" nstat -asz TcpExtTCPWinProbe | awk '/WinProbe/ { print int($2) }' ;;
	esac
}
more_probed() { [ "$(probed "$1")" -ge "$2" ]; }
# bounded STOPPED: what one connection holds while nothing is read is a window, not more.
bounded() {
	look middle
	python3 - "$dir/middle" "$1" $window <<-'END' || die "too much is kept, or nothing"
		import json, sys
		path, stopped, window = sys.argv[1], sys.argv[2], int(sys.argv[3])
		conns = json.load(open(path + ".conns.json"))["rows"]
		groups = json.load(open(path + ".groups.json"))["rows"]
		used = sum(g["n_bufs"] - g["n_free"] for g in groups) * groups[0]["buf_bytes"]
		open_ = [c["rcv_edge"] - c["rcv_nxt"] for c in conns]
		print(f"{stopped} does not read: the engine holds {used} received bytes of {len(conns)},",
		      f"receive windows {open_}, send windows {[c['snd_wnd_bytes'] for c in conns]}")
		bound = len(conns) * (window + 2 * groups[0]["buf_bytes"])
		sys.exit(not (len(conns) == 4 and used <= bound and
		              (min(open_) < 1460 and used > 0 if stopped == "engine" else
		               min(c["snd_wnd_bytes"] for c in conns) < 1460)))
	END
}
# stops WHO SERVER OPTIONS... -- OPTIONS...: WHO does not read for a while, the other one probes.
stops() {
	local who=$1 other=engine before watcher
	[ "$who" = kernel ] || other=kernel
	before=$(probed $other)
	(
		wait_for 30 more_probed $other $((before + conns)) || die "$other does not probe"
		bounded "$who"
	) &
	watcher=$!
	load "$who-stops-$2-serves" "${@:2}"
	wait "$watcher" || die "$who-stops-$2-serves"
	say "$other sent $(($(probed $other) - before)) probes"
}

size=20000000
look before
stops engine engine --conns $conns --pause-read "$pause" -- --conns $conns --bytes $size
stops kernel engine --conns $conns -- --conns $conns --bytes $size --pause-read "$pause"
stops engine kernel --conns $conns -- --conns $conns --bytes $size --pause-read "$pause"
stops kernel kernel --conns $conns --pause-read "$pause" -- --conns $conns --bytes $size
look after
# Windows promise twice the buffers that there are: nothing is lost, and all of them serve again.
load crowd-stops engine --conns 1000 --concurrent 100 --pause-read 2 -- --conns 1000 --bytes-up 300000 \
	--bytes-down 100
look crowd
check after crowd 'tcp_rx_bytes >= 3e8 and drop_tcp_no_buffer > 0 and tcp_timeout == 0 and tcp_closed == 1000'
check before after "tcp_rx_bytes >= 16 * $size and tcp_closed == 16 and tcp_timeout == 0 and not resets"
check before after 'all(a["stat"][k] == b["stat"][k] for k in ("conns", "hosts", "recs_free", "pieces_free"))'
