#!/usr/bin/env bash
# Sets up, builds and tests.
#
#   tools/test.sh [--suite NAME]... [--quick] [--only PATTERN] [--minutes M]
#
# Suites: unit sim regress host netns posix failover fuzz style. A suite is what meson knows by that
# name, and every executable *.sh and *.py in tests/NAME/. Such a script says "# timeout: SECONDS"
# (default 120), "# quick" when it belongs to --quick, and exits with 77 and a reason to skip. It is
# handed OB_PREFIX, which its namespaces and instances begin with; what it leaves behind makes it
# fail. --only leaves out the scripts whose name, without its ending, does not fit. --minutes is what
# the simulator and the fuzzers may take. With CI=true a skip is a failure unless tests/skips.txt has
# a line "suite/name reason", and so is an empty suite.
#
# Logs: build/test-logs/. Last line: N passed, N failed[, N skipped]. Exit status 1 on any failure.
set -u
. "${BASH_SOURCE[0]%/*}/lib.sh"
guard_signals "$@"
OB_WHO=test
cd "$OB_ROOT" || exit 1

all_suites=(style unit host sim regress netns posix failover fuzz)
quick_suites=(style unit host netns)
suites=() named= quick= only= minutes=
build=$OB_ROOT/build
logs=${OB_TEST_LOGS:-$build/test-logs}
prefix=obt$$
passed=0 failed=0 skipped=0 serial=0

usage() {
	echo "usage: tools/test.sh [--suite NAME]... [--quick] [--only PATTERN] [--minutes M]" >&2
	echo "suites: ${all_suites[*]}" >&2
	exit 2
}
while [ $# -gt 0 ]; do
	case $1 in
	--suite)
		[[ $# -ge 2 && " ${all_suites[*]} " == *" $2 "* ]] || usage
		suites+=("$2")
		named=1
		shift
		;;
	--quick) quick=1 ;;
	--only)
		[ $# -ge 2 ] || usage
		only=$2
		shift
		;;
	--minutes)
		[[ $# -ge 2 && $2 =~ ^[0-9]+([.][0-9]+)?$ ]] || usage
		minutes=$2
		shift
		;;
	*) usage ;;
	esac
	shift
done
if [ -z "$named" ]; then
	suites=("${all_suites[@]}")
	[ -z "$quick" ] || suites=("${quick_suites[@]}")
fi
[ -z "$minutes" ] || export OB_MINUTES=$minutes

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }
seconds() { printf '%d.%01d' $(($1 / 1000000)) $(($1 / 100000 % 10)); }

# allowed_skip SUITE/NAME: tests/skips.txt gives a reason.
allowed_skip() { grep -Eqs "^$1[[:space:]]+[^[:space:]]" tests/skips.txt; }

# result SUITE NAME ok|fail|skip MICROSECONDS LOG [REASON]
result() {
	local id=$1/$2 status=$3 reason=${6:-}
	if [ "$status" = skip ] && [ "${CI:-}" = true ] && ! allowed_skip "$id"; then
		status=fail
		reason="skipped, and tests/skips.txt does not allow it: $reason"
	fi
	case $status in
	ok) passed=$((passed + 1)) ;;
	skip) skipped=$((skipped + 1)) ;;
	*)
		failed=$((failed + 1))
		if [ -s "$5" ]; then
			echo "--- $id, the end of ${5#"$OB_ROOT"/}"
			tail -n 40 "$5"
			echo "---"
		fi
		;;
	esac
	printf '%-4s %s (%s s)%s\n' "$status" "$id" "$(seconds "$4")" "${reason:+: $reason}"
}

# --- what a test leaves behind -----------------------------------------------------------------

our_namespaces() { ip netns list 2>/dev/null | awk -v p="$prefix" 'index($1, p) == 1 { print $1 }'; }
our_files() {
	find /run/outboard /run/dpdk /run/outboard-demo /dev/hugepages /dev/shm -maxdepth 2 \
		-name "*$prefix*" 2>/dev/null
}
no_tagged() { [ -z "$(tagged_pids "$1")" ]; }

