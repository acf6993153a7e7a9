"""The kernel's end, one thing at a time.

  peer.py refused ADDRESS PORT            a connection is refused at once; prints after how long
  peer.py udp ADDRESS PORT                a datagram is answered with "port unreachable"
  peer.py listen PORT [ADDRESS]           takes connections and reads nothing; prints "ready"
  peer.py stall ADDRESS PORT PATH COUNT   so many ask for a file and read nothing; prints "ready"
  peer.py knock ADDRESS FIRST LAST        connects to these ports at random, says something, goes
  peer.py serve PORT                      echoes what it gets; prints "ready"
  peer.py hold ADDRESS PORT               connects, prints "ready" after an echo, and waits
  peer.py idle ADDRESS PORT COUNT         so many connections, an echo on each, then nothing until all
                                          are reset; prints "ready", "reset"
  peer.py echo ADDRESS PORT BYTES         sends and gets back; prints "whole"
  peer.py stream ADDRESS PORT             echoes until SIGTERM; prints bytes and the longest pause
  peer.py victims ADDRESS PORT COUNT      transfers both ways until all are reset; prints "ready"
  peer.py collect ADDRESS PORT BYTES COUNT
                                          what obt-host farewell sends has to come, and its end
  peer.py sparse ADDRESS PORT COUNT OFFSET
                                          so many connections, on each a byte, and one so far ahead of what
                                          comes next with nothing before it; prints "ready"
  peer.py syns ADDRESS PORT COUNT SOURCE  bare SYNs from addresses SOURCE, SOURCE+1, ...
"""

import fcntl
import random
import resource
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time


def refused(address, port):
    begun = time.monotonic()
    try:
        socket.create_connection((address, int(port)), timeout=10)
    except ConnectionRefusedError:
        print(f"refused after {(time.monotonic() - begun) * 1000:.1f} ms")
        return
    sys.exit("not refused")


def udp(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)
    sock.connect((address, int(port)))
    sock.send(b"?")
    try:
        sock.recv(1)
    except ConnectionRefusedError:
        print("port unreachable")
        return
    sys.exit("an answer to a datagram")


def listen(port, address="0.0.0.0"):
    sock = socket.create_server((address, int(port)), backlog=4096)
    print("ready", flush=True)
    kept = []
    while True:
        kept.append(sock.accept()[0])


def stall(address, port, path, count):
    kept = []
    for _ in range(int(count)):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect((address, int(port)))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        kept.append(sock)
    for sock in kept:
        sock.recv(1, socket.MSG_PEEK)
    print("ready", flush=True)
    signal.pause()


def knock(address, first, last):
    kept = []
    print("ready", flush=True)
    while True:
        sock = socket.socket()
        sock.settimeout(0.2)
        try:
            sock.connect((address, random.randint(int(first), int(last))))
            sock.settimeout(0)
            sock.send(random.randbytes(random.randint(1, 20000)))
        except OSError:
            pass
        kept.append(sock)
        if len(kept) > 50:
            kept.pop(random.randrange(len(kept))).close()
        time.sleep(0.001)


def serve(port):
    def one(sock):
        try:
            while data := sock.recv(1 << 16):
                sock.sendall(data)
        except OSError:
            pass
        sock.close()

    sock = socket.create_server(("0.0.0.0", int(port)), backlog=1024)
    print("ready", flush=True)
    while True:
        threading.Thread(target=one, args=(sock.accept()[0],), daemon=True).start()


