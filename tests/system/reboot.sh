#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# dom0 reboots the machine; QEMU's -no-reboot turns that into an end.
. /job/job.sh
plan 1
step "dom0 is up" true
echo "@@ EXIT ${failed:-1}"
sync
reboot -f
