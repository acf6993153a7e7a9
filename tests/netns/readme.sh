#!/usr/bin/env bash
# The README as a newcomer tries it: its program is what is in the examples, builds against an
# installed library and serves; every command it names is tried here, and one that is not fails this test.
#
#   R-eng: engine        R-peer: a kernel, 10.77.0.2
#
# timeout: 300
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
cd "$OB_ROOT" || exit 1
R=$(ob_name readme)
export OB_PREFIX
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"

# tried COMMAND [WHERE]: as the README writes it; WHERE if not here.
tried() {
	echo "tried: $1${2:+ ($2)}"
	echo "$1" >>"$dir/tried"
}

echo "--- the program"
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md >"$dir/first.c"
diff <(tail -n +2 host_lib/examples/first.c) "$dir/first.c" || die "README and first.c differ"
[ "$(wc -l <"$dir/first.c")" -le 36 ] || die "not a program of about 30 lines"
DESTDIR=$dir/root run ninja -C "$(dirname "$OB_BIN")" install >"$dir/install.log" ||
	die "cannot install: $(tail -n 5 "$dir/install.log")"
tried 'ninja -C build install'
pc=$(find "$dir/root" -name outboard.pc)
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$dir/root
flags=(-Wall -Werror)
! sanitized || flags+=(-fsanitize=address,undefined) # or the library could not be loaded
# shellcheck disable=SC2046
(cd "$dir" && cc first.c $(pkg-config --cflags --libs outboard) "${flags[@]}") ||
	die "the program does not build"
tried 'cc first.c $(pkg-config --cflags --libs outboard)'

echo "--- every file it links to"
grep -o '](\([^)]*\))' README.md | tr -d '()]' | while read -r link; do
	[ -e "$link" ] || die "no $link"
done || exit 1

netns_up "$R" || die "no namespaces"
config_copy configs/veth.cfg "$dir/engine.cfg" "$R"
engine_start "$R" "$dir/engine.cfg"
export OUTBOARD_SOCKET=$ENGINE_SOCKET
lib=$(find "$dir/root" -name 'liboutboard.so.0' -printf '%h')
# So short a program leaves what it has attached to its end.
spawn "$dir/first.log" env LD_LIBRARY_PATH="$lib" ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" "$dir/a.out"
first=$SPAWN_PID
listening() { ctl "$ENGINE_SOCKET" listeners --json | grep -q '"lport": *7\b'; }
wait_for 10 listening || die "it does not listen: $(cat "$dir/first.log")"
cat >"$dir/echo.py" <<'PY'
import os
import socket
import threading

s = socket.create_connection(("10.77.0.1", 7), timeout=10)
data = os.urandom(3_000_000)


def send():
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)


threading.Thread(target=send).start()
got = b"".join(iter(lambda: s.recv(65536), b""))
assert got == data, f"{len(got)} bytes came back, or other ones"
PY
run ip netns exec "$R-peer" python3 "$dir/echo.py" || die "no echo"

echo "--- watching"
outboardctl=$OB_BIN/outboardctl
for what in stat conns listeners hosts groups counters; do
	"$outboardctl" $what >"$dir/out" || die "outboardctl $what"
	"$outboardctl" $what --json | python3 -m json.tool >/dev/null || die "$what --json"
done
spawn "$dir/watch" "$outboardctl" stat --watch 1
told_twice() { [ "$(grep -c "$R" "$dir/watch")" -ge 2 ]; }
wait_for 10 told_twice || die "outboardctl stat --watch 1: $(cat "$dir/watch")"
stop_pid "$SPAWN_PID"
tried 'outboardctl stat'
echo /outboard/stat | dpdk-telemetry.py -f "$R" | grep -q '"uptime_us"' || die "no telemetry"
tried 'dpdk-telemetry.py -f default'
if [ -z "$(eal_memory)" ]; then
	spawn "$dir/dump.log" dpdk-dumpcap --file-prefix="$R" -w "$dir/engine.pcap"
	packets() {
		in_peer "$R" ping -c 1 -W 1 -q $OB_ADDR >/dev/null
		[ "$(tcpdump -nr "$dir/engine.pcap" icmp 2>/dev/null | grep -c '^[0-9]')" -gt 0 ]
	}
	wait_for 20 packets || die "nothing is captured: $(cat "$dir/dump.log")"
	kill -INT "$SPAWN_PID"
	wait_for 10 pid_gone "$SPAWN_PID" || die "the capture does not end"
	tried 'dpdk-dumpcap --file-prefix=default -w /tmp/engine.pcap'
