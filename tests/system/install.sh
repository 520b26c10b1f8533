#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make install puts every file of a dom0 below DESTDIR, and make uninstall takes just these away again.
set -u
root=$(mktemp -d "$PWD/build/tmp/install.XXXXXX") || exit 1
trap 'rm -rf "$root"' EXIT
trap 'exit 143' INT TERM
status=0
check() { # name, command...
	local name=$1
	shift
	if "$@" >>build/logs/install.log 2>&1; then echo "PASS install/$name"; else
		echo "FAIL install/$name: see build/logs/install.log"
		status=1
	fi
}
everything_there() {
	local f
	for f in sbin/{paravane,paravane-consoled,xenstored} bin/xenstore bin/xenstore-{ls,read,write,watch}; do
		[ -x "$root/usr/$f" ] || { echo "missing: $f"; return 1; }
	done
	[ -s "$root/boot/paravane.elf" ] && [ -s "$root/usr/share/man/man8/xenstored.8" ] && "$root/usr/sbin/paravane" help
}
units_name_programs() { # every program a unit starts is installed, and no placeholder is left
	local p
	! grep -r @ "$root/usr/lib/systemd" || return 1
	for p in $(sed -n 's/^ExecStart[a-zA-Z]*=\([^ ]*\).*/\1/p' "$root"/usr/lib/systemd/system/*.service); do
		[ -x "$root$p" ] || { echo "not installed: $p"; return 1; }
	done
}
nothing_left() { echo foreign >"$root/usr/bin/other" && make -s uninstall "${where[@]}" && [ "$(find "$root" ! -type d)" = "$root/usr/bin/other" ]; }

where=(DESTDIR="$root" PREFIX=/usr UNITDIR=/usr/lib/systemd/system)
: >build/logs/install.log
check install make -s install "${where[@]}"
check "everything is there" everything_there
check "services start what is installed" units_name_programs
check "uninstall leaves other files alone" nothing_left
exit $status
