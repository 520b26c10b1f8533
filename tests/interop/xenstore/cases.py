#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""cases.py SOCKET: send a fixed list of request sequences to a xenstore daemon and print each answer.

The output is canonical (names sorted, numbers that a daemon may choose left out), so that two daemons agree exactly when their
outputs are equal; compare.py does that. Each case uses fresh connections and its own directory.
"""
import re
import socket
import struct
import sys

(CONTROL, DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, TSTART, TEND, INTRODUCE, RELEASE, GET_DOMAIN_PATH, WRITE, MKDIR, RM,
 SET_PERMS, WATCH_EVENT, ERROR, IS_INTRODUCED, RESUME, SET_TARGET) = range(20)
RESET_WATCHES, DIRECTORY_PART = 21, 22
NAMES = {v: k for k, v in list(globals().items()) if isinstance(v, int) and k.isupper()}


class Conn:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(2)
        self.s.connect(path)
        self.req = 0
        self.tx = {}

    def recv_all(self, n):
        data = b""
        while len(data) < n:
            part = self.s.recv(n - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def exchange(self, kind, tx, body):
        """One request: its answer, and the events that came before it."""
        self.req += 1
        self.s.sendall(struct.pack("<IIII", kind, self.req, tx, len(body)) + body)
        events = []
        while True:
            got, req, _, size = struct.unpack("<IIII", self.recv_all(16))
            data = self.recv_all(size)
            if got == WATCH_EVENT:
                events.append(data)
            elif req == self.req:
                return got, data, events
            else:
                events.append(b"?stray answer")


def show(data):
    """Bytes as text of one line; a long run of one letter is shortened."""
    text = "".join(chr(b) if 32 < b < 127 and b not in (124, 92) else "|" if b == 0 else "\\%02x" % b for b in data)
    return re.sub(r"([a-z]/?)\1{40,}", lambda m: "%s{%d}" % (m.group(1), len(m.group(0)) // len(m.group(1))), text)


def canonical(kind, got, data):
    if got == ERROR:
        return "error " + show(data)
    if got != kind:
        return "type %d %s" % (got, show(data))
    if kind == TSTART:
        return "id"
    if kind == DIRECTORY:
        return "list " + ",".join(sorted(show(n) for n in data.split(b"\0")[:-1]))
    if kind == DIRECTORY_PART:
        names = data.split(b"\0")[1:-1]
        return "part %s %s" % ("end" if names and not names[-1] else "more", len(data) > 4000)
    if kind == CONTROL:
        return "text"
    return "ok " + show(data)


def run_case(path, name, steps, out):
    conns = {}
    for n, step in enumerate(steps):
        who, kind, tx, body = step
        c = conns.get(who) or conns.setdefault(who, Conn(path))
        if isinstance(body, str):
            body = body.encode("latin-1")
        try:
            txid = c.tx.get(tx, tx) if tx else 0
            got, data, events = c.exchange(kind, txid if isinstance(txid, int) else 0, body)
        except (ConnectionError, socket.timeout) as e:
            out.write("%s.%d %s: %s\n" % (name, n, NAMES.get(kind, kind), type(e).__name__))
            conns.pop(who)
            continue
        if kind == TSTART and got == TSTART:
            c.tx[tx or "t"] = int(data.rstrip(b"\0"))
        # A request that changes nothing is a barrier: events are sent before its answer.
        for w in sorted(conns):
            try:
                events += [w.encode() + b":" + e for e in conns[w].exchange(GET_DOMAIN_PATH, 0, b"0\0")[2]]
            except (ConnectionError, socket.timeout):
                pass
        line = canonical(kind, got, data)
        shown = sorted({show(e if e[:2] in (b"a:", b"b:", b"c:") else who.encode() + b":" + e) for e in events})
        out.write("%s.%d %s: %s%s\n" % (name, n, NAMES.get(kind, kind), line, " events " + " ".join(shown) if shown else ""))
    for c in conns.values():
        c.s.close()


def paths():
    """Good and bad paths for the requests that take one."""
    yield from ("/", "/a", "", "a", "a/b", "/a/", "//", "/a//b", "/a b", "/a.b", "/a:b", "/a+b", "/a@b", "/@a", "@x", "/a_b-c",
                "/\xe4", "/a/../b", "/" + "x" * 255, "/" + "x" * 256, "/" + "x" * 257, "/" + "x" * 1022, "/" + "x" * 1024,
                "/" + "x/" * 500 + "x", "/" + "x" * 2047, "/" + "x" * 2048, "/" + "x" * 3071, "/" + "x" * 3072, "x" * 2048,
                "x" * 2049, "/a\n", "/A/Z/0/9")


def cases():
    for i, p in enumerate(paths()):
        base = "/t" + p if p.startswith("/") and p != "/" else p
        yield "path%d" % i, [("a", READ, 0, base + "\0"), ("a", MKDIR, 0, base + "\0"), ("a", READ, 0, base + "\0"),
                             ("a", DIRECTORY, 0, base + "\0"), ("a", GET_PERMS, 0, base + "\0"),
                             ("a", WATCH, 0, base + "\0tok\0"), ("a", UNWATCH, 0, base + "\0tok\0"),
                             ("a", WRITE, 0, base + "\0v") if base != "/" else ("a", READ, 0, "/\0")]
    for size in (0, 1, 100, 2048, 4000, 4089, 4090, 4096):
        body = b"/t/size\0" + b"v" * size
        if len(body) <= 4096:
            yield "size%d" % size, [("a", WRITE, 0, body), ("a", READ, 0, "/t/size\0")]
    for i, v in enumerate((b"", b"\0", b"a\0b", b"\xff\xfe", bytes(range(256)))):
        yield "value%d" % i, [("a", WRITE, 0, b"/t/v\0" + v), ("a", READ, 0, "/t/v\0")]
    for kind in (READ, DIRECTORY, GET_PERMS, WRITE, MKDIR, RM, SET_PERMS, WATCH, UNWATCH, GET_DOMAIN_PATH, IS_INTRODUCED, INTRODUCE,
                 RELEASE, RESUME, SET_TARGET, TEND, DIRECTORY_PART):
        for i, body in enumerate((b"", b"\0", b"x", b"/t/nonul", b"x\0y\0z\0w\0", b"-1\0", b"99999\0", b"0\0")):
            yield "form%d-%d" % (kind, i), [("a", kind, 0, body)]
    for kind in (4, 20, 23, 27, 99, 0xffff, 0x7fffffff, WATCH_EVENT, ERROR):
        if kind != WATCH:
            yield "type%x" % kind, [("a", kind, 0, "x\0"), ("a", READ, 0, "/t\0")]
    yield "rm", [("a", WRITE, 0, "/t/rm/a/b\0001"), ("a", RM, 0, "/t/rm/a\0"), ("a", READ, 0, "/t/rm/a/b\0"), ("a", RM, 0, "/t/rm/a\0"),
                 ("a", RM, 0, "/t/rm/x/y\0"), ("a", READ, 0, "/t/rm\0"), ("a", RM, 0, "/\0"), ("a", RM, 0, "rmrel\0")]
    yield "mkdir", [("a", MKDIR, 0, "/t/mk/a\0"), ("a", MKDIR, 0, "/t/mk/a\0"), ("a", WRITE, 0, "/t/mk/a\0x"), ("a", MKDIR, 0, "/t/mk/a\0"),
                    ("a", READ, 0, "/t/mk/a\0"), ("a", DIRECTORY, 0, "/t/mk\0")]
    yield "relative", [("a", WRITE, 0, "rel/x\0001"), ("a", READ, 0, "/local/domain/0/rel/x\0"), ("a", READ, 0, "rel/x\0"),
                       ("a", WATCH, 0, "rel\0w\0"), ("a", WRITE, 0, "rel/y\0001"), ("a", WRITE, 0, "/local/domain/0/rel/z\0001"),
                       ("a", RM, 0, "rel\0")]
    for i, p in enumerate(("n0", "r0", "w0", "b0", "x0", "n", "n-1", "nx", "n0\0r1", "n0\0r1\0w2\0b3\0n4", "b5", "n5\0r0", "r65535", "r70000",
                           "n0\0", "", "N0", "n00", " n0", "n0 ", "n0\0r1\0r1\0w1")):
        yield "perms%d" % i, [("a", MKDIR, 0, "/t/p\0"), ("a", SET_PERMS, 0, "/t/p\0" + p + "\0"), ("a", GET_PERMS, 0, "/t/p\0"),
                              ("a", MKDIR, 0, "/t/p/q\0"), ("a", GET_PERMS, 0, "/t/p/q\0")]
    yield "perms-missing", [("a", SET_PERMS, 0, "/t/none\0n0\0"), ("a", GET_PERMS, 0, "/t/none\0"), ("a", SET_PERMS, 0, "/t\0n0\0")]
    yield "watch", [("a", WATCH, 0, "/t/w\0tok\0"), ("a", WATCH, 0, "/t/w\0tok\0"), ("a", WATCH, 0, "/t/w\0tok2\0"),
                    ("b", WRITE, 0, "/t/w\0001"), ("b", WRITE, 0, "/t/w/x/y\0001"), ("b", MKDIR, 0, "/t/w/x/y\0"), ("b", MKDIR, 0, "/t/w/z\0"),
                    ("b", SET_PERMS, 0, "/t/w/z\0n0\0"), ("b", RM, 0, "/t/w/x\0"), ("b", WRITE, 0, "/t/ww\0001"), ("b", RM, 0, "/t/w\0"),
                    ("a", UNWATCH, 0, "/t/w\0tok\0"), ("b", WRITE, 0, "/t/w\0002"), ("a", UNWATCH, 0, "/t/w\0nope\0"),
                    ("a", RESET_WATCHES, 0, "\0"), ("b", WRITE, 0, "/t/w\0003")]
    yield "watch-below", [("a", WATCH, 0, "/t/d/e/f\0deep\0"), ("b", WRITE, 0, "/t/d/e/f\0001"), ("b", RM, 0, "/t/d\0"),
                          ("b", WRITE, 0, "/t/d/e/f/g\0001"), ("b", RM, 0, "/t/d/e\0"), ("b", RM, 0, "/t/d/e\0")]
    yield "watch-root", [("a", WATCH, 0, "/\0root\0"), ("b", WRITE, 0, "/t/r\0001"), ("b", RM, 0, "/t/r\0")]
    yield "watch-special", [("a", WATCH, 0, "@introduceDomain\0i\0"), ("a", WATCH, 0, "@releaseDomain\0r\0"),
                            ("a", WATCH, 0, "@introduceDomain\0i\0"), ("a", UNWATCH, 0, "@introduceDomain\0i\0"), ("a", WATCH, 0, "@other\0o\0")]
    yield "watch-token", [("a", WATCH, 0, "/t/tok\0\0"), ("a", WATCH, 0, "/t/tok\0" + "t" * 1000 + "\0"), ("b", WRITE, 0, "/t/tok\0001"),
                          ("a", WATCH, 0, "/t/tok\0no-end"), ("a", WATCH, 0, "/t/tok\0")]
    yield "txn", [("a", TSTART, "t", "\0"), ("a", WRITE, "t", "/t/x/a\0001"), ("b", READ, 0, "/t/x/a\0"), ("a", READ, "t", "/t/x/a\0"),
                  ("a", TEND, "t", "T\0"), ("b", READ, 0, "/t/x/a\0"), ("a", TEND, "t", "T\0"), ("a", READ, "t", "/t/x/a\0")]
    yield "txn-abort", [("a", TSTART, "t", "\0"), ("a", WRITE, "t", "/t/x/b\0001"), ("a", TEND, "t", "F\0"), ("a", READ, 0, "/t/x/b\0")]
    yield "txn-bad", [("a", TEND, 0, "T\0"), ("a", READ, 4711, "/t\0"), ("a", TSTART, "t", "\0"), ("a", TEND, "t", "X\0"), ("a", TEND, "t", ""),
                      ("a", TSTART, "t", "\0"), ("a", TEND, "t", "F\0"), ("a", TSTART, 0, "")]
    yield "txn-conflict", [("a", WRITE, 0, "/t/c\0000"), ("a", TSTART, "t", "\0"), ("b", TSTART, "t", "\0"), ("a", READ, "t", "/t/c\0"),
                           ("b", READ, "t", "/t/c\0"), ("a", WRITE, "t", "/t/c\0001"), ("b", WRITE, "t", "/t/c\0002"), ("a", TEND, "t", "T\0"),
                           ("b", TEND, "t", "T\0"), ("a", READ, 0, "/t/c\0")]
    yield "txn-disjoint", [("a", MKDIR, 0, "/t/dj/a\0"), ("a", MKDIR, 0, "/t/dj/b\0"), ("a", TSTART, "t", "\0"), ("b", TSTART, "t", "\0"),
                           ("a", WRITE, "t", "/t/dj/a\0001"), ("b", WRITE, "t", "/t/dj/b\0002"), ("a", TEND, "t", "T\0"),
                           ("b", TEND, "t", "T\0"), ("a", READ, 0, "/t/dj/b\0")]
    yield "txn-same-dir", [("a", MKDIR, 0, "/t/sd\0"), ("a", TSTART, "t", "\0"), ("b", TSTART, "t", "\0"), ("a", WRITE, "t", "/t/sd/a\0001"),
                           ("b", WRITE, "t", "/t/sd/b\0002"), ("a", TEND, "t", "T\0"), ("b", TEND, "t", "T\0"), ("a", DIRECTORY, 0, "/t/sd\0")]
    yield "txn-readonly", [("a", WRITE, 0, "/t/ro\0001"), ("a", TSTART, "t", "\0"), ("a", READ, "t", "/t/ro\0"), ("b", WRITE, 0, "/t/ro\0002"),
                           ("a", READ, "t", "/t/ro\0"), ("a", TEND, "t", "T\0")]
    yield "txn-watch", [("b", WATCH, 0, "/t/tw\0w\0"), ("a", WRITE, 0, "/t/tw/old\0001"), ("a", TSTART, "t", "\0"), ("a", WRITE, "t", "/t/tw/a\0001"),
                        ("a", WRITE, "t", "/t/tw/a\0002"), ("a", MKDIR, "t", "/t/tw/b\0"), ("a", RM, "t", "/t/tw/old\0"), ("a", TEND, "t", "T\0")]
    yield "txn-rm-create", [("a", WRITE, 0, "/t/rc/a\0001"), ("a", TSTART, "t", "\0"), ("a", RM, "t", "/t/rc\0"), ("a", READ, "t", "/t/rc/a\0"),
                            ("a", WRITE, "t", "/t/rc/b\0002"), ("a", DIRECTORY, "t", "/t/rc\0"), ("a", TEND, "t", "T\0"), ("a", DIRECTORY, 0, "/t/rc\0")]
    yield "txn-perms", [("a", MKDIR, 0, "/t/tp\0"), ("a", TSTART, "t", "\0"), ("a", SET_PERMS, "t", "/t/tp\0r5\0"), ("a", GET_PERMS, 0, "/t/tp\0"),
                        ("a", GET_PERMS, "t", "/t/tp\0"), ("a", TEND, "t", "T\0"), ("a", GET_PERMS, 0, "/t/tp\0")]
    yield "txn-watch-in", [("a", TSTART, "t", "\0"), ("a", WATCH, "t", "/t/wi\0w\0"), ("a", UNWATCH, "t", "/t/wi\0w\0"), ("a", TEND, "t", "T\0")]
    yield "domains", [("a", GET_DOMAIN_PATH, 0, "%d\0" % d) for d in (0, 1, 7, 32751)] + \
                     [("a", IS_INTRODUCED, 0, "%d\0" % d) for d in (0, 1234, 32752)] + \
                     [("a", RELEASE, 0, "1234\0"), ("a", RESUME, 0, "1234\0"), ("a", SET_TARGET, 0, "1234\0001235\0"),
                      ("a", INTRODUCE, 0, "1234\0001\0001\0"), ("a", INTRODUCE, 0, "0\0001\0001\0"), ("a", RELEASE, 0, "0\0")]
    big = [("a", MKDIR, 0, "/t/big/some-longer-name-%04d\0" % i) for i in range(250)]
    yield "big-directory", big + [("a", DIRECTORY, 0, "/t/big\0"), ("a", DIRECTORY_PART, 0, "/t/big\0000\0"), ("a", DIRECTORY_PART, 0, "/t/big\0005000\0"),
                                  ("a", DIRECTORY_PART, 0, "/t/big\000999999\0"), ("a", DIRECTORY_PART, 0, "/t/none\0000\0"),
                                  ("a", DIRECTORY_PART, 0, "/t/big\000x\0")]
    yield "control", [("a", CONTROL, 0, "check\0"), ("a", CONTROL, 0, "no-such-command\0"), ("a", CONTROL, 0, "print\0hello\0")]


def main():
    path = sys.argv[1]
    for name, steps in cases():
        cleaner = Conn(path)
        for kind, body in ((RM, b"/t\0"), (RM, b"rel\0"), (RM, b"a\0"), (RM, b"x\0"), (MKDIR, b"/t\0"), (SET_PERMS, b"/t\0n0\0")):
            cleaner.exchange(kind, 0, body)
        cleaner.s.close()
        run_case(path, name, steps, sys.stdout)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
