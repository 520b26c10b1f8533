#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# Bad configurations and commands are refused with a message that names the thing, and nothing half-made stays.
. /job/job.sh
free_memory() { paravane info | sed -n 's/^free_memory *: *//p'; }
before=$(free_memory)
# What stays behind, if anything: domains, store entries, loop devices, interfaces, memory.
left() {
	[ "$(xenstore-list /local/domain | tr -d '\n')" = 0 ] || { echo "store: $(xenstore-list /local/domain | tr '\n' ' ')"; return 0; }
	[ "$(paravane list | wc -l)" = 2 ] || { paravane list; return 0; }
	[ -z "$(losetup -a | grep -v ' 0 /$')" ] || { losetup -a; return 0; }
	! ls -d /sys/class/net/vif* 2>/dev/null || { echo "interface left"; return 0; }
	[ "$(free_memory)" = "$before" ] || { echo "free memory was $before MiB, is $(free_memory)"; return 0; }
	return 1
}
nothing_left() { ! left; }
# refused WORD COMMAND...: fails, says WORD, no bare success-or-number message, leaves nothing
refused() {
	word=$1
	shift
	if timeout 30 "$@" >/tmp/refused.out 2>&1; then
		echo "accepted: $*"
		return 1
	fi
	tail -n 3 /tmp/refused.out
	grep -qF -- "$word" /tmp/refused.out || { echo "says nothing of '$word': $(tail -n 1 /tmp/refused.out)"; return 1; }
	wait_for 5 nothing_left
}
demo="paravane create /etc/paravane/demo.cfg"
echo 'name = "x' >/tmp/syntax.cfg
printf 'name = "x"\nmemory = = 3\n' >/tmp/syntax2.cfg
head -c 100000 /bin/busybox >/tmp/notkernel
plan 17
step "config file missing" refused /tmp/nope.cfg paravane create /tmp/nope.cfg
step "config with an open string" refused syntax.cfg paravane create /tmp/syntax.cfg
step "config with a bad line" refused syntax2.cfg paravane create /tmp/syntax2.cfg
step "kernel missing" refused /guests/nope $demo 'kernel="/guests/nope"'
step "kernel is no kernel" refused /tmp/notkernel $demo 'kernel="/tmp/notkernel"'
step "kernel is a text" refused /etc/motd $demo 'kernel="/etc/motd"'
step "ramdisk missing" refused /guests/nope.img $demo 'ramdisk="/guests/nope.img"'
step "disk missing" refused /dev/nope $demo 'disk=["phy:/dev/nope,xvda,w"]'
step "disk file missing" refused /tmp/nope.img $demo 'disk=["file:/tmp/nope.img,xvda,w"]'
step "disk name wrong" refused foo $demo 'disk=["phy:/dev/vda,foo,w"]'
step "bridge missing" refused nobridge $demo 'vif=["bridge=nobridge"]'
step "mac wrong" refused 00:16:zz $demo 'vif=["mac=00:16:zz"]'
step "more memory than there is" refused 100000 $demo memory=100000
step "no vcpu" refused vcpus $demo vcpus=0
step "too many vcpus" refused vcpus $demo vcpus=100000
step "destroy of nobody" refused nobody paravane destroy nobody
step "unknown command" refused frobnicate paravane frobnicate
finish