else
	tried 'dpdk-dumpcap --file-prefix=default -w /tmp/engine.pcap' "not without hugepages"
fi

echo "--- replaying"
tried 'tools/netns.sh up try' "by netns_up"
in_peer "$R" "$OB_BIN/outboard-replay" tests/captures/upload.pcap --copies 100 >"$dir/out" || die "replay: $(cat "$dir/out")"
grep -q '^100 right, 0 failed' "$dir/out" || die "replay: $(cat "$dir/out")"
tried 'ip netns exec try-peer outboard-replay tests/captures/upload.pcap --copies 100'
"$OB_BIN/outboard-replay" --raw tests/captures/upload.pcap >"$dir/out" || die "replay --raw"
grep -q 'million packets a second' "$dir/out" || die "replay --raw: $(cat "$dir/out")"
tried 'outboard-replay --raw tests/captures/upload.pcap'
tried 'outboard-replay' "as above"

echo "--- measuring"
# How short they are makes the figures worthless, and a busy machine a failure of core's own checks.
measured() {
	"$OB_BIN/outboard-bench" "$@" --repeat 1 --json >"$dir/$1.json" 2>"$dir/out"
	python3 - "$dir/$1.json" <<<'import json, sys; assert json.load(open(sys.argv[1]))["figures"]' ||
		die "outboard-bench $*: $(cat "$dir/out")"
}
measured core --seconds 0.02 --case 'core.echo.flows=64.*'
tried 'build/bin/outboard-bench core --json >core.json' "one case, short"
measured system --seconds 0.1 --case 'system.memif.echo.conns=64.*'
tried 'build/bin/outboard-bench system --json >system.json' "one case, short"
run_quiet tools/report.sh --out "$dir/results" "$dir/core.json" "$dir/system.json" || die "tools/report.sh"
[ -s "$dir/results/core.md" ] && [ -s "$dir/results/system.md" ] || die "no pages"
tried 'tools/report.sh core.json system.json' "to another folder"
"$OB_BIN/outboard-bench" compare docs/results/core.json "$dir/core.json" >"$dir/out" 2>&1 || die "compare: $(cat "$dir/out")"
tried 'build/bin/outboard-bench compare docs/results/core.json core.json'
tried 'outboard-bench' "as above"

echo "--- a real NIC"
run_quiet tools/setup.sh || die "tools/setup.sh"
tried 'tools/setup.sh'
run_quiet dpdk-devbind.py --status || die "dpdk-devbind.py"
tried 'dpdk-devbind.py' "no more than --status: here is no NIC"
"$OB_BIN/outboard-engine" --config configs/nic.cfg --check || die "configs/nic.cfg is refused"
tried 'outboard-engine --config my.cfg' "with --check"
"$outboardctl" switchover 2>"$dir/out" && die "outboardctl switchover is in this version"
tried 'outboardctl switchover' "which is refused, as said"

echo "--- the two commands"
for what in '' ' --keep'; do tried "tools/demo.sh$what" "by tests/netns/demo.sh"; done
for what in '' ' --quick'; do tried "tools/test.sh$what" "what runs this; by tools/dev/fresh.sh where nothing is installed"; done
# Lines of shell, without comments, and what else looks like a command.
python3 - README.md >"$dir/named" <<'PY'
import re
import sys

text = open(sys.argv[1]).read()
blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.S | re.M)
named = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
rest = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
for code in re.findall(r"`([^`]+)`", rest):
    if re.match(r"(tools/\S+\.sh|outboard\S*|ob-\S+|dpdk-\S+|cc|ninja|meson)( |$)", code):
        named.append(" ".join(code.split()))
print("\n".join(n for n in named if n))
PY
[ "$(wc -l <"$dir/named")" -ge 10 ] || die "hardly a command is found in the README"
diff <(sort -u "$dir/named") <(sort -u "$dir/tried") || die "the README's commands are not those that were tried"

echo "--- the engine dies: hosts see it"
kill -KILL "$ENGINE_PID"
wait_for 5 pid_gone "$first" || die "the program has not noticed"
exit 0
