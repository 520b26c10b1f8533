#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# The store daemon is killed and updated while a guest, and dom0 through its kernel, use it without pause.
# shellcheck disable=SC1091 # put there by the host
. /job/job.sh
plan 5
rounds=120
pidfile=/run/xen/xenstored.pid
start_guest() {
	paravane create -q /etc/paravane/demo.cfg memory=128 vcpus=1 'name="ring"' 'disk=[]' 'vif=[]' \
		'ramdisk="/job/guest.img"' "cmdline=\"console=hvc0 quiet rdinit=/init rounds=$rounds\"" || return 1
	d=$(paravane domid ring) && wait_for 60 xenstore-exists "/local/domain/$d/data/at"
}
at() { xenstore-read "/local/domain/$d/data/$1" 2>/dev/null; }
# dom0's own user: each value must be read back as it was written.
local_user() {
	n=0 wrong=0
	while [ ! -e /tmp/enough ]; do
		n=$((n + 1))
		XENSTORED_PATH=/dev/xen/xenbus xenstore-write /survive $n || { wrong=$((wrong + 1)); echo "WRONG write $n" >/dev/console; }
		got=$(XENSTORED_PATH=/dev/xen/xenbus xenstore-read /survive)
		[ "$got" = $n ] || { wrong=$((wrong + 1)); echo "WRONG read $n gave '$got'" >/dev/console; }
	done
	echo "$n $wrong" >/tmp/local
}
kill_all_the_time() {
	kills=0 updates=0
	while [ "$(at at || echo 0)" != $rounds ] && [ $kills -lt 200 ]; do
		# For comparison: QUIET=1 only waits.
		[ -z "${QUIET:-}" ] || { sleep 1; continue; }
		if [ $(((kills + updates) % 3)) = 2 ]; then
			xenstore-control live-update -s >/dev/null 2>&1 && updates=$((updates + 1))
		else
			kill -9 "$(cat $pidfile)"
			wait_for 5 store_dead || return 1
			xenstored --pid-file $pidfile >>/var/log/xen/xenstored.log 2>&1 || return 1
			kills=$((kills + 1))
		fi
		sleep 0.$((kills % 4))
	done
	echo "   $kills kills, $updates live updates" >/dev/console
	[ -n "${QUIET:-}" ] || [ $kills -ge 10 ] && [ $updates -ge 3 ]
}
store_dead() { [ ! -d "/proc/$(cat $pidfile)" ]; }
guest_content() {
	wait_for 60 at result && [ "$(at result)" = "wrong 0, events $rounds" ] && return
	at result
	grep -h WRONG /var/log/xen/*ring*
	return 1
}
local_content() {
	touch /tmp/enough
	wait
	read -r n wrong </tmp/local
	echo "$wrong of $n rounds went wrong"
	[ "$n" -gt 20 ] && [ "$wrong" = 0 ]
}
sound() { [ "$(xenstore-control check)" = OK ]; }

step "guest uses its ring" start_guest
local_user &
step "daemon killed and updated meanwhile" kill_all_the_time
step "the guest lost nothing and has every event" guest_content
step "dom0's kernel lost nothing" local_content
step "the daemon is sound" sound
finish
