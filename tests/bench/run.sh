#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make bench: instructions per operation on native Linux, Debian's Xen and Paravane, dom0 and guest, one table.
# BENCH_ON="native xen paravane" chooses what to run; what is left out is taken from the last run's logs.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BENCH_ON:=native xen paravane}"
# shellcheck disable=SC2034 # settings of tests/lib/host.sh
SMP=1 MEM=3G DOM0_MEM=1536M T=900 NIC=none DOM0_ARGS="norandmaps pv.net=none pv.job=/job/job-bench.sh"
. tests/lib/host.sh
host_trap
icount=(-icount "shift=0,sleep=off")

mkdir -p build/logs build/bench
# The guest's whole file system: the benchmark as init.
stage=$(mktemp -d build/bench/stage.XXXXXX)
mkdir -p "$stage/dev" "$stage/proc"
cp build/bench/pvbench "$stage/init"
cp build/bench/true "$stage/true"
(cd "$stage" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >build/bench/bench.img
rm -rf "$stage"

for HV in $BENCH_ON; do
	echo "bench: running on $HV"
	if [ "$HV" = native ]; then
		timeout -k 5 "$T" "$QEMU" -accel tcg -m "$MEM" -smp 1 -cpu "$(host_cpu)" -display none -nic none -no-reboot \
			-kernel build/dom0/vmlinuz -initrd build/bench/bench.img -append "console=ttyS0 quiet norandmaps" \
			"${icount[@]}" -serial file:build/logs/bench-native.log -monitor none </dev/null || exit 1
		continue
	fi
	host_prepare bench tests/system/job.sh tests/bench/job-bench.sh build/bench/pvbench build/bench/true build/bench/bench.img
	host_run "${icount[@]}" || exit 1
	host_cleanup
done
exec python3 tests/bench/table.py build/logs/bench-native.log build/logs/xen-bench.log build/logs/bench.log
