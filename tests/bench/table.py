#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark tables: table.py NATIVE-LOG XEN-LOG PARAVANE-LOG, or table.py --wall DIRECTORY.

Added cost is a system's ticks minus native's; the ratio is Paravane's added cost over Xen's.
"""
import pathlib
import re
import statistics
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


def show(value, name=""):
    """Rates keep a digit when they are small."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if ":" in name and value < 100 else f"{value:,.0f}"


def cost(name, value):
    """What is compared: a time or a size as it is, of a rate the time for one unit."""
    per_second = name.endswith(("/s", ":IOPS"))
    return 1 / value if per_second and value else value


def table(title, native, systems, half=frozenset()):
    """Prints the rows; returns the ratios above 1, or above 0.5 for the rows in half."""
    over = []
    print(f"{title:<32}{'native':>11}{'Xen dom0':>11}{'ours':>11}{'ratio':>7}"
          f"{'Xen guest':>11}{'ours':>11}{'ratio':>7}")
    for name in dict.fromkeys(n for s in [native] + systems for n in s):
        base = cost(name, native.get(name, 0.0))
        cells = []
        for where, pair in (("dom0", systems[0:2]), ("guest", systems[2:4])):
            xen, ours = (s.get(name) for s in pair)
            r = None
            if None not in (xen, ours) and not name.startswith("calibrate"):
                r = ratio(base, cost(name, xen), cost(name, ours))
            limit = 0.5 if name in half else 1.0
            if r is not None and r > limit:
                over.append(f"{name} in {where}: {r:.2f}, limit {limit}")
            shown = "-" if r is None else f"{r:.2f}"
            cells.append(f"{show(xen, name):>11}{show(ours, name):>11}{shown:>7}")
        print(f"{name:<32}{show(native.get(name), name):>11}{''.join(cells)}")
    return over


def medians(paths, section=None):
    """Row by row the median over several logs."""
    rounds = [rows(path, section) for path in paths]
    names = dict.fromkeys(n for r in rounds for n in r)
    return {n: statistics.median(r[n] for r in rounds if n in r) for n in names}


def wall(folder):
    """Wall time has no limits: it says how things are on this machine, under this emulation."""
    logs = {hv: sorted(pathlib.Path(folder).glob(f"wall-{hv}-*.rows"))
            for hv in ("native", "xen", "paravane")}
    systems = [medians(logs[hv], where) for where in ("dom0", "guest") for hv in ("xen", "paravane")]
    print(f"\nmedians of {', '.join(f'{len(p)} rounds on {hv}' for hv, p in logs.items())}")
    over = table("wall time, ns or what is named", medians(logs["native"]), systems)
    print("\nabove 1, so slower than Xen: " + ("; ".join(o.split(",")[0] for o in over) if over else "none"))
    return 0


def main():
    """The table asked for."""
    if sys.argv[1] == "--wall":
        return wall(sys.argv[2])
    native = rows(sys.argv[1])
    systems = [rows(path, where) for where in ("dom0", "guest") for path in sys.argv[2:4]]
    over = table("instructions per operation", native, systems, HALF)
    if not systems[0] or not systems[1]:
        print("bench: no rows of Xen or Paravane: see build/logs")
        return 1
    print("\nover the limit: " + ("; ".join(over) if over else "none"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
