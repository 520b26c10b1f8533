#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# What becomes of domains: crash actions, restart of the store and the console daemon under a guest, destruction in the middle.
# shellcheck disable=SC1091 # put there by the host
. /job/job.sh
plan 15
demo="paravane create -q /etc/paravane/demo.cfg memory=128 vcpus=1"
# A kernel without its root file system panics within seconds.
crash() { # NAME ACTION
	paravane create -q /etc/paravane/demo.cfg memory=128 vcpus=1 "name=\"$1\"" "on_crash=\"$2\"" 'disk=[]' 'vif=[]' \
		'ramdisk=""' 'cmdline="console=hvc0 panic=1 root=/dev/none"'
}
is_state() { state "$1" | grep -q "$2"; }
crash_preserved() { crash keep preserve && wait_for 60 is_state keep c && paravane list keep; }
destroyed() { paravane destroy keep && wait_for 10 gone keep; }
crash_destroyed() { crash drop destroy && wait_for 60 gone drop; }
renamed() { paravane list | grep -qE '^again-[0-9]+ ' && paravane list | grep -qE '^again '; }
crash_renamed() { crash again rename-restart && wait_for 60 renamed; }
clear_again() {
	paravane destroy again
	for n in $(paravane list | sed -n 's/^\(again-[0-9]*\) .*/\1/p'); do paravane destroy "$n" || return 1; done
	wait_for 10 only_dom0
}
only_dom0() { [ "$(paravane list | wc -l)" = 2 ] && [ "$(xenstore-list /local/domain | tr -d '\n')" = 0 ]; }
json() { paravane list --json | tr -d ' \n' | grep -q '"name":"Domain-0","domid":0,.*"state":"' && paravane info --json | grep -q '"xen_version"'; }
log_of() { paravane dmesg | grep -qi 'xen\|paravane'; }
running() { $demo && wait_for 90 reach; }
restart_store() {
	kill -9 "$(cat /run/xen/xenstored.pid)" || return 1
	wait_for 5 store_dead
	xenstored --pid-file /run/xen/xenstored.pid >>/var/log/xen/xenstored.log 2>&1 && wait_for 10 xenstore-read /local/domain/0/name &&
		paravane domid demo
}
store_dead() { [ ! -d "/proc/$(cat /run/xen/xenstored.pid)" ]; }
restart_consoled() {
	kill "$(cat /run/xen/paravane-consoled.pid)" || return 1
	sleep 1
	paravane-consoled --pid-file /run/xen/paravane-consoled.pid --log-dir /var/log/xen
}
asked_off() { paravane shutdown -w -t 60 demo && wait_for 20 gone demo; }
middle() {
	$demo || return 1
	paravane destroy demo && wait_for 10 only_dom0
}
# A creation that is told to stop at various points undoes what it has made; one that was done by then is destroyed.
# One that is killed cannot, but its guard does.
interrupted() { # SIGNAL
	for delay in 0.2 0.7 1.5 2.5 3.5; do
		$demo &
		pid=$!
		sleep $delay
		kill "-$1" $pid 2>/dev/null
		# A domain that is not paused was whole by then.
		{ wait $pid || state demo | grep -v p; } && echo "too late after $delay s" && paravane destroy demo
		wait_for 10 only_dom0 || { echo "left after $delay s"; return 1; }
	done
	! losetup -a | grep .
}

step "a crashed domain is kept with on_crash=preserve" crash_preserved
step "and can be destroyed" destroyed
step "a crashed domain goes with on_crash=destroy" crash_destroyed
step "on_crash=rename-restart keeps the old one and starts another" crash_renamed
step "both can be destroyed" clear_again
step "JSON" json
step "hypervisor log" log_of
step "guest runs" running
step "xenstored killed and started again" restart_store
step "console daemon started again" restart_consoled
step "console works after that" console_answers demo
step "shutdown -w after that" asked_off
step "destroy while the guest boots" middle
step "an interrupted creation leaves nothing" interrupted TERM
step "nor does a killed one" interrupted KILL
finish
