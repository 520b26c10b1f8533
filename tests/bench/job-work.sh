#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-2-Clause
# Everyday work, timed by the clock: 1,000 execs of a shell, a C project with make -j2, redis with snapshots. One line per row.
# shellcheck disable=SC1091 # put there by the host
. /job/job.sh
plan 4
r=/mnt/wall
row() { # NAME COMMAND...: milliseconds
	row=$1 since=$(uptime_ms)
	shift
	"$@" || return 1
	echo "ROW $row $(($(uptime_ms) - since))" >>/tmp/rows
}
uptime_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }
root() {
	mkdir -p $r && mount -t ext4 /dev/vda $r && mount -t proc proc $r/proc && mount --bind /dev $r/dev && mount -t tmpfs tmp $r/tmp || return 1
	# Once over everything, so that no row pays for the disk.
	chroot $r /bin/sh -c 'true; cd /src && make -s O=/tmp/w COPIES=0 && rm -r /tmp/w'
	chroot $r /usr/bin/redis-server --version
}
execs() { chroot $r /bin/sh -c 'i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i + 1)); done'; }
project() { chroot $r make -s -j2 -C /src; }
cli() { chroot $r /usr/bin/redis-cli -s /tmp/redis "$@"; }
redis_up() {
	chroot $r /usr/bin/redis-server --port 0 --unixsocket /tmp/redis --save "" --dir /tmp --daemonize yes --logfile /tmp/redis.log \
		--rdbcompression no --rdbchecksum no --enable-debug-command yes --maxmemory 200mb
	wait_for 30 sh -c "chroot $r /usr/bin/redis-cli -s /tmp/redis ping | grep PONG" && cli debug populate 100000 key 200
}
saved() { cli info persistence | grep -q 'rdb_bgsave_in_progress:0'; }
# Writes go on while the child saves: each touches pages that fork protected.
snapshots() {
	for _ in 1 2 3; do
		cli bgsave || return 1
		chroot $r /usr/bin/redis-benchmark -s /tmp/redis -q -t set -n 10000 -r 100000 -d 200 -P 8 -c 4 || return 1
		cli info stats | tr -d '\r' | sed -n 's/^latest_fork_usec:\(.*\)/ROW redis_fork_us \1/p' >>/tmp/rows
		wait_for 120 saved || return 1
	done
	cli info persistence | grep 'rdb_last_bgsave_status:ok'
}
redis() { redis_up && row redis_load_ms snapshots; }
echo "1" >/proc/sys/vm/overcommit_memory
step "root with redis and tcc" root || finish
step "1,000 execs" row execs_1000_ms execs
step "C project, make -j2" row make_j2_ms project
step "redis, three snapshots under load" redis
cat /tmp/rows
# How often page tables were written by trapping, where the hypervisor counts it.
finish
