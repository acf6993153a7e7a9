#!/usr/bin/env bash
# The suite `system` of outboard-bench, short: its figures have the names that others rely on and fit
# together, over veth with the kernel's row beside, and over memif. What it prints can be compared and
# made into a report. A run that is interrupted leaves nothing.
# timeout: 240
set -u
. "${0%/*}/../../tools/lib.sh"
require_root
export OB_PREFIX
# The programs that measure leave what they hold to their end.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
bench=$OB_BIN/outboard-bench
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"

# bench_run NAME ARGUMENTS...: its JSON goes to $dir/NAME.json. Preferred, so that on a machine that others
# use no message waits for longer than a run takes.
bench_run() {
	local name=$1
	shift
	run "$bench" system --seconds 0.3 --nice -10 --json "$@" >"$dir/$name.json" 2>"$dir/$name.err" ||
		die "$name: $(tail -n 20 "$dir/$name.err")"
}

echo "--- two runs"
cases=(--case 'system.veth.echo.conns=1.*' --case 'system.veth.bulk_rx.conns=1.*'
	--case 'system.memif.echo.conns=64.*' --case 'system.memif.short.*' --case 'system.memif.bulk_tx.conns=1.*')
bench_run first --repeat 3 "${cases[@]}"
bench_run second --repeat 3 --case 'system.memif.echo.conns=64.*'

echo "--- the figures"
python3 - "$dir/first.json" <<'PY' || die "the figures are wrong"
import json
import sys

d = json.load(open(sys.argv[1]))
assert set(d) >= {"suite", "machine", "build", "settings", "figures", "command", "date"}, sorted(d)
assert d["suite"] == "system" and not d["failures"], d["failures"]
assert {"steal_s", "involuntary_switches", "others_cpu_s", "busy", "cpus"} <= set(d["machine"])
assert {"cpus", "host_idle", "veth", "memif", "seconds", "message_bytes"} <= set(d["settings"])
f = {x["name"]: x for x in d["figures"]}
for x in f.values():
    assert set(x) == {"name", "unit", "median", "min", "max", "values"}, x
    assert len(x["values"]) == 3 and x["min"] <= x["median"] <= x["max"], x
want = set()
for row in ("outboard", "kernel"):
    want |= {f"system.veth.echo.conns=1.{row}.{u}" for u in
             ("rps", "p50_us", "p99_us", "max_us", "wall_s", "cpu_s_host", "cpu_s_peer", "cpu_s_machine",
              "host_us_per_op")}
for row in ("outboard", "kernel", "kernel_offload"):
    want |= {f"system.veth.bulk_rx.conns=1.{row}.{u}" for u in
             ("gbps", "cpu_s_host", "cpu_s_peer", "cpu_s_machine", "host_us_per_mb")}
for case, unit in (("echo", "rps"), ("short", "cps")):
    want |= {f"system.memif.{case}.conns=64.outboard.{u}" for u in
             (unit, "p50_us", "p99_us", "cpu_s_engine", "cpu_s_host", "cpu_s_peer")}
want |= {f"system.memif.bulk_tx.conns=1.outboard.{u}" for u in ("gbps", "rtx_segs", "tx_drops")}
want |= {"system.veth.echo.conns=1.outboard.cpu_s_engine"}
assert want <= set(f), sorted(want - set(f))
assert not [n for n in f if n.endswith("cpu_s_engine") and ".kernel" in n]
for name, x in f.items():
    conns, unit = int(name.split("conns=")[1].split(".")[0]), name.rsplit(".", 1)[1]
    if unit in ("rtx_segs", "tx_drops"):
        continue
    assert x["min"] > 0, x
    # What Little's law allows: no more messages are under way than connections. The median of many
    # may lie above the mean, as half of them come at once; that of one hardly does.
    if unit in ("rps", "cps"):
        p50 = f[name[:-len(unit)] + "p50_us"]["values"]
        p99 = f[name[:-len(unit)] + "p99_us"]["values"]
        for rate, half, most in zip(x["values"], p50, p99):
            assert half <= most and rate * half / 1e6 <= (1.4 if conns == 1 else 2 * conns), (name, rate, half, most)
    # Each has one thread that works; the engine has one more for control. Ticks are coarse. On a busy
    # machine the client notices the end late: its own clock says how long the run was.
    if unit.startswith("cpu_s"):
        cpus = d["machine"]["cpus"] if unit == "cpu_s_machine" else 1
        for cpu, wall in zip(x["values"], f[name[:-len(unit)] + "wall_s"]["values"]):
            assert wall >= 0.3 and cpu <= wall * cpus * 1.5 + 0.1, (name, cpu, wall)
    if unit == "gbps":
        assert 0.005 < x["median"] < 1000, x
