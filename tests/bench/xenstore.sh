#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make bench-xenstore: our xenstored beside Debian's C xenstored and oxenstored, in dom0 on the same Xen; one table.
# XS_ON="xenstored oxenstored" chooses the peers (one boot each); BENCH_XS="-r,5,-t,0.5,-n,100000" are the benchmark's options.
set -u
cd "$(dirname "$0")/../.." || exit 1
mkdir -p build/logs
tests/bench/xenstore-count.sh >build/logs/bench-xenstore-count.log 2>&1 || { cat build/logs/bench-xenstore-count.log; exit 1; }
: "${XS_ON:=xenstored oxenstored}" "${BENCH_XS:=-r,5,-t,0.5,-n,100000}"
export HV=xen SMP=1 MEM=1G DOM0_MEM=768M T=${T:-1500} CPU=${CPU:-max,-smap,-smep,-xsave}
. tests/lib/host.sh
host_trap
files=
trap 'rm -rf "$files"; host_cleanup' EXIT
mkdir -p build/tmp build/logs
files=$(mktemp -d build/tmp/bench-xenstore.XXXXXX)
mkdir -p "$files/bin" "$files/root/usr/lib/x86_64-linux-gnu"
cp build/bench/xenstore "$files/"
for p in xen-utils-4.17 libxenmisc4.17 libxendevicemodel1 libxentoollog1; do
	[ -e "build/cache/$p/.package" ] || tools/fetch $p build/cache/$p >/dev/null || host_die "cannot fetch Debian's $p"
done
for d in xenstored oxenstored; do
	cp "build/cache/xen-utils-4.17/usr/lib/xen-4.17/bin/$d" "$files/bin/"
	for lib in $(LD_LIBRARY_PATH=$(echo build/cache/*/usr/lib/x86_64-linux-gnu | tr ' ' :) ldd "$files/bin/$d" |
		sed -n 's/.*=> \([^ ]*\) .*/\1/p'); do
		cp -L "$lib" "$files/root/usr/lib/x86_64-linux-gnu/"
	done
done
(cd "$files/root" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$files/libs.cpio"
EXTRA_CPIO=$files/libs.cpio
status=0
for store in $XS_ON; do
	echo "bench-xenstore: ours and $store"
	JOB_ENV="STORE=$store BENCH_XS=$BENCH_XS"
	host_prepare "bench-$store" tests/system/job.sh tests/bench/job-xenstore.sh "$files/xenstore" "$files/bin"
	DOM0_ARGS="pv.store=none pv.net=none pv.job=/job/job-xenstore.sh"
	# shellcheck disable=SC2119 # no arguments for QEMU
	host_run || status=1
	[ -z "$host_tmp" ] || rm -rf "$host_tmp"
done
python3 tests/bench/xenstore.py build/logs/xen-bench-xenstored.log build/logs/xen-bench-oxenstored.log build/logs/bench-xenstore-count.log || status=1
exit $status
