#!/usr/bin/env python3
"""The programs whose conversations are captured, on plain sockets.

    talk.py serve ADDR PORT       prints ready; one thread a connection; ends on SIGTERM
    talk.py upload ADDR PORT BYTES
    talk.py download ADDR PORT BYTES
    talk.py chat ADDR PORT        small questions and answers, with pauses
    talk.py again ADDR PORT LPORT three connections from one port, each ended by a reset

A question is one line: a command and a number. What is sent is the same each time.
"""

import random
import socket
import struct
import sys
import threading
import time


def content(size):
    return random.Random(size).randbytes(size)


def serve_one(conn):
    with conn, conn.makefile("rb") as lines:
        while line := lines.readline():
            command, number = line.split()
            number = int(number)
            if command == b"put":
                got = lines.read(number)
                conn.sendall(b"got %d\n" % len(got))
            elif command == b"get":
                conn.sendall(content(number))
            elif command == b"think":
                time.sleep(number / 1000)
                conn.sendall(b"thought for %d ms\n" % number)


def serve(addr, port):
    with socket.create_server((addr, port), backlog=64) as listener:
        print("ready", flush=True)
        while True:
            conn, _ = listener.accept()
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve_one, args=(conn,), daemon=True).start()


def connect(addr, port, lport=0):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Where the kernel's default is BBR.
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    s.bind(("", lport))
    s.connect((addr, port))
    return s


def upload(addr, port, size):
    with connect(addr, port) as s, s.makefile("rb") as answer:
        s.sendall(b"put %d\n" % size + content(size))
        assert answer.readline() == b"got %d\n" % size
        s.shutdown(socket.SHUT_WR)
        assert answer.read() == b""


def download(addr, port, size):
    with connect(addr, port) as s, s.makefile("rb") as answer:
        s.sendall(b"get %d\n" % size)
        assert answer.read(size) == content(size)


def chat(addr, port):
    with connect(addr, port) as s, s.makefile("rb") as answer:
        for number in (1, 20, 5, 40, 1):
            s.sendall(b"think %d\n" % number)
            assert answer.readline().startswith(b"thought")
            time.sleep(0.01)
            s.sendall(b"get %d\n" % (number * 100))
            assert len(answer.read(number * 100)) == number * 100
        s.shutdown(socket.SHUT_WR)
        assert answer.read() == b""


def again(addr, port, lport):
    for number in (300, 4000, 100):
        s = connect(addr, port, lport)
        with s.makefile("rb") as answer:
            s.sendall(b"get %d\n" % number)
            assert len(answer.read(number)) == number
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
