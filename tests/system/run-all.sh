#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# All system cases on HV (default paravane), two hosts at a time. Arguments limit it to cases of these names.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${HV:=paravane}"
export HV

# name | settings | job
matrix() {
	cat <<'END'
smp1-1g | SMP=1 MEM=1G DOM0_MEM=512M JOB_ENV="VCPUS=1 MEMORY=128 FORKS=${FORKS:-1000}" | cycle
smp2-2g | SMP=2 MEM=2G DOM0_MEM=512M JOB_ENV="VCPUS=2 MEMORY=256 FORKS=${FORKS:-1000}" | cycle
cloud-4g | SMP=2 MEM=4G DOM0_MEM=1G GUEST_KERNEL=cloud JOB_ENV="VCPUS=2 MEMORY=1024 FORKS=${FORKS:-200}" | cycle
small-512m | SMP=1 MEM=512M DOM0_MEM=320M JOB_ENV="VCPUS=1 MEMORY=112 FORKS=${FORKS:-200}" | cycle
reboot | SMP=1 MEM=1G | reboot
badinput | SMP=2 MEM=1G | badinput
badboot | SMP=1 | badboot
loaders | SMP=2 | loaders
install | | install
END
}

case_one() { # line of the matrix
	IFS='|' read -r name settings job <<<"$1"
	name=${name// /} job=${job// /}
	eval "export $settings"
	case $job in badboot | loaders | install) exec "tests/system/$job.sh" ;; esac
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

export T=${T:-240}
pids=()
trap 'kill -TERM "${pids[@]}" 2>/dev/null; wait; exit 143' INT TERM
status=0
while read -r line; do
	name=${line%% *}
	[ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
	"$0" --case "$line" &
	pids+=($!)
	# never more than two at a time
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n || status=1
	done
done < <(matrix)
while [ "$(jobs -rp | wc -l)" -gt 0 ]; do
	wait -n || status=1
done
exit $status
