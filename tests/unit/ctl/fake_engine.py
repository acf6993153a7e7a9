"""An engine's control socket in Python: answers as a script tells it, right or wrong."""

import errno
import os
import socket
import struct
import tempfile
import threading

MAGIC = 0x31445242554F5F42
VERSION = 2
MSG_CTL, MSG_PAGE = 3, 4
STAT, CONNS, LISTENERS, GROUPS, HOSTS, COUNTERS, SWITCHOVER = range(1, 8)

QUESTION = struct.Struct("=QII II")
PAGE = struct.Struct("=QII iIIIII 128s")
ROWS = {
    STAT: struct.Struct("=32s16s32s II QQQ QQQQ QQQQ QQQQ Q QQQ QQQQQ"),
    CONNS: struct.Struct("=16s16s HHHBB 16s II QQQQQ IIIII HH"),
    LISTENERS: struct.Struct("=16s HHB3s II Q"),
    GROUPS: struct.Struct("=IIIIII"),
    HOSTS: struct.Struct("=32s IIII 16s Q IIII QQQQQ Q"),
    COUNTERS: struct.Struct("=48s 120s Q"),
}


def v4(text):
    return bytes(10) + b"\xff\xff" + socket.inet_aton(text)


def question(message):
    magic, version, kind, what, cursor = QUESTION.unpack(message)
    assert (magic, version, kind) == (MAGIC, VERSION, MSG_CTL), "the question is malformed"
    return what, cursor


def page(what, rows=(), following=0, error=0, reason=b"", **wrong):
    row_bytes = ROWS[what].size if what in ROWS else 0
    packed = b"".join(ROWS[what].pack(*row) for row in rows)
    head = PAGE.pack(wrong.get("magic", MAGIC), wrong.get("version", VERSION),
                     wrong.get("kind", MSG_PAGE), error, wrong.get("other", what),
                     wrong.get("n_rows", len(rows)), wrong.get("row_bytes", row_bytes),
                     following, 0, reason)
    return head + packed


def conn(i=0, **other):
    row = dict(laddr=v4("10.77.0.1"), raddr=v4("10.77.0.2"), lport=80, rport=1000 + i, host=0,
               chan=1, opts=7, state=b"ESTABLISHED", slot=i, gen=3, snd_una=1, snd_max=2, snd_wr=3,
               rcv_nxt=1500000, rcv_edge=5, cwnd=14480, ssthresh=6, srtt=1500, rto=200000,
               snd_wnd=65535, mss=1448, retries=0)
    row.update(other)
    return tuple(row.values())


def host(name=b"ob-httpd", **other):
    row = dict(name=name, id=0, pid=42, uid=1000, n_channels=2, state=b"attached",
               seg_bytes=64 << 20, conns=3, orphans=0, rx_bufs=1024, rx_bufs_free=1000,
               requests=10, events=20, bells_out=30, bells_in=40, bad=0, huge=1)
    row.update(other)
    return tuple(row.values())


class FakeEngine:
    """`answer(what, cursor)` returns bytes to send, None for silence, b"" to hang up."""

    def __init__(self, answer):
        self.answer = answer
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "engine.sock")
        self.asked = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def stop(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.thread.join(5)
            self.listener.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError as e:
                assert e.errno in (errno.EINVAL, errno.EBADF), e
                return
            with client:
                self.talk(client)

    def talk(self, client):
        while True:
            try:
                message = client.recv(4096)
            except ConnectionError:
                return
            if not message:
                return
            self.asked.append(question(message))
            reply = self.answer(*self.asked[-1])
            if reply == b"":
                return
            if reply is not None:
                client.sendall(reply)
