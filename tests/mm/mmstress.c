// SPDX-License-Identifier: BSD-2-Clause
// Random work on address spaces beside a model of what each page must hold: mmstress [--seed N] [--count N | --seconds N] ...
/*
 *   --seed N      the first seed (1)             --count N    seeds to do (1)      --seconds N  seeds until the time is up
 *   --ops N       operations per seed (2000)     --threads N  threads in one address space, each in an arena of its own (1)
 *
 * Each thread owns an arena of pages at a fixed address, a memory file, and for each page of the arena the model: what is mapped
 * there, with which rights, what its words must read. After each operation the result is compared with the model; forked
 * children check the whole arena, work on in their copy and leave. The digest covers every result and every value read, so it is
 * the same on every correct system for the same seed, with any number of threads.
 *
 * Seen failing: with a model that forgot that MAP_POPULATE copies the pages of a private writable mapping.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#include "mm.h"

#define N	   1024u /* pages of an arena */
#define FILE_PAGES (2 * N)
#define STRIDE	   (4 * N * PAGE)
#define ARENAS	   0x100000000000UL
#define LAST	   (PAGE - sizeof(uint64_t)) /* the second word of a page that is looked at */

enum kind { NONE, ANON, PRIVATE_FILE, SHARED_FILE };

struct page {
	uint8_t kind, prot;
	bool own; /* has a value of its own; a page of the memory file otherwise */
	bool lazy; /* MADV_FREE: reads its value or nothing until written again */
	uint32_t index; /* in the memory file */
	uint64_t value;
};

struct arena {
	char *base;
	int fd, to, from; /* memory file, pipe */
	uint64_t rng, next, digest;
	uint64_t
		*file; /* what the memory file holds: shared with forked children, as the file is */
	unsigned int op, depth;
	unsigned long seed;
	const char *doing;
	struct page page[N];
};

static unsigned int ops_per_seed = 2000, threads = 1;

#define wrong(a, fmt, ...)                                                               \
	die("seed %lu, operation %u (%s, fork depth %u): " fmt "\n", (a)->seed, (a)->op, \
	    (a)->doing, (a)->depth, __VA_ARGS__)

static void note(struct arena *a, uint64_t v)
{
	a->digest = (a->digest ^ v) * 0x100000001b3UL;
	a->digest ^= a->digest >> 29;
}

static char *at(struct arena *a, unsigned int i)
{
	return a->base + i * PAGE;
}

static uint64_t expected(struct arena *a, unsigned int i)
{
	struct page *p = &a->page[i];

	return p->own ? p->value : a->file[p->index];
}

/* The model of a store. */
static void put(struct arena *a, unsigned int i, uint64_t v)
{
	struct page *p = &a->page[i];

	p->lazy = false;
	if (p->kind == SHARED_FILE) {
		a->file[p->index] = v;
		return;
	}
	p->own = true;
	p->value = v;
}

static void check_page(struct arena *a, unsigned int i)
{
	struct page *p = &a->page[i];
	bool may = p->kind && p->prot;
	uint64_t v = 0, w = 0, want;

	if (load(at(a, i), &v) != may)
		wrong(a, "page %u (kind %u, rights %u) %s", i, p->kind, p->prot,
		      may ? "faults" : "can be read");
	if (!may)
		return;
	load(at(a, i) + LAST, &w);
	want = expected(a, i);
	if (p->lazy) {
		if ((v && v != want) || v != w)
			wrong(a, "page %u after MADV_FREE reads %#lx, %#lx; %#lx or 0 is right", i,
			      v, w, want);
		if (!v)
			p->value = 0;
		return;
	}
	if (v != want || w != want)
		wrong(a, "page %u (kind %u) reads %#lx, %#lx instead of %#lx", i, p->kind, v, w,
		      want);
	note(a, v);
}

static void write_page(struct arena *a, unsigned int i)
{
	struct page *p = &a->page[i];
	bool may = p->kind && (p->prot & PROT_WRITE);
	uint64_t v = a->next++;

	if (store(at(a, i), v) != may)
		wrong(a, "page %u (kind %u, rights %u) %s", i, p->kind, p->prot,
		      may ? "cannot be written" : "can be written");
	if (!may)
		return;
	store(at(a, i) + LAST, v);
	put(a, i, v);
}

/* ---- ranges */
struct range {
	unsigned int first, n;
};

static struct range pick(struct arena *a)
{
	unsigned int most = below(&a->rng, 8) ? 32 : 512;
	struct range r = { .first = below(&a->rng, N), .n = 1 + below(&a->rng, most) };

	if (r.n > N - r.first)
		r.n = N - r.first;
	return r;
}

/* A range cut down to pages alike in kind, rights and file order: one mapping, or adjacent ones. */
static struct range alike(struct arena *a)
{
	struct range r = pick(a);
	struct page *p = &a->page[r.first];

