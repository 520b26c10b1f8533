#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Boot through GRUB: Multiboot 1 and 2 on BIOS, Multiboot 2 on UEFI, up to domain 0's prompt, ACPI included.
# Wants grub-mkrescue with the i386-pc and x86_64-efi modules, xorriso, mtools and ovmf; skips what is not there.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${HV:=paravane}"
. tests/lib/host.sh
host_trap
[ "$HV" = paravane ] || {
	echo "SKIP loaders: Paravane's image is tested"
	exit 0
}
for tool in grub-mkrescue xorriso mformat; do
	command -v $tool >/dev/null && continue
	echo "SKIP loaders: $tool is missing; install grub-common xorriso mtools"
	exit 0
done
ovmf=/usr/share/ovmf/OVMF.fd
mkdir -p build/tmp build/logs
host_tmp=$(mktemp -d build/tmp/loaders.XXXXXX)
status=0
# boots NAME PLATFORM MULTIBOOT MODULE QEMU-ARGS...
boots() {
	local name=$1 modules=/usr/lib/grub/$2 mb=$3 mod=$4 log=build/logs/loaders-${1// /-}.log root=$host_tmp/root end why=
	shift 4
	[ -d "$modules" ] || {
		echo "SKIP loaders/$name: $modules is missing; install grub-pc-bin and grub-efi-amd64-bin"
		return
	}
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
	grub-mkrescue -d "$modules" -o "$host_tmp/cd.iso" "$root" >"$log.mkrescue" 2>&1 || {
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
boots "bios multiboot1" i386-pc multiboot module
boots "bios multiboot2" i386-pc multiboot2 module2
if [ -f "$ovmf" ]; then
	boots "uefi multiboot2" x86_64-efi multiboot2 module2 -M q35 -bios "$ovmf"
else
	echo "SKIP loaders/uefi multiboot2: $ovmf is missing; install ovmf"
fi
exit $status
