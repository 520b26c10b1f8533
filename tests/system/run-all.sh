#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# All system cases on HV (default paravane), JOBS (2) hosts at a time. Arguments limit it to cases of these
# names; --full runs each combination of kernel, CPUs, vcpus and memory instead of those that cover every value once.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${HV:=paravane}"
export HV

# name | settings | job
matrix() {
	cat <<'END'
smp1-512m | SMP=1 MEM=512M DOM0_MEM=320M JOB_ENV="VCPUS=1 MEMORY=112" | cycle
smp1-1g | SMP=1 MEM=1G DOM0_MEM=512M DOM0_VCPUS=2 JOB_ENV="VCPUS=2 MEMORY=256" | cycle
smp2-2g | SMP=2 MEM=2G DOM0_MEM=1G JOB_ENV="VCPUS=2 MEMORY=512" | cycle
cloud-4g | SMP=2 MEM=4G DOM0_MEM=512M DOM0_VCPUS=1 GUEST_KERNEL=cloud JOB_ENV="VCPUS=1 MEMORY=3072" | cycle
qemu10 | QEMU=build/qemu10/qemu SMP=2 MEM=2G NIC=user | demo
life | SMP=1 MEM=1G | life
reboot | SMP=1 MEM=1G | reboot
badinput | SMP=2 MEM=1G | badinput
badboot | SMP=1 | badboot
loaders | SMP=2 | loaders
install | | install
interrupt | | interrupt
END
}
# Host's memory, domain 0's and the guest's share of it, in MiB.
full_matrix() {
	local kernel smp vcpus mem dom0 guest
	for kernel in '' cloud; do
		for smp in 1 2; do
			for vcpus in 1 2; do
				while read -r mem dom0 guest; do
					echo "${kernel:-amd64}-smp$smp-vcpus$vcpus-$mem-$dom0-$guest |" \
						"SMP=$smp MEM=${mem}M DOM0_MEM=${dom0}M GUEST_KERNEL=$kernel" \
						"JOB_ENV=\"VCPUS=$vcpus MEMORY=$guest\" | cycle"
				done <<-END
					512 320 112
					1024 512 256
					2048 512 1024
					4096 2048 1536
				END
			done
		done
	done
	cat <<'END'
guest-4g | SMP=2 MEM=6G DOM0_MEM=1G JOB_ENV="VCPUS=2 MEMORY=4096" | cycle
dom0-4g | SMP=2 MEM=5G DOM0_MEM=4G JOB_ENV="VCPUS=2 MEMORY=512" | cycle
END
}

case_one() { # line of the matrix
	IFS='|' read -r name settings job <<<"$1"
	name=${name// /} job=${job// /}
	eval "export $settings"
	case $job in badboot | loaders | install | interrupt) exec "tests/system/$job.sh" ;; esac
	[ -x "$(command -v "${QEMU:-qemu-system-x86_64}")" ] || {
		echo "SKIP $name: no $QEMU (make $name)"
		exit 0
	}
	. tests/lib/host.sh
	host_trap
	host_prepare "$name" tests/system/job.sh "tests/system/$job.sh"
	DOM0_ARGS="$DOM0_ARGS pv.job=/job/$job.sh"
	host_run
}
if [ "${1:-}" = --case ]; then
	case_one "$2"
	exit
fi

export T=${T:-300}
cases=matrix
if [ "${1:-}" = --full ]; then
	cases=full_matrix
	shift
fi
pids=()
trap 'kill -TERM "${pids[@]}" 2>/dev/null; wait; exit 143' INT TERM
status=0
while read -r line; do
	name=${line%% *}
	[ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
	"$0" --case "$line" &
	pids+=($!)
	while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do
		wait -n || status=1
	done
done < <($cases)
while [ "$(jobs -rp | wc -l)" -gt 0 ]; do
	wait -n || status=1
done
exit $status
