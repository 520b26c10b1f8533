// SPDX-License-Identifier: BSD-2-Clause
// Page tables changed while other threads use the pages: mmrace CASE SECONDS [DIRECTORY]
/*
 * Writers store counters into the pages of a window, each page its own writer, and keep beside it the last value stored. They
 * skip accesses that fault. The main thread meanwhile changes the window. After a call that takes access away has returned, no
 * store may get through: a page that is then looked at by another way must stay as it is while the writers go round twice.
 * Nothing stored may be lost: a writer finds in its page what it stored last.
 *
 * Seen failing with 2 processors and a hypervisor that flushes no other processor for MMUEXT_INVLPG_MULTI and TLB_FLUSH_MULTI:
 * munmap, readonly, noaccess, remap, move, dontneed, softdirty. lazyfree with one whose emulated read-modify-write instructions
 * drop the dirty bit. fork and file were not seen failing: new tables of a fork flush by themselves, and stale entries live only
 * until the next system call or tick.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#include "mm.h"

#define WINDOW	 0x200000000000UL
#define OTHER	 0x210000000000UL
#define MAX	 256u
#define WRITERS	 4u
#define EXPECTED "/tmp/mmrace.expected"

/* In shared memory, because writers may be processes. */
struct state {
	char *base; /* where the window is just now */
	unsigned int n, writers; /* pages, writers */
	int stop, pause,
		checked; /* checked: a writer looks whether its page holds what it stored */
	uint64_t gen;
	uint64_t sweeps[WRITERS], resting[WRITERS], stored[WRITERS], faulted[WRITERS];
	uint64_t last[MAX];
};
static struct state *s;
static const char *name, *dir;
static unsigned int rounds;
static double until;

#define get(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define set(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)
#define wrong(fmt, ...) die("%s, round %u: " fmt "\n", name, rounds, __VA_ARGS__)

