#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make bench: the cost of operations on native Linux, Debian's Xen and Paravane, dom0 and guest: one table of
# instructions (exact), one of wall time (medians of WALL_ROUNDS rounds in turn; the machine should be quiet).
# BENCH_ON="native xen paravane" chooses what to run, BENCH="icount wall" which table; what is left out is taken
# from the last run's logs. BENCH_NAME begins the logs' names; other than bench, there is no table (guest-kernel.sh makes its own).
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BENCH_ON:=native xen paravane}" "${BENCH:=icount wall}" "${WALL_ROUNDS:=3}" "${BENCH_NAME:=bench}"
# shellcheck disable=SC2034 # settings of tests/lib/host.sh
SMP=1 MEM=3G DOM0_MEM=1536M T=900 NIC=none
. tests/lib/host.sh
host_trap
mkdir -p build/logs build/bench build/tmp

# cpio_of OUT: everything below the directory $stage, which goes
cpio_of() {
	(cd "$stage" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$1"
	rm -rf "$stage"
}

icount_on() { # HV
	local icount=(-icount "shift=0,sleep=off")
	HV=$1 DOM0_ARGS="norandmaps pv.net=none pv.job=/job/job-bench.sh"
	if [ "$HV" = native ]; then
		# shellcheck disable=SC2086 # QSLOT is a command with words
		$QSLOT timeout -k 5 "$T" "$QEMU" -accel tcg -m "$MEM" -smp 1 -cpu "$(host_cpu)" -display none -nic none -no-reboot \
			-kernel "${KERNEL:-build/dom0/vmlinuz}" -initrd build/bench/bench.img -append "console=ttyS0 quiet norandmaps" \
			"${icount[@]}" -serial "file:build/logs/$BENCH_NAME-native.log" -monitor none </dev/null
		return
	fi
	host_prepare "$BENCH_NAME" tests/system/job.sh tests/bench/job-bench.sh build/bench/pvbench build/bench/true build/bench/bench.img
	host_run "${icount[@]}"
	local rc=$?
	host_cleanup
	return $rc
}

# Waits until the log has a line with these words, prints the milliseconds that took.
ms_until() { # WORDS LOG
	local start=${EPOCHREALTIME/./} end=$((SECONDS + 200))
	until grep -qaF "$1" "$2"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}
wall_on() { # HV ROUND
	local rc rows=build/logs/wall-$1-$2.rows CPU DISK
	HV=$1 DOM0_ARGS="norandmaps pv.job=/job/job-wall.sh" JOB_ENV="MACHINE_KIB=$((3 << 20))"
	# XSAVE is off for all three: with it, on one CPU, QEMU 7.2 mixes up vector registers under Xen.
	CPU=max,-smap,-smep,-xsave
	host_prepare wall tests/system/job.sh tests/bench/job-wall.sh build/bench/{pvbench,iobench,true,guest.cpio}
	head -c 256M /dev/urandom >"$host_tmp/disk"
	DISK=$host_tmp/disk
	: >"$host_log"
	ms_until "dom0: /init" "$host_log" >"$host_tmp/init" & # host_run waits for it too
	host_run >"$host_tmp/cases"
	rc=$?
	grep FAIL "$host_tmp/cases"
	{
		echo "BENCH dom0"
		echo "ROW qemu_start_to_init:ms $(cat "$host_tmp/init")"
		tr -d '\r' <"$host_log"
	} >"$rows"
	host_cleanup
	return $rc
}

if [[ " $BENCH " == *" icount "* ]]; then
	# The guest's whole file system: the benchmark as init.
	stage=$(mktemp -d build/bench/stage.XXXXXX)
	mkdir -p "$stage/dev" "$stage/proc"
	cp build/bench/pvbench "$stage/init"
	cp build/bench/true "$stage/true"
	cpio_of build/bench/bench.img
	for hv in $BENCH_ON; do
		echo "bench: counting instructions on $hv"
		icount_on "$hv" || exit 1
	done
fi
if [[ " $BENCH " == *" wall "* ]]; then
	# What is laid over the guest's initramfs.
	stage=$(mktemp -d build/bench/stage.XXXXXX)
	mkdir "$stage/job"
	cp build/bench/{pvbench,iobench,true} "$stage/job/"
	cp tests/bench/wall-guest-init "$stage/init"
	cpio_of build/bench/guest.cpio
	for hv in $BENCH_ON; do
		rm -f build/logs/wall-"$hv"-*.rows
	done
	for ((round = 1; round <= WALL_ROUNDS; round++)); do
		for hv in $BENCH_ON; do
			echo "bench: wall time on $hv, round $round of $WALL_ROUNDS, load of the machine $(cut -d' ' -f1 /proc/loadavg)"
			wall_on "$hv" "$round" || exit 1
		done
	done
fi
[ "$BENCH_NAME" = bench ] || exit 0
status=0
[[ " $BENCH " != *" icount "* ]] ||
	python3 tests/bench/table.py build/logs/bench-native.log build/logs/xen-bench.log build/logs/bench.log || status=1
[[ " $BENCH " != *" wall "* ]] || python3 tests/bench/table.py --wall build/logs
exit $status
