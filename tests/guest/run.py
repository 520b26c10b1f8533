#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boot test guests as dom0 in QEMU and compare what different hypervisors answer.

    run.py [-j N] [-s CPUS] [-t SECONDS] [--on paravane,xen] [NAME...]

Without NAME every test under tests/guest runs. --on lists hypervisors, the last one being the
reference; with two of them, check lines must agree. Case lines end with success, skip, error,
failure, differs, or a word for a run that never reported (timeout, crashed, no-result). The exit
status is 0 when every case is a success or a skip. Consoles: build/logs/guest/NAME.HYPERVISOR.log.

Environment: QEMU (program, default qemu-system-x86_64), QEMU10 (build/qemu10/qemu, for tests that say
"qemu=10" because the older one gets their subject wrong; without it they are left out),
ACCEL (tcg), QEMU_CPU (max,-smap,-smep), PARAVANE (build/paravane.elf), XEN (build/cache/xen-4.17.elf
from `make xen`; without it Xen is left out).
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import selectors
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
LOGS = BUILD / "logs" / "guest"
OPTIONS = "dom0=pv console=com1 com1=115200 loglvl=all guest_loglvl=all noreboot"
RESULT = re.compile(rb"TEST (\S+): (success|skip|error|failure) ?([^\r\n]*)\r?\n")
# What a hypervisor prints when no result can come any more.
ENDED = re.compile(rb"(Hardware Dom0 (?:halted|crashed|shutdown)[^\r\n]*|Panic on CPU|PANIC on CPU|"
                   rb"(?:Domain 0|d0) (?:halted|crashed)[^\r\n]*|Paravane panic[^\r\n]*)")
# Not tied to the start of a line: a hypervisor may print at the same time from another CPU.
CHECK = re.compile(r"(ok   |FAIL )([^\n]*)")
GRACE = 1.0  # seconds to let the last lines arrive


def images():
    """Path of each hypervisor's image."""
    return {
        "paravane": pathlib.Path(os.environ.get("PARAVANE", BUILD / "paravane.elf")),
        "xen": pathlib.Path(os.environ.get("XEN", BUILD / "cache/xen-4.17.elf")),
    }


def qemu10():
    """Path of QEMU 10, which may not be there."""
    return pathlib.Path(os.environ.get("QEMU10", BUILD / "qemu10/qemu"))


class Run:
    """One guest on one hypervisor: status, reason and check lines."""

    def __init__(self, name, hypervisor, status, reason, text):
        self.name, self.hypervisor = name, hypervisor
        self.status, self.reason, self.text = status, reason, text
        self.checks = [m.group(2) for m in CHECK.finditer(text)]
        self.failed = [m.group(2) for m in CHECK.finditer(text) if m.group(1) == "FAIL "]


def directives(name):
    """Settings a test asks for in its source, as 'run: cpus=2 time=60' in the head comment."""
    text = (TOP / "tests/guest" / f"{name}.c").read_text()
    found = re.search(r"^ \* run: (.*)$", text, re.M)
    return dict(w.split("=", 1) for w in found.group(1).split()) if found else {}


