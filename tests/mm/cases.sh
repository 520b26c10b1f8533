# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The cases on one kernel, in dom0 or a guest: sourced with WHERE, DISK (ext4), SWAP (a whole device) set. From /job/env:
# RACE, STRESS, HOLD: seconds for each race, for the random work, for memory under pressure; CASES: only names with this word.
: "${RACE:=3}" "${STRESS:=20}" "${HOLD:=20}" "${SEEDS:=3}" "${OPS:=1000}"
races="munmap readonly noaccess fork remap move dontneed lazyfree softdirty"
case_count() {
	(
		n=0
		step() { n=$((n + 1)); }
		run_cases
		echo $n
	)
}
one() { # NAME COMMAND...
	case $1 in *"${CASES:-}"*) ;; *) return ;; esac
	name=$1
	shift
	step "$WHERE: $name" "$@"
}
# Linux's own tests with their arguments, as its run_vmtests.sh has them; selftests.sh tells which are left out.
selftest_list() {
	cat <<-END
		map_fixed_noreplace
		userfaultfd anon 20 16
		userfaultfd shmem 20 16
		on-fault-limit
		map_populate
		mlock-random-test
		mlock2-tests
		mrelease_test
		mremap_test
		virtual_address_range
		mremap_dontunmap
		madv_populate
		memfd_secret
		ksm_tests -M -p 10
		ksm_tests -U
		ksm_tests -Z -p 10 -z 0
		ksm_tests -Z -p 10 -z 1
		soft-dirty
	END
}
run_selftest() {
	case $1 in
	on-fault-limit) su nobody -s /bin/sh -c "/job/selftests/$1" ;;
	*) timeout 300 "/job/selftests/$1" $2 ;;
	esac
}
# 4 is a test's way to say that it cannot run here; the last part of soft-dirty needs huge pages, which PV guests have not.
selftest() {
	cd /tmp || return 1
	grep -q ^nobody: /etc/passwd || echo nobody:x:65534:65534::/:/bin/sh >>/etc/passwd
	# mremap_test maps 2 GiB, of which it uses little
	echo 1 >/proc/sys/vm/overcommit_memory
	run_selftest "$1" "$2" >selftest.out 2>&1
	rc=$?
	cat selftest.out
	! grep -q 'Bail out! Open hpage_pmd_size failed' selftest.out || grep -q '^not ok' selftest.out || rc=4
	[ $rc != 4 ] || { echo "SELFTEST SKIPS: $1 $2" >/dev/console; return 0; }
	return $rc
}

race() {
	/job/mmrace "$@"
	rc=$?
	[ $rc != 77 ] || return 0
	return $rc
}
# Results of fixed seeds, for the host to compare.
digests() {
	/job/mmstress --seed 1 --count "$SEEDS" --ops "$OPS" >/tmp/digests || { cat /tmp/digests; return 1; }
	sed "s/^/DIGEST $WHERE /" /tmp/digests >/dev/console
}
stress() {
	/job/mmstress --seed "${SEED:-100}" --seconds "$STRESS" --ops 300 --threads 3 >/tmp/stress.log
	rc=$?
	tail -n 3 /tmp/stress.log
	return $rc
}
with_disk() { # NAME: a case on the file system
	mkdir -p /mnt/mm
	mount -t ext4 "$DISK" /mnt/mm && /job/mmrace "$1" $((RACE * 2)) /mnt/mm
	rc=$?
	umount /mnt/mm && [ $rc = 0 ] || return 1
	mount -t ext4 "$DISK" /mnt/mm && /job/mmrace file-again 0 /mnt/mm
	rc=$?
	umount /mnt/mm && return $rc
}
free_mib() { awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }
swapping() {
	mkswap "$SWAP" && swapon "$SWAP" || return 1
	/job/mmhold 2 $(($(free_mib) * 9 / 16)) "$HOLD" swap
	rc=$?
	swapoff "$SWAP" && return $rc
}
xm=/sys/devices/system/xen_memory/xen_memory0
reached() { [ "$(cat $xm/info/current_kb)" = "$1" ]; }
balloon() {
	full=$(cat $xm/target_kb) less=$(($(cat $xm/target_kb) - $(free_mib) * 512)) times=0
	/job/mmhold 2 $(($(free_mib) / 6)) "$HOLD" >/tmp/hold.log &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		echo $less >$xm/target_kb
		wait_for 120 reached $less || return 1
		echo "$full" >$xm/target_kb
		wait_for 120 reached "$full" || return 1
		times=$((times + 1))
	done
	echo "down and up $times times"
	wait $pid || { cat /tmp/hold.log; return 1; }
	[ $times -gt 0 ]
}
no_complaint() {
	! dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|unable to handle|general protection|[Bb]ad page|possible circular|inconsistent lock|Bad rss'
}
run_cases() {
	one "random work, fixed seeds" digests
	for r in $races; do
		one "$r with writers" race "$r" "$RACE"
	done
	one "shared file, threads, kept through a remount" with_disk file
	one "shared file, processes, kept through a remount" with_disk file-processes
	one "tables of all levels come and go" /job/mmtables "$((RACE * 2))"
	one "random work, 3 threads, $STRESS s" stress
	one "more memory than there is, with swap" swapping
	[ "$WHERE" = native ] || one "ballooning down and up" balloon
	one "pages of a small process stay whole after that" /job/mmhold 1 8 1
	[ ! -d /job/selftests ] || while read -r t args <&3; do
		one "selftest $t $args" selftest "$t" "$args"
	done 3<<-END
		$(selftest_list)
	END
	one "no complaint of the kernel" no_complaint
}
