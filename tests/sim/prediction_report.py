"""The table and the plot of prediction.sh --full: prediction_report.py CELLS DIRECTORY."""

import json
import math
import subprocess
import sys
from pathlib import Path

COMMAND = "tests/sim/prediction.sh --full"
COLOURS = {("newreno", 10): "#c2610c", ("newreno", 100): "#b8860b", ("cubic", 10): "#2563b0", ("cubic", 100): "#2e8b57"}


def percent(period):
    return f"{100 / period:g} %"


def table(cells, ratio):
    rows = ["| losses | round trip | controller | predicted | measured | share |", "|---|---|---|---|---|---|"]
    for c in sorted(cells, key=lambda c: (c["period"], c["rtt_ms"], c["cc"])):
        if c["ack_ratio"] == ratio:
            rows.append(
                f'| {percent(c["period"])} | {c["rtt_ms"]} ms | {c["cc"]} | {c["predicted"]:,.1f} '
                f'| {c["window"]:,.1f} | {c["ratio"]:.2f} |')
    return "\n".join(rows)


def plot(cells, path):
    """Lines are what the formulas say, points what was measured."""
    series, data = [], ""
    for (cc, rtt), colour in COLOURS.items():
        mine = sorted((c for c in cells if (c["cc"], c["rtt_ms"]) == (cc, rtt) and c["ack_ratio"] == 1),
                      key=lambda c: c["period"])
        for column, style in (("predicted", "lines lw 1.5"), ("window", "points pt 7 ps 0.8")):
            title = f'title "{cc}, {rtt} ms"' if column == "window" else "notitle"
            series.append(f"'-' using 1:2 with {style} lc rgb '{colour}' {title}")
            data += "\n".join(f'{1 / c["period"]} {c[column]}' for c in mine) + "\ne\n"
    text = (f'set terminal svg size 760,440 font "sans-serif,13" background "white"\nset output "{path}"\n'
            'set logscale xy\nset xlabel "losses, as a share of the segments"\n'
            'set ylabel "average window, segments"\nset key top right\nset grid\n'
            f'set xrange [{0.5e-5}:{2e-2}]\nplot {", ".join(series)}\n{data}')
    subprocess.run(["gnuplot"], input=text, text=True, check=True)


def main():
    cells = [json.loads(line) for line in open(sys.argv[1])]
    out = Path(sys.argv[2])
    segments, cpu = sum(c["segments"] for c in cells), sum(c["cpu_s"] for c in cells)
    worst = max(abs(c["ratio"] - 1) for c in cells if c["ack_ratio"] == 1)
    least = min(c["ratio"] for c in cells if c["ack_ratio"] == 2)
    (out / "prediction.json").write_text(json.dumps({"command": COMMAND, "cells": cells}, indent=1) + "\n")
    plot(cells, out / "prediction.svg")
    (out / "prediction.md").write_text(f"""# Windows under loss, against the response functions

Made by `{COMMAND}`: {len(cells)} cells of {cells[0]["losses"]:,} losses each, {segments / 1e6:,.0f} million segments,
{cpu / 60:.1f} CPU-minutes on one core. `tests/sim/prediction.sh` without an argument does the upper half of it as a
test. The figures: [prediction.json](prediction.json).

One connection sends for as long as it takes over a path of 10 Gb/s whose queue never fills. Each segment
number 1/p, 2/p, 3/p ... that leaves for the first time is lost; retransmissions and ACKs are not. The first 30
losses are not measured. `tests/sim/predict.c` links the engine's TCP as it is; segments are 1,460 bytes,
with SACK and without timestamps. The receiver acknowledges **every segment** (ACK ratio 1).

The average window is what left for the first time, times the round trip, by the time it took. Predicted, with
alpha = 9/17 and beta = 0.7:

- NewReno: sqrt(3 / 2p), RFC 5681's saw-tooth.
- CUBIC: the larger of (C (3 + beta) / (4 (1 - beta)))^(1/4) * (RTT / p)^(3/4), RFC 9438 section 5.1, and
  sqrt(alpha (1 + beta) / (2 (1 - beta) p)), its Reno-friendly region, section 4.3.

Both controllers count bytes, so the ACK ratio is in neither formula. The largest deviation is {100 * worst:.0f} %.

![average window over loss rate](prediction.svg)

{table(cells, 1)}

What is missing at 1 % are things that the formulas leave out: a recovery takes a round trip in which the window
does not grow, one in ten there, and a window of 12.2 segments sends 12.

With one ACK for **every second segment** the last segment of an odd window waits for the next round trip. That
costs another half segment, which shows where windows are small: NewReno at 1 % is at {least:.3f} then, just outside
of 20 %.

{table(cells, 2)}
""")


main()
