#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# In dom0 on Paravane: how many page-table writes trapped, and came as requests, per operation (debug key P). fork: 16 MiB written
# between forks, with the child's exit and the copy-on-write faults after it; munmap: 64 touched pages; the others: 16 MiB.
# shellcheck disable=SC1091 # put there by the host
. /job/job.sh
plan 4
counts() { # trapped writes, and requests of both kinds, of dom0
	paravane debug-keys P && paravane dmesg | tr -d '\r' |
		sed -n 's/.*d0: \([0-9]*\) trapped writes, \([0-9]*\) updates by mmu_update, \([0-9]*\) by \([0-9]*\) ranges.*/\1 \2 \3 \4/p' | tail -n 1
}
# Once and eleven times: the difference is ten operations without start and end of the program.
count() {
	a=$(counts) && /job/ptwork "$1" 1 && b=$(counts) && /job/ptwork "$1" 11 && c=$(counts) || return 1
	[ -n "$a" ] || { echo "debug key P shows no counts"; return 1; }
	echo "$a $b $c" | awk -v n="$1" '{ for (i = 1; i <= 4; i++) d[i] = ($(i + 8) - $(i + 4) - ($(i + 4) - $i)) / 10
		printf "ROW traps_per_%s %.1f\nROW updates_per_%s %.1f\nROW range_entries_per_%s %.1f\nROW range_calls_per_%s %.1f\n", n, d[1], n, d[2], n, d[3], n, d[4] }' >>/tmp/rows
}
for w in fork munmap mprotect clear_refs; do
	step "page-table work of $w" count $w
done
cat /tmp/rows
finish
