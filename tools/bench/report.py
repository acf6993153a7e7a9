#!/usr/bin/env python3
"""Pages of results: tools/report.sh calls it.

    report.py DIRECTORY FILE.json...

For each file: SUITE.json (the file), SUITE.md, and SUITE-*.svg made by gnuplot. The page of a suite
that has no layout of its own below lists all its figures. DIRECTORY/README.md lists the suites.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

COLOURS = {"outboard": "#2563b0", "kernel": "#c2610c", "kernel_offload": "#8a8a8a"}
SERIES = ["#2563b0", "#c2610c", "#2e8b57", "#8a4fae", "#8a8a8a", "#b8860b"]


class BadFile(Exception):
    """What is wrong with a file, for a person."""


def number(value):
    """A figure as people read it: three digits that count, or all before the point."""
    if value is None:
        return ""
    size = abs(value)
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"


def spread(figure):
    """Median, with the range when there is one."""
    if figure is None:
        return ""
    text = number(figure["median"])
    if len(figure["values"]) > 1:
        text += f" ({number(figure['min'])}–{number(figure['max'])})"
    return text


def table(head, rows):
    """Markdown; the first column is text, all others are numbers."""
    line = lambda cells: "| " + " | ".join(cells) + " |"
    rule = "|" + "|".join([":--"] + ["--:"] * (len(head) - 1)) + "|"
    return "\n".join([line(head), rule] + [line(row) for row in rows]) + "\n"


def order(text):
    """Sorts numbers as numbers."""
    return (0, float(text), "") if re.fullmatch(r"[0-9.]+", text) else (1, 0.0, text)


class Page:
    """One suite's results on their way to a page."""

    def __init__(self, out, data):
        self.out = out
        self.data = data
        self.suite = data["suite"]
        self.figures = {figure["name"]: figure for figure in data["figures"]}
        self.parts = []

    def add(self, *parts):
        self.parts += parts

    def find(self, pattern):
        """[(match, figure)] of all whose whole name matches."""
        found = [(re.fullmatch(pattern, name), f) for name, f in self.figures.items()]
        return [(match, figure) for match, figure in found if match]

    def value(self, name):
        figure = self.figures.get(name)
        return figure and figure["median"]

    def plot(self, name, title, script, columns):
        """columns: rows of text and numbers, the data of the plot. None is a gap."""
        image = f"{self.suite}-{name}.svg"
        cell = lambda v: "NaN" if v is None else f'"{v}"' if isinstance(v, str) else f"{v:.9g}"
        lines = "\n".join(" ".join(cell(v) for v in row) for row in columns)
        text = f"""set terminal svg size 760,400 font "sans-serif,13" background "white"
set output "{self.out / image}"
$data << EOD
{lines}
EOD
set title "{title}" noenhanced
set border 3
set tics nomirror out
set grid ytics lt 1 lc rgb "#dddddd"
set key outside bottom center horizontal noenhanced
set yrange [0:*]
{script}
"""
        made = subprocess.run(["gnuplot"], input=text, text=True, capture_output=True, check=False)
        if made.returncode != 0 or not (self.out / image).stat().st_size:
            raise BadFile(f"gnuplot cannot draw {image}: {made.stderr.strip()}")
        self.add(f"![{title}]({image})", "")

    def cell(self, section, *keys):
        have = self.data.get(section, {})
        text = lambda v: f"{v:.6g}" if isinstance(v, float) else str(v)
        return ", ".join(f"{k} {text(have[k])}" for k in keys if have.get(k) not in (None, ""))

    def head(self):
        self.add(f"# Results of `{self.suite}`", "")
        self.add("How they are made and what they mean: [benchmarks](../benchmarks.md).", "")
        self.add("```sh", self.data.get("command", f"outboard-bench {self.suite} --json"))
        self.add(f"tools/report.sh {self.suite}.json", "```", "")
        rows = [["date", self.data.get("date", "")],
                ["machine", self.cell("machine", "cpu", "cpus", "memory_kb", "tsc_hz", "kernel")],
                ["build", self.cell("build", "version", "revision", "compiler", "type", "dpdk")],
                ["meanwhile", self.cell("machine", "load_before", "wall_s", "steal_s", "others_cpu_s",
                                        "involuntary_switches")]]
        rows += [[key, str(v)] for key, v in self.data.get("settings", {}).items() if v != ""]
        self.add(table(["of this run", ""], rows).replace("--:", ":--"))
        for kind in ("notes", "failures"):
            for line in self.data.get(kind, []):
                self.add(f"- {kind[:-1]}: {line}")
        self.add("", "Medians of all repetitions, with the lowest and the highest in brackets.", "")

    def everything(self):
        self.add("## Every figure", "")
        self.add(table(["figure", "unit", "median", "min", "max", "values"], [
            [f"`{f['name']}`", f["unit"], number(f["median"]), number(f["min"]), number(f["max"]),
             str(len(f["values"]))] for f in self.data["figures"]]))


