#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make run: a host in QEMU with one Debian guest. On a terminal it ends at dom0's shell, else it reports and powers off.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${SMP:=2}" "${NIC:=user}"
. tests/lib/host.sh
host_trap
host_prepare run tests/system/job.sh tests/system/demo.sh
DOM0_ARGS="$DOM0_ARGS pv.job=/job/demo.sh"
if [ -t 0 ] && [ -t 1 ] && [ -z "${CI:-}" ]; then
	echo "Booting $HV with a Debian dom0 and a guest; log in build/logs/run.log. ctrl-a x ends QEMU."
	DOM0_ARGS="$DOM0_ARGS pv.shell"
	host_interactive
	exit
fi
start=$SECONDS
if host_run; then
	echo "run: all steps passed on $HV in $((SECONDS - start)) s"
else
	echo "run: failed on $HV after $((SECONDS - start)) s; whole log in $host_log"
	exit 1
fi
