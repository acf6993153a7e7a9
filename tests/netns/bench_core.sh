#!/usr/bin/env bash
# outboard-bench core: its figures have the names and keys that others read, the phases sum to the
# whole, and a run that went wrong says so and fails.
# timeout: 240
# quick
set -u
. "${BASH_SOURCE[0]%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
[ "$(nproc)" -ge 2 ] || skip "two CPUs are needed"
work=$(mktemp -d)
cleanup_push rm -rf "$work"
instance=$(ob_name bench)
cleanup_push instance_clean "$instance"
# Other tests and their engines wait for the few seconds.
bench() { "$OB_BIN/outboard-bench" core --realtime --set "engine.instance=$instance" "$@"; }

good() {
	bench --case 'core.echo.flows=64.*' --case 'core.short.*csum=sw*' --case 'core.[rt]x1448.flows=1.*csum=sw*' \
		--case 'core.phase.*.flows=64.cycles_per_op' --case core.host.cycles_per_event \
		--seconds 0.2 --repeat 3 --json >"$work/json" 2>"$work/err"
}
# What the phases are of is measured in turn with the whole: only on a busy machine may they differ,
# and then it has said so.
for try in 1 2 3 4; do
	good && break
	cat "$work/err" >&2
	[ "$try" -lt 4 ] || die "the run failed four times"
	python3 -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1]))["machine"]["busy"])' \
		"$work/json" || die "the run failed on a machine that was not busy"
done

python3 - "$work/json" <<'EOT' || die "the figures are not as they should be"
import json
import sys

run = json.load(open(sys.argv[1]))
for key in ("suite", "machine", "build", "settings", "figures"):
    assert key in run, key
assert run["suite"] == "core"
for key in ("cpu", "cpus", "tsc_hz", "kernel", "steal_s", "involuntary_switches", "busy"):
    assert key in run["machine"], key
for key in ("version", "revision", "compiler", "type", "dpdk"):
    assert key in run["build"], key
assert run["settings"]["seconds"] == 0.2 and run["settings"]["repeat"] == 3

figures = {f["name"]: f for f in run["figures"]}
wanted = ["core.host.cycles_per_event"]
for csum in ("sw", "offload"):
    for host in ("other", "same"):
        wanted.append(f"core.echo.flows=64.cycles_per_op.csum={csum}.host={host}")
for case in ("rx1448.flows=1.cycles_per_seg", "tx1448.flows=1.cycles_per_seg", "short.cycles_per_conn"):
    wanted += [f"core.{case}.csum=sw.host={host}" for host in ("other", "same")]
phases = ["rx", "net", "tcp", "free", "requests", "timers", "output", "commit", "tx", "publish"]
phases += ["doorbells"]
wanted += [f"core.phase.{p}.flows=64.cycles_per_op" for p in phases]
for name in wanted:
    f = figures[name]
    assert f["unit"] == "cycles" and len(f["values"]) == 3, f
    assert 0 < f["min"] <= f["median"] <= f["max"] < 10**6, f
assert not [n for n in figures if "flows=512" in n], "not asked for"

whole = figures["core.echo.flows=64.cycles_per_op.csum=sw.host=other"]
total = sum(figures[f"core.phase.{p}.flows=64.cycles_per_op"]["median"] for p in phases)
# The bench itself holds the sum of each repetition to 5 %, or says that it is noise.
near = 0.25 if run["machine"]["busy"] else 0.07
assert abs(total / whole["median"] - 1) < near, (total, whole, run["notes"])
# A connection is more than an echo in it.
echo = figures["core.echo.flows=64.cycles_per_op.csum=sw.host=same"]
assert figures["core.short.cycles_per_conn.csum=sw.host=same"]["median"] > echo["median"]
EOT

# fails WHAT PATTERN COMMAND...: exit status 1 and a line that says why.
fails() {
	local what=$1 pattern=$2
	shift 2
	"$@" >"$work/out" 2>"$work/err" && die "$what: the run succeeded"
	grep -q -- "$pattern" "$work/err" || {
		cat "$work/err" >&2
		die "$what: nothing says $pattern"
	}
}
quickly=(--seconds 0.02 --repeat 1)
fails "a case that does not exist" "no figure" bench --case 'core.nonsense' "${quickly[@]}"
fails "one CPU" "two are needed" taskset -c 0 "$OB_BIN/outboard-bench" core "${quickly[@]}"
fails "an option of the engine that does not exist" "limits.nonsense" \
	bench --set limits.nonsense=1 --case 'core.echo.flows=1.*' "${quickly[@]}"
# An engine without room for its flows drops handshakes: that is no measurement.
fails "an engine that drops" "drop_syn" \
	bench --set limits.conns=32 --case 'core.echo.flows=64.*' "${quickly[@]}"
fails "a suite that does not exist" "no suite" "$OB_BIN/outboard-bench" nonsense

# compare: a run against itself, and against one in which a figure got worse.
"$OB_BIN/outboard-bench" compare "$work/json" "$work/json" --fail >"$work/out" ||
	die "a run differs from itself"
grep -q ' 0 worse' "$work/out" || grep -q '^0 better, 0 worse' "$work/out" || die "compare says nothing"
python3 - "$work/json" "$work/worse" <<'EOT'
import json
import sys

run = json.load(open(sys.argv[1]))
for f in run["figures"]:
    if f["name"] == "core.short.cycles_per_conn.csum=sw.host=same":
        f["values"] = [1.5 * max(f["values"]) + i for i in range(3)]
json.dump(run, open(sys.argv[2], "w"))
EOT
"$OB_BIN/outboard-bench" compare "$work/json" "$work/worse" --fail >"$work/out" &&
	die "compare does not see a figure that got worse by half"
grep -q '^core.short.*worse' "$work/out" || die "compare does not name what got worse"
# Figures that one of the two runs lacks have no change to speak of.
python3 - "$work/json" "$work/less" <<'EOT'
import json
import sys

run = json.load(open(sys.argv[1]))
run["figures"] = [f for f in run["figures"] if not f["name"].startswith("core.short.")]
json.dump(run, open(sys.argv[2], "w"))
EOT
for order in "json less gone" "less json new"; do
	read -r first second verdict <<<"$order"
	"$OB_BIN/outboard-bench" compare "$work/$first" "$work/$second" >"$work/out" || die "compare failed"
	grep -q "^core.short.* $verdict\$" "$work/out" || die "compare does not say what is $verdict"
	grep '^core' "$work/out" | grep -q 'nan\|%' && die "compare says by how much nothing changed: $(cat "$work/out")"
	"$OB_BIN/outboard-bench" compare "$work/$first" "$work/$second" --json |
		python3 -c '
import json, sys
for row in json.load(sys.stdin)["rows"]:
    if row["verdict"] in ("gone", "new"):
        assert (row["a"] is None) != (row["b"] is None), row
        assert row["change"] is row["low"] is row["high"] is row["p"] is None, row
' || die "compare --json"
done
[ "$(instance_files "$instance")" = "" ] || die "files are left: $(instance_files "$instance")"
say "$(wc -l <"$work/out") lines; the figures hold together"