# --- system ------------------------------------------------------------------------------------

WHAT = {"echo": "64-byte echo", "bulk_rx": "bulk, the host receives", "bulk_tx": "bulk, the host sends",
        "short": "short connections", "idle": "idle connections, one message every 10 ms"}
ROWS = ["outboard", "kernel", "kernel_offload"]
RATE = {"echo": "rps", "bulk_rx": "gbps", "bulk_tx": "gbps", "short": "cps", "idle": "cps"}


def system_table(page, wire, case):
    found = page.find(rf"system\.{wire}\.{case}\.conns=(\d+)\.(\w+)\.(\w+)")
    if not found:
        return
    cells = {(m[1], m[2], m[3]): figure for m, figure in found}
    keys = sorted({(m[1], m[2]) for m, _ in found}, key=lambda k: (int(k[0]), ROWS.index(k[1])))
    columns = [c for c in (RATE[case], "p50_us", "p99_us", "max_us", "host_us_per_op", "host_us_per_mb",
                           "wall_s", "cpu_s_engine", "cpu_s_host", "cpu_s_peer", "cpu_s_machine", "rtx_segs",
                           "tx_drops") if any(k[2] == c for k in cells)]
    page.add(f"### {WHAT[case][0].upper()}{WHAT[case][1:]}", "")
    page.add(table(["connections, server on"] + columns, [
        [f"{conns}, {row}"] + [spread(cells.get((conns, row, c))) for c in columns]
        for conns, row in keys]))


def system_bars(page, wire, name, title, unit, cases):
    """Bars for each case and number of connections, a colour for each row."""
    found = [(m, f) for case in cases
             for m, f in page.find(rf"system\.{wire}\.({case})\.conns=(\d+)\.(\w+)\.{unit}")]
    rows = [row for row in ROWS if any(m[3] == row for m, _ in found)]
    groups = list(dict.fromkeys((m[1], m[2]) for m, _ in found))
    if not found:
        return
    data = []
    for case, conns in groups:
        line = [f"{case} {conns}"]
        for row in rows:
            figure = page.figures.get(f"system.{wire}.{case}.conns={conns}.{row}.{unit}")
            line += [figure[k] if figure else None for k in ("median", "min", "max")]
        data.append(line)
    bars = ", ".join(
        f'$data using {3 * i + 2}:{3 * i + 3}:{3 * i + 4}:xtic(1) title "{row}" lc rgb "{COLOURS[row]}"'
        for i, row in enumerate(rows))
    page.plot(f"{wire}-{name}", title, f"""set style data histograms
set style histogram errorbars gap 1 lw 1
set style fill solid 0.9 border -1
set xtics noenhanced
set ylabel "{unit}" noenhanced
set format y "%.10g"
plot {bars}""", data)


def system(page):
    for wire in ("veth", "memif"):
        if not page.find(rf"system\.{wire}\..*"):
            continue
        page.add(f"## {wire}", "")
        system_bars(page, wire, "echo", f"64-byte echo over {wire}", "rps", ["echo"])
        system_bars(page, wire, "latency", f"median latency of the echo over {wire}", "p50_us", ["echo"])
        system_bars(page, wire, "bulk", f"bulk over {wire}", "gbps", ["bulk_rx", "bulk_tx"])
        system_bars(page, wire, "short", f"short connections over {wire}", "cps", ["short"])
        system_bars(page, wire, "host", f"CPU time of the host's program, over {wire}",
                    "host_us_per_op", ["echo", "short"])
        for case in WHAT:
            system_table(page, wire, case)


# --- core --------------------------------------------------------------------------------------

CORE = [("echo", "cycles_per_op", "64-byte echo"),
        ("rx1448", "cycles_per_seg", "received 1448-byte segment, with the ACK"),
        ("tx1448", "cycles_per_seg", "sent 1448-byte segment")]


