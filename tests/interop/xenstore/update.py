#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""update.py XENSTORED COUNT: live update COUNT times under load; no connection may break, no answer or event be lost."""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

CONTROL, READ, WATCH, TSTART, TEND, WRITE, WATCH_EVENT, ERROR = 0, 2, 4, 6, 7, 11, 15, 16


class Client:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20)
        self.s.connect(path)
        self.events = 0

    def recv_all(self, n):
        data = b""
        while len(data) < n:
            part = self.s.recv(n - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def take(self):
        kind, req, _, size = struct.unpack("<IIII", self.recv_all(16))
        return kind, req, self.recv_all(size)

    def ask(self, kind, body, tx=0, req=1):
        self.s.sendall(struct.pack("<IIII", kind, req, tx, len(body)) + body)
        while True:
            got, _, data = self.take()
            if got != WATCH_EVENT:
                return got, data
            self.events += 1


def worker(path, who, stop, result):
    """Write and read back, alone, pipelined and in transactions; count the events of an own watch."""
    try:
        c = Client(path)
        name = b"/load/%d" % who
        c.ask(WATCH, name + b"/n\0t\0")
        n = wrote = again = 0
        while not stop.is_set():
            n += 1
            value = b"%d" % n
            if c.ask(WRITE, name + b"/n\0" + value)[0] != WRITE or c.ask(READ, name + b"/n\0")[1] != value:
                raise AssertionError("a value is not what was written")
            wrote += 1
            burst = b"".join(struct.pack("<IIII", WRITE, i, 0, len(b)) + b
                             for i, b in ((i, name + b"/p%d\0%d" % (i, n)) for i in range(20)))
            c.s.sendall(burst)
            for i in range(20):
                got, req, _ = c.take()
                while got == WATCH_EVENT:
                    c.events += 1
                    got, req, _ = c.take()
                if got != WRITE or req != i:
                    raise AssertionError("a pipelined answer is missing")
            tx = int(c.ask(TSTART, b"\0")[1].rstrip(b"\0"))
            c.ask(WRITE, name + b"/t\0" + value, tx)
            if c.ask(READ, name + b"/t\0", tx)[0] == ERROR:
                again += 1
            got, data = c.ask(TEND, b"T\0", tx)
            if got == ERROR:
                if data != b"EAGAIN\0":
                    raise AssertionError("a transaction ended with " + data.decode())
                again += 1
        c.ask(READ, b"/\0")
        if c.events != wrote + 1:
            raise AssertionError(f"{c.events} events for {wrote} writes")
        result[who] = (n, again)
    except Exception as e:  # a broken thread must be seen
        result[who] = e


def main():
    daemon, count = sys.argv[1], int(sys.argv[2])
    run = tempfile.mkdtemp(prefix="xs-update-", dir="/dev/shm")
    p = subprocess.Popen([daemon, "-F", "--no-domains", "--rundir", run, "--log", run + "/log"])
    while not os.path.exists(run + "/xenstored.pid"):
        time.sleep(0.01)
    path, stop, result = run + "/socket", threading.Event(), {}
    threads = [threading.Thread(target=worker, args=(path, i, stop, result)) for i in range(8)]
    for t in threads:
        t.start()
    admin, bad = Client(path), ""
    for i in range(count):
        body = b"live-update\0-s\0" if i % 2 else b"live-update\0-f\0" + os.path.abspath(daemon).encode() + b"\0-s\0"
        try:
            if admin.ask(CONTROL, body) != (CONTROL, b"OK\0"):
                bad = "live-update was refused"
        except (OSError, ConnectionError) as e:
            bad = f"the connection of the command broke: {e}"
        if bad:
            break
        time.sleep(0.01)
    stop.set()
    for t in threads:
        t.join()
    with open(run + "/log", encoding="utf-8") as f:
        done = sum("taken over" in line for line in f)
    p.terminate()
    p.wait()
    bad = bad or next((str(r) for r in result.values() if isinstance(r, Exception)), "")
    if not bad and done != count:
        bad = f"{done} of {count} updates were done"
    if bad:
        print(f"FAIL xenstore-update: {bad}; see {run}")
        return 1
    print(f"PASS xenstore-update ({count} updates, {sum(r[0] for r in result.values())} rounds of 8 clients, "
          f"{sum(r[1] for r in result.values())} transactions tried again)")
    for name in os.listdir(run):
        os.unlink(run + "/" + name)
    os.rmdir(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