per = f["system.veth.echo.conns=1.outboard.host_us_per_op"]
cpu, rate, wall = (f["system.veth.echo.conns=1.outboard." + u] for u in ("cpu_s_host", "rps", "wall_s"))
for us, s, r, w in zip(per["values"], cpu["values"], rate["values"], wall["values"]):
    assert 0.9 < us / (s * 1e6 / (r * w)) < 1.1, (us, s, r, w)
print(f"{len(f)} figures")
PY

echo "--- compare"
"$bench" compare --all "$dir/first.json" "$dir/second.json" >"$dir/compare" 2>&1 || die "$(cat "$dir/compare")"
grep -q 'system.memif.echo.conns=64.outboard.rps .*\(same\|better\|worse\)' "$dir/compare" &&
	grep -q 'system.veth.echo.conns=1.kernel.rps .*gone' "$dir/compare" || die "$(cat "$dir/compare")"

echo "--- report"
python3 - "$dir/first.json" "$dir/other.json" <<'PY'
import json
import sys

d = json.load(open(sys.argv[1]))
# A suite without a page of its own.
d.update(suite="other", figures=[dict(f, name=f["name"].replace("system", "other")) for f in d["figures"]])
json.dump(d, open(sys.argv[2], "w"))
PY
run "$OB_ROOT/tools/report.sh" --out "$dir/results" "$dir/first.json" "$dir/other.json" || die "no report"
python3 - "$dir" <<'PY' || die "the report is wrong"
import json
import re
import sys
import xml.dom.minidom
from pathlib import Path

out = Path(sys.argv[1]) / "results"
first = json.loads((Path(sys.argv[1]) / "first.json").read_text())
page = (out / "system.md").read_text()
assert json.loads((out / "system.json").read_text()) == first
assert first["command"] in page and first["date"] in page and first["machine"]["cpu"] in page
for image in re.findall(r"\]\((\S+\.svg)\)", page):
    xml.dom.minidom.parse(str(out / image))
assert len(re.findall(r"\.svg\)", page)) == len(list(out.glob("system-*.svg"))) >= 6
rps = {f["name"]: f for f in first["figures"]}["system.veth.echo.conns=1.kernel.rps"]
assert f"| 1, kernel | {rps['median']:,.0f} (" in page, page
assert all(f"| `{f['name']}` |" in page for f in first["figures"])
assert "`other.memif.short.conns=64.outboard.cps`" in (out / "other.md").read_text()
index = (out / "README.md").read_text()
assert "(system.md)" in index and "(other.md)" in index
PY
for bad in '{}' '{"suite": "system", "machine": {}, "figures": []}' 'no JSON'; do
	echo "$bad" >"$dir/bad.json"
	! "$OB_ROOT/tools/report.sh" --out "$dir/bad" "$dir/bad.json" >"$dir/bad.out" 2>&1 ||
		die "a report of $bad"
	grep -q "bad.json" "$dir/bad.out" || die "$bad: $(cat "$dir/bad.out")"
done

echo "--- nothing to do, and an end in the middle"
! "$bench" system --case 'system.nothing' >"$dir/none" 2>&1 && grep -q 'no figure' "$dir/none" ||
	die "$(cat "$dir/none")"
spawn "$dir/ended" "$bench" system --seconds 60 --case 'system.memif.echo.conns=1.*'
ended=$SPAWN_PID
started() { pgrep -g "$ended" -f . >/dev/null && instance_files "$(ob_name m)-p" | grep -q .; }
wait_for 30 started || die "it does not start: $(cat "$dir/ended")"
kill -TERM "$ended"
wait_for 20 pid_gone "$ended" || die "it goes on"
wait "$ended"
[ $? = 1 ] || die "an interrupted run succeeds"
grep -q interrupted "$dir/ended" || die "$(cat "$dir/ended")"
[ -z "$(instance_files "$(ob_name m)")" ] || die "left: $(instance_files "$(ob_name m)")"
! ip netns list | grep -q "^$(ob_name m)-" || die "namespaces are left"
exit 0