def core_flows(page, case, unit, title):
    found = page.find(rf"core\.{case}\.flows=(\d+)\.{unit}\.(.+)")
    if not found:
        return
    flows = sorted({m[1] for m, _ in found}, key=int)
    kinds = sorted({m[2] for m, _ in found})
    at = lambda n, kind: page.figures.get(f"core.{case}.flows={n}.{unit}.{kind}")
    page.add(f"## {title[0].upper()}{title[1:]}", "")
    page.add(table(["flows"] + kinds, [[n] + [spread(at(n, k)) for k in kinds] for n in flows]))
    data = [[float(n)] + [v for k in kinds for f in [at(n, k)]
                          for v in ([f["median"], f["min"], f["max"]] if f else [None] * 3)]
            for n in flows]
    lines = ", ".join(
        f'$data using 1:{3 * i + 2}:{3 * i + 3}:{3 * i + 4} with yerrorlines title "{kind}" '
        f'lw 2 pt 7 ps 0.5 lc rgb "{SERIES[i % len(SERIES)]}"' for i, kind in enumerate(kinds))
    page.plot(case, f"engine cycles for a {title}", f"""set logscale x
set xrange [0.7:*]
set xlabel "flows"
set ylabel "{unit}" noenhanced
plot {lines}""", data)


def core_phases(page):
    found = [(m, f) for m, f in page.find(r"core\.phase\.(\w+)\.flows=(\d+)\.cycles_per_op") if m[1] != "sum"]
    if not found:
        return
    flows = sorted({m[2] for m, _ in found}, key=int)
    phases = list(dict.fromkeys(m[1] for m, _ in found))
    at = lambda phase, n: page.figures.get(f"core.phase.{phase}.flows={n}.cycles_per_op")
    page.add("## Phases of the echo", "")
    rows = [[phase] + [spread(at(phase, n)) for n in flows] for phase in phases]
    sums = [sum(f["median"] for p in phases for f in [at(p, n)] if f) for n in flows]
    rows.append(["sum of the medians"] + [number(s) for s in sums])
    page.add(table(["cycles an operation, at flows"] + flows, rows))
    data = [[n] + [at(p, n) and at(p, n)["median"] for p in phases] for n in flows]
    palette = ["#2563b0", "#c2610c", "#2e8b57", "#8a4fae", "#b8860b", "#8a8a8a", "#4f9fd6", "#d98c5f",
               "#86c29c", "#c0a0d6", "#5a5a5a", "#d6c34f"]
    bars = ", ".join(f'$data using {i + 2}:xtic(1) title "{p}" lc rgb "{palette[i % len(palette)]}"'
                     for i, p in enumerate(phases))
    page.plot("phases", "engine cycles of the echo, by phase of the loop", f"""set style data histograms
set style histogram rowstacked
set style fill solid 0.9 border rgb "white"
set boxwidth 0.6
set xlabel "flows"
set ylabel "cycles per operation"
plot {bars}""", data)


def core_rest(page):
    found = page.find(r"core\.(?:short\..*|host\..*)")
    if found:
        page.add("## Short connections, and what it costs the host", "")
        page.add(table(["figure", "cycles"], [[f"`{f['name']}`", spread(f)] for _, f in found]))


def core(page):
    for case, unit, title in CORE:
        core_flows(page, case, unit, title)
        if case == "echo":
            core_phases(page)
    core_rest(page)


LAYOUTS = {"system": system, "core": core}


def load(path):
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFile(f"{path}: {error}") from error
    if not (isinstance(data, dict) and isinstance(data.get("figures"), list)
            and re.fullmatch(r"[a-z_]+", str(data.get("suite"))) and isinstance(data.get("machine"), dict)):
        raise BadFile(f"{path} is no result of outboard-bench")
    if not data["figures"]:
        raise BadFile(f"{path} has no figures")
    return data


def index(out):
    """All suites that are there, also those of earlier calls."""
    lines = ["# Results", "", "Made by `tools/report.sh` from what `outboard-bench` measured; "
             "[benchmarks](../benchmarks.md) says how. `outboard-bench compare` takes the JSON files.", ""]
    for path in sorted(out.glob("*.json")):
        data = load(path)
        lines.append(f"- [{data['suite']}]({data['suite']}.md): {data.get('date', '')[:10]}, "
                     f"{data['machine'].get('cpu', 'unknown CPU')}, "
                     f"{len(data['figures'])} figures ([JSON]({path.name}))")
    (out / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: report.py DIRECTORY FILE.json...")
    out = Path(sys.argv[1]).resolve()
    try:
        for path in sys.argv[2:]:
            page = Page(out, load(path))
            page.head()
            LAYOUTS.get(page.suite, lambda page: None)(page)
            page.everything()
            text = re.sub(r"\n{3,}", "\n\n", "\n".join(page.parts))
            (out / f"{page.suite}.md").write_text(text + "\n", encoding="utf-8")
            (out / f"{page.suite}.json").write_text(
                json.dumps(page.data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            print(f"{out / page.suite}.md")
        index(out)
    except BadFile as error:
        sys.exit(f"report: {error}")


main()
