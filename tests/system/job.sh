# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# For jobs in dom0: cases with one line each on the console. A job says `plan N`, runs N cases, calls `finish`.
# shellcheck disable=SC1091 # made for each run
. /job/env
failed=0
# On a terminal the lines are for a reader, else for the script that waits outside.
mark='@@ '
! grep -q pv.shell /proc/cmdline || mark='  '
plan() { [ "$mark" = "  " ] || echo "@@ PLAN $1"; }
now() { cut -d' ' -f1 /proc/uptime; }
# step NAME COMMAND...: a case; what the command prints is shown when it fails.
step() {
	name=$1 from=$(now)
	shift
	if "$@" >/tmp/step.out 2>&1; then
		echo "${mark}PASS $name ($(echo "$(now) $from" | awk '{ printf "%.1f", $1 - $2 }') s)"
	else
		echo "${mark}FAIL $name: exit status $?: $(tail -n 1 /tmp/step.out | cut -c1-150)"
		sed 's/^/   | /' /tmp/step.out
		failed=$((failed + 1))
		return 1
	fi
}
# Our hypervisor checks every frame's owner, type and count against all page tables (debug key V).
page_types() {
	[ "$HV" = paravane ] || { echo "not this hypervisor"; return; }
	paravane debug-keys V && paravane dmesg | grep "page types:" | tail -n 4 || return 1
	paravane dmesg | grep "page types:" | tail -n 1 | grep -q "page types: 0 errors"
}
# What helps to understand a failure, into the log.
autopsy() {
	paravane list
	dmesg | grep -vE '^ *$' | tail -n 8
	xenstore-ls -p /local/domain 2>&1 | tail -n 60
	tail -n 5 /var/log/xen/*.log
}
finish() { exit $((failed > 0)); }
# wait_for SECONDS COMMAND...
seconds() { cut -d. -f1 /proc/uptime; }
wait_for() {
	deadline=$(($(seconds) + $1))
	shift
	until "$@" >/tmp/wait.out 2>&1; do
		if [ "$(seconds)" -ge $deadline ]; then
			cat /tmp/wait.out
			echo "gave up waiting for: $*"
			return 1
		fi
		sleep 0.2
	done
}
cgi() { timeout "${2:-60}" wget -q -O - "http://10.88.0.2/cgi-bin/$1"; }
# state NAME: the state letters that `paravane list` shows, without dashes; fails when there is no such domain
state() { paravane list "$1" | awk -v n="$1" '$1 == n { gsub("-", "", $5); print $5; ok = 1 } END { exit !ok }'; }
gone() { ! paravane list 2>/dev/null | awk -v n="$1" '$1 == n { ok = 1 } END { exit !ok }'; }
reach() { ping -c 1 -W 1 10.88.0.2; }
web_up() { timeout 3 wget -q -O /dev/null http://10.88.0.2/blob.sha256; }
fetch_blob() {
	rm -f /tmp/blob /tmp/blob.sha256
	(cd /tmp && timeout 60 wget -q http://10.88.0.2/blob && timeout 10 wget -q http://10.88.0.2/blob.sha256) || return 1
	[ "$(wc -c </tmp/blob)" = 10485760 ] || { echo "blob has $(wc -c </tmp/blob) bytes"; return 1; }
	(cd /tmp && sha256sum -c blob.sha256)
	rc=$?
	rm -f /tmp/blob
	return $rc
}
# console_answers NAME: the guest's shell computes something for us
console_answers() {
	# The console is left with ctrl-]; the answer, not the echo of the question, holds con-42.
	(sleep 1; printf '\necho con-$((40+2))\n'; sleep 2; printf '\035') | timeout 20 paravane console "$1" >/tmp/console.out 2>&1
	tr -d '\r' </tmp/console.out | grep 'con-42' || { tail -n 3 /tmp/console.out; return 1; }
}
