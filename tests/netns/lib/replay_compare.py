#!/usr/bin/env python3
"""Compares a capture with a capture of the wire while it was replayed, segment by segment.

    replay_compare.py FILE WIRE SIDE COPIES [--acks EXTRA] [--no-time]

Each session of FILE has to be on the wire COPIES times: the same segments of SIDE (client or
server) in the same order, doubles included, with the same boundaries, bytes, flags, windows and
acknowledgements, SACK blocks and timestamps, all counted from the initial ones, and in the file's time. With
--acks, as many pure ACKs may be there beside them, and acknowledgements are not compared: the
engine then sent other segments than the captured partner.
"""

import argparse
import struct
import sys

from captures import ACK, SYN, blocks, connections, read

PEER = bytes([10, 77, 0, 200])
# Times count from the connection's first segment, which can itself be late where CPUs are shared. What is late
# makes all behind it late (gaps are kept): that is allowed for, the median of the file's pauses is not.
EARLY, LATE = 0.02, 1
PAUSE, OFF = 0.01, 0.4  # s, and a part of it


def relative(connection, side, acks):
    """A list of tuples, one for each segment of a side, that two replays of it have in common."""
    isn, first_ts = [None, None], None
    for who, s in connection:
        if s.flags & SYN:
            isn[who] = s.seq
    out, start = [], None
    for who, s in connection:
        if who != side:
            continue
        start = s.t if start is None else start
        said = []
        for kind, body in blocks(s.options):
            if kind == 8:
                value = struct.unpack(">I", body[:4])[0]
                first_ts = value if first_ts is None else first_ts
                said.append((8, (value - first_ts) & 0xFFFFFFFF))
            elif kind == 5:
                edges = struct.unpack(f">{len(body) // 4}I", body)
                said.append((5, [(e - isn[not side]) & 0xFFFFFFFF for e in edges] if acks else None))
            else:
                said.append((kind, body))
        ack = (s.ack - isn[not side]) & 0xFFFFFFFF if s.flags & ACK and acks else None
        if not acks:  # what is said of the engine's bytes depends on them
            said = [o for o in said if o[0] != 5 and s.flags & SYN]
        key = ((s.seq - isn[side]) & 0xFFFFFFFF, s.length, s.flags, ack,
               s.window if acks else None, said, s.payload)
        out.append((key, s.t - start))
    return out


def short(key):
    return f"seq {key[0]} len {key[1]} flags {key[2]:#x} ack {key[3]} win {key[4]} options {key[5]}"


def difference(want, have):
    for number, (w, h) in enumerate(zip(want, have), 1):
        if w[0] != h[0]:
            return f"segment {number}: in the file {short(w[0])}; on the wire {short(h[0])}"
    if len(want) != len(have):
        return f"{len(want)} segments in the file, {len(have)} on the wire"
    return None


def is_pure_ack(key):
    return key[1] == 0 and key[2] == ACK


def split(keys, side):
    """Pure ACKs apart: how many, and the rest in order."""
    rest = [k for k in keys if not is_pure_ack(k[0])]
    return len(keys) - len(rest), rest


def off_pauses(want, have):
    """By what part each pause of the file is another one on the wire."""
    return [abs((h1[1] - h0[1]) / (w1[1] - w0[1]) - 1)
            for w0, w1, h0, h1 in zip(want, want[1:], have, have[1:]) if w1[1] - w0[1] >= PAUSE]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("file")
    p.add_argument("wire")
    p.add_argument("side", choices=["client", "server"])
    p.add_argument("copies", type=int)
    p.add_argument("--acks", type=int)
    p.add_argument("--no-time", action="store_true")
    o = p.parse_args()
    side, exact = o.side == "server", o.acks is None
    want = [relative(c, side, exact) for c in connections(read(o.file)[1])]
    have = [relative(c, side, exact) for c in connections(read(o.wire)[1])
            if PEER == (c[0][1].dst if side else c[0][1].src)[0]]
    if not want or len(have) != len(want) * o.copies:
        sys.exit(f"{len(want)} sessions in the file, {len(have)} on the wire, {o.copies} copies")
    extra, used, off = 0, [0] * len(want), []
    for number, h in enumerate(have, 1):
        whys = []
        for index, w in enumerate(want):
            acks_w, rest_w = (0, w) if exact else split(w, side)
            acks_h, rest_h = (0, h) if exact else split(h, side)
            why = difference(rest_w, rest_h)
            if not why:
                break
            whys.append(why)
        else:
            sys.exit(f"connection {number} of the wire is no session of the file: {whys[0]}")
        used[index] += 1
        extra += acks_h - acks_w
        if not o.no_time:
            for n, (w, h) in enumerate(zip(rest_w, rest_h), 1):
                if not w[1] - EARLY < h[1] < w[1] + LATE:
                    sys.exit(f"connection {number}, segment {n}: after {h[1]:.4f} s, in the file {w[1]:.4f}")
            off += off_pauses(rest_w, rest_h) if exact else []
    if off and sorted(off)[len(off) // 2] > OFF:
        sys.exit(f"half of the pauses are wrong by {sorted(off)[len(off) // 2]:.0%} and more")
    if exact and used != [o.copies] * len(want):
        sys.exit(f"sessions are on the wire {used} times")
    if not exact and extra != o.acks:
        sys.exit(f"{extra} ACKs more than in the file, {o.acks} were told of")
    print(f"{len(have)} connections, {sum(map(len, have))} segments: as in the file")


main()
