#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# In dom0 on real Xen, no store running yet: Debian's daemon serves this host, ours stands beside it, both are measured.
# shellcheck disable=SC1091,SC2153 # put there by the host
. /job/job.sh
plan 3
mkdir -p /run/ours /run/xenstored /var/lib/xenstored /var/log/xen /etc/xen
mount -t xenfs xenfs /proc/xen
# Without these two oxenstored knows no default.
printf 'xenstored-port = /proc/xen/xsd_port\nxenstored-kva = /proc/xen/xsd_kva\n' >/etc/xen/oxenstored.conf
theirs() {
	case $STORE in
	oxenstored) /job/bin/oxenstored --no-fork >/tmp/theirs.log 2>&1 & ;;
	*) /job/bin/xenstored --no-fork >/tmp/theirs.log 2>&1 & ;;
	esac
	wait_for 20 timeout 2 xenstore-read /tool || { cat /tmp/theirs.log; return 1; }
}
ours() {
	xenstored --foreground --no-domains --rundir /run/ours >/tmp/ours.log 2>&1 &
	wait_for 20 test -S /run/ours/socket
}
measure() {
	# shellcheck disable=SC2046 # words
	/job/xenstore $(echo "$BENCH_XS" | tr , ' ') ours=/run/ours/socket "$STORE=/run/xenstored/socket" >/dev/console
}
step "Debian's $STORE" theirs || finish
step "ours" ours
step "measured" measure
cat /tmp/theirs.log
finish
