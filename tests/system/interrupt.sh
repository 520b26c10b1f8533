#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make run is interrupted, or something under it fails, and the host is as it was: interrupt.sh [--full | POINT ...]
#
# A POINT says where and how: `boot:INT` interrupts as a terminal does (the whole process group), `boot:TERM` ends
# make alone. It works in a copy of this tree below build/tmp, where it may in name spaces of its own, so that
# every process, mount and temporary file seen afterwards is one that was left. See points() for where.
set -u
cd "$(dirname "$0")/../.." || exit 1
case $PWD/ in
/tmp/* | /var/tmp/*)
	echo "SKIP interrupt: this tree is below /tmp, which the test puts an empty one over; move it elsewhere"
	exit 0
	;;
esac
if [ "${PV_INSIDE:-}" = "" ] && unshare --mount --pid --fork --mount-proc true 2>/dev/null; then
	PV_INSIDE=namespace unshare --mount --pid --fork --mount-proc "$0" "$@" &
	inside=$!
	# unshare does not listen to signals; its child does.
	trap 'kill -TERM $(cat "/proc/$inside/task/$inside/children")' INT TERM HUP
	while kill -0 $inside 2>/dev/null; do
		wait $inside
		rc=$?
	done
	exit $rc
fi
: "${PV_INSIDE:=host}"
unset MAKEFLAGS MAKELEVEL MFLAGS
export PV_INSIDE CI=true PV_MARK=interrupt-$$
mkdir -p build/tmp build/logs
log=$PWD/build/logs/interrupt.log
work=$(mktemp -d "$PWD/build/tmp/interrupt.XXXXXX")
tree=$work/tree
job=
cleanup() {
	[ -z "$job" ] || { kill -TERM "$job" && ends 20; } || kill -KILL -- "-$job"
	[ "$PV_INSIDE" = host ] || umount -q "$tree"/build/* /tmp /var/tmp 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
[ "$PV_INSIDE" = host ] || { mount -t tmpfs tmp /tmp && mount -t tmpfs tmp /var/tmp; }

# The points: what `make run` is about to do again, the line it is awaited by, the seconds after that.
points() {
	cat <<'END'
deps | .deps | | 0.1
compile | host hv paravane.elf | ^  HV | 0.5
fetch | dom0/initrd.img cache/linux-image-amd64 cache/debs/linux-image-amd64.fetched | ^fetch: | 0.7
unpack | dom0/initrd.img cache/linux-image-amd64 | ^  FETCH | 0.7
debstrap | cache/bookworm-base.tar debian/root.img | ^mkroot: making | 6
root | debian/root.img | ^  ROOT | 1
initrd | dom0/initrd.img | ^  INITRD | 0.3
boot | | @boot | 2
END
	for n in 1 2 3 4 5 6 7 8 9; do
		echo "step$n | | @step$n | 0"
	done
}
case ${1:-} in
--full)
	list=
	for p in $(points | cut -d' ' -f1); do
		list+=" $p:INT $p:TERM"
	done
	list+=" boot:QEMU full-tmp full-root badimage again"
	;;
'') list="root:TERM initrd:INT boot:INT step1:TERM" ;;
*) list=$* ;;
esac

make_tree() {
	mkdir -p "$tree/build"
	git ls-files -z | xargs -0 cp -a --parents -t "$tree" 2>/dev/null
	for d in bin cache debian dom0 gen host hv paravane.elf .deps; do
		[ ! -e "build/$d" ] || cp -al "build/$d" "$tree/build/"
	done
}
# What a host shows: one line per thing.
host_state() {
	ls /sys/class/net
	sort /proc/self/mounts
	dpkg-query -W
	find /tmp /var/tmp -mindepth 1 2>/dev/null | sort
	find "$tree" -path "$tree/build" -prune -o -printf '%p %s\n' | sort
	find "$tree/build" \( -name '*.tmp' -o -name 'root.??????' -o -name 'mkroot.*' -o -name 'tmp.*' -o -name '*.cpio' \) | sort
	find "$tree/build/tmp" -mindepth 1 2>/dev/null
}
# Processes that make has left, number and command: what is in our name space, or carries our mark, but not in our group.
group_of() { sed 's/^.*) //' "$1/stat" 2>/dev/null | cut -d' ' -f3; }
processes() {
	local d own cmd
	own=$(group_of /proc/$$)
	for d in /proc/[0-9]*; do
		[ "$(group_of "$d")" != "$own" ] || continue
		[ "$PV_INSIDE" = namespace ] || grep -qa "PV_CHILD=$PV_MARK" "$d/environ" 2>/dev/null || continue
		cmd=$({ tr '\0' ' ' <"$d/cmdline"; } 2>/dev/null)
		[ -z "$cmd" ] || echo "${d#/proc/} $cmd"
	done
}
reached() { # LINE
	case $1 in
	'') return 0 ;;
	@boot) grep -qs 'Paravane' "$tree/build/logs/run.log" ;;
	@step*) [ "$(grep -c '^PASS run/' "$work/out")" -ge "${1#@step}" ] ;;
	*) grep -q "$1" "$work/out" ;;
	esac
}
start_make() {
	rm -f "$tree/build/logs/run.log"
	: >"$work/out"
	set -m
	# A background job of a script ignores SIGINT, which a user's make does not.
	(cd "$tree" && PV_CHILD=$PV_MARK exec env --default-signal=INT make run) >>"$work/out" 2>&1 </dev/null &
	job=$!
	set +m
}
# ends SECONDS: make is over by then
ends() {
	local end=$((SECONDS + $1))
	while kill -0 "$job" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
	wait "$job"
	made=$?
	job=
}
verdict() { # NAME WHY
	echo "== $1" >>"$log"
	cat "$work/out" >>"$log"
	if [ -z "$2" ]; then
		echo "PASS interrupt/$1"
	else
		echo "FAIL interrupt/$1: $2; see build/logs/interrupt.log"
		status=1
	fi
}
compare() { # prints what differs from before
	local left
	left=$(processes | cut -c1-150 | head -n 3)
	[ -z "$left" ] || echo "left running: ${left//$'\n'/; }"
	host_state >"$work/after"
	diff "$work/before" "$work/after" | grep '^[<>]' | head -n 3 | tr '\n' ' '
}

interrupted() { # POINT HOW
	local line remove await delay end why=
	line=$(points | grep "^$1 |")
	[ -n "$line" ] || {
		echo "FAIL interrupt/$1: no such point"
		exit 1
	}
	IFS='|' read -r _ remove await delay <<<"$line"
	await=${await% } await=${await# }
	(cd "$tree/build" && eval "rm -rf $remove")
	host_state >"$work/before"
	start_make
	end=$((SECONDS + 200))
	until reached "$await"; do
		kill -0 "$job" 2>/dev/null && [ $SECONDS -lt $end ] || {
			verdict "$1:$2" "never got there; last line: $(tail -n 1 "$work/out")"
			kill -TERM "$job" 2>/dev/null
			ends 30
			return
		}
		sleep 0.05
	done
	sleep "$delay"
	case $2 in
	INT) kill -INT -- "-$job" ;;
	TERM) kill -TERM "$job" ;;
	QEMU) kill -KILL "$(processes | sed -n 's/^\([0-9]*\) qemu-system.*/\1/p')" ;;
	esac
	if ! ends 40; then
		kill -KILL -- "-$job"
		ends 5
		why="make goes on after 40 s"
	elif [ "$made" = 0 ]; then
		why="make says that all went well"
	else
		why=$(compare)
	fi
	verdict "$1:$2" "$why"
}
# fails NAME WORDS: make run ends by itself, badly, naming the cause
fails() {
	local why
	host_state >"$work/before"
	start_make
	if ! ends 240; then
		why="make goes on"
	elif [ "$made" = 0 ]; then
		why="make says that all went well"
	elif ! grep -qE "$2" "$work/out"; then
		why="says nothing like '$2': $(grep -v '^make' "$work/out" | tail -n 1)"
	else
		why=$(compare)
	fi
	verdict "$1" "$why"
}
small_disk() { # DIRECTORY MEGABYTES: everything in it stays, on a file system with this much room
	[ "$PV_INSIDE" = namespace ] || return 1
	mkdir -p "$tree/build/$1" "$work/small"
	mount -t tmpfs -o "size=$2M" small "$tree/build/$1"
}

make_tree
: >"$log"
status=0
for point in $list; do
	case $point in
	full-tmp)
		small_disk tmp 8 || { echo "SKIP interrupt/full-tmp: no name space of our own to mount in"; continue; }
		fails full-tmp 'disk full|No space left'
		umount "$tree/build/tmp"
		;;
	full-root)
		rm -f "$tree/build/debian/root.img"
		small_disk debian 20 || { echo "SKIP interrupt/full-root: no name space of our own to mount in"; continue; }
		fails full-root 'disk full|No space left'
		umount "$tree/build/debian"
		;;
	badimage)
		rm -f "$tree/build/debian/root.img"
		head -c 1M /dev/urandom >"$tree/build/debian/root.img"
		fails badimage '^FAIL run/'
		rm -f "$tree/build/debian/root.img"
		;;
	again)
		start_make
		ends 240 && [ "$made" = 0 ] && why= || why="make run after all that: $(tail -n 1 "$work/out")"
		verdict again "$why"
		;;
	*) interrupted "${point%:*}" "${point#*:}" ;;
	esac
done
exit $status