def boot(name, hypervisor, args):
    """Run one guest; QEMU ends with the result line, the end of the domain, or the time."""
    want = directives(name)
    cpus = args.cpus or int(want.get("cpus", 1))
    limit = args.time or float(want.get("time", 60))
    options = " ".join([OPTIONS] + want.get("options", "").split(","))
    program = os.environ.get("QEMU", "qemu-system-x86_64")
    if want.get("qemu") == "10" and qemu10().exists():
        program = str(qemu10())
    command = [program,
               "-accel", os.environ.get("ACCEL", "tcg"),
               "-cpu", os.environ.get("QEMU_CPU", "max,-smap,-smep"),
               "-m", want.get("mem", "512M"), "-smp", str(cpus), "-nographic", "-no-reboot",
               "-nic", "none", "-kernel", str(images()[hypervisor]), "-append", options.strip(),
               "-initrd", f"{BUILD / 'guest' / name}.elf {args.args}".rstrip()]
    out = b""
    deadline = time.monotonic() + limit
    timed_out = True
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as qemu:
        selector = selectors.DefaultSelector()
        selector.register(qemu.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                break
            data = os.read(qemu.stdout.fileno(), 65536)
            out += data
            tail = out[-len(data) - 400:]
            if not data or RESULT.search(tail):
                timed_out = False
                break
            if ENDED.search(tail) and timed_out:
                timed_out = False
                deadline = time.monotonic() + GRACE
        qemu.kill()
    (LOGS / f"{name}.{hypervisor}.log").write_bytes(out)
    text = out.decode(errors="replace").replace("\r", "")
    found = RESULT.search(out)
    if found:
        return Run(name, hypervisor, found[2].decode(), found[3].decode(), text)
    ended = ENDED.search(out)
    if ended and want.get("expect", "none") in ended[1].decode():
        return Run(name, hypervisor, "success", f"ended as it should: {want['expect']}", text)
    if ended:
        return Run(name, hypervisor, "crashed", ended[1].decode(), text)
    return Run(name, hypervisor, "timeout" if timed_out else "no-result",
               f"within {limit:.0f} s" if timed_out else "QEMU ended early", text)


def compare(ours, reference):
    """First difference between two runs' check lines, or None."""
    for mine, other in zip(ours.checks, reference.checks):
        if mine != other:
            return f"{ours.hypervisor} says '{mine}', {reference.hypervisor} says '{other}'"
    if len(ours.checks) != len(reference.checks):
        return f"{len(ours.checks)} check lines, {reference.hypervisor} has {len(reference.checks)}"
    return None


def run_case(name, hypervisors, args):
    """One test on all hypervisors: printable lines and whether it was right."""
    if directives(name).get("qemu") == "10" and not qemu10().exists():
        return [f"SKIP guest/{name}: needs QEMU 10 (make qemu10)" if args.check else
                f"{name}: left out, needs QEMU 10 (make qemu10)"], True
    wanted = directives(name).get("on", ",".join(hypervisors)).split(",")
    runs = [boot(name, h, args) for h in hypervisors if h in wanted]
    if not runs:
        return [f"SKIP guest/{name}: for {' and '.join(wanted)} only"], True
    lines, good = [], True
    if args.check:
        return check_line(name, runs)
    for run in runs:
        good &= run.status in ("success", "skip")
        lines.append(f"{name} on {run.hypervisor}: {run.status} {run.reason}".rstrip())
        if args.verbose or run.status not in ("success", "skip"):
            lines += ["    " + m.group(0) for m in CHECK.finditer(run.text)
                      if args.verbose or m.group(1) == "FAIL "]
    if len(runs) == 2:
        difference = compare(*runs)
        if difference:
            good = False
            lines.append(f"{name}: differs: {difference}")
    return lines, good


def check_line(name, runs):
    """The one line that tools/check counts: PASS, FAIL or SKIP."""
    bad = [r for r in runs if r.status not in ("success", "skip")]
    skipped = [r for r in runs if r.status == "skip"]
    difference = compare(*runs) if len(runs) == 2 else None
    if bad:
        why = "; ".join(f"on {r.hypervisor} {r.status} {r.reason}" +
                        f" ({r.failed[0]})" * bool(r.failed) for r in bad)
        return [f"FAIL guest/{name}: {why}"], False
    if difference:
        return [f"FAIL guest/{name}: {difference}"], False
    if skipped:
        return [f"SKIP guest/{name}: {skipped[0].reason}"], True
    return [f"PASS guest/{name} ({', '.join(r.hypervisor for r in runs)})"], True


def main():
    """Parse arguments, run the cases, print one line each and a summary."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("-s", "--cpus", type=int, default=0)
    parser.add_argument("-t", "--time", type=float, default=0)
    parser.add_argument("-v", "--verbose", action="store_true", help="print every check line")
    parser.add_argument("--args", default="", help="command line of the guests")
    parser.add_argument("--check", action="store_true", help="one PASS, FAIL or SKIP line each")
    parser.add_argument("--on", default="paravane,xen")
    args = parser.parse_args()
    names = args.names or sorted(p.stem for p in (TOP / "tests/guest").glob("*.c"))
    hypervisors = []
    for name in args.on.split(","):
        if images()[name].exists():
            hypervisors.append(name)
        else:
            print(f"{name}: left out, no image at {images()[name]}", file=sys.stderr)
    if args.check and "paravane" in args.on and "paravane" not in hypervisors:
        sys.exit("FAIL guest: there is no Paravane to test; run make")
    if not hypervisors:
        sys.exit("no hypervisor to run on: build one, or set PARAVANE or XEN to an image")
    LOGS.mkdir(parents=True, exist_ok=True)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for lines, good in pool.map(lambda n: run_case(n, hypervisors, args), names):
            print("\n".join(lines), flush=True)
            bad += not good
    print(f"{len(names)} test guests on {' and '.join(hypervisors)}: {len(names) - bad} good, "
          f"{bad} bad")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
