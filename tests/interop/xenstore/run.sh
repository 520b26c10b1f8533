#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh: our xenstore daemon on this host, without Xen, against Debian's clients and the recorded answers of Debian's daemons.
# Debian's programs are fetched into build/cache, not installed. XS_KILLS and XS_UPDATES: how often to kill and to update.
set -u
cd "$(dirname "$0")/../../.." || exit 1
bin=$PWD/build/bin
tools=build/interop/tools
mkdir -p "$tools"
for p in xenstore-utils:usr/bin/xenstore xen-utils-4.17:usr/lib/xen-4.17/bin/test-xenstore; do
	[ -e "build/cache/${p%%:*}/.package" ] || tools/fetch "${p%%:*}" "build/cache/${p%%:*}" >/dev/null || tools=
	[ -z "$tools" ] || cp "build/cache/${p%%:*}/${p#*:}" "$tools/" || tools=
done
export XENSTORED_RUNDIR
XENSTORED_RUNDIR=$(mktemp -d /tmp/xs-interop.XXXXXX)
daemon() { "$bin/xenstored" --no-domains --log "$XENSTORED_RUNDIR/log" "$@"; }
stop() { [ ! -e "$XENSTORED_RUNDIR/xenstored.pid" ] || kill "$(cat "$XENSTORED_RUNDIR/xenstored.pid")"; }
trap 'stop 2>/dev/null; sleep 0.2; rm -rf "$XENSTORED_RUNDIR"' EXIT
same() {
	# same NAME WANT COMMAND...: the command's output is WANT
	local name=$1 want=$2 got
	shift 2
	got=$("$@" 2>&1)
	if [ "$got" = "$want" ]; then echo "PASS $name"; else echo "FAIL $name: got '$got', not '$want'"; fi
}

daemon || { echo "FAIL xenstore-start: see $XENSTORED_RUNDIR/log"; exit 1; }
python3 tests/interop/xenstore/cases.py "$XENSTORED_RUNDIR/socket" >"$XENSTORED_RUNDIR/answers"
python3 tests/interop/xenstore/compare.py "$XENSTORED_RUNDIR/answers"
"$bin/xenstore" rm /t /local/domain/0

# The same commands by our program and, if it is there, Debian's: each must see what the other has written.
programs=("$bin/xenstore")
[ -z "$tools" ] || programs+=("$tools/xenstore")
for p in "${programs[@]}"; do
	case $p in "$bin"*) who=ours ;; *) who=debian ;; esac
	cmd() { local c=$1; shift; if [ $who = ours ]; then "$p" "$c" "$@"; else (exec -a "xenstore-$c" "$p" "$@"); fi; }
	cmd write /c/a 1 /c/b 'x y'
	same xenstore-$who-read $'1\nx y' cmd read /c/a /c/b
	same xenstore-$who-list $'a\nb' cmd list /c
	same xenstore-$who-ls $'/c/a = "1"   (n0)\n/c/b = "x y"   (n0)' eval 'cmd ls -f -p /c'
	cmd chmod /c/a n0 r5
	same xenstore-$who-chmod '/c/a = "1"   (n0,r5)' eval 'cmd ls -f -p /c | head -1'
	same xenstore-$who-exists 1 eval 'cmd exists /c/none; echo $?'
	(sleep 0.3; "$bin/xenstore" write /c/w/x 1) &
	same xenstore-$who-watch $'/c/w\n/c/w/x' timeout 5 bash -c "$(declare -f cmd); who=$who p=$p cmd watch -n 2 /c/w"
	cmd rm /c
	same xenstore-$who-rm '' eval 'cmd list / | grep -x c'
done
if [ -n "$tools" ]; then
	if "$tools/test-xenstore" >"$XENSTORED_RUNDIR/test-xenstore" 2>&1; then
		echo "PASS xenstore-test-xenstore"
	else
		echo "FAIL xenstore-test-xenstore: $(tail -n 1 "$XENSTORED_RUNDIR/test-xenstore")"
	fi
else
	echo "SKIP xenstore-debian: Debian's programs cannot be fetched"
fi
mkdir -p build/interop
if cc -o build/interop/xenstore-lib tests/interop/xenstore/lib.c -lxenstore; then
	build/interop/xenstore-lib
else
	echo "FAIL xenstore-lib: cannot be built"
fi

same xenstore-check OK "$bin/xenstore" control check

# A program that cannot be executed: the command says so, and all goes on.
not_updated() {
	echo no program >"$XENSTORED_RUNDIR/bad"
	chmod +x "$XENSTORED_RUNDIR/bad"
	"$bin/xenstore" control live-update -f "$XENSTORED_RUNDIR/bad" -s 2>&1 | grep -c "Input/output error"
	"$bin/xenstore" control check
	"$bin/xenstore" control live-update -s
}
same xenstore-not-updated $'1\nOK\nOK' not_updated

# A service manager passes its socket as descriptor 3.
activated() {
	python3 - "$bin" "$XENSTORED_RUNDIR" <<-'PY'
		import os, socket, subprocess, sys
		run = sys.argv[2] + "/activated"
		os.mkdir(run)
		s = socket.socket(socket.AF_UNIX)
		s.bind(run + "/socket")
		s.listen()
		os.dup2(s.fileno(), 3)
		p = subprocess.Popen(["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --foreground --no-domains --no-journal --rundir "$1"',
		                      sys.argv[1] + "/xenstored", run], pass_fds=[3], stderr=subprocess.DEVNULL)
		env = dict(os.environ, XENSTORED_RUNDIR=run)
		print(subprocess.run([sys.argv[1] + "/xenstore", "control", "check"], env=env, capture_output=True, text=True).stdout, end="")
		p.terminate()
	PY
}
same xenstore-activation OK activated

# A second daemon in the same place, and a damaged journal, are refused with a reason.
second() { "$bin/xenstored" --foreground --no-domains 2>&1 | grep -c 'is another xenstored running there'; }
same xenstore-second 1 second
"$bin/xenstore" write /keep 1
stop; sleep 0.3
printf 'X' | dd of="$XENSTORED_RUNDIR/journal" bs=1 seek=90 conv=notrunc status=none
damaged() {
	daemon --foreground
	grep -c 'is damaged at offset' "$XENSTORED_RUNDIR/log"
}
same xenstore-damaged 1 damaged
daemon --repair
same xenstore-repair OK "$bin/xenstore" control check
# A domain that does its worst, on rings without a hypervisor: see hostile.c.
objects=$(find build/host/xenstore/core build/host/xenstore/daemon -name "*.o" ! -name main.o ! -name xen.o)
# shellcheck disable=SC2086 # names without spaces
if cc -std=gnu11 -O2 -D_GNU_SOURCE -D__XEN_TOOLS__ -I. -o build/interop/hostile tests/interop/xenstore/hostile.c $objects -luring; then
	build/interop/hostile
else
	echo "FAIL xenstore-hostile: cannot be built"
fi
python3 tests/interop/xenstore/many.py "$bin/xenstored"
python3 tests/interop/xenstore/kill.py "$bin/xenstored" "${XS_KILLS:-200}"
python3 tests/interop/xenstore/update.py "$bin/xenstored" "${XS_UPDATES:-30}"
