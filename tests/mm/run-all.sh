#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Page-table handling of a kernel: run-all.sh [KERNEL...]. Each KERNEL is a file, or a name below build/guest-kernel; without one,
# Debian's. MM_ON="paravane xen native" chooses where; SELFTESTS=yes adds Linux's own tests; JOB_ENV says how long (cases.sh) and
# where (ON="dom0 guest"): the default is short. The digests of fixed seeds must be the same everywhere, and those of native.digests:
# of Linux 6.1 unpatched and native (MM_ON=native; what mremap does with several mappings differs in later versions).
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${MM_ON:=paravane}" "${SMP:=2}" "${MEM:=1G}" "${DOM0_MEM:=384M}" "${T:=400}"
: "${JOB_ENV:=ON=guest RACE=1 STRESS=4 HOLD=2 SEEDS=2 OPS=1000}"
. tests/lib/host.sh
host_trap
mkdir -p build/mm
stage=build/mm/stage.$$
trap 'host_cleanup; rm -rf "$stage"' EXIT

programs=(build/mm/mmrace build/mm/mmstress build/mm/mmhold build/mm/mmtables)
make -s "${programs[@]}" || exit 1
[ -z "${SELFTESTS:-}" ] || {
	tests/mm/selftests.sh build/mm/selftests || exit 1
	programs+=(build/mm/selftests)
}
[ -s build/mm/disk.img ] || mke2fs -q -t ext4 build/mm/disk.img 64M
truncate -s 512M build/mm/swap.img
export DISK=build/mm/disk.img

# The guest's part: programs and cases, unpacked over Debian's initramfs.
guest_part() {
	mkdir -p "$stage/job"
	cp -r tests/system/job.sh tests/mm/cases.sh "${programs[@]}" "$stage/job/"
	printf '%s\n' HV="$HV" ${JOB_ENV:-} >"$stage/job/env"
	install -m755 tests/mm/guest-init "$stage/init"
	(cd "$stage" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >build/mm/mm.cpio
	rm -rf "$stage"
}

status=0 logs=()
for kernel in "${@:-}"; do
	label=${kernel:-debian}
	[ -z "$kernel" ] || [ -f "$kernel" ] || kernel=build/guest-kernel/$kernel/vmlinuz
	for HV in $MM_ON; do
		export KERNEL=$kernel
		guest_part
		host_prepare "mm-$(basename "$label")" tests/system/job.sh tests/mm/{cases,job-mm}.sh "${programs[@]}" build/mm/mm.cpio
		DOM0_ARGS="norandmaps pv.net=none pv.job=/job/job-mm.sh"
		host_run -drive "file=build/mm/swap.img,format=raw,if=virtio,snapshot=on" || status=1
		logs+=("$host_log")
		host_cleanup
	done
done
# One seed, one digest.
digests=$(cat "${logs[@]}" | tr -d '\r' | sed -n 's/^.*DIGEST [a-z0-9]* \(SEED .*\)/\1/p')
differ=$(sort -u - tests/mm/native.digests <<<"$digests" | awk '{ print $2 " of " $4 " operations" }' | uniq -d)
if [ -n "$differ" ]; then
	echo "FAIL mm/digests: not the same everywhere: seed" $differ
	status=1
elif [ -z "$digests" ]; then
	echo "FAIL mm/digests: no run of fixed seeds said what it found"
	status=1
else
	echo "PASS mm/digests: $(grep -c . <<<"$digests") runs of fixed seeds agree, $(grep -cxFf tests/mm/native.digests <<<"$digests")" \
		"of them with what native Linux gave"
fi
exit $status