# leftovers TAG: prints what is left of a test, and removes it.
leftovers() {
	local ns pid file
	wait_for 2 no_tagged "$1" || {
		for pid in $(tagged_pids "$1"); do
			echo "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
		done
		kill_tagged "$1"
	}
	for ns in $(our_namespaces); do
		echo "namespace $ns"
		case $ns in
		*-eng | *-peer | *-wire) tools/netns.sh down "${ns%-*}" ;;
		esac
		[ ! -e "/run/netns/$ns" ] || ip netns del "$ns"
	done
	our_files | while read -r file; do
		[ -e "$file" ] || continue
		echo "file $file"
		rm -rf "$file"
	done
}
clean_all() {
	[ -z "${current_tag:-}" ] || kill_tagged "$current_tag"
	leftovers "${prefix}_none" >/dev/null
	rm -rf "$work"
}

# --- running -------------------------------------------------------------------------------------

# run_one SUITE NAME SECONDS COMMAND...
run_one() {
	local suite=$1 name=$2 limit=$3 log=$logs/$1-$2.log start status reason= left
	shift 3
	current_tag=${prefix}_$((++serial))
	start=$(now_us)
	env --default-signal=INT,QUIT "OB_TAG_$current_tag=1" OB_PREFIX="$prefix" OB_BIN="$OB_BIN" \
		setsid timeout -k 15 "$limit" "$@" >"$log" 2>&1 </dev/null &
	ob_running=$!
	wait "$ob_running" 2>/dev/null
	status=$?
	ob_running=
	case $status in
	0) status=ok ;;
	77)
		status=skip
		reason=$(tail -n 1 "$log")
		reason=${reason#skipped: }
		;;
	124 | 137)
		status=fail
		reason="not done after $limit s"
		;;
	*)
		reason="exit status $status"
		status=fail
		;;
	esac
	left=$(leftovers "$current_tag")
	current_tag=
	if [ -n "$left" ]; then
		status=fail
		reason="${reason:+$reason; }left behind: ${left//$'\n'/, }"
	fi
	result "$suite" "$name" "$status" $(($(now_us) - start)) "$log" "$reason"
}

# has_meson_suite SUITE
has_meson_suite() {
	meson introspect --tests "$build" 2>/dev/null | python3 -c '
import json, sys
names = {name.split(":")[-1] for test in json.load(sys.stdin) for name in test["suite"]}
sys.exit(sys.argv[1] not in names)' "$1" 2>/dev/null
}

# Every test that meson has in a suite; each counts. They have four times meson's 30 s, for machines
# that are busy with something else.
run_meson() {
	local suite=$1 log=$logs/$1-meson.log json=$build/meson-logs/suite-$1.json left
	local name status us reason file start
	start=$(now_us)
	rm -f "$json"
	current_tag=${prefix}_$((++serial))
	run env "OB_TAG_$current_tag=1" OB_PREFIX="$prefix" meson test -C "$build" --no-rebuild \
		--timeout-multiplier 4 --suite "$suite" --logbase "suite-$suite" >"$log" 2>&1
	left=$(leftovers "$current_tag")
	current_tag=
	if ! python3 - "$json" "$logs/$suite" >"$work/meson.results" <<'PY'; then
import json
import re
import sys

kinds = {"OK": "ok", "EXPECTEDFAIL": "ok", "SKIP": "skip"}
for line in open(sys.argv[1]):
    test = json.loads(line)
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", test["name"].split(" / ")[-1].split(":")[-1])
    out = (test.get("stdout") or "") + (test.get("stderr") or "")
    log = f"{sys.argv[2]}-{name}.log"
    open(log, "w").write(out)
    kind = kinds.get(test["result"], "fail")
    last = (out.strip().splitlines() or [""])[-1].replace("\t", " ").removeprefix("skipped: ")
    reason = {"ok": "", "skip": last}.get(kind, f"{test['result']}, status {test['returncode']}")
    print(name, kind, int(test["duration"] * 1e6), log, reason, sep="\t")
PY
		result "$suite" meson fail $(($(now_us) - start)) "$log" "meson test gave no results"
		return
	fi
	while IFS=$'\t' read -r name status us file reason; do
		result "$suite" "$name" "$status" "$us" "$file" "$reason"
	done <"$work/meson.results"
	[ -z "$left" ] || result "$suite" leftovers fail 0 /dev/null "${left//$'\n'/, }"
}

