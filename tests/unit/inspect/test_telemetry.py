#!/usr/bin/env python3
"""dpdk-telemetry.py and dpdk-dumpcap on a process that was started, killed and started again.

Usage: test_telemetry.py INSPECT_SERVER [unittest arguments]. Needs root and 64 MB of hugepages.
"""

import glob
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

SERVER = None
CONNS = 100
PREFIX = f"ob-inspect-{os.getpid()}"


def skip_reason():
    free = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("dpdk-telemetry.py", "dpdk-dumpcap"):
        if not shutil.which(tool):
            return f"{tool} is not installed (Debian package dpdk)"
    if not os.path.exists(free) or int(open(free).read()) < 64:
        return "needs 64 free hugepages of 2 MB"
    return None


def clear():
    shutil.rmtree(f"/var/run/dpdk/{PREFIX}", ignore_errors=True)
    for page in glob.glob(f"/dev/hugepages/{PREFIX}map_*"):
        os.unlink(page)


class Server:
    def __init__(self, *eal):
        self.process = subprocess.Popen(
            [SERVER, str(CONNS), "-l", "0", "--no-pci", "--iova-mode=va",
             "--base-virtaddr=0x200000000000", "-m", "64",
             f"--file-prefix={PREFIX}", "--vdev=net_null0", "--log-level=*:error", *eal],
            stdout=subprocess.PIPE, text=True)
        self.ready = self.process.stdout.readline().split(maxsplit=2)
        if not self.ready:
            raise RuntimeError("the server did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def telemetry(command):
    done = subprocess.run(["dpdk-telemetry.py", "-f", PREFIX], input=command + "\n", text=True,
                          capture_output=True, timeout=20)
    return json.loads(done.stdout)[command.split(",")[0]]


def dumpcap(path, packets):
    return subprocess.run(["dpdk-dumpcap", f"--file-prefix={PREFIX}", "-i", "0", "-P", "-q", "-c",
                           str(packets), "-w", path], capture_output=True, text=True, timeout=40)


def pcap_packets(path):
    with open(path, "rb") as file:
        data = file.read()
    assert struct.unpack_from("=I", data)[0] in (0xA1B2C3D4, 0xA1B23C4D), "no pcap file"
    at, packets = 24, []
    while at < len(data):
        length = struct.unpack_from("=IIII", data, at)[2]
        packets.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return packets


class Telemetry(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()
        clear()

    def test_commands_are_listed(self):
        listed = telemetry("/")
        for name in "stat counters conns listeners groups hosts channels port".split():
            self.assertIn(f"/outboard/{name}", listed)

    def test_stat(self):
        stat = telemetry("/outboard/stat")
        self.assertEqual((stat["instance"], stat["port"]), ("fixture", "net_null0"))
        self.assertEqual(stat["pid"], self.server.process.pid)
        self.assertEqual((stat["conns"], stat["half_open"], stat["hosts"]), (CONNS, 1, 1))
        self.assertEqual(stat["mbufs_total"], 1023)

    def test_counters(self):
        counters = telemetry("/outboard/counters")
        self.assertEqual(counters["icmp_rx_echo"], 42)
        self.assertIn("drop_ip_csum", counters)
        self.assertGreater(telemetry("/outboard/counters")["rx_pkts"], counters["rx_pkts"])

    def test_conns_in_pages(self):
        seen, cursor, pages = [], 0, 0
        while True:
            page = telemetry(f"/outboard/conns,{cursor}")
            seen += page["rows"].values()
            pages += 1
            self.assertTrue(page["next"] == 0 or page["next"] > cursor)
            cursor = page["next"]
            if cursor == 0:
                break
        self.assertEqual(pages, 5)
        self.assertEqual([c["remote"] for c in seen],
                         [f"10.77.0.2:{1000 + 7 * i}" for i in range(CONNS)] + ["10.77.0.3:2003"])
        self.assertEqual({c["state"] for c in seen}, {"ESTABLISHED", "SYN_SENT"})
        self.assertEqual(telemetry("/outboard/conns")["rows"]["0"]["local"], "10.77.0.1:80")

    def test_wrong_cursor(self):
        self.assertIsNone(telemetry("/outboard/conns,x"))
        self.assertEqual(telemetry("/outboard/conns,4294967295"), {"next": 0, "rows": {}})

    def test_other_rows(self):
        listeners = telemetry("/outboard/listeners")["rows"]
        self.assertEqual((listeners["0"]["local"], listeners["0"]["accepted"]), ("[::]:8080", 1000))
        hosts = telemetry("/outboard/hosts")["rows"]
        self.assertEqual((hosts["0"]["name"], hosts["0"]["pid"]), ("host ?1?", 1001))
        self.assertEqual(telemetry("/outboard/groups")["rows"]["0"]["n_bufs"], 64)
        channels = telemetry("/outboard/channels")["rows"]
        self.assertEqual(channels["1"], {"host": 1, "chan": 1, "requests": 101, "events": 201})

    def test_port(self):
        port = telemetry("/outboard/port")
        self.assertEqual((port["name"], port["mtu"], port["link"]), ("net_null0", 1500, "up"))
        self.assertGreater(telemetry("/outboard/port")["ipackets"], port["ipackets"])


class Capture(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = os.path.join(self.folder.name, "a.pcap")

    def tearDown(self):
        self.folder.cleanup()
        clear()

    def capture(self):
        done = dumpcap(self.file, 10)
        self.assertEqual(done.returncode, 0, done.stderr)
        packets = pcap_packets(self.file)
        self.assertGreaterEqual(len(packets), 10)
        # Both directions.
        self.assertEqual({len(p) for p in packets}, {64, 60})

    def test_killed_and_started_again(self):
        for _ in range(3):
            with Server() as server:
                self.assertEqual(server.ready[:2], ["ready", "0"])
                self.assertEqual(telemetry("/outboard/stat")["pid"], server.process.pid)
                self.capture()

    def test_two_captures_one_after_the_other(self):
        with Server():
            self.capture()
            self.capture()

    def test_capture_ends_with_its_engine(self):
        with Server() as server:
            capture = subprocess.Popen(["dpdk-dumpcap", f"--file-prefix={PREFIX}", "-i", "0", "-P",
                                        "-q", "-w", self.file], stderr=subprocess.PIPE)
            deadline = time.monotonic() + 20
            while not (os.path.exists(self.file) and os.path.getsize(self.file) > 1000):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            server.kill()
            capture.communicate(timeout=20)
        self.assertGreater(len(pcap_packets(self.file)), 5)

    def test_where_captures_cannot_be(self):
        for eal, reason in ((["--in-memory"], "no socket"), (["--huge-unlink=always"], "no names")):
            with Server(*eal) as server:
                self.assertEqual(server.ready[1], str(-95), server.ready)
                self.assertIn(reason, server.ready[2])
        done = subprocess.Popen([SERVER, "1", "-l", "0", "--no-pci", "--no-huge", "-m", "64",
                                 f"--file-prefix={PREFIX}", "--vdev=net_null0",
                                 "--log-level=*:error"], stdout=subprocess.PIPE, text=True)
        said = done.stdout.readline()
        done.send_signal(signal.SIGKILL)
        done.communicate()
        self.assertIn("without hugepages", said)


if __name__ == "__main__":
    SERVER = sys.argv.pop(1)
    reason = skip_reason()
    if reason:
        print("skipped:", reason)
        sys.exit(77)
    unittest.main()
