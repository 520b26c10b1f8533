#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# In dom0: the benchmark here, then as the init of a guest; its rows come through the guest's console log.
. /job/job.sh
plan 2
echo "BENCH dom0"
step "rows of dom0" sh -c '/job/pvbench >/tmp/rows && grep -q ROWS-DONE /tmp/rows'
cat /tmp/rows
cat >/tmp/bench.cfg <<EOF
name = "bench"
kernel = "/guests/vmlinuz"
ramdisk = "/job/bench.img"
extra = "console=hvc0 quiet norandmaps"
memory = 256
vcpus = 1
tsc_mode = "native"
on_poweroff = "destroy"
on_crash = "destroy"
EOF
# Nothing else than the guest runs meanwhile, but for the console daemon at each line.
guest() {
	paravane create /tmp/bench.cfg || return 1
	wait_for 600 gone bench || return 1
	cat /var/log/xen/*bench*.log >/tmp/guest.rows
	grep -q ROWS-DONE /tmp/guest.rows
}
echo "BENCH guest"
step "rows of a guest" guest
grep -a ROW /tmp/guest.rows
finish
