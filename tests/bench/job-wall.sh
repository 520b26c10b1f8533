#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# In dom0, or without a hypervisor: operations, disk, life of a guest, network to it, memory; all in wall time.
. /job/job.sh
row() { echo "ROW $1 $2"; }
ms_since() { echo "$(now) $1" | awk '{ printf "%.0f", ($1 - $2) * 1000 }'; }
operations() { /job/pvbench ns >/tmp/rows && grep -q ROWS-DONE /tmp/rows; }
disk() { /job/iobench disk /dev/vda >/tmp/rows; }
show_rows() { grep -a '^ROW' /tmp/rows; }
free_kib() { paravane info --json | sed -n 's/.*"free_pages": *\([0-9]*\).*/\1/p' | awk '{ print $1 * 4 }'; }

echo "BENCH dom0"
plan "$([ "$HV" = native ] && echo 2 || echo 7)"
step "operations" operations && show_rows
step "disk" disk && show_rows
[ "$HV" != native ] || finish
dom0_mib=$(paravane list | awk '$1 == "Domain-0" { print $3 }')
row hypervisor_memory:KiB $((MACHINE_KIB - dom0_mib * 1024 - $(free_kib)))

cat >/tmp/wall.cfg <<END
name = "wall"
kernel = "/guests/vmlinuz"
ramdisk = "/tmp/wall.img"
extra = "console=hvc0 quiet norandmaps"
memory = 256
vcpus = 1
tsc_mode = "native"
disk = [ "phy:/dev/vda,xvda,w" ]
vif = [ "mac=00:16:3e:50:56:01,bridge=pvbr0" ]
on_poweroff = "destroy"
on_crash = "destroy"
END
cat /guests/initrd.img /job/guest.cpio >/tmp/wall.img
in_init() { cat /var/log/xen/*wall*.log | grep -q GUEST-INIT; }
create() {
	free=$(free_kib) from=$(now)
	paravane create -q /tmp/wall.cfg || return 1
	returned=$(ms_since "$from")
	own=$((free - $(free_kib) - 256 * 1024))
	wait_for 120 in_init && init=$(ms_since "$from")
}
network() { /job/iobench net 10.88.0.2 >/tmp/rows; }
guest_ends() { wait_for 600 gone wall; }
guest_rows() { tr -d '\r' </tmp/console >/tmp/rows && grep -q ROWS-DONE /tmp/rows && grep -q disk_4k_write /tmp/rows; }
destroy() {
	rm -f /var/log/xen/*wall*.log
	paravane create -q /tmp/wall.cfg && wait_for 120 in_init && sleep 2 || return 1
	from=$(now)
	paravane destroy wall && destroyed=$(ms_since "$from")
}
echo "BENCH guest"
step "create" create && {
	row create_returns:ms "$returned"
	row create_to_guest_init:ms "$init"
	row guest_memory_beyond_its_own:KiB "$own"
}
step "network" network && show_rows
step "guest ends" guest_ends
cat /var/log/xen/*wall*.log >/tmp/console
step "rows of the guest" guest_rows && show_rows
step "destroy" destroy && row destroy:ms "$destroyed"
finish
