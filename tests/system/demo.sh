#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# What `make run` shows: a Debian guest with disk, network and console on this host.
. /job/job.sh
plan "$([ -e /run/uplink ] && echo 9 || echo 8)"
listed() { paravane list && paravane list demo | grep -qE '^demo '; }
outside() { cgi "outside" | grep "outside ok"; }
step "create a guest with disk and network card" paravane create /etc/paravane/demo.cfg || {
	autopsy
	finish
}
step "guest answers ping" wait_for 90 reach
step "guest serves web pages" wait_for 30 web_up
step "fetch 10 MB, checksum right" fetch_blob
step "guest writes to its disk" sh -c '. /job/job.sh; cgi diskwrite | grep "diskwrite ok"'
[ ! -e /run/uplink ] || step "guest reaches beyond the host" outside
step "list shows it" listed
cat /tmp/step.out
step "console works" console_answers demo
if ! grep -q pv.shell /proc/cmdline; then
	step "shutdown" sh -c '. /job/job.sh; paravane shutdown demo && wait_for 60 gone demo'
else
	step "guest sees its kernel" sh -c '. /job/job.sh; cgi facts | grep type=xen'
fi
finish
