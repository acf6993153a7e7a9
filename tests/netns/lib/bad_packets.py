"""Bad packets as a table: one packet in, exactly one named counter up by one, nothing else changed.

Run in the peer's namespace: bad_packets.py OUTBOARDCTL SOCKET. Speaks as 10.77.0.3, which no kernel
has, so that nobody else answers the engine. Port 7 of the engine echoes.
"""

import json
import socket
import struct
import subprocess
import sys
import time

ENG, ME = bytes.fromhex("020b0a4d0001"), bytes.fromhex("020b0a4d0003")
ENG_IP, ME_IP = socket.inet_aton("10.77.0.1"), socket.inet_aton("10.77.0.3")
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ctl, path = sys.argv[1:]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("peer0", 0))
wire.settimeout(2)


def csum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(payload, dst=ENG, kind=0x0800):
    return dst + ME + struct.pack("!H", kind) + payload


def ip(payload, proto=6, src=ME_IP, dst=ENG_IP, first=0x45, frag=0x4000, length=None, bad=0, options=b""):
    total = 20 + len(options) + len(payload) if length is None else length
    head = struct.pack("!BBHHHBBH4s4s", first, 0, total, 1, frag, 64, proto, 0, src, dst) + options
    return head[:10] + struct.pack("!H", csum(head) ^ bad) + head[12:] + payload


def tcp(flags, sport=4000, dport=7, seq=1000, ack=0, wnd=65535, data=b"", off=None, options=b"", bad=0):
    off = 5 + len(options) // 4 if off is None else off
    seg = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, off << 4, flags, wnd,
                      0, 0) + options + data
    sum_ = csum(ME_IP + ENG_IP + struct.pack("!BBH", 0, 6, len(seg)) + seg) ^ bad
    return seg[:16] + struct.pack("!H", sum_) + seg[18:]


def icmp(kind, code=0, rest=b"\0" * 12, bad=0):
    body = struct.pack("!BBH", kind, code, 0) + rest
    return body[:2] + struct.pack("!H", csum(body) ^ bad) + body[4:]


def arp(op=1, hw=1, sender=ME_IP, target=ENG_IP, size=6):
    return struct.pack("!HHBBH", hw, 0x0800, size, 4, op) + ME + sender + b"\0" * 6 + target


def counters():
    return json.loads(subprocess.check_output([ctl, "--socket", path, "counters", "--json"]))


