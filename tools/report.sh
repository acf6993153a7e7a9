#!/usr/bin/env bash
# Turns results of outboard-bench into docs/results/: a page for each suite, with tables, SVG plots and
# the commands that made them, and the results themselves.
#
#   tools/report.sh [--out DIRECTORY] FILE.json...
#
# A later file of the same suite takes the place of an earlier one. To make one:
#   build/bin/outboard-bench system --json >system.json
set -u
. "${BASH_SOURCE[0]%/*}/lib.sh"
guard_signals "$@"
OB_WHO=report

out=docs/results
usage() {
	echo "usage: tools/report.sh [--out DIRECTORY] FILE.json..." >&2
	exit 2
}
if [ "${1:-}" = --out ]; then
	[ $# -ge 2 ] || usage
	out=$2
	shift 2
fi
case ${1:-} in
"" | -*) usage ;;
esac
if ! command -v gnuplot >/dev/null; then
	[ "$(id -u)" = 0 ] || die "gnuplot is missing: run tools/setup.sh as root"
	say "installing gnuplot"
	export DEBIAN_FRONTEND=noninteractive
	run_quiet apt-get -o DPkg::Lock::Timeout=300 -q update
	run_quiet apt-get -o DPkg::Lock::Timeout=300 -qy --no-install-recommends install gnuplot-nox ||
		die "cannot install gnuplot-nox"
fi
[ "$out" != docs/results ] || out=$OB_ROOT/$out
mkdir -p "$out" || die "cannot make $out"
run python3 "$OB_ROOT/tools/bench/report.py" "$out" "$@" || die "no report"
