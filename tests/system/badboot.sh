#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Bad boot options, kernels and initrds: the hypervisor's last words name the thing and the reason. And kernels packed
# in other ways than Debian's, which boot.
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
# says NAME WORDS OPTIONS MODULES: boots, waits for WORDS (a pattern) on the serial line, ends QEMU.
says() {
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
says "option value" 'dom0_mem=banana.*accepted' "dom0_mem=banana" "$ok"
says "unknown option" 'frobnicate' "frobnicate=1" "$ok"
says "no kernel" 'no dom0 kernel' "" ""
says "text as kernel" 'dom0 kernel .*neither ELF' "" "$host_tmp/text"
says "kernel cut short" 'dom0 kernel \(.*(end|cut|short|trunc|damaged|corrupt)' "" "$host_tmp/cut"
says "damaged kernel" 'dom0 kernel \(.*(xz|data|damaged|corrupt|unpack)' "" "$host_tmp/damaged"
says "too little memory" 'dom0 with .*needs' "dom0_mem=24M" "$ok"
packed() { # NAME COMMAND...
	local name=$1
	shift
	command -v "$1" >/dev/null || {
		echo "SKIP badboot/kernel packed with $name: $1 is missing; install $1"
		return
	}
	tests/system/repack.py build/dom0/vmlinuz "$host_tmp/$name" "$@" || exit 1
	says "kernel packed with $name" 'Linux version' "" "$host_tmp/$name earlyprintk=xen"
}
packed zstd zstd -3 -q
packed lz4 lz4 -l -q
exit $status
