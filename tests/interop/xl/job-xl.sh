#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# One guest's life by Debian's xl: create, console, a disk and a card more, shutdown; and one destroyed.
# shellcheck disable=SC1091 # put there by the host
. /job/job.sh
plan 8
mkdir -p /var/lib/xen /var/lock /run/xen
[ -e /var/run ] || ln -s /run /var/run
xl() { /usr/lib/xen-4.17/bin/xl "$@"; }
create() { xl create /etc/paravane/demo.cfg memory=128 vcpus=1; }
listed() { xl list demo && xl vcpu-list demo && xl info | grep -q '^xen_version'; }
# What `xl console` runs; only --interactive lets it read from a pipe. The answer, not the echo of the question, holds con-42.
console() {
	# shellcheck disable=SC2016 # for the guest's shell
	(for _ in 1 2 3 4 5 6 7 8; do sleep 2; printf 'echo con-$((40+2))\n'; done) |
		timeout 30 /usr/lib/xen-4.17/bin/xenconsole --interactive "$(xl domid demo)" >/tmp/console.out 2>&1 &
	wait_for 20 grep -q con-42 /tmp/console.out || { tail -n 3 /tmp/console.out; return 1; }
}
connected() { [ "$(xenstore-read "/local/domain/0/backend/$1/$(xl domid demo)/$2/state")" = 4 ]; }
disk() {
	truncate -s 1M /tmp/disk && losetup /dev/loop7 /tmp/disk && xl block-attach demo phy:/dev/loop7,xvdc,w || return 1
	wait_for 20 connected vbd 51744
}
card() { xl network-attach demo bridge=pvbr0 && wait_for 20 connected vif 1; }
off() { xl shutdown -w demo && wait_for 20 gone demo; }
again() { create && xl destroy demo && wait_for 10 gone demo; }
step "xl create" create || { autopsy; finish; }
step "xl list, vcpu-list and info" listed
step "guest answers ping" wait_for 60 reach
step "xl console" console
step "xl block-attach" disk
step "xl network-attach" card
step "xl shutdown" off
step "xl destroy" again
finish
