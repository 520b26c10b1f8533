#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark table: table.py NATIVE-LOG XEN-LOG PARAVANE-LOG.

Added cost is a system's ticks minus native's; the ratio is Paravane's added cost over Xen's.
"""
import re
import sys

# Rows that must stay at or below 0.5; the others at or below 1.
HALF = {"getppid", "hypercall_xen_version", "hypercall_unknown", "event_send_pending", "clear_refs/page",
        "fork_64M_wrprotect/page"}


def rows(path, section=None):
    """The ROW lines of a log; with a section, those after its `BENCH name` line."""
    out, here = {}, section is None
    with open(path, errors="replace") as log:
        for line in log:
            mark = re.match(r"BENCH (\w+)", line)
            if mark and section:
                here = mark.group(1) == section
            row = re.search(r"ROW (\S+) (-?[0-9.]+)", line)
            if row and here:
                out[row.group(1)] = float(row.group(2))
    return out


def ratio(native, xen, ours):
    """None when there is nothing to compare."""
    if xen is None or ours is None or xen - native <= 0:
        return None
    return (ours - native) / (xen - native)


def show(value):
    return "-" if value is None else f"{value:,.0f}"


def main():
    native = rows(sys.argv[1])
    systems = [rows(path, where) for where in ("dom0", "guest") for path in sys.argv[2:4]]
    over = []
    print(f"{'instructions per operation':<32}{'native':>11}{'Xen dom0':>11}{'ours':>11}{'ratio':>7}"
          f"{'Xen guest':>11}{'ours':>11}{'ratio':>7}")
    names = list(dict.fromkeys(n for s in [native] + systems for n in s))
    for name in names:
        base = native.get(name, 0.0)
        xen0, our0, xeng, ourg = (s.get(name) for s in systems)
        cells = []
        for where, xen, ours in (("dom0", xen0, our0), ("guest", xeng, ourg)):
            r = ratio(base, xen, ours) if not name.startswith("calibrate") else None
            limit = 0.5 if name in HALF else 1.0
            if r is not None and r > limit:
                over.append(f"{name} in {where}: {r:.2f}, limit {limit}")
            cells.append(f"{show(xen):>11}{show(ours):>11}{'-' if r is None else f'{r:.2f}':>7}")
        print(f"{name:<32}{show(native.get(name)):>11}{''.join(cells)}")
    if not systems[0] or not systems[1]:
        print("bench: no rows of Xen or Paravane: see build/logs")
        return 1
    print("\nover the limit: " + ("; ".join(over) if over else "none"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
