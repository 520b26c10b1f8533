#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""kill.py XENSTORED COUNT [SEED]: kill -9 the daemon COUNT times at random instants, and check what it kept.

Each round a client pipelines a burst of changes (transactions included) and the daemon is killed meanwhile. After a restart the
store must be what a model says it was after the k-th request, for one k that is not less than the number of
requests that were answered: nothing acknowledged is lost, nothing is half done, nothing comes back. Other clients read meanwhile, so that
the daemon answers several in one system call.
"""
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

CONTROL, DIRECTORY, READ, TSTART, TEND, WRITE, MKDIR, RM, ERROR = 0, 1, 2, 6, 7, 11, 12, 13, 16


class Model:
    """Path to value; the root always exists."""

    def __init__(self, nodes=None):
        self.nodes = dict(nodes or {"": b""})

    def apply(self, op):
        kind, path, value = op
        if kind == RM:
            parent = path.rsplit("/", 1)[0]
            if parent in self.nodes:
                for p in [p for p in self.nodes if p == path or p.startswith(path + "/")]:
                    del self.nodes[p]
            return
        parts = path.split("/")[1:]
        for i in range(len(parts)):
            self.nodes.setdefault("/" + "/".join(parts[: i + 1]), b"")
        if kind == WRITE:
            self.nodes[path] = value


def message(kind, body, tx=0, req=0):
    return struct.pack("<IIII", kind, req, tx, len(body)) + body


def connect(run):
    s = socket.socket(socket.AF_UNIX)
    s.connect(run + "/socket")
    return s


def recv_all(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise ConnectionError("closed")
        data += part
    return data


def ask(s, kind, path):
    s.sendall(message(kind, path.encode() + b"\0"))
    head = struct.unpack("<IIII", recv_all(s, 16))
    body = recv_all(s, head[3])
    return None if head[0] == ERROR else body


def dump(s, path=""):
    nodes = {path: ask(s, READ, path or "/")}
    for name in ask(s, DIRECTORY, path or "/").split(b"\0")[:-1]:
        child = path + "/" + name.decode()
        if child not in ("/local", "/tool"):
            nodes.update(dump(s, child))
    return nodes


def random_op(rng):
    path = "".join("/" + rng.choice("abc") for _ in range(rng.randint(1, 3)))
    kind = rng.choice((WRITE, WRITE, WRITE, MKDIR, RM))
    value = bytes(rng.randrange(256) for _ in range(rng.choice((0, 3, 3, 700))))
    return kind, path, value if kind == WRITE else b""


def burst(rng, update):
    """Requests and, for each, the changes that it makes when it is answered."""
    out, effects, txn = [], [], 0
    # Now and then so much that the daemon writes a new snapshot meanwhile.
    large = rng.random() < 0.02
    for _ in range(2500 if large else rng.randint(1, 60)):
        if large:
            op = (WRITE, "/" + rng.choice("abc"), bytes([rng.randrange(256)]) * 3000)
            out.append(message(op[0], op[1].encode() + b"\0" + op[2]))
            effects.append([op])
            continue
        # A live update makes open transactions end with EAGAIN, and numbers them anew: not together.
        if not update and rng.random() < 0.2:
            txn += 1
            ops = [random_op(rng) for _ in range(rng.randint(1, 8))]
            out.append(message(TSTART, b"\0"))
            effects.append([])
            for kind, path, value in ops:
                out.append(message(kind, path.encode() + b"\0" + value, txn))
                effects.append([])
            out.append(message(TEND, b"T\0", txn))
            effects.append(ops)
        else:
            op = random_op(rng)
            out.append(message(op[0], op[1].encode() + b"\0" + op[2]))
            effects.append([op])
    return out, effects


def start(daemon, run):
    p = subprocess.Popen([daemon, "-F", "--no-domains", "--rundir", run, "--log", run + "/log"])
    for _ in range(2000):
        try:
            return p, connect(run)
        except OSError:
            if p.poll() is not None:
                break
            time.sleep(0.001)
    raise SystemExit(f"FAIL xenstore-kill: the daemon does not start; see {run}/log")


def answers(s):
    """How many complete answers arrived before the connection broke."""
    data = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                break
            data += part
    except OSError:
        pass
    n = at = 0
    while len(data) - at >= 16:
        size = 16 + struct.unpack_from("<I", data, at + 12)[0]
        if len(data) - at < size:
            break
        at += size
        n += 1
    return n


def main():
    daemon, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    rng = random.Random(seed)
    run = tempfile.mkdtemp(prefix="xs-kill-", dir="/dev/shm")
    state = Model()
    killed_inside = updates = 0
    p, s = start(daemon, run)
    for i in range(count):
        update = rng.random() < 0.3
        requests, effects = burst(rng, update)
        data = b"".join(requests)
        # Sometimes a live update is under way when the daemon dies.
        admin = connect(run) if update else None
        if admin:
            admin.sendall(message(CONTROL, b"live-update\0-s\0"))
            updates += 1
        crowd = [connect(run) for _ in range(rng.choice((0, 7)))]
        for c in crowd:
            c.sendall(message(READ, b"/\0") * 20)
        s.setblocking(False)
        try:
            sent = s.send(data)
            while sent < len(data) and len(data) > 1000000:
                try:
                    sent += s.send(data[sent:sent + 65536])
                except BlockingIOError:
                    if rng.random() < 0.01:
                        break
        except BlockingIOError:
            pass
        end = time.monotonic() + rng.random() * (0.006 if admin else 0.0006)
        while time.monotonic() < end:
            pass
        p.send_signal(signal.SIGKILL)
        p.wait()
        done = answers(s)
        s.close()
        for c in crowd + [admin] * update:
            c.close()
        killed_inside += done < len(requests)
        p, s = start(daemon, run)
        now = dump(s)
        for k in range(len(requests) + 1):
            if k >= done and state.nodes == now:
                break
            if k < len(requests):
                # Operations of a transaction that fail there make no difference here: the model ignores them too.
                for op in effects[k]:
                    state.apply(op)
        else:
            print(f"FAIL xenstore-kill: round {i} of seed {seed}: {done} of {len(requests)} requests were answered, "
                  f"and the state after the restart is that of none from there on; see {run}")
            p.kill()
            return 1
        state = Model(now)
    p.terminate()
    p.wait()
    print(f"PASS xenstore-kill ({count} kills, {killed_inside} inside a burst, {updates} with a live update, seed {seed})")
    shutil.rmtree(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
