#!/usr/bin/env bash
# The README as a newcomer tries it: its program is what is in the examples, builds against an
# installed library and serves; every command it names works.
#
#   R-eng: engine        R-peer: a kernel, 10.77.0.2
#
# timeout: 180
set -u
. "$(dirname "$0")/../../tools/lib.sh"
require_root
cd "$OB_ROOT" || exit 1
R=$(ob_name readme)
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"

echo "--- the program"
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md >"$dir/first.c"
diff <(tail -n +2 host_lib/examples/first.c) "$dir/first.c" || die "README and first.c differ"
[ "$(wc -l <"$dir/first.c")" -le 36 ] || die "not a program of about 30 lines"
meson install -C "$(dirname "$OB_BIN")" --no-rebuild --destdir "$dir/root" >"$dir/install.log" ||
	die "cannot install: $(tail -n 5 "$dir/install.log")"
pc=$(find "$dir/root" -name outboard.pc)
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$dir/root
# shellcheck disable=SC2046
cc -Wall -Werror "$dir/first.c" -o "$dir/first" $(pkg-config --cflags --libs outboard) ||
	die "the program does not build"

echo "--- every file it links to"
grep -o '](\([^)]*\))' README.md | tr -d '()]' | while read -r link; do
	[ -e "$link" ] || die "no $link"
done || exit 1

netns_up "$R" || die "no namespaces"
config_copy configs/veth.cfg "$dir/engine.cfg" "$R"
engine_start "$R" "$dir/engine.cfg"
export OUTBOARD_SOCKET=$ENGINE_SOCKET
lib=$(find "$dir/root" -name 'liboutboard.so.0' -printf '%h')
spawn "$dir/first.log" env LD_LIBRARY_PATH="$lib" "$dir/first"
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
for what in stat conns listeners hosts groups counters; do
	"$OB_BIN/outboardctl" $what >"$dir/out" || die "outboardctl $what"
	"$OB_BIN/outboardctl" $what --json | python3 -m json.tool >/dev/null || die "$what --json"
done
echo /outboard/stat | dpdk-telemetry.py -f "$R" | grep -q '"uptime' ||
	echo /outboard/stat | dpdk-telemetry.py -f "$R" | grep -q up || die "no telemetry"
"$OB_BIN/outboard-engine" --config configs/nic.cfg --check || die "configs/nic.cfg is refused"

echo "--- the engine dies: hosts see it"
kill -KILL "$ENGINE_PID"
wait_for 5 pid_gone "$first" || die "the program has not noticed"
exit 0