	for (unsigned int i = 1; i < r.n; i++)
		if (p[i].kind != p->kind || p[i].prot != p->prot ||
		    (p->kind != ANON && p[i].index != p->index + i))
			r.n = i;
	return r;
}

static uint8_t rights(struct arena *a)
{
	static const uint8_t prot[8] = { PROT_NONE,
					 PROT_READ,
					 PROT_READ,
					 PROT_READ | PROT_WRITE,
					 PROT_READ | PROT_WRITE,
					 PROT_READ | PROT_WRITE,
					 PROT_READ | PROT_WRITE,
					 PROT_READ | PROT_WRITE };

	return prot[below(&a->rng, 8)];
}

static void fresh(struct arena *a, unsigned int i, uint8_t kind, uint8_t prot, uint32_t index)
{
	a->page[i] =
		(struct page){ .kind = kind, .prot = prot, .own = kind == ANON, .index = index };
}

/* ---- operations */
/* Pages filled beforehand for writing: a private page of the file is a copy from then on. */
static void populated(struct arena *a, struct range r)
{
	for (unsigned int i = r.first; i < r.first + r.n; i++) {
		struct page *p = &a->page[i];

		if (p->kind == PRIVATE_FILE && (p->prot & PROT_WRITE)) {
			p->value = expected(a, i);
			p->own = true;
		}
	}
}

static void op_map(struct arena *a)
{
	static const int flags[] = { 0, MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED };
	struct range r = pick(a);
	uint8_t kind = (uint8_t)(1 + below(&a->rng, 3)), prot = rights(a);
	uint32_t index = kind == ANON ? 0 : below(&a->rng, FILE_PAGES - r.n);
	int populate = below(&a->rng, 4) ? 0 : MAP_POPULATE;

	map(at(a, r.first), r.n * PAGE, prot, flags[kind] | MAP_FIXED | populate,
	    kind == ANON ? -1 : a->fd, index * (long)PAGE);
	for (unsigned int i = 0; i < r.n; i++)
		fresh(a, r.first + i, kind, prot, index + i);
	if (populate)
		populated(a, r);
}

static void forget(struct arena *a, struct range r)
{
	memset(&a->page[r.first], 0, r.n * sizeof(*a->page));
}

static void op_unmap(struct arena *a)
{
	struct range r = pick(a);

	if (munmap(at(a, r.first), r.n * PAGE))
		wrong(a, "munmap of %u pages: %m", r.n);
	forget(a, r);
}

static void op_protect(struct arena *a)
{
	struct range r = pick(a);
	uint8_t prot = rights(a);
	int rc = mprotect(at(a, r.first), r.n * PAGE, prot), want = 0;

	if (rc)
		rc = errno;
	for (unsigned int i = r.first; i < r.first + r.n && !want; i++) {
		if (a->page[i].kind)
			a->page[i].prot = prot;
		else
			want = ENOMEM;
	}
	if (rc != want)
		wrong(a, "mprotect of %u pages: error %d instead of %d", r.n, rc, want);
	note(a, (uint64_t)rc);
}

static void op_write(struct arena *a)
{
	struct range r = pick(a);

	for (unsigned int i = 0; i < r.n; i++)
		write_page(a, r.first + i);
}

static void op_read(struct arena *a)
{
	struct range r = pick(a);

	for (unsigned int i = 0; i < r.n; i++)
		check_page(a, r.first + i);
}

/* The model of pages that moved from r to the place `to`. */
static void moved(struct arena *a, struct range r, unsigned int to, bool leave)
{
	static __thread struct page copy[N];

	memcpy(copy, &a->page[r.first], r.n * sizeof(*copy));
	forget(a, r);
	for (unsigned int i = 0; leave && i < r.n; i++)
		fresh(a, r.first + i, copy[i].kind, copy[i].prot, copy[i].index);
	memcpy(&a->page[to], copy, r.n * sizeof(*copy));
}

static void op_move(struct arena *a)
{
	struct range r = alike(a);
	unsigned int to = below(&a->rng, N - r.n + 1);
	bool leave = a->page[r.first].kind == ANON && !below(&a->rng, 3);
	void *p;

	if (!a->page[r.first].kind || (to < r.first + r.n && r.first < to + r.n))
		return;
	p = mremap(at(a, r.first), r.n * PAGE, r.n * PAGE,
		   MREMAP_MAYMOVE | MREMAP_FIXED | (leave ? MREMAP_DONTUNMAP : 0), at(a, to));
	if (p == at(a, to)) {
		moved(a, r, to, leave);
		note(a, 1);
		return;
	}
	/* Several mappings are not moved in one go; what was at the new place is gone all the same. */
	if (p != MAP_FAILED || errno != EFAULT)
		wrong(a, "mremap of %u pages: %p, %m", r.n, p);
	forget(a, (struct range){ to, r.n });
	note(a, 2);
}

