#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# In dom0 (or on the bare machine): the cases here, then in a guest with VCPUS processors and MEMORY MiB. ON limits it to one.
# shellcheck disable=SC1091 # put there by the host
. /job/job.sh
: "${VCPUS:=2}" "${MEMORY:=160}" "${ON:=dom0 guest}"
export WHERE=dom0 DISK=/dev/vda SWAP=/dev/vdb
[ "$HV" != native ] || WHERE=native ON=native
. /job/cases.sh

guest() {
	cat /guests/initrd.img /job/mm.cpio >/tmp/mm.img
	cat >/tmp/mm.cfg <<-END
		name = "mm"
		kernel = "/guests/vmlinuz"
		ramdisk = "/tmp/mm.img"
		extra = "console=hvc0 quiet"
		memory = $MEMORY
		vcpus = $VCPUS
		disk = [ "phy:/dev/vda,xvda,w", "phy:/dev/vdb,xvdb,w" ]
		on_poweroff = "destroy"
		on_crash = "destroy"
	END
	paravane create /tmp/mm.cfg && rm /tmp/mm.img || return 1
	log=/var/log/xen/mm.log
	wait_for 30 test -e $log || { ls /var/log/xen; return 1; }
	tail -n +1 -f $log &
	tail=$!
	wait_for 7200 gone mm
	rc=$?
	sleep 1
	kill $tail
	return $rc
}
total=0
for w in $ON; do
	total=$((total + $(WHERE=$w case_count)))
done
plan $total
case $ON in *dom0* | *native*) run_cases ;; esac
case $ON in *guest*) guest || failed=$((failed + 1)) ;; esac
page_types || failed=$((failed + 1))
finish
