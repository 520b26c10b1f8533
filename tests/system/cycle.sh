#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# A guest's life: create, use processor, disks and network, pause, reboot, power off; dom0 is none the worse for it.
# From /job/env: VCPUS and MEMORY (MiB) of the guest, FORKS to do in each kernel.
. /job/job.sh
plan 18
: "${VCPUS:=1}" "${MEMORY:=256}" "${FORKS:=1000}"

dom0_cpus() { echo "has $(nproc)"; [ "$(nproc)" = "$DOM0_VCPUS" ]; }
forkexec() {
	n=0 i=0
	while [ $i -lt "$FORKS" ]; do
		/bin/busybox true && n=$((n + 1))
		i=$((i + 1))
	done
	echo "$n of $FORKS"
	[ $n = "$FORKS" ]
}
second_disk() { truncate -s 32M /tmp/data.img; }
create() {
	paravane create /etc/paravane/demo.cfg memory="$MEMORY" vcpus="$VCPUS" \
		'disk=["phy:/dev/vda,xvda,w", "file:/tmp/data.img,xvdb,w"]'
}
facts() {
	cgi facts >/tmp/facts || return 1
	cat /tmp/facts
	type='' cpus='' warnings='' memkb=0
	# shellcheck disable=SC1091 # made just now
	. /tmp/facts
	[ "$type" = xen ] && [ "$cpus" = "$VCPUS" ] && [ "$warnings" = 0 ] || return 1
	[ "$memkb" -gt $((MEMORY * 922 - 51200)) ] && [ "$memkb" -le $((MEMORY * 1024)) ]
}
guest_forkexec() { cgi "forkexec?$FORKS" 200 | grep "forkexec $FORKS of $FORKS"; }
disk_write() { cgi diskwrite | grep "diskwrite ok"; }
disk_file() { cgi seconddisk | grep "seconddisk ok"; }
paused() {
	paravane pause demo && state demo && state demo | grep p || return 1
	! ping -c 1 -W 1 10.88.0.2
}
unpaused() { paravane unpause demo && wait_for 20 reach; }
rebooted() {
	before=$(paravane domid demo) && paravane reboot demo || return 1
	wait_for 60 new_domid || return 1
	wait_for 90 web_up
}
new_domid() { now=$(paravane domid demo) && [ "$now" != "$before" ]; }
powered_off() { cgi poweroff 3; wait_for 60 gone demo; }
nothing_left() {
	xenstore-list /local/domain
	[ "$(xenstore-list /local/domain | tr -d '\n')" = 0 ] || return 1
	for d in vbd vif; do
		[ -z "$(xenstore-list /local/domain/0/backend/$d 2>/dev/null)" ] || { xenstore-ls /local/domain/0/backend; return 1; }
	done
	! losetup -a | grep data.img
}
no_warnings() { ! dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|unable to handle|general protection'; }

step "dom0 has its $DOM0_VCPUS processors" dom0_cpus
step "$FORKS fork+exec in dom0" forkexec
second_disk
step "create $MEMORY MiB, $VCPUS vcpus, two disks" create || {
	autopsy
	finish
}
step "guest answers ping" wait_for 90 reach
step "guest serves web pages" wait_for 60 web_up
step "guest has what was asked for" facts
step "$FORKS fork+exec in the guest" guest_forkexec
step "fetch 10 MB, checksum right" fetch_blob
step "disk write and read back" disk_write
step "disk in a file" disk_file
step "pause" paused
step "unpause" unpaused
step "reboot" rebooted
step "page types are right while it runs" page_types
step "power off from inside" powered_off
step "nothing of it is left" wait_for 10 nothing_left
step "page types are right afterwards" page_types
step "dom0's kernel has no complaint" no_warnings
finish
