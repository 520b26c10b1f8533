#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Our toolstack and console daemon on the real Xen hypervisor: with our xenstored, and with Debian's.
#
# The jobs are those of the system tests; the machine boots Debian's Xen 4.17 instead of our hypervisor.
set -u
cd "$(dirname "$0")/../.." || exit 1
# With one CPU and XSAVE, QEMU mixes up the vector registers of domains under Xen: programs crash at random.
export HV=xen SMP=1 MEM=1G DOM0_MEM=512M T=${T:-240} CPU=${CPU:-max,-smap,-smep,-xsave}
export JOB_ENV="VCPUS=1 MEMORY=128 FORKS=100"
cache=build/cache

make -s dom0 guest-image xen >build/logs/interop-make.log 2>&1 || {
	echo "FAIL toolstack-on-xen/prepare: make dom0 guest-image xen; see build/logs/interop-make.log"
	exit 1
}

# The initrd's own xenstored is replaced by the binary of Debian's package of that name.
store_cpio() { # NAME OUT
	local root lib
	for p in xen-utils-4.17 libxenmisc4.17 libxendevicemodel1 libxentoollog1; do
		[ -e $cache/$p/.package ] || tools/fetch $p $cache/$p || return 1
	done
	root=$(mktemp -d build/tmp/store.XXXXXX) || return 1
	mkdir -p "$root/bin" "$root/usr/lib/x86_64-linux-gnu"
	cp "$cache/xen-utils-4.17/usr/lib/xen-4.17/bin/$1" "$root/bin/xenstored"
	for lib in "$cache"/{libxenmisc4.17,libxendevicemodel1,libxentoollog1}/usr/lib/x86_64-linux-gnu/*.so*; do
		cp -a "$lib" "$root/usr/lib/x86_64-linux-gnu/"
	done
	(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$2"
	rm -rf "$root"
}

run() { # NAME JOB [STORE]
	(
		. tests/lib/host.sh
		host_trap
		if [ $# = 3 ]; then
			mkdir -p build/tmp
			EXTRA_CPIO=build/tmp/$1.cpio
			trap 'rm -f "$EXTRA_CPIO"; host_cleanup' EXIT
			store_cpio "$3" "$EXTRA_CPIO" || host_die "cannot prepare Debian's $3"
		fi
		host_prepare "$1" tests/system/job.sh "$2"
		DOM0_ARGS="$DOM0_ARGS pv.job=/job/${2##*/}"
		# shellcheck disable=SC2119 # no arguments for QEMU
		host_run
	)
}

# Arguments limit it to cases of these names; two hosts run at a time.
want=" $* "
case_one() {
	[ "$want" = "  " ] || [[ $want == *" $1 "* ]] || return
	run "$@" &
	pids+=($!)
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n || status=1
	done
}
status=0 pids=()
trap 'kill -TERM "${pids[@]}" 2>/dev/null; wait; exit 143' INT TERM
case_one toolstack-ourstore tests/system/cycle.sh
case_one toolstack-life tests/system/life.sh
case_one toolstack-debianstore tests/system/cycle.sh xenstored
case_one toolstack-badinput tests/system/badinput.sh
while [ "$(jobs -rp | wc -l)" -gt 0 ]; do
	wait -n || status=1
done
exit $status
