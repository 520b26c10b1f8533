#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""compare.py OURS: compare the output of cases.py with what the two peers answered, recorded on real Xen.

A difference must be listed in the file differences, with the reason; one that is listed and does not occur is an error too.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def answers(path):
    with open(path, encoding="utf-8") as f:
        return dict(line.rstrip("\n").split(":", 1) for line in f)


def reasons():
    with open(HERE + "/differences", encoding="utf-8") as f:
        return [line.split(None, 2) for line in f if line.strip() and not line.startswith("#")]


def main():
    ours = answers(sys.argv[1])
    listed, used, bad, same = reasons(), set(), 0, 0
    for peer, name in (("c", "answers-xenstored-c"), ("ox", "answers-oxenstored")):
        theirs = answers(HERE + "/" + name)
        if set(theirs) - {k for k in theirs if k.split(" ")[0] in {o.split(" ")[0] for o in ours}}:
            print(f"FAIL xenstore-answers: {name} has cases that cases.py has not; record it again")
            return 1
        for key, answer in ours.items():
            if theirs.get(key) == answer:
                same += 1
                continue
            why = [i for i, (p, prefix, _) in enumerate(listed) if p in (peer, "both") and key.startswith(prefix)]
            used.update(why)
            if not why:
                print(f"# {key}: ours{answer}, {name}{theirs.get(key, ' nothing')}")
                bad += 1
    for i, (peer, prefix, why) in enumerate(listed):
        if i not in used:
            print(f"# listed, but not there: {peer} {prefix} {why}")
            bad += 1
    print(f"{'FAIL' if bad else 'PASS'} xenstore-answers ({len(ours)} requests, {same} of {2 * len(ours)} answers equal, "
          f"{bad} differences not explained)")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
