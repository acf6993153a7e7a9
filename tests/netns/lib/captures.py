"""Capture files without libraries: pcap read and written, pcapng written, TCP segments of Ethernet.

Written apart from tools/replay, so that what both say of a file is said twice.
"""

import struct
from collections import namedtuple

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
Frame = namedtuple("Frame", "t data length")  # t in seconds; length on the wire
Segment = namedtuple("Segment", "t src dst seq ack flags window options payload length")


def read(path):
    """(link type, frames) of a pcap file as tcpdump writes it."""
    raw = open(path, "rb").read()
    magic, _, _, _, _, _, link = struct.unpack("<IHHiIII", raw[:24])
    unit = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}[magic]
    frames, at = [], 24
    while at < len(raw):
        s, part, have, length = struct.unpack("<IIII", raw[at:at + 16])
        frames.append(Frame(s + part * unit, raw[at + 16:at + 16 + have], length))
        at += 16 + have
    return link, frames


def pcap(frames, link=1, nano=False, big=False, snaplen=262144):
    order = ">" if big else "<"
    out = struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link)
    for f in frames:
        part = round((f.t - int(f.t)) * (1e9 if nano else 1e6))
        out += struct.pack(order + "IIII", int(f.t), part, len(f.data), f.length) + f.data
    return out


def pcapng(frames, link=1):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        size = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + size + body + size

    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(1, struct.pack("<HHI", link, 0, 0))
    for f in frames:
        us = round(f.t * 1e6)
        out += block(6, struct.pack("<IIIII", 0, us >> 32, us & 0xFFFFFFFF, len(f.data), f.length) + f.data)
    return out


def segments(frames):
    """The TCP segments of Ethernet frames with IPv4, in order."""
    for f in frames:
        d = f.data
        if d[12:14] != b"\x08\x00" or d[23] != 6:
            continue
        ip = 14 + (d[14] & 15) * 4
        total = 14 + int.from_bytes(d[16:18], "big")
        sport, dport, seq, ack, head, flags, window = struct.unpack(">HHIIBBH", d[ip:ip + 16])
        start = ip + (head >> 4) * 4
        yield Segment(f.t, (d[26:30], sport), (d[30:34], dport), seq, ack, flags, window,
                      d[ip + 20:start], d[start:total], total - start)


def connections(frames):
    """Connections as lists of (side, segment), side 0 the client: those that begin with a SYN."""
    now, out = {}, []
    for s in segments(frames):
        if s.flags & SYN and not s.flags & ACK:
            known = now.get((s.src, s.dst))
            if not known or known[0][1].seq != s.seq:
                now[s.src, s.dst] = []
                out.append(now[s.src, s.dst])
        for side, key in enumerate([(s.src, s.dst), (s.dst, s.src)]):
            if key in now:
                now[key].append((side, s))
    return out


def blocks(options):
    """Kind and body of each TCP option."""
    at = 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        yield options[at], options[at + 2:at + options[at + 1]]
        at += options[at + 1]
