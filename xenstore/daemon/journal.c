// SPDX-License-Identifier: BSD-2-Clause
// The journal file: groups of changes, each with length and checksum, written through a memory mapping.
//
//   header | group | group | ... | skip | window 1: group | group | 0
//
// Stores to a shared mapping outlive the process from the moment they are made, so a commit needs no system call: the
// bytes of a group first, its length last. The file grows by windows, of which only the current one is
// mapped. When it has become much longer than the state it describes, a new file is written with a snapshot and takes
// the place of the old one by rename().
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xenstore/core/xs_journal.h"
#include "xsd.h"

#define WINDOW	    (256 * 1024ul)
#define ALIGN	    8ul
/* Instead of a length: go on at the next window. */
#define SKIP	    0xffffffffu
/* A file shorter than this is not worth a new snapshot. */
#define COMPACT_MIN (4 * 1024 * 1024ul)

/* A journal is of use only until the host restarts: its domains are gone then. */
struct header {
	char magic[16];
	char boot_id[40];
	uint64_t window;
};

struct group {
	uint32_t len; /* of the data that follow; 0: the end */
	uint32_t crc;
};

struct journal {
	char path[4000];
	int fd;
	char *map;
	size_t at; /* offset of the next group in the file */
	size_t map_start; /* what of the file is mapped */
	size_t map_len;
	size_t snapshot_len; /* length of the file right after the snapshot */
};

static const char magic[16] = "xenstore-log-3";

/* CRC-32C, which the CPU has an instruction for. */
__attribute__((target("sse4.2"))) static uint32_t crc_by_cpu(uint32_t crc, const char *p,
							     size_t len)
{
	uint64_t c = crc, v;

	for (; len >= sizeof(v); p += sizeof(v), len -= sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		c = __builtin_ia32_crc32di(c, v);
	}
	for (; len; len--)
		c = __builtin_ia32_crc32qi((uint32_t)c, (unsigned char)*p++);
	return (uint32_t)c;
}

