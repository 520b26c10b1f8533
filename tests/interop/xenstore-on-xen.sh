#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Our xenstored on the real Xen hypervisor: it is killed and updated under a guest that uses it. HV=paravane: on ours.
set -u
cd "$(dirname "$0")/../.." || exit 1
export HV=${HV:-xen} SMP=${SMP:-1} MEM=1G DOM0_MEM=512M T=${T:-200}
# With one CPU and XSAVE, QEMU mixes up the vector registers of domains under Xen: programs crash at random, store or no store.
[ "$HV" = paravane ] || export CPU=${CPU:-max,-smap,-smep,-xsave}
. tests/lib/host.sh
host_trap
mkdir -p build/tmp build/logs
make -s dom0 guest-image xen >build/logs/xenstore-make.log 2>&1 || {
	echo "FAIL xenstore-on-xen/prepare: make dom0 guest-image xen; see build/logs/xenstore-make.log"
	exit 1
}
files=$(mktemp -d build/tmp/survival.XXXXXX)
trap 'rm -rf "$files"; host_cleanup' EXIT
mkdir -p "$files/root/"{bin,dev,proc,sys}
cp "$(command -v busybox)" "$files/root/bin/busybox"
cp tests/interop/xenstore/guest-init "$files/root/init"
cc -O2 -static -D_GNU_SOURCE -D__XEN_TOOLS__ -I. -o "$files/root/bin/xenstore" xenstore/client/*.c || host_die "cannot build the guest's xenstore"
(cd "$files/root" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip) >"$files/guest.img"
host_prepare xenstore-on-xen tests/system/job.sh tests/interop/xenstore/survive.sh "$files/guest.img"
DOM0_ARGS="$DOM0_ARGS pv.job=/job/survive.sh"
host_run
