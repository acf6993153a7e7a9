#!/usr/bin/env bash
# Instructions of the engine for each operation, counted by callgrind: figures that come out the same
# again and again, for changes too small for cycles. Needs valgrind, no hugepages, one CPU's time.
#
#   tools/bench/instructions.sh [--ops N] [--top N] FIGURE
#
# FIGURE: a figure of outboard-bench core with the host on the engine's CPU, for example
# core.echo.flows=64.cycles_per_op.csum=sw.host=same. --top: the functions that take the most.
set -u
. "${BASH_SOURCE[0]%/*}/../lib.sh"
OB_WHO=instructions
ops=20000 top=0 figure=

while [ $# -gt 0 ]; do
	case $1 in
	--ops | --top)
		[[ $# -ge 2 && $2 =~ ^[1-9][0-9]*$ ]] || die "$1 needs a number"
		declare "${1#--}=$2"
		shift
		;;
	-*) die "usage: instructions.sh [--ops N] [--top N] FIGURE" ;;
	*) figure=$1 ;;
	esac
	shift
done
[[ $figure == core.*.host=same ]] || die "a figure of core that ends in .host=same"
command -v valgrind >/dev/null || die "valgrind is not installed"
work=$(mktemp -d)
cleanup_push rm -rf "$work"

valgrind --tool=callgrind --callgrind-out-file="$work/out" --collect-atstart=no \
	--toggle-collect=core_measured_turn "$OB_BIN/outboard-bench" core --ops "$ops" --no-huge \
	--case "$figure" --json >"$work/json" 2>"$work/log" || {
	tail -n 20 "$work/log" >&2
	die "the run failed"
}
collected=$(sed -n 's/^==[0-9]*== Collected : \([0-9]*\).*/\1/p' "$work/log")
[ -n "$collected" ] || die "callgrind counted nothing"
# What was done: a little more than was asked for.
done=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["settings"]["ops_done"])' "$work/json")
awk -v name="${figure/cycles_per/instructions_per}" -v n="$collected" -v ops="$done" \
	'BEGIN { printf "%s %.1f\n", name, n / ops }'
[ "$top" = 0 ] || callgrind_annotate "$work/out" 2>/dev/null | awk -v ops="$done" -v top="$top" '
	/^ *[0-9,]+ \(/ && !/PROGRAM TOTALS/ && seen < top {
		n = $1; gsub(",", "", n); at = $0; sub(/.*%\) */, "", at); sub(/ \[.*/, "", at)
		sub(/.*[/]/, "", at); printf "%9.1f  %s\n", n / ops, at; seen++
	}'
