#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian's xl on our hypervisor, with our xenstored and console daemon: one guest's life. HV=xen: on Xen, for comparison.
set -u
cd "$(dirname "$0")/../.." || exit 1
export HV=${HV:-paravane} SMP=1 MEM=1G DOM0_MEM=512M T=${T:-240}
[ "$HV" = paravane ] || export CPU=${CPU:-max,-smap,-smep,-xsave}
. tests/lib/host.sh
host_trap
mkdir -p build/tmp build/logs
make -s all dom0 guest-image xen >build/logs/xl-make.log 2>&1 || host_die "make all dom0 guest-image xen; see build/logs/xl-make.log"
files=$(mktemp -d build/tmp/xl.XXXXXX)
trap 'rm -rf "$files"; host_cleanup' EXIT
root=$files/root
for p in xen-utils-4.17 libxenmisc4.17 libxendevicemodel1 libxentoollog1 libxenhypfs1 libxenstore4 libyajl2; do
	[ -e "build/cache/$p/.package" ] || tools/fetch $p "build/cache/$p" >/dev/null || host_die "cannot fetch Debian's $p"
done
lib=$root/usr/lib/x86_64-linux-gnu bin=$root/usr/lib/xen-4.17/bin
mkdir -p "$lib" "$bin" "$root/etc/xen/scripts"
for f in xl xenconsole; do
	cp "build/cache/xen-utils-4.17/usr/lib/xen-4.17/bin/$f" "$bin/"
	for l in $(LD_LIBRARY_PATH=$(echo build/cache/*/usr/lib/x86_64-linux-gnu | tr ' ' :) ldd "$bin/$f" | sed -n 's/.*=> \([^ ]*\) .*/\1/p'); do
		cp -L "$l" "$lib/"
	done
done
cp -L "$(gcc -print-file-name=libgcc_s.so.1)" "$lib/" # which libc loads at pthread_cancel()
# What Debian's scripts do for a block device and a card on a bridge; those need more of a system than the appliance has.
cat >"$root/etc/xen/scripts/block" <<'END'
#!/bin/busybox sh
[ "$1" = add ] || exit 0
dev=$(xenstore-read "$XENBUS_PATH/params")
xenstore-write "$XENBUS_PATH/physical-device" "$(stat -L -c '%t:%T' "$dev")"
xenstore-write "$XENBUS_PATH/hotplug-status" connected
END
cat >"$root/etc/xen/scripts/vif-bridge" <<'END'
#!/bin/busybox sh
case $1 in
online | add) ;;
*) exit 0 ;;
esac
ip link set "$vif" master "$(xenstore-read "$XENBUS_PATH/bridge")" up
xenstore-write "$XENBUS_PATH/hotplug-status" connected
END
chmod +x "$root"/etc/xen/scripts/*
echo 'autoballoon="off"' >"$root/etc/xen/xl.conf"
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$files/xl.cpio"
EXTRA_CPIO=$files/xl.cpio
host_prepare xl-on-"$HV" tests/system/job.sh tests/interop/xl/job-xl.sh
DOM0_ARGS="$DOM0_ARGS pv.job=/job/job-xl.sh"
# shellcheck disable=SC2119 # no arguments for QEMU
host_run