def exactly(sock, size):
    parts = []
    while size:
        part = sock.recv(min(size, 1 << 16))
        if not part:
            sys.exit("the other side closed early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def hold(address, port):
    sock = socket.create_connection((address, int(port)))
    sock.sendall(b"?")
    exactly(sock, 1)
    print("ready", flush=True)
    sock.recv(1)


def idle(address, port, count):
    socks = [socket.create_connection((address, int(port)), timeout=20) for _ in range(int(count))]
    for sock in socks:
        sock.sendall(b"?")
    for sock in socks:
        exactly(sock, 1)
        sock.settimeout(None)
    print("ready", flush=True)
    for sock in socks:
        try:
            sock.recv(1)
        except ConnectionResetError:
            continue
        sys.exit("closed in order, not reset")
    print("reset", flush=True)


def echo(address, port, size):
    sock = socket.create_connection((address, int(port)), timeout=30)
    data = random.Random(1).randbytes(int(size))
    sock.sendall(data)
    if exactly(sock, len(data)) != data:
        sys.exit("wrong bytes came back")
    print("whole", flush=True)


def stream(address, port):
    """At most 64 KiB on the way, so that a pause is the engine's and not a full queue's."""
    sock = socket.create_connection((address, int(port)))
    block = random.Random(2).randbytes(65536)
    running = [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    total = longest = 0
    last = time.monotonic()
    while running:
        sock.sendall(block)
        left = len(block)
        while left:
            part = sock.recv(left)
            now = time.monotonic()
            longest = max(longest, now - last)
            last = now
            if not part or part != block[len(block) - left :][: len(part)]:
                sys.exit(f"wrong after {total} bytes")
            left -= len(part)
        total += len(block)
        if total == len(block):
            print("ready", flush=True)
    print(f"bytes {total} longest pause {longest * 1000:.1f} ms", flush=True)


def victims(address, port, count):
    poll = select.poll()
    socks = {}
    data = bytes(1 << 16)
    for _ in range(int(count)):
        sock = socket.create_connection((address, int(port)))
        sock.setblocking(False)
        socks[sock.fileno()] = sock
        poll.register(sock, select.POLLIN | select.POLLOUT)
    got = dict.fromkeys(socks, 0)
    said = False
    while socks:
        for fd, event in poll.poll():
            try:
                if event & select.POLLOUT:
                    socks[fd].send(data)
                part = socks[fd].recv(1 << 16)
                if not part:
                    sys.exit("closed in order, not reset")
                got[fd] += len(part)
            except BlockingIOError:
                pass
            except ConnectionResetError:
                poll.unregister(fd)
                socks.pop(fd).close()
        if not said and min(got.values()) > 100000:
            said = True
            print("ready", flush=True)
    print("reset", flush=True)


def collect(address, port, size, count):
    size, count = int(size), int(count)
    want = bytes((i * 2654435761 >> 24) & 0xFF for i in range(size))
    socks = [socket.create_connection((address, int(port)), timeout=20) for _ in range(count)]
    print("ready", flush=True)
    for i, sock in enumerate(socks):
        if exactly(sock, size) != want or sock.recv(1):
            sys.exit(f"connection {i}: wrong bytes")
    print("whole", flush=True)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def sparse(address, port, count, offset):
    """The connections are the kernel's, the bytes are not: it would send nothing ahead of the rest."""
    repair, repair_queue, queue_seq = 19, 20, 21  # TCP_REPAIR and its like
    recv_queue, send_queue = 1, 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(count) + 100, int(count) + 100))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    dst = socket.inet_aton(address)
    kept = [socket.create_connection((address, int(port)), 10) for _ in range(int(count))]
    for sock in kept:
        sock.sendall(b"G")
    for sock in kept:
        src = socket.inet_aton(sock.getsockname()[0])
        while struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]:
            time.sleep(0.001)  # until it is acknowledged: then the whole window is open
        seq = []
        sock.setsockopt(socket.IPPROTO_TCP, repair, 1)
        for queue in send_queue, recv_queue:
            sock.setsockopt(socket.IPPROTO_TCP, repair_queue, queue)
            seq.append(sock.getsockopt(socket.IPPROTO_TCP, queue_seq) & 0xFFFFFFFF)
        sock.setsockopt(socket.IPPROTO_TCP, repair, -1)
        seq[0] = (seq[0] + int(offset)) & 0xFFFFFFFF
        tcp = struct.pack("!HHIIBBHHH", sock.getsockname()[1], int(port), *seq, 5 << 4, 0x18, 1000, 0, 0) + b"x"
        pseudo = src + dst + struct.pack("!BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, src, dst)
        raw.sendto(ip + tcp, (address, 0))
    print("ready", flush=True)
    signal.pause()


def syns(address, port, count, source):
    """Through a raw socket, so that the kernel's TCP knows nothing of them."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    first = struct.unpack("!I", socket.inet_aton(source))[0]
    dst = socket.inet_aton(address)
    for i in range(int(count)):
        src = struct.pack("!I", first + i)
        tcp = struct.pack("!HHIIBBHHH", 40000, int(port), 1000, 0, 5 << 4, 2, 8192, 0, 0)
        pseudo = src + dst + struct.pack("!BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), i, 0, 64, 6, 0, src, dst)
        raw.sendto(ip + tcp, (address, 0))


if __name__ == "__main__":
    commands = {f.__name__: f for f in (refused, udp, listen, stall, knock, serve, hold, idle, echo, stream, victims, collect, sparse, syns)}
    commands[sys.argv[1]](*sys.argv[2:])