static void op_grow(struct arena *a)
{
	struct range r = alike(a);
	struct page *p = &a->page[r.first];
	unsigned int more = 1 + below(&a->rng, 64), end = r.first + r.n, room = 0;
	void *q;

	if (!p->kind || end + more > N || (p->kind != ANON && p->index + r.n + more > FILE_PAGES))
		return;
	while (room < more && !a->page[end + room].kind)
		room++;
	q = mremap(at(a, r.first), r.n * PAGE, (r.n + more) * PAGE, 0);
	note(a, q != MAP_FAILED);
	if (q == MAP_FAILED) {
		if (errno != EFAULT && (errno != ENOMEM || room == more))
			wrong(a, "mremap from %u to %u pages: %m", r.n, r.n + more);
		return;
	}
	if (room < more)
		wrong(a, "mremap from %u to %u pages over a mapping", r.n, r.n + more);
	for (unsigned int i = 0; i < more; i++)
		fresh(a, end + i, p->kind, p->prot, p->index + r.n + i);
}

static void op_dontneed(struct arena *a)
{
	struct range r = pick(a);
	int rc = madvise(at(a, r.first), r.n * PAGE, MADV_DONTNEED), want = 0;

	if (rc)
		rc = errno;
	for (unsigned int i = r.first; i < r.first + r.n; i++) {
		if (!a->page[i].kind)
			want = ENOMEM;
		else
			fresh(a, i, a->page[i].kind, a->page[i].prot, a->page[i].index);
	}
	if (rc != want)
		wrong(a, "MADV_DONTNEED of %u pages: error %d instead of %d", r.n, rc, want);
}

static void advise(struct arena *a, struct range r, int advice)
{
	if (madvise(at(a, r.first), r.n * PAGE, advice))
		wrong(a, "madvise %d of %u pages: %m", advice, r.n);
}

static void op_free(struct arena *a)
{
	struct range r = alike(a);

	if (a->page[r.first].kind != ANON)
		return;
	advise(a, r, MADV_FREE);
	for (unsigned int i = r.first; i < r.first + r.n; i++)
		a->page[i].lazy = true;
}

/* Advice that changes no content. */
static void op_age(struct arena *a)
{
	static const int advice[] = { MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED };
	struct range r = alike(a);

	if (a->page[r.first].kind)
		advise(a, r, advice[below(&a->rng, 3)]);
}

static void op_populate(struct arena *a)
{
	struct range r = alike(a);
	struct page *p = &a->page[r.first];
	bool write = below(&a->rng, 2);

	if (!p->kind || p->prot != (PROT_READ | PROT_WRITE))
		return;
	advise(a, r, write ? 23 /* MADV_POPULATE_WRITE */ : 22 /* MADV_POPULATE_READ */);
	if (write)
		populated(a, r);
}

static void op_punch(struct arena *a)
{
	struct range r = alike(a);

	if (a->page[r.first].kind != SHARED_FILE || !(a->page[r.first].prot & PROT_WRITE))
		return;
	advise(a, r, MADV_REMOVE);
	memset(&a->file[a->page[r.first].index], 0, r.n * sizeof(*a->file));
}

/* The kernel reads and writes the page. */
static void op_copy(struct arena *a)
{
	for (unsigned int n = 0; n < 8; n++) {
		unsigned int i = below(&a->rng, N);
		struct page *p = &a->page[i];
		bool readable = p->kind && p->prot, writable = p->kind && (p->prot & PROT_WRITE);
		uint64_t v = a->next++, got = 0;
		long rc = write(a->to, at(a, i), sizeof(v));

		if (rc != (readable ? (long)sizeof(v) : -1) || (rc < 0 && errno != EFAULT))
			wrong(a, "write from page %u: %ld, %m", i, rc);
		if (readable && read(a->from, &got, sizeof(got)) != sizeof(got))
			wrong(a, "reading the pipe: %m (page %u)", i);
		if (readable && got != expected(a, i) && !(p->lazy && !got))
			wrong(a, "kernel reads %#lx from page %u instead of %#lx", got, i,
			      expected(a, i));
		if (write(a->to, &v, sizeof(v)) != sizeof(v))
			wrong(a, "filling the pipe: %m (page %u)", i);
		rc = read(a->from, at(a, i), sizeof(v));
		if (rc != (writable ? (long)sizeof(v) : -1) || (rc < 0 && errno != EFAULT))
			wrong(a, "read into page %u: %ld, %m", i, rc);
		if (!writable && read(a->from, &got, sizeof(got)) != sizeof(got))
			wrong(a, "draining the pipe: %m (page %u)", i);
		if (!writable)
			continue;
		store(at(a, i) + LAST, v);
		put(a, i, v);
	}
}

