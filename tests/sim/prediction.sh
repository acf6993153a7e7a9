#!/usr/bin/env bash
# The window that each congestion control keeps at a loss rate, against the response function of its RFC:
# within 20 %. The path and the rule of losses are in predict.c.
#
#   prediction.sh            1 % and 0.1 % at 10 and 100 ms, 300 losses a cell: a test of half a minute
#   prediction.sh --full     also 0.01 % and 0.001 %, 1,000 losses: writes docs/prediction.*
# timeout: 120
set -u
. "${BASH_SOURCE[0]%/*}/../../tools/lib.sh"
predict=${OB_BIN:-$OB_ROOT/build/bin}/outboard-predict
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

periods=(100 1000) losses=300 ratios=(1)
if [ "${1:-}" = --full ]; then
	periods=(100 1000 10000 100000) losses=1000 ratios=(1 2)
fi
# Cells one after the other: this takes one core.
for ratio in "${ratios[@]}"; do
	# An ACK for every second segment shows where windows are small: not at 0.001 %.
	[ "$ratio" = 1 ] || periods=(100 1000 10000)
	for cc in newreno cubic; do
		for period in "${periods[@]}"; do
			for rtt in 10 100; do
				"$predict" --cc $cc --period "$period" --rtt-ms $rtt --losses $losses \
					--ack-ratio "$ratio" >>"$work/cells" || die "a cell fails"
				[ "${1:-}" != --full ] || tail -n 1 "$work/cells"
			done
		done
	done
done
if [ "${1:-}" = --full ]; then
	python3 "$OB_ROOT/tests/sim/prediction_report.py" "$work/cells" "$OB_ROOT/docs" ||
		die "no report"
fi
python3 - "$work/cells" <<'PY'
import json, sys
bad = 0
for line in open(sys.argv[1]):
    cell = json.loads(line)
    wrong = abs(cell["ratio"] - 1) > 0.2 and cell["ack_ratio"] == 1
    bad += wrong
    print(f'{cell["cc"]:8} 1/{cell["period"]:<6} {cell["rtt_ms"]:3} ms, an ACK for {cell["ack_ratio"]}: '
          f'window {cell["window"]:8.2f}, predicted {cell["predicted"]:8.2f}, {cell["ratio"]:.3f}'
          f'{"  <-- not within 20 %" if wrong else ""}')
sys.exit(bad > 0)
PY
