#!/usr/bin/env bash
# Shows Outboard at work on this machine alone:
#
#   ob-httpd, ob-echod       NAME-eng              NAME-peer
#   on the host library ---- outboard-engine ----- the Linux kernel: curl, python
#      (shared memory)       10.77.0.1     (veth)  10.77.0.2
#
#   tools/demo.sh          installs what is missing, builds, runs, cleans up
#   tools/demo.sh --keep   leaves it running and says how to reach it
#   tools/demo.sh --down   ends what --keep left
set -u
. "${BASH_SOURCE[0]%/*}/lib.sh"
guard_signals "$@"
OB_WHO=demo
cd "$OB_ROOT" || exit 1

size_mb=100
small_requests=500
kept=/run/outboard-demo
name=$(ob_name demo)

usage() {
	echo "usage: tools/demo.sh [--keep | --down]" >&2
	exit 2
}

# What marks the processes of a demo, as part of a variable's name.
tag_of() { echo "${1//[^A-Za-z0-9]/_}"; }

# end_demo NAME DIRECTORY: whatever is there of it.
end_demo() {
	# What the cleanup itself starts is not meant.
	unset "OB_TAG_$(tag_of "$1")"
	kill_tagged "$(tag_of "$1")"
	tools/netns.sh down "$1"
	instance_clean "$1"
	rm -rf "$2"
	rm -f "$kept/$1"
	rmdir "$kept" 2>/dev/null
	return 0
}