# The scripts of a suite, in order of name.
scripts_of() {
	local file
	for file in tests/"$1"/*.sh tests/"$1"/*.py; do
		if [ -f "$file" ] && [ -x "$file" ]; then echo "$file"; fi
	done
}
# said FILE WORD: what a script's comment says of itself.
said() { sed -n "1,40s/^# $2\(: *\(.*\)\)\{0,1\}\$/\2 /p" "$1" | head -n 1; }

run_scripts() {
	local file name limit
	for file in $(scripts_of "$1"); do
		[ -z "$quick" ] || [ "$1" != netns ] || [ -n "$(said "$file" quick)" ] || continue
		name=$(basename "$file")
		# shellcheck disable=SC2053
		[ -z "$only" ] || [[ ${name%.*} == $only ]] || continue
		limit=$(said "$file" timeout)
		limit=${limit// /}
		run_one "$1" "${name%.*}" "${limit:-120}" "$file"
	done
}

run_style() {
	local name
	for name in $(tools/dev/style.sh --list ${quick:+--quick}); do
		run_one style "$name" 1800 tools/dev/style.sh "$name"
	done
}

exists() {
	[ "$1" = style ] || [ -n "$(scripts_of "$1")" ] || has_meson_suite "$1" ||
		{ [ "$1" = sim ] && [ -x "$build/bin/outboard-sim" ]; }
}

run_suite() {
	local suite=$1 start before
	start=$(now_us)
	before=$((passed + failed + skipped))
	if ! exists "$suite"; then
		# A folder without a test in it is a suite that someone forgot.
		if [ -n "$named" ] || { [ "${CI:-}" = true ] && [ -d "tests/$suite" ]; }; then
			result "$suite" none fail 0 /dev/null "this suite has no test"
		fi
		return
	fi
	if [ "$suite" = style ]; then
		run_style
	else
		has_meson_suite "$suite" && run_meson "$suite"
		if [ "$suite" = sim ] && [ -x "$build/bin/outboard-sim" ]; then
			run_one sim seeds 36000 "$build/bin/outboard-sim" --seeds 1-1000000 \
				--minutes "${minutes:-3}"
		fi
		run_scripts "$suite"
	fi
	say "$suite: $((passed + failed + skipped - before)) tests in $(seconds $(($(now_us) - start))) s"
}

# --- hugepages -----------------------------------------------------------------------------------

# Somebody else's engines are not this run's business.
huge_as_before() { [ "$(huge_free)" -ge "$huge_before" ]; }
check_huge() {
	local start
	start=$(now_us)
	wait_for 5 huge_as_before && return
	others_use_huge && return
	result hygiene hugepages fail $(($(now_us) - start)) /dev/null \
		"$(huge_free) free, before the tests $huge_before"
}

# --- from here -------------------------------------------------------------------------------------

began=$(now_us)
work=$(mktemp -d)
cleanup_push clean_all
if [ "$(id -u)" = 0 ]; then
	run tools/setup.sh || die "the set-up failed"
else
	warn "not root: the set-up and what needs namespaces will fail"
fi
run tools/dev/build.sh || {
	result build build fail $(($(now_us) - began)) /dev/null
	echo "$passed passed, $failed failed"
	exit 1
}
mkdir -p "$logs"
rm -f "$logs"/*.log
huge_before=$(huge_free)

for suite in "${suites[@]}"; do
	run_suite "$suite"
done
check_huge
[ $((passed + failed + skipped)) -gt 0 ] || result all none fail 0 /dev/null "no test was found"
say "all in $(seconds $(($(now_us) - began))) s"
summary="$passed passed, $failed failed"
[ $skipped -eq 0 ] || summary+=", $skipped skipped"
echo "$summary"
[ $failed -eq 0 ]
exit
