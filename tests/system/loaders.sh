#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Boot through GRUB: Multiboot 1 and 2 on BIOS, Multiboot 2 on UEFI, up to domain 0's prompt, ACPI included.
# GRUB, xorriso, mtools and OVMF are those that `make grub` unpacked; the host's own are not used.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${HV:=paravane}"
. tests/lib/host.sh
host_trap
[ "$HV" = paravane ] || {
	echo "SKIP loaders: Paravane's image is tested"
	exit 0
}
cache=$PWD/build/cache
for part in grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools ovmf; do
	[ -e "$cache/$part/.package" ] || {
		echo "FAIL loaders: $cache/$part is missing; run 'make grub'"
		exit 1
	}
done
mkdir -p build/tmp build/logs
host_tmp=$(mktemp -d build/tmp/loaders.XXXXXX)
tools=$cache/grub-common/usr/bin:$cache/xorriso/usr/bin:$cache/mtools/usr/bin
libs=
for part in libdevmapper1.02.1 libefivar1 libefiboot1 libisoburn1 libburn4 libisofs6 libjte2; do
	libs+=:$cache/$part/usr/lib/x86_64-linux-gnu:$cache/$part/lib/x86_64-linux-gnu
done
libs=${libs#:}
status=0
# boots NAME MODULES-DIR MULTIBOOT MODULE QEMU-ARGS...
boots() {
	local name=$1 modules=$cache/$2 mb=$3 mod=$4 log=build/logs/loaders-${1// /-}.log root=$host_tmp/root end why=
	shift 4
	rm -rf "$root"
	mkdir -p "$root/boot/grub"
	cp build/paravane.elf build/dom0/vmlinuz build/dom0/initrd.img "$root/boot/"
	cat >"$root/boot/grub/grub.cfg" <<END
set timeout=0
$mb /boot/paravane.elf console=com1 com1=115200 noreboot
$mod /boot/vmlinuz console=hvc0
$mod --nounzip /boot/initrd.img
boot
END
	PATH=$tools:$PATH LD_LIBRARY_PATH=$libs pkgdatadir=$cache/grub-common/usr/share/grub grub-mkrescue -d "$modules" -o "$host_tmp/cd.iso" "$root" >"$log.mkrescue" 2>&1 || {
		echo "FAIL loaders/$name: grub-mkrescue: $(tail -n 1 "$log.mkrescue")"
		status=1
		return
	}
	: >"$log"
	# shellcheck disable=SC2086 # QSLOT is a command with words
	$QSLOT timeout -k 5 "$T" "$QEMU" -accel "$ACCEL" -m 1G -smp 2 -cpu "$(host_cpu)" -display none -nic none -no-reboot \
		-monitor none -cdrom "$host_tmp/cd.iso" -serial "file:$log" "$@" </dev/null >"$log.qemu" 2>&1 &
	host_pid=$!
	end='dom0:~# |PANIC|BIOS Error'
	while kill -0 $host_pid 2>/dev/null; do
		grep -qaE "$end" "$log" && break
		sleep 0.5
	done
	grep -qa 'dom0:~# ' "$log" || why="no prompt; last line: $(tr -d '\r' <"$log" | sed '/^ *$/d' | tail -n 1 | cut -c1-120)"
	grep -qa 'ACPI: Interpreter enabled' "$log" || why="${why:-domain 0 has no ACPI}"
	if [ -z "$why" ]; then
		echo "PASS loaders/$name"
	else
		echo "FAIL loaders/$name: $why; see $log"
		status=1
	fi
	kill -TERM $host_pid 2>/dev/null
	wait $host_pid 2>/dev/null
	host_pid=
}
boots "bios multiboot1" grub-pc-bin/usr/lib/grub/i386-pc multiboot module
boots "bios multiboot2" grub-pc-bin/usr/lib/grub/i386-pc multiboot2 module2
boots "uefi multiboot2" grub-efi-amd64-bin/usr/lib/grub/x86_64-efi multiboot2 module2 \
	-M q35 -bios "$cache/ovmf/usr/share/ovmf/OVMF.fd"
exit $status
