#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenstore.py LOG...: one table of what tests/bench/xenstore.c printed, ours beside each peer of the same boot."""
import os
import re
import sys


def rows(path):
    """Lines XS, XI and XM as lists of words."""
    if not os.path.exists(path):
        return []
    with open(path, errors="replace", encoding="utf-8") as f:
        return [m.group(0).split() for m in (re.search(r"\bX[SIM] \S+ .*", line) for line in f) if m]


def main():
    logs = [rows(p) for p in sys.argv[1:]]
    if not any(logs):
        sys.exit("xenstore.py: no rows in " + " ".join(sys.argv[1:]))
    print(f"{'operations per second':22}{'clients':>8}{'depth':>6} {'daemon':<11}{'rate':>9}{'ours/its':>9}"
          f"{'p50 us':>9}{'p99':>9}{'p99.9':>9}{'cpu us':>9}")
    for log in logs:
        ours = {tuple(r[2:5]): float(r[5]) for r in log if r[0] == "XS" and r[1] == "ours"}
        for r in (r for r in log if r[0] == "XS"):
            ratio = "" if r[1] == "ours" else f"{ours[tuple(r[2:5])] / float(r[5]):.2f}"
            print(f"{r[2]:22}{r[3]:>8}{r[4]:>6} {r[1]:<11}{r[5]:>9}{ratio:>9}{r[6]:>9}{r[7]:>9}{r[8]:>9}{r[9]:>9}")
        print()
    print(f"{'per operation, one client':36} {'daemon':<11}{'instructions':>13}{'ours/its':>9}{'system calls':>14}{'least':>9}{'most':>9}")
    for log in logs:
        ours = {r[2]: float(r[3]) for r in log if r[0] == "XI" and r[1] == "ours"}
        for r in (r for r in log if r[0] == "XI"):
            ratio = "" if r[1] == "ours" else f"{ours[r[2]] / float(r[3]):.2f}"
            print(f"{r[2]:36} {r[1]:<11}{r[3]:>13}{ratio:>9}{r[4]:>14}{r[5]:>9}{r[6]:>9}")
    print()
    for r in (r for log in logs for r in log if r[0] == "XM"):
        print(f"{r[2]} nodes add to {r[1]:<11}{int(r[3]) / 1e6:9.1f} MB resident")


main()
