#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Bad boot options, kernels and initrds: the hypervisor's last words name the thing and the reason.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${HV:=paravane}"
. tests/lib/host.sh
host_trap
[ "$HV" = paravane ] || {
	echo "SKIP badboot: the messages tested are Paravane's"
	exit 0
}
mkdir -p build/tmp build/logs
host_tmp=$(mktemp -d build/tmp/badboot.XXXXXX)
head -c 100000 /dev/zero | tr '\0' 'x' >"$host_tmp/text"
head -c 3000000 build/dom0/vmlinuz >"$host_tmp/cut"
{
	head -c 4000000 build/dom0/vmlinuz
	head -c 2000000 /dev/zero
	tail -c +6000001 build/dom0/vmlinuz
} >"$host_tmp/damaged"
: >"$host_tmp/empty"
status=0
# refused NAME WORDS OPTIONS MODULES: boots, waits for WORDS (a pattern) on the serial line, ends QEMU.
refused() {
	local log=build/logs/badboot-${1// /-}.log initrd=()
	: >"$log"
	[ -z "$4" ] || initrd=(-initrd "$4")
	# shellcheck disable=SC2086 # QSLOT is a command with words
	$QSLOT timeout -k 5 40 "$QEMU" -accel "$ACCEL" -m 512M -cpu "$(host_cpu)" -display none -nic none -no-reboot -monitor none \
		-kernel build/paravane.elf -append "console=com1 com1=115200 $3" "${initrd[@]}" -serial "file:$log" \
		</dev/null >"$log.qemu" 2>&1 &
	host_pid=$!
	while kill -0 $host_pid 2>/dev/null; do
		grep -qE "$2" "$log" && break
		sleep 0.2
	done
	if grep -qE "$2" "$log"; then
		echo "PASS badboot/$1: $(grep -m1 -E "$2" "$log" | tr -d '\r' | cut -c1-150)"
	else
		echo "FAIL badboot/$1: nothing like '$2' was said; last line: $(tr -d '\r' <"$log" | sed '/^ *$/d' | tail -n 1 | cut -c1-120)"
		status=1
	fi
	kill -TERM $host_pid 2>/dev/null
	wait $host_pid 2>/dev/null
	host_pid=
}
ok="build/dom0/vmlinuz console=hvc0,build/dom0/initrd.img"
refused "option value" 'dom0_mem=banana.*accepted' "dom0_mem=banana" "$ok"
refused "unknown option" 'frobnicate' "frobnicate=1" "$ok"
refused "no kernel" 'no dom0 kernel' "" ""
refused "text as kernel" 'dom0 kernel .*neither ELF' "" "$host_tmp/text"
refused "kernel cut short" 'dom0 kernel \(.*(end|cut|short|trunc|damaged|corrupt)' "" "$host_tmp/cut"
refused "damaged kernel" 'dom0 kernel \(.*(xz|data|damaged|corrupt|unpack)' "" "$host_tmp/damaged"
refused "too little memory" 'dom0 with .*needs' "dom0_mem=24M" "$ok"
exit $status
