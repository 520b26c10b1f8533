# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Boot a host (hypervisor, dom0 appliance, a job in it) in QEMU, follow it, tell how it went.
#
# Source this from the top of the tree. Settings, all from the environment:
#   HV=paravane|xen|native  hypervisor, or none          QEMU=PATH  CPU=MODEL  ACCEL=tcg|kvm
#   SMP=n MEM=2G          the machine                    DOM0_MEM=512M DOM0_VCPUS=n
#   HV_ARGS DOM0_ARGS     more words for either          NIC=none|user
#   GUEST_KERNEL=|cloud   kernel put at /guests          DISK=file (raw, never written; default the guest's root)
#   KERNEL=file           kernel of dom0 and of the guest at /guests, instead of Debian's
#   JOB_ENV="NAME=value..." put at /job/env for the job to read
#   T=seconds             the longest a run may take     QSLOT=command to put before QEMU
# Nothing on the host changes: no interface, no mount; temporary files are under build/ and go away.

: "${HV:=paravane}" "${QEMU:=qemu-system-x86_64}" "${ACCEL:=tcg}" "${SMP:=1}" "${MEM:=2G}" "${DOM0_MEM:=512M}"
: "${DOM0_VCPUS:=$SMP}" "${NIC:=none}" "${T:=170}" "${QSLOT:=}" "${HV_ARGS:=}" "${DOM0_ARGS:=}"
host_tmp=
host_pid=
host_follower=

# QEMU before 10 checks far returns of ring 3 with supervisor rights, so PV guests cannot live with SMAP there.
host_cpu() {
	local major
	major=$("$QEMU" --version | sed -n 's/^QEMU emulator version \([0-9]*\)\..*/\1/p')
	if [ -n "${CPU:-}" ]; then
		echo "$CPU"
	elif [ "${major:-0}" -ge 10 ]; then
		echo max
	else
		echo max,-smap,-smep
	fi
}

host_cleanup() {
	if [ -n "$host_pid" ]; then
		kill -TERM "$host_pid" 2>/dev/null
		wait "$host_pid" 2>/dev/null
		host_pid=
		[ -z "$host_follower" ] || wait "$host_follower"
	fi
	[ -z "$host_tmp" ] || rm -rf "$host_tmp"
	host_tmp=
}
host_trap() {
	trap host_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

host_die() {
	echo "FAIL ${host_name:-host}: $*"
	exit 1
}

# host_prepare NAME FILES...: put FILES at /job and the guest's kernel at /guests of a new initrd.
host_prepare() {
	host_name=$1
	shift
	case $HV in
	paravane) host_image=build/paravane.elf ;;
	xen) host_image=build/cache/xen-4.17.elf ;;
	native) host_image=${KERNEL:-build/dom0/vmlinuz} ;;
	*) host_die "HV=$HV: no such hypervisor; HV=paravane, HV=xen, or HV=native for none" ;;
	esac
	local f k=${GUEST_KERNEL:+-$GUEST_KERNEL}
	local guest_kernel=${KERNEL:-build/debian/vmlinuz$k}
	host_kernel=${KERNEL:-build/dom0/vmlinuz}
	for f in "$host_image" "$host_kernel" build/dom0/initrd.img "$guest_kernel" build/debian/root.img; do
		[ -s "$f" ] || host_die "$f is missing; run 'make all dom0 guest-image xen'"
	done
	mkdir -p build/tmp build/logs
	host_tmp=$(mktemp -d "build/tmp/$host_name.XXXXXX")
	host_log=build/logs/$([ "$HV" = paravane ] || echo "$HV-")$host_name.log
	# A second run of the same name at the same time keeps a log of its own.
	exec {host_lock}>>"$host_log.lock"
	flock -n "$host_lock" || host_log=${host_log%.log}.$$.log
	mkdir -p "$host_tmp/root/job" "$host_tmp/root/guests"
	[ $# = 0 ] || cp -r "$@" "$host_tmp/root/job/"
	printf '%s\n' HV="$HV" SMP="$SMP" DOM0_VCPUS="$DOM0_VCPUS" ${JOB_ENV:-} >"$host_tmp/root/job/env"
	cp "$guest_kernel" "$host_tmp/root/guests/vmlinuz"
	cp "build/debian/initrd$k.img" "$host_tmp/root/guests/initrd.img"
	(cd "$host_tmp/root" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$host_tmp/extra.cpio"
	# shellcheck disable=SC2086 # EXTRA_CPIO is a list
	cat build/dom0/initrd.img "$host_tmp/extra.cpio" ${EXTRA_CPIO:-} >"$host_tmp/initrd"
	rm -rf "$host_tmp/root" "$host_tmp/extra.cpio"
}

# host_qemu ARGS...: fill the array with QEMU's command line.
host_command() {
	local hv_args="console=com1 com1=115200 loglvl=info guest_loglvl=warning noreboot=no"
	hv_args+=" dom0_mem=$DOM0_MEM,max:$DOM0_MEM dom0_max_vcpus=$DOM0_VCPUS $HV_ARGS"
	# A small translation cache: thousands of short processes leave thousands of translations of one page, and QEMU
	# walks them all at each store when the page is cleared for its next owner (minutes for a guest's memory).
	host_qemu=("$QEMU" -accel "$ACCEL$([ "$ACCEL" != tcg ] || echo ,tb-size=96)" -m "$MEM" -smp "$SMP" -cpu "$(host_cpu)" -display none
		-kernel "$host_image" -drive "file=${DISK:-build/debian/root.img},format=raw,if=virtio,snapshot=on")
	if [ "$HV" = native ]; then
		host_qemu+=(-append "console=ttyS0 quiet $DOM0_ARGS" -initrd "$host_tmp/initrd")
	else
		host_qemu+=(-append "$hv_args" -initrd "$host_kernel console=hvc0 quiet $DOM0_ARGS,$host_tmp/initrd")
	fi
	case $NIC in
	none) host_qemu+=(-nic none) ;;
	user) host_qemu+=(-nic "user,model=virtio-net-pci") ;;
	*) host_die "NIC=$NIC: none or user" ;;
	esac
	export TMPDIR=$PWD/$host_tmp
}