static uint32_t crc_by_bits(uint32_t crc, const char *p, size_t len)
{
	unsigned int k;

	for (; len; len--)
		for (crc ^= (unsigned char)*p++, k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
	return crc;
}

static uint32_t crc32c(const void *data, size_t len)
{
	return ~(__builtin_cpu_supports("sse4.2") ? crc_by_cpu : crc_by_bits)(~0u, data, len);
}

static void read_boot_id(char out[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(out, 0, 40);
	if (fd < 0)
		return;
	if (read(fd, out, 36) != 36)
		memset(out, 0, 40);
	close(fd);
}

/* ---- writing ---- */

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static void unmap(struct journal *j)
{
	if (j->map)
		munmap(j->map, j->map_len);
	j->map = NULL;
}

/* Map room for need bytes from offset on; what was mapped before stays. 0 or -1 with errno. */
static int map_window(struct journal *j, size_t offset, size_t need, char **map, size_t *map_len)
{
	size_t start = offset / WINDOW * WINDOW, len = round_up(offset - start + need, WINDOW);
	int err;

	/* Room is taken now: a store to a page that cannot be had would be fatal. */
	err = posix_fallocate(j->fd, (off_t)start, (off_t)len);
	if (err) {
		errno = err;
		return -1;
	}
	*map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, (off_t)start);
	*map_len = len;
	return *map == MAP_FAILED ? -1 : 0;
}

static struct group *group_at(struct journal *j)
{
	return (struct group *)(j->map + j->at - j->map_start);
}

/* Go on in a new window; only when it is there does the old one say so. */
static int next_window(struct journal *j, size_t need)
{
	size_t at = j->map ? j->map_start + j->map_len : j->at, len;
	char *map;

	if (map_window(j, at, need, &map, &len))
		return -1;
	if (j->map)
		__atomic_store_n(&group_at(j)->len, SKIP, __ATOMIC_RELEASE);
	unmap(j);
	j->at = at;
	j->map = map;
	j->map_start = at / WINDOW * WINDOW;
	j->map_len = len;
	return 0;
}

static int append(struct journal *j, const void *data, size_t len)
{
	/* With the length of the group behind it, which must read as the end. */
	size_t need = sizeof(struct group) + round_up(len, ALIGN) + sizeof(struct group);
	struct group *g;

	if ((!j->map || j->at + need > j->map_start + j->map_len) && next_window(j, need))
		return -1;
	g = group_at(j);
	memcpy(g + 1, data, len);
	g->crc = crc32c(data, len);
	__atomic_store_n(&g->len, (uint32_t)len, __ATOMIC_RELEASE);
	j->at += sizeof(*g) + round_up(len, ALIGN);
	return 0;
}

static bool emit(void *arg, const void *group, size_t len)
{
	return !append(arg, group, len);
}

/* Write a new file with the whole state, and put it in the place of the old one. 0 or -1 with errno. */
static int compact(struct xsd *d)
{
	struct journal *j = d->journal, n = *j;
	struct header h = { .window = WINDOW };
	char tmp[4096];

	memcpy(h.magic, magic, sizeof(magic));
	read_boot_id(h.boot_id);
	snprintf(tmp, sizeof(tmp), "%s.new", j->path);
	n.map = NULL;
	n.at = sizeof(h);
	n.fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (n.fd < 0)
		return -1;
	if (write(n.fd, &h, sizeof(h)) != sizeof(h) || !xs_j_snapshot(d->store, emit, &n) ||
	    rename(tmp, j->path)) {
		int err = errno;

		unmap(&n);
		close(n.fd);
		unlink(tmp);
		errno = err;
		return -1;
	}
	unmap(j);
	if (j->fd >= 0)
		close(j->fd);
	n.snapshot_len = n.at;
	*j = n;
	return 0;
}

/*
 * There is no room. Serving goes on, but a later daemon must not find a state that is out of date.
 */
static void give_up(struct xsd *d)
{
	struct journal *j = d->journal;

	xsd_log(XSD_ERR,
		"journal %s: %s; it is off from now on, and the state will be lost if the daemon "
		"dies: make room there and restart the daemon in a quiet moment",
		j->path, strerror(errno));
	unlink(j->path);
	unmap(j);
	close(j->fd);
	free(j);
	d->journal = NULL;
	d->store->journal = false;
	xs_buf_free(&d->store->jlog);
}

void xsd_journal_commit(struct xsd *d)
{
	struct xs_buf *log = &d->store->jlog;
	struct journal *j = d->journal;
	int err = 0;

	if (!j || (!log->len && !d->store->jbroken))
		return;
	if (!d->store->jbroken)
		err = append(j, log->d + log->head, log->len);
	if (!err)
		xs_buf_take(log, log->len);
	/* A snapshot holds it all too, and may need less room. */
	if ((err || d->store->jbroken || (j->at > COMPACT_MIN && j->at > 4 * j->snapshot_len)) &&
	    compact(d))
		give_up(d);
}

/* ---- reading ---- */

static const char *apply_all(struct xsd *d, const char *file, size_t size, size_t *at)
{
	struct group g;
	const char *bad;

	for (;;) {
		if (*at + sizeof(g) > size)
			return "it ends without an end mark";
		memcpy(&g, file + *at, sizeof(g));
		if (!g.len)
			return NULL;
		if (g.len == SKIP) {
			*at = (*at / WINDOW + 1) * WINDOW;
			continue;
		}
		if (g.len > size - *at - sizeof(g))
			return "a group is longer than the file";
		if (crc32c(file + *at + sizeof(g), g.len) != g.crc)
			return "a checksum is wrong";
		bad = xs_j_apply(d->store, file + *at + sizeof(g), g.len);
		if (bad)
			return bad;
		*at += sizeof(g) + round_up(g.len, ALIGN);
	}
}

/* A store that a bad group was applied to is of no use: begin again, and stop before that group. */
static int repair(struct xsd *d, const char *file, size_t good)
{
	size_t at = sizeof(struct header);
	struct xs_store *s = xs_store_new(d->store->host, d);

	if (!s)
		return -1;
	xs_store_free(d->store);
	d->store = s;
	return !apply_all(d, file, good, &at) || at >= good ? 0 : -1;
}

/* Take up the content of a mapped journal. 0 or -1 (logged). */
static int take_up(struct xsd *d, const char *path, const char *file, size_t size)
{
	const struct header *h = (const struct header *)file;
	size_t at = sizeof(*h);
	char boot_id[40], aside[4096];
	const char *bad;

	if (size < sizeof(*h) || memcmp(h->magic, magic, sizeof(magic)) || h->window != WINDOW) {
		xsd_log(XSD_ERR,
			"%s is no journal of this version; move it away, or name another one with "
			"--journal",
			path);
		return -1;
	}
	read_boot_id(boot_id);
	if (memcmp(h->boot_id, boot_id, sizeof(boot_id))) {
		xsd_log(XSD_INFO, "%s is from before the host started; the store begins empty",
			path);
		return 0;
	}
	bad = apply_all(d, file, size, &at);
	if (!bad)
		return 0;
	if (!d->opt.repair) {
		xsd_log(XSD_ERR,
			"journal %s is damaged at offset %zu: %s; --repair accepts what is before "
			"that",
			path, at, bad);
		return -1;
	}
	snprintf(aside, sizeof(aside), "%s.damaged", path);
	rename(path, aside);
	xsd_log(XSD_WARN,
		"journal %s was damaged at offset %zu: %s; what was before that is taken "
		"up, the file is kept as %s",
		path, at, bad, aside);
	return repair(d, file, at);
}

static int read_old(struct xsd *d, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct stat st;
	char *file;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) || !st.st_size) {
		close(fd);
		return 0;
	}
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return -1;
	err = take_up(d, path, file, (size_t)st.st_size);
	munmap(file, (size_t)st.st_size);
	return err;
}

int xsd_journal_open(struct xsd *d, const char *path, bool take_up_old)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j || snprintf(j->path, sizeof(j->path), "%s", path) >= (int)sizeof(j->path)) {
		free(j);
		return -1;
	}
	j->fd = -1;
	if (take_up_old && read_old(d, path)) {
		free(j);
		return -1;
	}
	/* Transactions and lookups of generations must not see a number again. */
	d->store->gen += 1ull << 32;
	d->store->journal = true;
	d->journal = j;
	if (!compact(d))
		return 0;
	xsd_log(XSD_ERR,
		"cannot write journal %s: %s; name another place with --journal, or use "
		"--no-journal",
		path, strerror(errno));
	return -1;
}