end_kept() {
	local file directory count=0
	for file in "$kept"/*; do
		[ -f "$file" ] || continue
		read -r directory <"$file"
		end_demo "$(basename "$file")" "$directory"
		say "ended $(basename "$file")"
		count=$((count + 1))
	done
	[ $count -gt 0 ] || say "no demo is running"
}

# Runs as the last thing; status is ob_cleanup's.
check_clean() {
	[ -z "$is_kept" ] || return 0
	local left= pids
	pids=$(tagged_pids "$(tag_of "$name")" | tr '\n' ' ')
	[ -z "$pids" ] || left+=" processes $pids"
	ip netns list | grep -q "^$name-" && left+=" namespaces"
	[ -z "$(instance_files "$name")" ] || left+=" files $(instance_files "$name" | tr '\n' ' ')"
	if [ -n "$left" ]; then
		warn "left behind:$left"
		status=1
	else
		say "cleaned up: no process, namespace, socket or file is left"
	fi
	wait_for 5 pages_back || warn "free hugepages: $(huge_free), before it $huge_before"
}
pages_back() { [ "$(huge_free)" -ge "$huge_before" ]; }

# first_cpu, last_cpu: of those that this process may use.
allowed_cpus() {
	python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)))'
}

ready_or_gone() { pid_gone "$2" || grep -qs ready "$1"; }
# serve LOG PROGRAM ARGS...: an example server, on the CPU that the engine leaves free.
serve() {
	local log=$1
	spawn "$log" taskset -c "$first_cpu" "${@:2}"
	wait_for 20 ready_or_gone "$log" "$SPAWN_PID" && ! pid_gone "$SPAWN_PID" || {
		cat "$log" >&2
		die "$(basename "$2") did not start"
	}
}

sum_of() { sha256sum "$1" | cut -d ' ' -f 1; }
same() {
	[ "$(sum_of "$1")" = "$(sum_of "$2")" ] || die "$3: the checksums differ"
}
now_us() { echo "${EPOCHREALTIME/[.,]/}"; }
# told WHAT MICROSECONDS
told() {
	say "$(awk -v what="$1" -v us="$2" -v mb="$size_mb" 'BEGIN {
		printf "%-36s %6.2f s  %7.1f MB/s  checksums are equal", what, us / 1e6, mb * 1e6 / us }')"
}

fetch() { run ip netns exec "$name-peer" curl -sS --fail --max-time 120 "$@"; }

# echo_client FILE: through ob-echod and back, while it is still being sent.
echo_client() {
	run ip netns exec "$name-peer" python3 -c '
import hashlib, socket, sys, threading

data = open(sys.argv[1], "rb").read()
sock = socket.create_connection(("10.77.0.1", 7), 20)
sock.settimeout(120)

def send():
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)

sender = threading.Thread(target=send, daemon=True)
sender.start()
came, size = hashlib.sha256(), 0
while chunk := sock.recv(1 << 18):
    came.update(chunk)
    size += len(chunk)
sender.join()
if size != len(data) or came.digest() != hashlib.sha256(data).digest():
    sys.exit(f"{size} bytes came back in place of {len(data)}, or others")
' "$1"
}

# counters FILE: all of the engine's counters, as JSON.
counters() { ctl "$ENGINE_SOCKET" counters --json >"$1" || die "outboardctl does not answer"; }

# report BEFORE-SMALL AFTER-SMALL: what happened in all, and for each of the small requests.
report() {
	python3 - "$1" "$2" "$small_requests" <<'PY'
import json
import sys

before, after = (json.load(open(path)) for path in sys.argv[1:3])
requests = int(sys.argv[3])
rows = [
    ("packets received", "rx_pkts"), ("packets sent", "tx_pkts"),
    ("TCP payload received", "tcp_rx_bytes"), ("TCP payload sent", "tcp_tx_bytes"),
    ("segments sent again", "tcp_rtx_segs"), ("connections accepted", "tcp_passive_open"),
    ("requests from hosts", "req_taken"), ("events to hosts", "ev_published"),
    ("doorbells to hosts", "doorbell_tx"), ("doorbells from hosts", "doorbell_rx"),
]
missing = [key for _, key in rows if key not in after]
if missing:
    sys.exit(f"outboardctl counters has no {', '.join(missing)}")
print(f"{'':32} {'in all':>14}   per small HTTP request")
for label, key in rows:
    each = (after[key] - before[key]) / requests
    print(f"  {label:30} {after[key]:14,}   {each:12.2f}")
PY
}

case "${1:-}" in
"" | --keep) ;;
--down)
	[ $# -eq 1 ] || usage
	require_root
	end_kept
	exit 0
	;;
*) usage ;;
esac
[ $# -le 1 ] || usage
keep=${1:-} is_kept=
require_root

run tools/setup.sh --minimal || die "the set-up failed"
say "building"
run_quiet tools/dev/build.sh || die "the build failed; see tools/dev/build.sh"

huge_before=$(huge_free)
work=$(mktemp -d /tmp/outboard-demo.XXXXXX)
# Last to run, whatever else is pushed.
cleanup_push check_clean
cleanup_push end_demo "$name" "$work"
export "OB_TAG_$(tag_of "$name")=1"
read -r first_cpu rest <<<"$(allowed_cpus)"
last_cpu=${rest##* }
last_cpu=${last_cpu:-$first_cpu}

say "namespaces $name-eng and $name-peer"
"$OB_ROOT/tools/netns.sh" up "$name" || die "cannot make the namespaces"

config_copy configs/veth.cfg "$work/engine.cfg" "$name" \
	engine.core="$last_cpu" engine.control_core="$first_cpu" || die "cannot write the configuration"
engine_start "$name" "$work/engine.cfg"
say "engine on CPU $last_cpu, its socket $ENGINE_SOCKET"
mkdir "$work/root"
serve "$work/httpd.log" "$OB_BIN/ob-httpd" --socket "$ENGINE_SOCKET" --addr $OB_ADDR --port 80 \
	--root "$work/root"
serve "$work/echod.log" "$OB_BIN/ob-echod" --socket "$ENGINE_SOCKET" --addr $OB_ADDR --port 7
say "ob-httpd on port 80 and ob-echod on port 7, on CPU $first_cpu"

head -c "${size_mb}000000" /dev/urandom >"$work/root/down.bin"
head -c "${size_mb}000000" /dev/urandom >"$work/up.bin"
echo "Served by Outboard." >"$work/root/index.html"
run_quiet ip netns exec "$name-peer" ping -q -c 2 -i 0.2 -W 2 $OB_ADDR ||
	die "the engine does not answer a ping"

start=$(now_us)
fetch -o "$work/came.bin" "http://$OB_ADDR/down.bin" || die "the download failed"
took=$(($(now_us) - start))
same "$work/root/down.bin" "$work/came.bin" "download"
told "$size_mb MB down, ob-httpd to curl" $took

start=$(now_us)
fetch -o /dev/null -T "$work/up.bin" "http://$OB_ADDR/up.bin" || die "the upload failed"
took=$(($(now_us) - start))
same "$work/up.bin" "$work/root/up.bin" "upload"
told "$size_mb MB up, curl to ob-httpd" $took

start=$(now_us)
echo_client "$work/up.bin" || die "the echo failed"
told "$size_mb MB there and back, ob-echod" $(($(now_us) - start))

counters "$work/before.json"
start=$(now_us)
fetch -o /dev/null "http://$OB_ADDR/index.html?[1-$small_requests]" || die "the small requests failed"
took=$(($(now_us) - start))
counters "$work/after.json"
say "$small_requests small requests, one after the other: $((took / small_requests)) us each"
report "$work/before.json" "$work/after.json" || die "no figures"

if [ -n "$keep" ]; then
	mkdir -p "$kept"
	echo "$work" >"$kept/$name"
	is_kept=1
	ob_cleanup_stack=()
	cat <<-END
	demo: it goes on running. To reach it:
	  ip netns exec $name-peer curl http://$OB_ADDR/
	  ip netns exec $name-peer python3 -c 'import socket; s = socket.create_connection(("$OB_ADDR", 7)); s.send(b"hello"); print(s.recv(5))'
	  build/bin/outboardctl --socket $ENGINE_SOCKET stat
	Logs and files: $work
	To end it: tools/demo.sh --down
	END
fi
exit 0