# host_run: boot with the serial line in the log, print the job's cases as they come.
# Returns 0 when every case announced was passed and the machine switched itself off.
host_run() {
	host_command
	: >"$host_log"
	# shellcheck disable=SC2086 # QSLOT is a command with words
	$QSLOT timeout -k 5 "$T" "${host_qemu[@]}" -no-reboot -serial "file:$host_log" -monitor none "$@" \
		</dev/null >"$host_log.qemu" 2>&1 &
	host_pid=$!
	tail -n +1 -f -s 0.1 --pid=$host_pid "$host_log" 2>/dev/null |
		sed -un "s/\r//g; s/^.*@@ \(PASS\|FAIL\|SKIP\) /\1 $host_name\//p" &
	host_follower=$!
	wait $host_pid
	local rc=$?
	host_pid=
	wait
	[ -s "$host_log.qemu" ] || rm -f "$host_log.qemu"
	local plan pass fail end
	plan=$(tr -d '\r' <"$host_log" | sed -n 's/^.*@@ PLAN \([0-9]*\).*/\1/p' | tail -n 1)
	pass=$(grep -cE '@@ (PASS|SKIP) ' "$host_log")
	fail=$(grep -c '@@ FAIL ' "$host_log")
	end=$(tr -d '\r' <"$host_log" | sed -n 's/^.*@@ EXIT \([0-9]*\).*/\1/p' | tail -n 1)
	if [ $rc = 124 ] || [ $rc = 137 ]; then
		echo "FAIL $host_name/end: not done after $T s; last line: $(host_last); see $host_log"
	elif [ $rc != 0 ]; then
		echo "FAIL $host_name/end: QEMU ended with status $rc: $(tail -n 1 "$host_log.qemu" 2>/dev/null); see $host_log"
	elif [ -z "$end" ]; then
		echo "FAIL $host_name/end: machine stopped before the job was done; last line: $(host_last); see $host_log"
	elif [ "$end" != 0 ] && [ "$fail" = 0 ]; then
		echo "FAIL $host_name/end: job ended with status $end; see $host_log"
	elif [ "$fail" = 0 ] && [ "${plan:-0}" != "$pass" ]; then
		echo "FAIL $host_name/end: $pass of ${plan:-unknown} cases reported; see $host_log"
	else
		[ "$fail" = 0 ]
		return
	fi
	return 1
}
host_last() { tr -d '\r' <"$host_log" | sed '/^ *$/d' | tail -n 1 | cut -c1-120; }

# host_interactive: boot with the terminal as the machine's serial line (ctrl-a x ends QEMU).
host_interactive() {
	host_command
	"${host_qemu[@]}" -chardev "stdio,mux=on,id=tty,signal=off,logfile=$host_log" -serial chardev:tty -mon chardev=tty
}
