#!/usr/bin/env python3
"""The thinking part of tests/netns/inspect.sh.

  look.py hold ADDRESS PORT NUMBER    holds connections open until it is killed; prints their ports
  look.py compare FOLDER ...          compares what outboardctl and dpdk-telemetry.py said, before
                                      and after the traffic
"""

import argparse
import json
import signal
import socket
import sys
from pathlib import Path

# What goes on while nothing is sent.
RESTLESS = {"turns", "busy_turns", "sleeps", "uptime_us", "rss_kb"}


def hold(address, port, number):
    held = [socket.create_connection((address, int(port)), 10) for _ in range(int(number))]
    print("ports", *(s.getsockname()[1] for s in held))
    print("ready", flush=True)
    signal.pause()


class Looks:
    """What one moment's commands answered."""

    def __init__(self, folder, name):
        self.folder, self.name = Path(folder), name

    def ctl(self, what):
        return json.loads((self.folder / f"{self.name}.{what}.json").read_text())

    def telemetry(self, what):
        text = (self.folder / f"{self.name}.{what}.telemetry.json").read_text()
        return json.loads(text)[f"/outboard/{what}"]

    def rows(self, what):
        """The rows by telemetry; all of them fit into one page here."""
        page = self.telemetry(what)
        expect(page["next"], 0, f"cursor behind the {what}")
        return list(page["rows"].values())


wrong = []


def expect(got, want, what):
    if got != want:
        wrong.append(f"{what}: {got}, not {want}")


def without(d, names):
    return {k: v for k, v in d.items() if k not in names}


def check_counters(before, after, a):
    old, new = before.ctl("counters"), after.ctl("counters")
    for name, by in (("icmp_rx_echo", a.pings), ("icmp_tx_echo", a.pings),
                     ("tcp_passive_open", a.fetches + 3), ("tcp_established", a.fetches + 3),
                     ("drop_tcp_csum", 0), ("req_bad_op", 0), ("host_attached", 0)):
        expect(new[name] - old[name], by, f"rise of {name}")
    expect(new["host_attached"], 1, "host_attached")
    other = after.telemetry("counters")
    expect(set(new), set(other), "names of the counters by telemetry")
    expect(without(other, RESTLESS), without(new, RESTLESS), "counters by telemetry")


def check_stat(after, a):
    stat, counters = after.ctl("stat"), after.ctl("counters")
    expect(stat["instance"], a.instance, "instance")
    expect(stat["pid"], a.engine, "process")
    expect(stat["conns"] + stat["time_wait"] >= 3, True, "3 connections are held")
    expect(stat["hosts"], 1, "hosts")
    for ours, counter in (("rx_pkts", "rx_pkts"), ("tx_bytes", "tx_bytes"), ("requests", "req_taken"),
                          ("events", "ev_published"), ("established", "tcp_established")):
        expect(stat[ours], counters[counter], f"stat {ours}")
    expect(without(after.telemetry("stat"), RESTLESS), without(stat, RESTLESS), "stat by telemetry")
    port = after.telemetry("port")
    expect(port["ipackets"], counters["rx_pkts"], "packets that the port received")
    expect(port["opackets"], counters["tx_pkts"], "packets that the port sent")
    expect(port["obytes"], counters["tx_bytes"], "bytes that the port sent")


def check_conns(after, a):
    line = next(w for w in Path(a.held).read_text().splitlines() if w.startswith("ports"))
    held = sorted(int(w) for w in line.split()[1:])
    rows = [r for r in after.ctl("conns")["rows"] if r["state"] == "ESTABLISHED"]
    expect(sorted(r["rport"] for r in rows), held, "ports of the held connections")
    for r in rows:
        expect((r["laddr"], r["lport"], r["raddr"]), ("10.77.0.1", 80, "10.77.0.2"), "a connection")
        expect((r["rcv_nxt"], r["snd_max"]), (0, 0), "bytes of a connection that says nothing")
        expect(500 < r["mss"] <= 1460, True, f"mss {r['mss']}")
    expect(sorted((f"{r['laddr']}:{r['lport']}", f"{r['raddr']}:{r['rport']}", r["state"], r["slot"])
                  for r in after.ctl("conns")["rows"]),
           sorted((r["local"], r["remote"], r["state"], r["slot"]) for r in after.rows("conns")),
           "connections by telemetry")


def check_hosts(after, a):
    hosts = after.ctl("hosts")["rows"]
    expect(len(hosts), 1, "hosts")
    host = hosts[0]
    counters = after.ctl("counters")
    expect(host["pid"], a.host, "process of the host")
    expect({r["host"] for what in ("conns", "listeners", "groups") for r in after.ctl(what)["rows"]},
           {host["id"]}, "the host that everything belongs to")
    expect((host["requests"], host["events"]), (counters["req_taken"], counters["ev_published"]),
           "requests and events of the only host")
    expect(host["doorbells_to_host"], counters["doorbell_tx"], "doorbells to the only host")
    expect(host["bad_requests"], 0, "bad requests")
    groups = after.ctl("groups")["rows"]
    expect([(g["n_bufs"], g["n_free"]) for g in groups], [(host["rx_bufs"], host["rx_bufs_free"])],
           "buffers of the group")
    listeners = after.ctl("listeners")["rows"]
    expect([(r["lport"], r["accepted"]) for r in listeners], [(80, a.fetches + 3)], "listeners")
    expect([(r["accepted"], r["backlog"]) for r in listeners],
           [(r["accepted"], r["backlog"]) for r in after.rows("listeners")], "listeners by telemetry")
    expect([(r["pid"], r["requests"]) for r in after.rows("hosts")],
           [(host["pid"], host["requests"])], "hosts by telemetry")
    expect(len(after.rows("channels")), host["n_channels"], "channels")
    expect(sum(r["requests"] for r in after.rows("channels")), host["requests"],
           "requests of all channels")
    expect(sum(r["events"] for r in after.rows("channels")), host["events"], "events of all channels")


def compare(argv):
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    for name in ("engine", "host", "pings", "fetches"):
        p.add_argument(f"--{name}", type=int, required=True)
    for name in ("instance", "held"):
        p.add_argument(f"--{name}", required=True)
    a = p.parse_args(argv)
    before, after = Looks(a.folder, "before"), Looks(a.folder, "after")
    check_counters(before, after, a)
    check_stat(after, a)
    check_conns(after, a)
    check_hosts(after, a)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["hold"]:
        hold(*sys.argv[2:])
    sys.exit(compare(sys.argv[2:]) if sys.argv[1:2] == ["compare"] else __doc__)
