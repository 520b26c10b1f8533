#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make bench-guest-kernel: the unpatched and the patched guest kernel on native Linux, Debian's Xen and Paravane, one table.
#
# First instructions per operation (the rows of `make bench`), then what Paravane counts of page-table work, then everyday work by
# the clock, ROUNDS times with the two kernels in turn. BENCH_ON="native xen paravane", PARTS="rows traps wall" limit it; what is left out is taken from the last run's logs.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BENCH_ON:=native xen paravane}" "${PARTS:=rows traps wall}" "${ROUNDS:=3}" "${KERNELS:=unpatched patched}"
for k in $KERNELS; do
	[ -s "build/guest-kernel/$k/vmlinuz" ] || {
		echo "bench-guest-kernel: build/guest-kernel/$k/vmlinuz is missing; run 'make guest-kernel'" >&2
		exit 1
	}
done
export BENCH_ON

if [[ $PARTS == *rows* ]]; then
	for k in $KERNELS; do
		KERNEL=build/guest-kernel/$k/vmlinuz BENCH=icount BENCH_NAME=bench-$k tests/bench/run.sh || exit 1
	done
fi

. tests/lib/host.sh
host_trap
if [[ $PARTS == *traps* ]]; then
	for k in $KERNELS; do
		echo "traps: $k on paravane"
		HV=paravane SMP=1 DOM0_ARGS="pv.net=none pv.job=/job/job-traps.sh" KERNEL=build/guest-kernel/$k/vmlinuz
		host_prepare "traps-$k" tests/system/job.sh tests/bench/job-traps.sh build/bench/ptwork
		host_run || exit 1
		host_cleanup
	done
fi
# shellcheck disable=SC2034 # settings of tests/lib/host.sh
SMP=2 MEM=1536M DOM0_MEM=1G T=600 NIC=none DISK=build/bench/wall.img DOM0_ARGS="pv.net=none pv.job=/job/job-work.sh"
for HV in $([[ $PARTS != *wall* ]] || echo "$BENCH_ON"); do
	for ((round = 1; round <= ROUNDS; round++)); do
		for k in $KERNELS; do
			KERNEL=build/guest-kernel/$k/vmlinuz
			echo "wall: round $round, $k on $HV"
			host_prepare "work-$k-$round" tests/system/job.sh tests/bench/job-work.sh
			host_run || exit 1
			host_cleanup
		done
	done
done
exec python3 tests/bench/guest_table.py build/logs
