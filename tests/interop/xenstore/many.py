#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""many.py XENSTORED: 80 clients at once, some of which leave, fill their socket or send in pieces; answers must be right and in order.

Once as the kernel is, once where a filter refuses io_uring: the daemon must do the same, and say in its log which way it goes. With
many clients it must let them go first (SCHED_BATCH), with one it must not.
"""
import ctypes
import errno
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

CONTROL, DIRECTORY, READ, WRITE = 0, 1, 2, 11
CLIENTS, TURNS, SEED = 80, 30, 7


def refuse_io_uring():
    """A filter for this process and its children: io_uring_setup() gives ENOSYS."""
    def word(code, k, yes=0, no=0):
        return struct.pack("<HBBI", code, yes, no, k)
    code = ctypes.create_string_buffer(word(0x20, 0) + word(0x15, 425, 0, 1) + word(6, 0x50000 | errno.ENOSYS) + word(6, 0x7fff0000))
    prog = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", 4, ctypes.addressof(code)))
    libc = ctypes.CDLL(None)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, prog):
        os._exit(9)


def kernel_has_it():
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(425, 0, None) < 0 and ctypes.get_errno() == errno.EFAULT


def message(kind, body, req):
    return struct.pack("<IIII", kind, req, 0, len(body)) + body


class Client:
    def __init__(self, path, who):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.s.settimeout(20)
        self.who, self.req, self.want, self.data, self.rest = who, 0, [], b"", b""

    def request(self, kind, body, answer):
        self.req += 1
        self.want.append((kind, self.req, answer))
        return message(kind, body, self.req)

    def burst(self, rng):
        """Some writes, each read back; sometimes the last request comes in two pieces."""
        out = b""
        for _ in range(rng.choice((1, 1, 1, 20, 150))):
            name, value = b"/many/%d\0" % self.who, os.urandom(rng.choice((3, 3, 1500)))
            out += self.request(WRITE, name + value, b"OK\0") + self.request(READ, name, value)
        cut = len(out) - rng.choice((0, 0, 5, 20))
        self.rest = out[cut:]
        self.s.sendall(out[:cut])

    def end(self):
        self.s.sendall(self.rest)
        self.rest = b""

    def take(self):
        part = self.s.recv(1 << 20)
        if not part:
            raise AssertionError("the daemon closed a connection")
        self.data += part
        while len(self.data) >= 16:
            kind, req, _, size = struct.unpack_from("<IIII", self.data)
            if len(self.data) < 16 + size:
                break
            if not self.want or (kind, req, self.data[16:16 + size]) != self.want.pop(0):
                raise AssertionError(f"client {self.who}: answer {req} is wrong or not in its place")
            self.data = self.data[16 + size:]


def take_all(clients):
    waiting = {c.s: c for c in clients if c.want}
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], 20)
        if not ready:
            raise AssertionError(f"{len(waiting)} clients have no answer")
        for s in ready:
            waiting[s].take()
            if not waiting[s].want:
                del waiting[s]


def one_turn(p, path, clients, rng):
    """The daemon finds everything at once: it is stopped while the clients send."""
    i = rng.randrange(len(clients))
    p.send_signal(signal.SIGSTOP)
    for c in clients[:i]:
        c.burst(rng)
    # One leaves with answers on their way, one is new: it may get the other's descriptor.
    gone = clients.pop()
    gone.s.sendall(message(DIRECTORY, b"/\0", 1) * 100)
    gone.s.close()
    for c in clients[i:]:
        c.burst(rng)
    p.send_signal(signal.SIGCONT)
    clients.insert(0, Client(path, gone.who))
    for c in clients:
        c.end()
    take_all(clients)


def stuff(c, names):
    """Ask without reading an answer, until the daemon's buffer and both ways of the socket are full."""
    c.s.setblocking(False)
    try:
        while True:
            c.s.send(c.request(DIRECTORY, b"/big\0", names))
    except BlockingIOError:
        c.want.pop()
    c.s.settimeout(20)


def rings(p):
    fds = f"/proc/{p.pid}/fd"
    return sum("io_uring" in os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds))


def expect(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: {got}, not {want}")


def scenario(p, path, uring):
    rng = random.Random(SEED)
    clients = [Client(path, i) for i in range(CLIENTS)]
    names = [b"%030d\0" % i for i in range(100)]
    for name in names:
        clients[0].s.sendall(clients[0].request(WRITE, b"/big/" + name, b"OK\0"))
    take_all(clients)
    for _ in range(TURNS):
        one_turn(p, path, clients, rng)
    expect("policy with many clients", os.sched_getscheduler(p.pid), os.SCHED_BATCH)
    expect("rings", rings(p), 1 if uring else 0)
    full = [Client(path, 1000 + i) for i in range(8)]
    for c in full:
        stuff(c, b"".join(names))
    one_turn(p, path, clients, rng)
    take_all(full)
    # Over a live update that fails, after which this program goes on; and over one that is done.
    bad = os.path.dirname(path) + "/bad"
    with open(bad, "w", encoding="utf-8") as f:
        os.fchmod(f.fileno(), 0o700)
    for body, answer in ((b"-f\0" + bad.encode() + b"\0-s\0", b"EIO\0"), (b"-s\0", b"OK\0")):
        clients[0].s.sendall(message(CONTROL, b"live-update\0" + body, 0))
        expect("live update", clients[0].s.recv(1000)[16:], answer)
        for _ in range(3):
            one_turn(p, path, clients, rng)
        expect("rings after an update", rings(p), 1 if uring else 0)
    for _ in range(200):
        clients[0].s.sendall(clients[0].request(READ, b"/\0", b""))
        take_all(clients[:1])
    expect("policy with one client", os.sched_getscheduler(p.pid), os.SCHED_OTHER)


def run(daemon, name, uring):
    where = tempfile.mkdtemp(prefix="xs-many-", dir="/dev/shm")
    with subprocess.Popen([daemon, "-F", "--no-domains", "--rundir", where, "--log", where + "/log"],
                          preexec_fn=None if uring else refuse_io_uring) as p:
        try:
            while not os.path.exists(where + "/xenstored.pid"):
                time.sleep(0.01)
            scenario(p, where + "/socket", uring)
            with open(where + "/log", encoding="utf-8") as f:
                expect("log lines about io_uring", sum("io_uring" in line for line in f), 0 if uring else 2)
        except (AssertionError, OSError) as e:
            print(f"FAIL xenstore-{name}: {e}; see {where}")
            return 1
        finally:
            p.send_signal(signal.SIGCONT)
            p.terminate()
    print(f"PASS xenstore-{name} ({CLIENTS} clients)")
    shutil.rmtree(where)
    return 0


def main():
    bad = run(sys.argv[1], "many-by-call", False)
    if not kernel_has_it():
        print("SKIP xenstore-many-by-ring: this kernel has no io_uring for us")
        return bad
    return run(sys.argv[1], "many-by-ring", True) | bad


if __name__ == "__main__":
    sys.exit(main())
