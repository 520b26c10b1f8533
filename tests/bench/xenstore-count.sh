#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Instructions of our xenstored and of Debian's C xenstored for each operation, on this host: exact and repeatable, seconds.
# Debian's has fixed places for its files; they are hidden from the host by a mount namespace.
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ "${1:-}" != inside ]; then
	for p in xen-utils-4.17 libxenmisc4.17 libxendevicemodel1 libxentoollog1; do
		[ -e "build/cache/$p/.package" ] || tools/fetch $p build/cache/$p >/dev/null || exit 1
	done
	unshare -rm true 2>/dev/null || { echo "SKIP xenstore-count: no mount namespace can be made here"; exit 0; }
	exec unshare -rm "$0" inside
fi
mount -t tmpfs none /run && mount -t tmpfs none /var/lib || exit 1
mkdir -p /run/xenstored /run/lock /var/lib/xenstored /run/ours
libs=$(echo "$PWD"/build/cache/*/usr/lib/x86_64-linux-gnu | tr ' ' :)
LD_LIBRARY_PATH=$libs LD_PRELOAD=$PWD/build/bench/xenstore-nohv.so \
	build/cache/xen-utils-4.17/usr/lib/xen-4.17/bin/xenstored --no-fork >/run/theirs.log 2>&1 &
theirs=$!
build/bin/xenstored --foreground --no-domains --rundir /run/ours >/run/ours.log 2>&1 &
ours=$!
trap 'kill $theirs $ours 2>/dev/null' EXIT
for ((i = 0; i < 100; i++)); do
	[ -S /run/ours/socket ] && [ -S /run/xenstored/socket ] && break
	sleep 0.1
done
build/bench/xenstore -i ours=/run/ours/socket xenstored=/run/xenstored/socket && exit 0
cat /run/theirs.log /run/ours.log
exit 1
