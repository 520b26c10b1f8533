#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Unpatched and patched guest kernel side by side: guest_table.py LOGS.

Instructions per operation on native Linux and in dom0 and a guest of Debian's Xen and Paravane, with the limits that the patched
kernel has to keep; then the medians of what was timed by the clock, and the traps the hypervisor counted.
"""
import glob
import statistics
import sys

from table import rows, show

# row: (most on Xen, most on Paravane) of the patched kernel, in instructions
LIMITS = {
    "fork_64M_wrprotect/page": (600, 150),
    "fork_64M/page": (1900, 900),
    "munmap_64/page": (2000, 1500),
    "clear_refs/page": (600, 150),
    "mprotect_256/page": (700, 350),
}
# row: most on Xen, as a share of unpatched
SHARES = {"fork_exec_wait": 0.85}
NATIVE_CHANGE = 0.01
# trapped writes: most, as a share of unpatched
TRAPS = {"traps_per_fork": 0.01, "traps_per_munmap": 0.01}
ROWS = ["first_touch/page", "mmap_touch_munmap_64/page", "munmap_64/page", "mmap_munmap_untouched", "mprotect_1", "mprotect_256/page",
        "clear_refs/page", "fork_exit_wait", "fork_64M/page", "fork_64M_wrprotect/page", "fork_64M_readonly_parent/page",
        "cow_reuse_fault", "fork_exec_wait", "vfork_exec_wait", "pipe_one_way", "thread_create_join", "sched_yield_two", "getppid"]
SYSTEMS = [("native", "bench-{}-native.log", None), ("Xen dom0", "xen-bench-{}.log", "dom0"),
           ("Xen guest", "xen-bench-{}.log", "guest"), ("Paravane dom0", "bench-{}.log", "dom0"),
           ("Paravane guest", "bench-{}.log", "guest")]


def exceeded(system, name, before, after):
    """What the row should have been, or None when it is. before: None when only the patched kernel was measured."""
    if system == "native":
        if before and after / before > 1 + NATIVE_CHANGE and after - before > 2:
            return f"{NATIVE_CHANGE:.0%} more"
        return None
    if name in SHARES and system.startswith("Xen") and before and after > SHARES[name] * before:
        return f"{SHARES[name]}x"
    if name in LIMITS:
        most = LIMITS[name][system.startswith("Paravane")]
        return str(most) if after > most else None
    return None


def instructions(logs):
    tables = []
    for system, pattern, section in SYSTEMS:
        pair = []
        for kernel in ("unpatched", "patched"):
            try:
                pair.append(rows(f"{logs}/{pattern.format(kernel)}", section))
            except FileNotFoundError:
                pair.append({})
        tables.append((system, pair))
    over, measured = [], 0
    print(f"{'instructions, unpatched -> patched':<34}" + "".join(f"{s:>24}" for s, _ in tables))
    for name in ROWS:
        cells = ""
        for system, (before, after) in tables:
            b, a = before.get(name), after.get(name)
            cell = f"{show(b)} -> {show(a)}"
            if a is not None:
                measured += 1
                limit = exceeded(system, name, b, a)
                if limit:
                    over.append(f"{name}, {system}: {show(b)} -> {show(a)}, limit {limit}")
                cell += f" {a / b:.2f}" if b else ""
                cell += "!" if limit else " "
            cells += f"{cell:>24}"
        print(f"{name:<34}{cells}")
    print("over the limit (!): " + ("; ".join(over) or ("none" if measured else "nothing was measured")))


def clock(logs):
    print(f"\n{'wall clock (medians; ratio)':<34}" + "".join(f"{s:>24}" for s in ("native", "Xen", "Paravane")))
    got = {}
    for system, prefix in (("native", "native-"), ("Xen", "xen-"), ("Paravane", "")):
        for kernel in ("unpatched", "patched"):
            for path in sorted(glob.glob(f"{logs}/{prefix}work-{kernel}-*.log")):
                for name, value in every_row(path):
                    got.setdefault(name, {}).setdefault((system, kernel), []).append(value)
    for name, by in got.items():
        cells = ""
        for system in ("native", "Xen", "Paravane"):
            b, a = (by.get((system, k)) for k in ("unpatched", "patched"))
            if not a or not b:
                cells += f"{'-':>24}"
                continue
            b, a = statistics.median(b), statistics.median(a)
            cells += f"{f'{show(b)} -> {show(a)} {a / b if b else 0:.2f} ':>24}"
        print(f"{name:<34}{cells}")


def traps(logs):
    """Page-table work counted by Paravane, per operation; trapped writes must go down by 99 % for fork and munmap."""
    try:
        before, after = (rows(f"{logs}/traps-{kernel}.log") for kernel in ("unpatched", "patched"))
    except FileNotFoundError:
        print("\ncounted by Paravane: not run")
        return
    print("\ncounted by Paravane, per operation: unpatched -> patched")
    for name in before:
        b, a = before[name], after.get(name)
        mark = "!" if name in TRAPS and a is not None and a > TRAPS[name] * b else ""
        print(f"{name:<34}{b:>12,.1f} -> {'-' if a is None else f'{a:,.1f}'} {mark}")


def every_row(path):
    """Like rows(), with every line of a name that occurs several times."""
    with open(path, errors="replace") as log:
        for line in log:
            word = line.split()
            if len(word) == 3 and word[0] == "ROW":
                yield word[1], float(word[2])


def main():
    instructions(sys.argv[1])
    traps(sys.argv[1])
    clock(sys.argv[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