def answer(match):
    """The next TCP segment of the engine's that fits."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        frame = wire.recv(2000)
        if frame[:6] != ME or frame[12:14] != b"\x08\0" or frame[23] != 6:
            continue
        head = frame[14 + (frame[14] & 15) * 4:]
        sport, dport, seq, ack, _, flags = struct.unpack("!HHIIBB", head[:14])
        if match(dport, flags):
            return seq, ack
    raise SystemExit("no answer from the engine")


def connect(port, options=b""):
    """A connection; returns the numbers that a next segment of ours carries."""
    wire.send(eth(ip(tcp(SYN, port, seq=1000, options=options))))
    seq, _ = answer(lambda p, f: p == port and f & (SYN | ACK) == SYN | ACK)
    wire.send(eth(ip(tcp(ACK, port, seq=1001, ack=seq + 1, options=ts(1) if options else b""))))
    return {"sport": port, "seq": 1001, "ack": seq + 1}


def ts(value):
    return struct.pack("!BBBBII", 1, 1, 8, 10, 1000 + value, 0)


IGNORED = {"turns", "busy_turns", "sleeps", "rx_pkts", "rx_bytes", "tx_pkts", "tx_bytes", "commits"}


def row(name, frame, counter, *extra):
    """extra: counters that may rise as well: the answer."""
    before = counters()
    wire.send(frame.ljust(60, b"\0") if len(frame) >= 14 else frame)
    end = time.monotonic() + 3
    after = counters()
    while after["rx_pkts"] == before["rx_pkts"]:
        if time.monotonic() > end:
            return f"{name}: the engine has not seen it"
        after = counters()
    rose = {k: after[k] - before[k] for k in after if after[k] != before[k]}
    others = set(rose) - IGNORED - set(extra) - {counter}
    if rose.get("rx_pkts") != 1:
        return f"{name}: {rose['rx_pkts']} packets came"
    if rose.get(counter) != 1 or others:
        return f"{name}: wanted {counter}, rose {({k: v for k, v in rose.items() if k not in IGNORED})}"
    return None


NO_CONN = ("tcp_rx_segs", "tcp_reset_tx", "tcp_tx_segs")
SEG = ("tcp_rx_segs",)
SEG_ACK = ("tcp_rx_segs", "tcp_tx_segs", "tcp_challenge_tx")


def main():
    # Our neighbour entry is static in the engine's configuration.
    plain = connect(5000)
    stamped = connect(5001, options=bytes([2, 4, 5, 180]) + ts(0)[:12])
    wire.send(eth(ip(tcp(ACK | PSH, data=b"x", options=ts(5), **stamped))))  # moves TS.Recent
    answer(lambda p, f: p == 5001 and f & PSH)  # and our x is acknowledged with it
    # So is theirs, or it would come again among what follows.
    stamped["ack"] += 1
    segs = counters()["tcp_rx_segs"]
    wire.send(eth(ip(tcp(ACK, options=ts(6), **{**stamped, "seq": 1002}))))
    end = time.monotonic() + 5
    while counters()["tcp_rx_segs"] == segs:
        assert time.monotonic() < end, "the engine takes no ACK"
    quote = ip(tcp(ACK, dport=9, sport=9))[:28]

    def on(flags, seq=0, ack=0, where=plain, **more):
        return eth(ip(tcp(flags, where["sport"], seq=where["seq"] + seq, ack=where["ack"] + ack, **more)))

    rows = [
        ("another MAC", eth(ip(tcp(SYN)), dst=bytes.fromhex("020b0a4d0099")), "drop_eth_dst"),
        ("unknown protocol", eth(b"\0" * 46, kind=0x1234), "drop_eth_type"),
        ("VLAN tag", eth(b"\0\1\x08\0" + ip(tcp(SYN)), kind=0x8100), "drop_eth_vlan"),
        ("IPv6", eth(b"\x60" + b"\0" * 45, kind=0x86DD), "drop_ip6"),
        ("ARP for a strange hardware", eth(arp(hw=7), kind=0x0806), "drop_arp_bad"),
        ("ARP with a strange size", eth(arp(size=8), kind=0x0806), "drop_arp_bad"),
        ("IP version 5", eth(ip(tcp(SYN), first=0x55)), "drop_ip_version"),
        ("IP header of 16 bytes", eth(ip(tcp(SYN), first=0x44)), "drop_ip_hdr_len"),
        ("IP length past the frame", eth(ip(tcp(SYN), length=1000)), "drop_ip_short"),
        ("IP length below the header", eth(ip(tcp(SYN), length=10)), "drop_ip_short"),
        ("IP checksum", eth(ip(tcp(SYN), bad=0x0100)), "drop_ip_csum"),
        # No fragment: af_packet's fan-out has the kernel collect them. The unit test has one.
        ("another destination", eth(ip(tcp(SYN), dst=socket.inet_aton("10.77.0.9"))), "drop_ip_dst"),
        ("broadcast source", eth(ip(tcp(SYN), src=b"\xff" * 4)), "drop_ip_src"),
        ("loopback source", eth(ip(tcp(SYN), src=b"\x7f\0\0\1")), "drop_ip_src"),
        ("our own source", eth(ip(tcp(SYN), src=ENG_IP)), "drop_ip_src"),
        ("source route", eth(ip(tcp(SYN), first=0x47, options=b"\x83\x07\x04\x0a\x4d\0\1\0")),
         "drop_ip_options"),
        ("protocol 99", eth(ip(b"\0" * 20, proto=99)), "drop_ip_proto", "icmp_tx_error"),
        ("UDP", eth(ip(struct.pack("!HHHH", 1, 2, 8, 0), proto=17)), "drop_udp", "icmp_tx_error"),
        ("ICMP too short", eth(ip(b"\x08\0", proto=1)), "drop_icmp_short"),
        ("ICMP checksum", eth(ip(icmp(8, bad=1), proto=1)), "drop_icmp_csum"),
        ("ICMP type 42", eth(ip(icmp(42), proto=1)), "drop_icmp_type"),
        ("ICMP error for nobody", eth(ip(icmp(3, 3, b"\0" * 4 + quote), proto=1)), "drop_icmp_quote"),
        ("TCP of 10 bytes", eth(ip(tcp(SYN)[:10])), "drop_tcp_short"),
        ("TCP data offset 4", eth(ip(tcp(SYN, off=4))), "drop_tcp_hdr_len"),
        ("TCP data offset past the end", eth(ip(tcp(SYN, off=15))), "drop_tcp_hdr_len"),
        ("TCP checksum", eth(ip(tcp(SYN, bad=0x8000))), "drop_tcp_csum"),
        ("TCP port 0", eth(ip(tcp(SYN, sport=0))), "drop_tcp_ports"),
        ("ACK for nobody", eth(ip(tcp(ACK, 4100))), "drop_tcp_no_conn", *NO_CONN),
        ("RST for nobody", eth(ip(tcp(RST, 4100))), "drop_tcp_rst_stray", *SEG),
        ("SYN to a closed port", eth(ip(tcp(SYN, 4100, dport=81))), "drop_tcp_no_conn", *NO_CONN),
        ("SYN and FIN", eth(ip(tcp(SYN | FIN, 4100))), "drop_tcp_flags", *SEG),
        ("no flags", eth(ip(tcp(0, 4100))), "drop_tcp_flags", *SEG),
        ("SYN with cut options", eth(ip(tcp(SYN, 4100, options=b"\x02\x09\x05\xb4"))), "drop_tcp_options",
         *SEG),
        ("a connection's checksum", on(ACK, bad=1), "drop_tcp_csum"),
        ("beyond the window", on(ACK | PSH, seq=10_000_000, data=b"x"), "drop_tcp_window", *SEG_ACK),
        ("old data", on(ACK | PSH, seq=-10, data=b"x" * 5), "tcp_dup_segs", *SEG_ACK),
        ("RST beyond the window", on(RST, seq=10_000_000), "drop_tcp_rst_window", *SEG),
        ("RST in the window", on(RST, seq=100), "drop_tcp_rst_challenge", *SEG_ACK),
        ("SYN on a connection", on(SYN), "drop_tcp_syn_challenge", *SEG_ACK),
        ("ACK of what was never sent", on(ACK, ack=100_000), "drop_tcp_ack_range", *SEG_ACK),
        ("ACK from long ago", on(ACK, ack=-10_000_000), "drop_tcp_ack_range", *SEG_ACK),
        ("no ACK", on(PSH, data=b"x"), "drop_tcp_no_ack", *SEG),
        ("an old timestamp", on(ACK | PSH, seq=1, where=stamped, data=b"x", options=ts(-500)),
         "drop_tcp_paws", *SEG_ACK),
        ("cut options on a connection", on(ACK, options=b"\x08\x0a\0\0"), "drop_tcp_options", *SEG),
    ]
    wrong = [w for w in (row(*r) for r in rows) if w]
    print("\n".join(wrong) or f"{len(rows)} packets, each under its own counter")
    # The connections are still there: both echo.
    for c, seq, options in ((plain, 1001, b""), (stamped, 1002, ts(9))):
        wire.send(eth(ip(tcp(ACK | PSH, c["sport"], seq=seq, ack=c["ack"], data=b"end", options=options))))
        answer(lambda p, f, want=c["sport"]: p == want and f & PSH)
    sys.exit(bool(wrong))


main()