static void check_all(struct arena *a)
{
	for (unsigned int i = 0; i < N; i++)
		check_page(a, i);
}

static void work(struct arena *a, unsigned int ops);

static void op_fork(struct arena *a)
{
	int status, pid;

	if (a->depth > 1)
		return;
	pid = fork();
	if (pid < 0)
		wrong(a, "fork: error %d", errno);
	if (!pid) {
		a->depth++;
		check_all(a);
		a->rng ^= 0x9e3779b97f4a7c15UL;
		work(a, 60);
		check_all(a);
		_exit(0);
	}
	/* Meanwhile pages that are no file's change here, and must not change there. */
	for (unsigned int n = 0; n < 100; n++) {
		unsigned int i = below(&a->rng, N);

		if (a->page[i].kind == ANON)
			write_page(a, i);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		wrong(a, "child's status %#x", (unsigned int)status);
	a->next += 1000000; /* what the child wrote to the file is not written again */
	check_all(a);
}

static const struct {
	const char *name;
	void (*fn)(struct arena *a);
	unsigned int weight;
} table[] = {
	{ "map", op_map, 12 },	       { "unmap", op_unmap, 6 },
	{ "protect", op_protect, 12 }, { "write", op_write, 20 },
	{ "read", op_read, 14 },       { "move", op_move, 8 },
	{ "grow", op_grow, 3 },	       { "dontneed", op_dontneed, 4 },
	{ "free", op_free, 4 },	       { "age", op_age, 6 },
	{ "punch", op_punch, 2 },      { "populate", op_populate, 4 },
	{ "kernel copy", op_copy, 4 }, { "fork", op_fork, 1 },
};

static void work(struct arena *a, unsigned int ops)
{
	for (unsigned int n = 0; n < ops; n++) {
		unsigned int w = below(&a->rng, 100), i = 0;

		while (w >= table[i].weight)
			w -= table[i++].weight;
		a->op++;
		a->doing = table[i].name;
		note(a, i);
		table[i].fn(a);
	}
}

static void *run_arena(void *arg)
{
	struct arena *a = arg;
	int pipes[2];

	a->fd = memfd_create("mmstress", 0);
	if (a->fd < 0 || ftruncate(a->fd, FILE_PAGES * (long)PAGE) || pipe(pipes))
		die("memory file and pipe: %m\n");
	a->from = pipes[0];
	a->to = pipes[1];
	a->file = map(NULL, FILE_PAGES * sizeof(*a->file), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	a->next = a->seed << 32 | 1;
	work(a, ops_per_seed);
	check_all(a);
	munmap(a->base, N * PAGE);
	munmap(a->file, FILE_PAGES * sizeof(*a->file));
	close(a->fd);
	close(pipes[0]);
	close(pipes[1]);
	return NULL;
}

static void run_seed(unsigned long seed)
{
	static struct arena arena[16];
	pthread_t id[16];
	uint64_t digest = 0;

	for (unsigned int t = 0; t < threads; t++) {
		memset(&arena[t], 0, sizeof(arena[t]));
		arena[t].base = (char *)ARENAS + t * STRIDE;
		arena[t].seed = seed;
		arena[t].rng = (seed * 64 + t + 1) * 0x9e3779b97f4a7c15UL;
		if (pthread_create(&id[t], NULL, run_arena, &arena[t]))
			die("cannot start thread %u\n", t);
	}
	for (unsigned int t = 0; t < threads; t++) {
		pthread_join(id[t], NULL);
		digest = digest * 31 + arena[t].digest;
	}
	dprintf(1, "SEED %lu ops %u threads %u digest %016lx\n", seed, ops_per_seed, threads,
		digest);
}

int main(int argc, char **argv)
{
	unsigned long seed = 1, count = 1;
	double until = 0;

	for (int i = 1; i < argc; i += 2) {
		unsigned long v = i + 1 < argc ? strtoul(argv[i + 1], NULL, 0) : 0;

		if (!strcmp(argv[i], "--seed") && v)
			seed = v;
		else if (!strcmp(argv[i], "--count") && v)
			count = v;
		else if (!strcmp(argv[i], "--seconds") && v)
			until = seconds_now() + (double)v;
		else if (!strcmp(argv[i], "--ops") && v)
			ops_per_seed = (unsigned int)v;
		else if (!strcmp(argv[i], "--threads") && v && v <= 16)
			threads = (unsigned int)v;
		else
			die("mmstress: %s: no such option, or a value that is no number above 0; "
			    "usage: mmstress [--seed N] [--count N | --seconds N] [--ops N] "
			    "[--threads 1-16]\n",
			    argv[i]);
	}
	catch_faults();
	for (unsigned long n = 0; until > 0 ? seconds_now() < until : n < count; n++)
		run_seed(seed + n);
	return 0;
}