static void on_cpu(unsigned int n)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(n % (unsigned int)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* ---- writers and readers */
static void store_page(unsigned int t, unsigned int i)
{
	char *p = get(s->base) + i * PAGE;
	uint64_t v;

	if (s->checked && load(p, &v) && v != s->last[i])
		wrong("page %u holds %#lx instead of %#lx that was stored last", i, v, s->last[i]);
	v = s->last[i] + 1;
	if (store(p, v)) {
		set(s->last[i], v);
		s->stored[t]++;
	} else {
		s->faulted[t]++;
	}
}

static void write_pages(unsigned int t)
{
	for (unsigned int i = t; i < s->n; i += s->writers)
		store_page(t, i);
}

/* What is read was put there with the number of the generation that has already been announced, or later. */
static void read_pages(unsigned int t)
{
	for (unsigned int i = 0; i < s->n; i++) {
		uint64_t g = get(s->gen), v;

		if (!load(get(s->base) + i * PAGE, &v)) {
			s->faulted[t]++;
			continue;
		}
		s->stored[t]++;
		if (v < g)
			wrong("page %u reads %lu after %lu was in place", i, v, g);
	}
}

/* Zero pages were announced: what is read is zero, or from a later generation. */
static void read_zeroes(unsigned int t)
{
	for (unsigned int i = 0; i < s->n; i++) {
		uint64_t g = get(s->gen), v;

		if (load(get(s->base) + i * PAGE, &v) && v && v <= g)
			wrong("page %u reads %lu after MADV_DONTNEED", i, v);
		s->stored[t]++;
	}
}

/* Pages freed lazily, then written: the value stays, whatever happens to the pages meanwhile. */
static void free_and_write(unsigned int t)
{
	unsigned int per = s->n / s->writers, first = t * per;
	/* Some rounds of the main thread come after the writing, others meet it. */
	uint64_t v, until_round = get(s->gen) + s->sweeps[t] % 7;

	if (madvise(s->base + first * PAGE, per * PAGE, MADV_FREE))
		wrong("MADV_FREE: %m, %u pages", per);
	for (unsigned int i = first; i < first + per; i++)
		while (!store(s->base + i * PAGE, s->last[i] + 1))
			s->faulted[t]++;
	for (unsigned int i = first; i < first + per; i++)
		s->last[i]++;
	s->stored[t] += per;
	do {
		for (unsigned int i = first; i < first + per; i++)
			if (load(s->base + i * PAGE, &v) && v != s->last[i])
				wrong("page %u reads %lu; %lu was written after MADV_FREE", i, v,
				      s->last[i]);
	} while (get(s->gen) < until_round && !get(s->stop));
}

static void (*sweep)(unsigned int t);

static void *writer(void *arg)
{
	unsigned int t = (unsigned int)(uintptr_t)arg;

	on_cpu(t + 1);
	while (!get(s->stop)) {
		while (get(s->pause) && !get(s->stop)) {
			set(s->resting[t], get(s->sweeps[t]) + 1);
			sched_yield();
		}
		set(s->resting[t], 0);
		sweep(t);
		__atomic_fetch_add(&s->sweeps[t], 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* Every writer has begun and ended a round since we came here. */
static void let_writers_go_round(void)
{
	double limit = seconds_now() + 20;

	for (unsigned int t = 0; t < s->writers; t++) {
		uint64_t from = get(s->sweeps[t]);

		while (get(s->sweeps[t]) < from + 2) {
			sched_yield();
			if (seconds_now() > limit)
				wrong("writer %u stands still", t);
		}
	}
}

static void rest_writers(int yes)
{
	set(s->pause, yes);
	for (unsigned int t = 0; yes && t < s->writers; t++)
		while (!get(s->resting[t]))
			sched_yield();
}

static void stays(const char *p, const char *after)
{
	static uint64_t before[MAX];

	for (unsigned int i = 0; i < s->n; i++)
		before[i] = *(const volatile uint64_t *)(p + i * PAGE);
	let_writers_go_round();
	for (unsigned int i = 0; i < s->n; i++) {
		uint64_t v = *(const volatile uint64_t *)(p + i * PAGE);

		if (v != before[i])
			wrong("page %u went from %lu to %lu after %s", i, before[i], v, after);
	}
}

/* ---- cases; each is one round */
static int fd = -1;
static char *view; /* the same pages by another way */

static size_t size(void)
{
	return s->n * PAGE;
}

static void anon_window(void)
{
	map(s->base, size(), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1, 0);
}

static void map_window(long page)
{
	map((char *)WINDOW, size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
	    fd, page * (long)PAGE);
}

static void shared_window(void)
{
	fd = memfd_create("mmrace", 0);
	if (fd < 0 || ftruncate(fd, 2 * MAX * (long)PAGE))
		die("memory file: %m\n");
	view = map(NULL, 2 * MAX * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	map_window(0);
}

static void round_munmap(void)
{
	map_window(0);
	let_writers_go_round();
	munmap(s->base, size());
	stays(view, "munmap");
}

static void protect(int prot)
{
	if (mprotect(s->base, size(), prot))
		wrong("mprotect %d: %m", prot);
}

static void round_readonly(void)
{
	protect(PROT_READ | PROT_WRITE);
	let_writers_go_round();
	protect(PROT_READ);
	stays(view, "mprotect to read-only");
}

static void round_noaccess(void)
{
	protect(PROT_READ | PROT_WRITE);
	let_writers_go_round();
	protect(PROT_NONE);
	stays(view, "mprotect to no access");
}

static void round_fork(void)
{
	int status, pid = fork();

	if (pid < 0)
		wrong("fork: %m, %d", pid);
	if (!pid) {
		stays(s->base, "fork, in the child");
		for (unsigned int i = 0; i < s->n; i++)
			store(s->base + i * PAGE, ~0UL);
		stays(s->base, "the child's own writes");
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		wrong("child's status %#x", (unsigned int)status);
}

/* New pages over old ones, in three ways. */
static void round_remap(void)
{
	uint64_t g = s->gen + 1;
	unsigned int half = (g & 1) * MAX;

	for (unsigned int i = 0; i < s->n; i++)
		*(uint64_t *)(view + (half + i) * PAGE) = g;
	if (rounds % 3 == 0)
		munmap(s->base, size());
	if (rounds % 3 == 1) {
		char *p = map(NULL, size(), PROT_READ, MAP_SHARED | MAP_POPULATE, fd,
			      half * (long)PAGE);

		if (mremap(p, size(), size(), MREMAP_MAYMOVE | MREMAP_FIXED, s->base) == MAP_FAILED)
			wrong("mremap: %m, generation %lu", g);
	} else {
		map_window(half);
	}
	set(s->gen, g);
	let_writers_go_round();
}

static void round_move(void)
{
	char *from = s->base, *to = from == (char *)WINDOW ? (char *)OTHER : (char *)WINDOW;

	if (mremap(from, size(), size(), MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		wrong("mremap: %m, to %p", (void *)to);
	for (unsigned int i = 0; i < s->n; i++) {
		uint64_t least = get(s->last[i]), v = *(volatile uint64_t *)(to + i * PAGE);

		if (v != least && v != least + 1)
			wrong("page %u moved with %lu instead of %lu", i, v, least);
	}
	stays(to, "mremap moved it");
	set(s->base, to);
	let_writers_go_round();
}

static void round_dontneed(void)
{
	uint64_t g = s->gen + 1;

	for (unsigned int i = 0; i < s->n; i++)
		store(s->base + i * PAGE, g);
	let_writers_go_round();
	if (madvise(s->base, size(), MADV_DONTNEED))
		wrong("MADV_DONTNEED: %m, generation %lu", g);
	set(s->gen, g);
	let_writers_go_round();
}

static void clear_refs(char what)
{
	static int refs = -1;

	if (refs < 0)
		refs = open("/proc/self/clear_refs", O_WRONLY);
	if (write(refs, &what, 1) != 1)
		wrong("clear_refs %c: %m", what);
}

static void fork_and_exit(void)
{
	int pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

/* What takes bits from entries that are in use, and brings pages to the brink of being dropped. */
static void disturb(unsigned int how)
{
	switch (how) {
	case 0:
		fork_and_exit();
		break;
	case 1:
		clear_refs('1');
		break;
	case 2:
		madvise(s->base, size(), MADV_PAGEOUT);
		break;
	case 3:
		madvise(s->base, size(), MADV_COLD);
		break;
	case 4:
		protect(PROT_READ);
		protect(PROT_READ | PROT_WRITE);
		break;
	}
}

static void round_lazyfree(void)
{
	disturb(rounds % 5);
	madvise(s->base, size(), MADV_PAGEOUT);
	set(s->gen, s->gen + 1);
}

/* A page that changed since the bits were cleared shows it. */
static void round_softdirty(void)
{
	static int pagemap = -1;
	uint64_t before[MAX], after[MAX], bits[MAX];

	if (pagemap < 0) {
		pagemap = open("/proc/self/pagemap", O_RDONLY);
		/* A new mapping's pages count as dirty where the kernel knows such bits at all. */
		if (pread(pagemap, bits, 8, (long)(WINDOW / PAGE * 8)) != 8 ||
		    !(bits[0] >> 55 & 1)) {
			printf("softdirty: not in this kernel (CONFIG_MEM_SOFT_DIRTY)\n");
			exit(77);
		}
	}
	clear_refs('4');
	for (unsigned int i = 0; i < s->n; i++)
		load(s->base + i * PAGE, &before[i]);
	let_writers_go_round();
	for (unsigned int i = 0; i < s->n; i++)
		load(s->base + i * PAGE, &after[i]);
	if (pread(pagemap, bits, s->n * 8, (long)(WINDOW / PAGE * 8)) != (ssize_t)(s->n * 8))
		wrong("pagemap: %m, %u pages", s->n);
	for (unsigned int i = 0; i < s->n; i++)
		if (before[i] != after[i] && !(bits[i] >> 55 & 1))
			wrong("page %u was written, but is not soft-dirty", i);
}

/* ---- a file on a disk */
static void values_path(char *path)
{
	snprintf(path, 256, "%s/values", dir);
}

/* What the disk holds, without the page cache. */
static void check_file(void)
{
	static char disk[MAX * PAGE] __attribute__((aligned(4096)));
	char path[256];
	int direct;

	values_path(path);
	direct = open(path, O_RDONLY | O_DIRECT);
	if (pread(direct, disk, size(), 0) != (ssize_t)size())
		wrong("%s: cannot read %zu bytes: %m", path, size());
	close(direct);
	for (unsigned int i = 0; i < s->n; i++) {
		uint64_t v = *(uint64_t *)(disk + i * PAGE);

		if (v != s->last[i])
			wrong("%s: page %u is %lu on the disk; %lu was written last", path, i, v,
			      s->last[i]);
	}
}

static void file_window(void)
{
	char path[256];

	values_path(path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, s->n * (long)PAGE))
		die("%s: %m\n", path);
	map_window(0);
}

static void drop_caches(void)
{
	int f = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (write(f, "1", 1) != 1)
		wrong("drop_caches: %m, %d", f);
	close(f);
}

static void round_file(void)
{
	unsigned int from = rounds % 4 * (s->n / 4), how = rounds % 7;
	char *p = s->base + from * PAGE;

	if (how < 5)
		disturb(how);
	else if (how == 5)
		msync(s->base, size(), MS_SYNC);
	else
		drop_caches();
	munmap(p, size() / 4);
	map(p, size() / 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, from * (long)PAGE);
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	if (rounds % 2)
		return;
	/* The writers' last writes come just after their pages were made clean. */
	rest_writers(1);
	if (msync(s->base, size(), MS_SYNC))
		wrong("msync: %m, %zu bytes", size());
	drop_caches();
	check_file();
	rest_writers(0);
}

static void save_expected(void)
{
	int f = open(EXPECTED, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (msync(s->base, size(), MS_SYNC) ||
	    write(f, s->last, sizeof(s->last)) != sizeof(s->last))
		die("msync, or writing %s: %m\n", EXPECTED);
	close(f);
}

/* After the file system was mounted anew. */
static void file_again(void)
{
	int f = open(EXPECTED, O_RDONLY);

	if (f < 0 || read(f, s->last, sizeof(s->last)) != sizeof(s->last))
		die("%s: %m; run the case file first\n", EXPECTED);
	check_file();
}

static const struct race {
	const char *name;
	void (*prepare)(void), (*round)(void), (*sweep)(unsigned int t), (*end)(void);
	unsigned int pages;
	bool checked, faults, processes;
} races[] = {
	{ "munmap", shared_window, round_munmap, write_pages, NULL, 64, 0, 1, 0 },
	{ "readonly", shared_window, round_readonly, write_pages, NULL, 64, 0, 1, 0 },
	{ "noaccess", shared_window, round_noaccess, write_pages, NULL, 64, 0, 1, 0 },
	{ "fork", anon_window, round_fork, write_pages, NULL, 64, 1, 0, 0 },
	{ "remap", shared_window, round_remap, read_pages, NULL, 64, 0, 0, 0 },
	{ "move", anon_window, round_move, write_pages, NULL, 64, 0, 1, 0 },
	{ "dontneed", anon_window, round_dontneed, read_zeroes, NULL, 64, 0, 0, 0 },
	{ "lazyfree", anon_window, round_lazyfree, free_and_write, NULL, 64, 0, 0, 0 },
	{ "softdirty", anon_window, round_softdirty, write_pages, NULL, 64, 1, 0, 0 },
	{ "file", file_window, round_file, write_pages, save_expected, MAX, 1, 0, 0 },
	{ "file-processes", file_window, round_file, write_pages, save_expected, MAX, 1, 0, 1 },
};

static void run(const struct race *r)
{
	pthread_t id[WRITERS];
	int pid[WRITERS], status;
	uint64_t stored = 0, faulted = 0;

	s->n = r->pages;
	s->base = (char *)WINDOW;
	/* A neighbour keeps the page table: were it freed with the window, that alone would flush. */
	for (size_t at = 0; at < 2; at++)
		map((char *)(at ? OTHER : WINDOW) + MAX * PAGE, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1, 0);
	s->checked = r->checked;
	sweep = r->sweep;
	r->prepare();
	for (uintptr_t t = 0; t < s->writers; t++) {
		if (!r->processes) {
			if (pthread_create(&id[t], NULL, writer, (void *)t))
				die("cannot start writer %lu\n", t);
			continue;
		}
		pid[t] = fork();
		if (!pid[t]) {
			writer((void *)t);
			_exit(0);
		}
	}
	/* 17: the second check of a file's content */
	for (; seconds_now() < until || rounds < 17; rounds++)
		r->round();
	set(s->stop, 1);
	for (unsigned int t = 0; t < s->writers; t++) {
		if (!r->processes)
			pthread_join(id[t], NULL);
		else if (waitpid(pid[t], &status, 0) != pid[t] || status)
			wrong("writer %u ended with status %#x", t, (unsigned int)status);
		stored += s->stored[t];
		faulted += s->faulted[t];
	}
	if (r->end)
		r->end();
	printf("%s: %u rounds, %lu accesses, %lu faults\n", name, rounds, stored, faulted);
	/* A run in which nothing met proves nothing. */
	if (!stored || (r->faults && !faulted))
		die("%s: too little happened\n", name);
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (argc < 3)
		die("usage: mmrace CASE SECONDS [DIRECTORY]\n");
	name = argv[1];
	dir = argc > 3 ? argv[3] : ".";
	until = seconds_now() + atof(argv[2]);
	s = map(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s->writers = cpus > (long)WRITERS ? WRITERS : cpus > 2 ? (unsigned int)cpus - 1 : 1;
	catch_faults();
	on_cpu(0);
	if (!strcmp(name, "file-again")) {
		s->n = MAX;
		file_again();
		return 0;
	}
	for (size_t i = 0; i < sizeof(races) / sizeof(*races); i++)
		if (!strcmp(name, races[i].name)) {
			run(&races[i]);
			return 0;
		}
	die("mmrace: no case %s; there are:%s\n", name,
	    " munmap readonly noaccess fork remap move dontneed lazyfree softdirty file "
	    "file-processes file-again");
}
