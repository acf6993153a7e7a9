"""Traffic with checks between two kernels, or a kernel and an engine.

  transfer.py serve ADDRESS PORT [--bytes N] [--seed S] [--conns C]
  transfer.py connect ADDRESS PORT [--bytes N] [--seed S] [--conns C]
      C connections; on each of them both sides send N bytes at the same time, close, and compare
      what came with what was to come. The server prints "ready" when it listens.
  transfer.py udp-recv ADDRESS PORT [--quiet-seconds Q]
      Prints the serial numbers of the datagrams that came, until Q seconds bring none.
  transfer.py udp-send ADDRESS PORT [--count N] [--per-second R]

Exit status 1 when a byte is missing, wrong or too many, with the reason.
"""

import argparse
import hashlib
import socket
import struct
import sys
import threading
import time
from random import Random

CHUNK = 65536


def stream(seed, size):
    """Chunks of a byte stream that repeats nowhere."""
    rng = Random(seed)
    while size > 0:
        chunk = rng.randbytes(min(CHUNK, size))
        size -= len(chunk)
        yield chunk


def send_all(sock, seed, size, errors):
    try:
        for chunk in stream(seed, size):
            sock.sendall(chunk)
        sock.shutdown(socket.SHUT_WR)
    except OSError as error:
        errors.append(f"send: {error}")


def exchange(sock, tx_seed, rx_seed, size, errors):
    sender = threading.Thread(target=send_all, args=(sock, tx_seed, size, errors))
    sender.start()
    want, have, got = hashlib.sha256(), hashlib.sha256(), 0
    for chunk in stream(rx_seed, size):
        want.update(chunk)
    try:
        while data := sock.recv(CHUNK):
            have.update(data)
            got += len(data)
    except OSError as error:
        errors.append(f"receive: {error}")
    sender.join()
    sock.close()
    if got != size:
        errors.append(f"{got} bytes came in place of {size}")
    elif want.digest() != have.digest():
        errors.append("the bytes that came are not those that were sent")


def tcp(args, sockets):
    start, errors, threads = time.monotonic(), [], []
    for number, sock in enumerate(sockets):
        # The same seeds for all connections of a side: the order of accepting does not matter.
        seeds = (args.seed * 2, args.seed * 2 + 1)
        tx_seed, rx_seed = seeds if args.mode == "serve" else reversed(seeds)
        sock.settimeout(args.timeout)
        thread = threading.Thread(target=exchange, args=(sock, tx_seed, rx_seed, args.bytes, errors))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    for error in errors:
        print(f"{args.mode}: {error}", file=sys.stderr)
    print(f"{args.mode}: {args.conns} connections, {args.bytes} bytes each way, "
          f"{time.monotonic() - start:.3f} s")
    return 1 if errors else 0


def serve(args):
    family = socket.AF_INET6 if ":" in args.address else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((args.address, args.port))
    listener.listen(1024)
    listener.settimeout(args.timeout)
    print("ready", flush=True)
    return tcp(args, (listener.accept()[0] for _ in range(args.conns)))


def connect(args):
    peer = (args.address, args.port)
    return tcp(args, (socket.create_connection(peer, args.timeout) for _ in range(args.conns)))


def udp_recv(args):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    sock.bind((args.address, args.port))
    print("ready", flush=True)
    sock.settimeout(args.timeout)
    try:
        while True:
            data = sock.recv(2048)
            print(struct.unpack("!I", data[:4])[0])
            sock.settimeout(args.quiet_seconds)
    except TimeoutError:
        return 0


def udp_send(args):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((args.address, args.port))
    padding = bytes(18)
    start = time.monotonic()
    for serial in range(args.count):
        while args.per_second and serial > (time.monotonic() - start) * args.per_second:
            time.sleep(0.001)
        sock.send(struct.pack("!I", serial) + padding)
    print(f"udp-send: {args.count / (time.monotonic() - start):.0f} datagrams a second")
    return 0


def main():
    modes = {"serve": serve, "connect": connect, "udp-recv": udp_recv, "udp-send": udp_send}
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=modes)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--bytes", type=int, default=1 << 20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--conns", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--per-second", type=int, default=0)
    parser.add_argument("--quiet-seconds", type=float, default=1)
    parser.add_argument("--timeout", type=float, default=60)
    args = parser.parse_args()
    return modes[args.mode](args)


if __name__ == "__main__":
    sys.exit(main())
