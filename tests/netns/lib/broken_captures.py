#!/usr/bin/env python3
"""Captures of every form and fault, made of tests/captures/upload.pcap.

    broken_captures.py CAPTURE DIRECTORY

Writes DIRECTORY/NAME.pcap and prints a line for each:
NAME  exit status  sessions that come right  kinds of notes, by comma, or -  options  what else, a Python expression of r
"""

import os
import sys

from captures import ACK, FIN, RST, SYN, Frame, pcap, pcapng, read, segments

link, frames = read(sys.argv[1])
where = sys.argv[2]
segs = list(segments(frames))
client = segs[0].src
parts = [bytes(f.data) for f in frames]


def table(name, status, right, notes, raw, extra="True", options="--speed max"):
    open(f"{where}/{name}.pcap", "wb").write(raw)
    print(name, status, right, ",".join(sorted(notes)) or "-", options, extra, sep="\t")


def changed(change, kept=lambda n: True):
    out = []
    for n, f in enumerate(frames):
        if kept(n):
            data = change(n, f.data) if change else f.data
            out.append(Frame(f.t, data, max(f.length, len(data))))
    return out


def patched(data, at, value):
    return data[:at] + value + data[at + len(value):]


def summed(data):
    """With a right TCP checksum again."""
    body = patched(data[34:], 16, b"\0\0")
    whole = data[26:34] + bytes([0, 6]) + len(body).to_bytes(2, "big") + body + bytes(len(body) % 2)
    total = sum(int.from_bytes(whole[i:i + 2], "big") for i in range(0, len(whole), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return patched(data, 50, (~total & 0xFFFF).to_bytes(2, "big"))


def relinked(head, kind):
    """Another link layer: what is in front of IP."""
    return pcap([Frame(f.t, head + f.data[14:], f.length - 14 + len(head)) for f in frames], kind)


def tagged(*tags):
    head = b"".join(bytes.fromhex(t) for t in tags)
    return pcap(changed(lambda n, d: d[:12] + head + d[12:]))


# Forms of a good file.
same = pcap(frames)
table("plain", 0, 1, [], same)
table("nanoseconds", 0, 1, [], pcap(frames, nano=True))
table("big-endian", 0, 1, [], pcap(frames, big=True))
table("pcapng", 0, 1, [], pcapng(frames))
table("vlan", 0, 1, [], tagged("81000007"))
table("qinq", 0, 1, [], tagged("88a80064", "81000007"))
table("cooked", 0, 1, [], relinked(bytes.fromhex("00000001000602000000000100000800"), 113))
table("cooked2", 0, 1, [], relinked(bytes.fromhex("0800000000000002000100060200000000010000"), 276))
table("null", 0, 1, [], relinked(bytes.fromhex("02000000"), 0))
table("loop", 0, 1, [], relinked(bytes.fromhex("00000002"), 108))
table("raw-ip", 0, 1, [], relinked(b"", 101))
padded = [Frame(f.t, f.data + bytes(max(0, 60 - len(f.data)) + 4), f.length) for f in frames]
table("padded", 0, 1, [], pcap([Frame(f.t, f.data, len(f.data)) for f in padded]))

# No captures, or nothing in them.
table("no-bytes", 2, 0, [], b"")
table("text", 2, 0, [], b"this is no capture\n" * 20)
table("no-frames", 2, 0, [], pcap([]))
udp = changed(lambda n, d: patched(d, 23, b"\x11"))
table("no-tcp", 2, 0, [], pcap(udp))
table("unknown-link", 2, 0, ["link_unknown"], pcap(frames, 105))
table("syn-only", 2, 0, ["no_handshake"], pcap(frames[:1]))

# Damaged files: what is before the damage is replayed.
table("cut-off", 0, 1, ["file_broken", "no_end"], same[:len(same) * 2 // 3])
at = 24 + sum(16 + len(f.data) for f in frames[:60])
table("garbage", 0, 1, ["file_broken", "no_end"], same[:at] + b"\xff" * 1000)
table("lies", 0, 1, ["frame_broken"], pcap(frames[:5] + [Frame(frames[5].t, frames[5].data, 20)] + frames[5:]))

# Frames that say too little or the wrong thing.
cut = [Frame(f.t, f.data[:100], f.length) for f in frames]
table("snap-length", 0, 1, ["frame_cut"], pcap(cut, snaplen=100), "r['checked']['host_bytes'] == 100011")
table("snap-headers", 0, 1, ["frame_cut", "frame_broken"],
      pcap([Frame(f.t, f.data[:40] if n == 9 else f.data[:66], f.length) for n, f in enumerate(frames)]),
      "r['failed'] == 0")
fragment = patched(frames[9].data, 20, b"\x20\x00")
header = int.from_bytes(fragment[24:26], "big") - 0x2000 + 0x4000
fragment = patched(fragment, 24, (header % 0xFFFF).to_bytes(2, "big"))
six = patched(frames[9].data, 12, b"\x86\xdd")
table("others", 0, 1, ["fragment", "ipv6", "frame_broken"],
      pcap(frames[:9] + [Frame(frames[9].t, d, len(d)) for d in
                         (fragment, six, frames[9].data[:30], patched(frames[9].data, 24, b"\0\1"))] + frames[9:]))
data = [n for n, s in enumerate(segs) if s.src == client and s.length > 1000]
first = data[0]
damaged = patched(frames[first].data, 500, bytes([frames[first].data[500] ^ 4]))
table("damaged-segment", 0, 1, ["checksum"],
      pcap(frames[:first] + [Frame(frames[first].t, damaged, len(damaged))] + frames[first:]),
      "r['segments']['damaged'] == 1 and r['fallback']['total'] == 0")
nic = changed(lambda n, d: patched(d, 50, b"\x12\x34") if segs[n].src == client else d)
table("checksum-by-nic", 0, 1, ["checksum_offload"], pcap(nic), "r['segments']['damaged'] == 0")
other = summed(damaged)
table("conflict", 0, 1, ["conflict"],
      pcap(frames[:first + 1] + [Frame(frames[first].t, other, len(other))] + frames[first + 1:]))

# Halves.
table("no-beginning", 0, 1, ["no_syn"], pcap(frames[10:]))
table("no-end", 0, 1, ["no_end"], pcap(frames[:100]))
table("no-syn-ack", 0, 1, ["no_syn"], pcap(changed(None, lambda n: segs[n].flags & (SYN | ACK) != SYN | ACK)))
table("client-only", 0, 1, ["no_syn", "one_side"], pcap(changed(None, lambda n: segs[n].src == client)),
      "r['checked']['host_bytes'] == 100011 and r['checked']['peer_bytes'] >= 11")
table("server-only", 2, 0, ["no_syn", "one_side", "side_missing"],
      pcap(changed(None, lambda n: segs[n].src != client)))
table("no-fins", 0, 1, ["no_end"], pcap(changed(
    lambda n, d: summed(patched(d, 47, bytes([d[47] & ~FIN]))),
    lambda n: not segs[n].flags & FIN and n < max(i for i, s in enumerate(segs) if not s.flags & FIN) - 1)))


def elsewhere(n, leap):
    """A frame on another tuple, so many bytes further."""
    data = patched(frames[n].data, 34 if segs[n].src == client else 36, b"\x30\x39")
    seq = int.from_bytes(data[38:42], "big") + leap
    return summed(patched(data, 38, (seq % (1 << 32)).to_bytes(4, "big")))


leaps = [elsewhere(n, 0) for n in range(3)] + [elsewhere(first, i * 60000000) for i in range(1, 11)]
table("leaps", 0, 1, ["too_much_missing"],
      pcap(frames + [Frame(frames[-1].t, d, len(d)) for d in leaps]), "r['skipped'] == 1")
again = summed(patched(frames[first].data, 47, bytes([frames[first].data[47] | FIN])))
table("fin-of-before", 0, 1, ["before_start", "no_syn", "no_end"],
      pcap(frames[-1:] + [Frame(frames[-1].t, again, len(again))]))


# What a capture lost: segments that were acknowledged and are not in the file.
def without(gone, of=None):
    return pcap([f for n, f in enumerate(of or frames) if n not in gone])


everything = "r['fallback']['unseen'] > 0 and r['checked']['host_bytes'] == 100011"
lost = segs[data[30]].seq
table("lost-segment", 0, 1, ["unseen_bytes"],
      without([n for n in data if segs[n].seq == lost]), everything)
row = {segs[n].seq for n in data[20:30]}
for speed in "1", "max":
    table(f"lost-burst-{speed}", 0, 1, ["unseen_bytes"], without([n for n in data if segs[n].seq in row]),
          everything, f"--speed {speed}")
table("lost-fin", 0, 1, ["unseen_bytes"],
      without([n for n, s in enumerate(segs) if s.src == client and s.flags & FIN and not s.length]), everything)
chat = read(os.path.join(os.path.dirname(sys.argv[1]), "chat.pcap"))[1]
talk = list(segments(chat))
questions = [n for n, s in enumerate(talk) if s.src == talk[0].src and s.length]
table("lost-question", 0, 4, ["unseen_bytes"], without(questions[3:4], chat), "r['fallback']['unseen'] == 1")
table("lost-request", 0, 1, ["unseen_bytes"], without(data[:1]), everything)


# A kernel that has forgotten the connection resets what comes late.
def bare(n, flags, seq):
    """A segment like frame n, without options and payload."""
    d = patched(frames[n].data[:54], 16, b"\0\x28")
    d = patched(d[:38] + seq.to_bytes(4, "big") + bytes(4) + bytes([0x50, flags]) + d[48:], 48, bytes(2))
    total = sum(int.from_bytes(d[i:i + 2], "big") for i in range(14, 34, 2) if i != 24)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return summed(patched(d, 24, (~total & 0xFFFF).to_bytes(2, "big")))


end = frames[-1].t
server = next(n for n, s in enumerate(segs) if s.src != client)
late = frames + [Frame(end + t, d, len(d)) for t, d in (
    (0.05, frames[first].data), (0.051, bare(server, RST, segs[first].ack)),
    (0.1, bare(first, RST, segs[first].seq)), (0.101, frames[server + 1].data))]
for speed in "1", "max":
    table(f"late-reset-{speed}", 0, 2, [], pcap(late),
          options=f"--side both --speed {speed}")


# A client that offers 65536 bytes in units of 16384, and a server that uses every one of them before it is
# acknowledged. The engine, with its smaller first flight, needs ACKs on the way.
def said(side, seq, ack, flags, win, options=b"", length=0):
    d = bytearray(bare(first if side == 0 else server, flags, seq + 1000))
    d[42:46] = (ack + 1000).to_bytes(4, "big") if flags & ACK else bytes(4)
    d[46] = (20 + len(options)) << 2
    d[48:50] = win.to_bytes(2, "big")
    size = len(options) + length
    d[16:18] = (40 + size).to_bytes(2, "big")
    d[24:26] = ((int.from_bytes(d[24:26], "big") - size) % 0xFFFF).to_bytes(2, "big")
    return summed(bytes(d) + options + bytes(length))


scale = bytes([2, 4, 5, 0xB4, 1, 3, 3, 14])
full = [said(0, 0, 0, SYN, 65535, scale), said(1, 0, 1, SYN | ACK, 65535, scale), said(0, 1, 1, ACK, 4)]
full += [said(1, 1 + at, 1, ACK, 4, b"", min(1460, 65536 - at)) for at in range(0, 65536, 1460)]
full += [said(0, 1, 65537, ACK, 4), said(1, 65537, 1, ACK | FIN, 4, b"", 1000),
         said(0, 1, 66538, ACK | FIN, 4), said(1, 66538, 2, ACK, 4)]
table("window-used-up", 0, 1, [], pcap([Frame(end + i / 1000, d, len(d)) for i, d in enumerate(full)]),
      "r['checked']['peer_bytes'] >= 66536 and r['fallback']['acks'] > 0 and r['replay_s'] < 4")

# Data in a SYN, acknowledged with it: the engine gets them behind its handshake.
question = b"GET / fast\n"
opened = [said(0, 0, 0, SYN, 65535, length=len(question)), said(1, 0, 12, SYN | ACK, 65535),
          said(0, 12, 1, ACK, 65535), said(1, 1, 12, ACK | FIN, 65535, length=500),
          said(0, 12, 502, ACK | FIN, 65535), said(1, 502, 13, ACK, 65535)]
table("fast-open", 0, 2, ["fast_open"], pcap([Frame(end + i / 1000, d, len(d)) for i, d in enumerate(opened)]),
      "r['checked']['host_bytes'] == 511 and r['checked']['peer_bytes'] >= 511", "--side both --speed max")

# A clock that is set back for one frame, and for good.
for name, wrong in ("frame", lambda n: n == 50), ("file", lambda n: n >= 50):
    table(f"clock-back-{name}", 0, 1, ["clock_set_back"],
          pcap([Frame(f.t - 100 if wrong(n) else f.t, f.data, f.length) for n, f in enumerate(frames)]),
          "r['capture_s'] < 1 and r['replay_s'] < 4", "--speed 1")


# More servers' ports than the engine listens on for one application, and fewer sessions than it has room for.
def on_port(d, port, at):
    return summed(patched(d, at, port.to_bytes(2, "big")))


served = [(on_port(d, 20000 + i, 34 if n in (1, 3, 5) else 36)) for i in range(258) for n, d in enumerate(opened)]
ports = pcap([Frame(end + i / 1e5, d, len(d)) for i, d in enumerate(served)])
table("ports", 0, 256, ["fast_open", "too_many_ports"], ports, "r['connections'] == 256")
table("one-port", 0, 258, ["fast_open"], ports, "r['connections'] == 258", "--speed max --port 7777")

# --flip, in the first session that is replayed, or not at all.
alone = elsewhere(0, 0)
table("flip-behind", 1, 0, ["no_handshake"], pcap([Frame(frames[0].t, alone, len(alone))] + frames),
      "r['failed'] == 1 and 'byte 3 of the server' in r['failures'][0]['why']", "--speed max --flip host:3")
for side in "peer", "host":
    table(f"flip-{side}", 2, 0, [], same, "True", f"--flip {side}:100011")
