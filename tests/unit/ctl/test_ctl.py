#!/usr/bin/env python3
"""outboardctl against a scripted engine. Usage: test_ctl.py OUTBOARDCTL [unittest arguments]"""

import json
import os
import signal
import subprocess
import sys
import time
import unittest

from fake_engine import (CONNS, COUNTERS, GROUPS, HOSTS, LISTENERS, STAT, SWITCHOVER, FakeEngine,
                         conn, host, page, v4)

CTL = None
STAT_ROW = (b"default", b"0.1.0", b"net_af_packet0", 99, 1, 3_723_000_000, 10, 5, 1234567, 2_500_000,
            7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 2048, 16000, 16384, 18, 19, 20, 21, 22)


def run(*args, env=None, timeout=30):
    clean = {k: v for k, v in os.environ.items() if k != "OUTBOARD_SOCKET"}
    clean.update(env or {})
    return subprocess.run([CTL, *args], capture_output=True, text=True, env=clean, timeout=timeout)


def ask(answer, *args):
    with FakeEngine(answer) as engine:
        done = run("--socket", engine.path, *args)
    done.asked = engine.asked
    return done


def rows(what, *all_rows):
    return lambda asked, cursor: page(what, all_rows)


class Usage(unittest.TestCase):
    def test_wrong_usage_is_status_2(self):
        for args in ([], ["nonsense"], ["stat", "conns"], ["--nonsense", "stat"],
                     ["stat", "--watch", "0"], ["stat", "--watch", "x"], ["--socket", "", "stat"],
                     ["switchover", "--watch", "1"], ["--instance", "../x", "stat"],
                     ["--instance", "n" * 32, "stat"]):
            done = run(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn("usage: outboardctl", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_help_and_version(self):
        self.assertIn("--watch SECONDS", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^outboardctl \d")


class Socket(unittest.TestCase):
    def test_default_instance_environment_and_option(self):
        self.assertIn("else /run/outboard/default.sock", run("--help").stdout)
        self.assertIn("/run/outboard/no-such.sock: no engine",
                      run("--instance", "no-such", "stat").stderr)
        self.assertIn("/nowhere: no engine", run("stat", env={"OUTBOARD_SOCKET": "/nowhere"}).stderr)
        self.assertIn("/there: no engine",
                      run("--socket", "/there", "stat", env={"OUTBOARD_SOCKET": "/nowhere"}).stderr)

    def test_no_engine_is_status_1(self):
        done = run("--socket", "/nowhere", "stat", "--json")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("longer than", run("--socket", "/" + "x" * 120, "stat").stderr)

    def test_dead_socket(self):
        with FakeEngine(lambda *_: b"") as engine:
            engine.stop()
            done = run("--socket", engine.path, "stat")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is gone", done.stderr)


class Answers(unittest.TestCase):
    def test_stat(self):
        done = ask(rows(STAT, STAT_ROW), "stat")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^up for +1 h 02 min$")
        self.assertRegex(done.stdout, r"(?m)^packets received +1,234,567$")
        self.assertRegex(done.stdout, r"(?m)^bytes received +2\.5 MB$")
        value = json.loads(ask(rows(STAT, STAT_ROW), "stat", "--json").stdout)
        self.assertEqual(value["instance"], "default")
        self.assertEqual(value["rx_pkts"], 1234567)
        self.assertEqual(value["mbufs_total"], 16384)
        self.assertEqual(len(value), len(STAT_ROW))

    def test_conns(self):
        done = ask(rows(CONNS, conn(0), conn(1, srtt=87, raddr=v4("0.0.0.0"))), "conns")
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 3, done.stdout + done.stderr)
        self.assertIn("10.77.0.1:80", lines[1])
        self.assertIn("*:1001", lines[2])
        self.assertIn("1.5 ms", lines[1])
        self.assertIn("1.5 MB", lines[1])
        # Aligned: what is right-aligned ends where its title ends.
        for title in ("slot", "received", "srtt", "mss"):
            end = lines[0].index(title) + len(title)
            for line in lines[1:]:
                self.assertNotEqual(line[end - 1], " ", (title, line))
                self.assertEqual(line[end], " ", (title, line))
        value = json.loads(ask(rows(CONNS, conn(5)), "conns", "--json").stdout)["rows"][0]
        self.assertEqual((value["laddr"], value["lport"]), ("10.77.0.1", 80))
        self.assertEqual((value["raddr"], value["rport"]), ("10.77.0.2", 1005))
        self.assertEqual(value["opts"], ["wscale", "ts", "sack"])
        self.assertEqual((value["slot"], value["gen"], value["mss"]), (5, 3, 1448))

    def test_listeners_groups_hosts(self):
        listener = (v4("10.77.0.1"), 80, 0, 1, b"", 128, 2, 1000)
        value = json.loads(ask(rows(LISTENERS, listener), "listeners", "--json").stdout)
        self.assertEqual(value, {"rows": [{"laddr": "10.77.0.1", "lport": 80, "host": 0, "chan": 1,
                                           "backlog": 128, "half_open": 2, "accepted": 1000}]})
        value = json.loads(ask(rows(GROUPS, (0, 0, 2048, 10, 9, 2)), "groups", "--json").stdout)
        self.assertEqual(value["rows"][0]["buf_bytes"], 2048)
        value = json.loads(ask(rows(HOSTS, host()), "hosts", "--json").stdout)["rows"][0]
        self.assertEqual((value["name"], value["pid"], value["hugepages"]), ("ob-httpd", 42, True))
        self.assertEqual((value["doorbells_to_host"], value["doorbells_from_host"]), (30, 40))
        self.assertIn("67.1 MB", ask(rows(HOSTS, host()), "hosts").stdout)

    def test_no_rows(self):
        self.assertEqual(ask(rows(CONNS), "conns").stdout, "no connections\n")
        self.assertEqual(json.loads(ask(rows(CONNS), "conns", "--json").stdout), {"rows": []})

    def test_counters(self):
        three = [(b"rx_pkts", b"packets received", 12345), (b"drop_udp", b"UDP packets", 0),
                 (b"turns", b"turns of the loop", 2**64 - 1)]
        done = ask(rows(COUNTERS, *three), "counters")
        self.assertRegex(done.stdout, r"(?m)^rx_pkts +12,345  packets received$")
        self.assertNotIn("drop_udp", done.stdout)
        self.assertIn("1 more are 0", done.stdout)
        self.assertIn("drop_udp", ask(rows(COUNTERS, *three), "counters", "--all").stdout)
        self.assertEqual(json.loads(ask(rows(COUNTERS, *three), "counters", "--json").stdout),
                         {"rx_pkts": 12345, "drop_udp": 0, "turns": 2**64 - 1})

    def test_pages(self):
        def answer(what, cursor):
            if cursor == 0:
                return page(what, [conn(0), conn(1)], following=70000)
            if cursor == 70000:
                return page(what, [], following=70001)
            return page(what, [conn(2)])

        done = ask(answer, "conns", "--json")
        self.assertEqual([r["slot"] for r in json.loads(done.stdout)["rows"]], [0, 1, 2])
        self.assertEqual(done.asked, [(CONNS, 0), (CONNS, 70000), (CONNS, 70001)])

    def test_full_page(self):
        many = [conn(i) for i in range((61440 - 168) // 128)]
        done = ask(rows(CONNS, *many), "conns", "--json")
        self.assertEqual(len(json.loads(done.stdout)["rows"]), len(many))

    def test_names_that_hosts_chose(self):
        nasty = host(b'"\\\n\x1b[2J\xff' + b"n" * 25)
        value = json.loads(ask(rows(HOSTS, nasty), "hosts", "--json").stdout)["rows"][0]
        self.assertEqual(value["name"], '"\\\n\x1b[2J\ufffd' + "n" * 24)
        table = ask(rows(HOSTS, nasty), "hosts").stdout
        self.assertNotIn("\x1b", table)
        self.assertEqual(len(table.splitlines()), 2)


class Refusals(unittest.TestCase):
    def refused(self, answer, *args):
        done = ask(answer, *args)
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.startswith("outboardctl: "), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def test_switchover(self):
        said = self.refused(lambda *_: page(SWITCHOVER, error=-95, reason=b"comes with failover"),
                            "switchover")
        self.assertIn("comes with failover", said)
        self.assertEqual(ask(lambda *_: page(SWITCHOVER), "switchover").returncode, 0)

    def test_wrong_pages(self):
        for wrong, said in (
                (dict(magic=1), "not an engine's"), (dict(version=3), "ABI version 3"),
                (dict(kind=2), "another question"), (dict(other=HOSTS), "another question"),
                (dict(row_bytes=64), "rows of 64 bytes"), (dict(n_rows=3), "shorter"),
                (dict(n_rows=2**32 - 1), "shorter")):
            self.assertIn(said, self.refused(lambda *_, w=wrong: page(CONNS, [conn()], **w),
                                             "conns", "--json"))
        self.assertIn("not an engine's", self.refused(lambda *_: b"hello", "conns"))
        self.assertIn("another question", self.refused(lambda *_: page(CONNS)[:30], "conns"))
        self.assertIn("closed", self.refused(lambda *_: b"", "conns"))

    def test_endless_pages(self):
        self.assertIn("backwards", self.refused(lambda *_: page(CONNS, [conn()], following=5), "conns"))

    def test_silence(self):
        began = time.monotonic()
        self.assertIn("no answer within", self.refused(lambda *_: None, "stat"))
        self.assertLess(time.monotonic() - began, 10)

    def test_full_disk(self):
        with FakeEngine(rows(STAT, STAT_ROW)) as engine, open("/dev/full", "w") as full:
            done = subprocess.run([CTL, "--socket", engine.path, "stat"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write", done.stderr)


class Watch(unittest.TestCase):
    def watch(self, answer, lines, *args):
        with FakeEngine(answer) as engine:
            ctl = subprocess.Popen([CTL, "--socket", engine.path, "--watch", "0.05", *args],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            got = [ctl.stdout.readline() for _ in range(lines)]
            ctl.send_signal(signal.SIGTERM)
            ctl.communicate(timeout=10)
        return got

    def test_json_is_one_object_a_line(self):
        turns = iter(range(1, 1000))
        got = self.watch(lambda *_: page(COUNTERS, [(b"turns", b"doc", next(turns))]), 3, "counters",
                         "--json")
        self.assertEqual([json.loads(line)["turns"] for line in got], [1, 2, 3])

    def test_rates(self):
        turns = iter(range(0, 1000000, 1000))
        got = self.watch(lambda *_: page(COUNTERS, [(b"turns", b"doc", 5 + next(turns))]), 3,
                         "counters")
        self.assertRegex(got[0], r"^turns +5 +doc$")
        self.assertRegex(got[2], r"^turns +1,005 +[\d,.]+/s +doc$")

    def test_engine_goes_away(self):
        left = iter([page(STAT, [STAT_ROW]), b""])
        with FakeEngine(lambda *_: next(left)) as engine:
            done = run("--socket", engine.path, "--watch", "0.05", "stat", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stdout.splitlines()), 1)


if __name__ == "__main__":
    CTL = sys.argv.pop(1)
    unittest.main()
