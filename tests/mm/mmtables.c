// SPDX-License-Identifier: BSD-2-Clause
// Page tables of all levels come and go: mmtables SECONDS. Threads map, move and unmap single pages far from each other.
/*
 * Each page lies alone in its gigabyte, or its half terabyte, so that tables of three levels are made for it and freed after it.
 * Children of a process with many pages and of one with few do so, as a kernel may treat the two differently; some end with
 * their mappings in place, some have children of their own that read what they inherited.
 *
 * Seen failing: with a kernel that forgot, when it used a table of the second level again, that it was still pinned.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "mm.h"

#define THREADS	 2u
#define SLOTS	 24u
#define MANY	 (8192 * PAGE) /* what a process with many entries has */
#define HUGE	 (512 * PAGE) /* what one table of the lowest level maps */
#define GIGABYTE (512 * HUGE)

/* Slot of a thread: gigabytes of one half terabyte, then single ones of others. */
static char *slot(unsigned int t, unsigned int n)
{
	uint64_t half = n < SLOTS / 2 ? 16 + t : 32 + t * SLOTS + n;

	return (char *)((half * 512 + n * 2 + 1) * GIGABYTE);
}

static void expect(const char *p, uint64_t want, const char *what)
{
	uint64_t v;

	if (!load(p, &v) || v != want)
		die("%s at %p: not %#lx\n", what, (const void *)p, want);
}

static void *change_tables(void *arg)
{
	unsigned int t = (unsigned int)(uintptr_t)arg, rounds = 60;
	uint64_t rng = (uint64_t)getpid() << 8 | (t + 1), in[SLOTS] = { 0 };
	int status, pid;

	while (rounds--) {
		unsigned int n = below(&rng, SLOTS), to = below(&rng, SLOTS);
		char *p = slot(t, n), *q = slot(t, to);

		if (!in[n]) {
			in[n] = rnd(&rng) | 1;
			map(p, HUGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1,
			    0);
			store(p + PAGE, in[n]);
		} else if (!in[to]) {
			expect(p + PAGE, in[n], "before it is moved, page");
			if (mremap(p, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) != q)
				die("mremap of %p to %p: %m\n", (void *)p, (void *)q);
			in[to] = in[n];
			in[n] = 0;
			expect(q + PAGE, in[to], "moved page");
		} else {
			expect(p + PAGE, in[n], "before it goes, page");
			if (munmap(p, HUGE))
				die("munmap of %p: %m\n", (void *)p);
			in[n] = 0;
		}
		if (below(&rng, 64))
			continue;
		pid = fork();
		if (!pid) {
			for (n = 0; n < SLOTS; n++)
				if (in[n])
					expect(slot(t, n) + PAGE, in[n], "inherited page");
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			die("a child ended with status %#x\n", (unsigned int)status);
	}
	for (unsigned int n = 0; n < SLOTS && getpid() % 2; n++)
		if (in[n] && munmap(slot(t, n), HUGE))
			die("munmap of %p: %m\n", (void *)slot(t, n));
	return NULL;
}

static void one_process(void)
{
	pthread_t id[THREADS];

	for (uintptr_t t = 0; t < THREADS; t++)
		if (pthread_create(&id[t], NULL, change_tables, (void *)t))
			die("cannot start thread %lu\n", t);
	for (unsigned int t = 0; t < THREADS; t++)
		pthread_join(id[t], NULL);
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned long done = 0;
	double until;
	int status, family;

	if (argc != 2)
		die("usage: mmtables SECONDS\n");
	until = seconds_now() + atof(argv[1]);
	catch_faults();
	/* Two families: children of a process with many pages, and of one with few. */
	family = fork();
	if (family < 0)
		die("fork: %m\n");
	if (!family)
		memset(map(NULL, MANY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		       1, MANY);
	while (seconds_now() < until) {
		int pid = fork();

		if (!pid)
			one_process();
		if (waitpid(pid, &status, 0) != pid || status)
			die("a process ended with status %#x\n", (unsigned int)status);
		done++;
	}
	printf("%lu processes\n", done);
	return family && (waitpid(family, &status, 0) != family || status);
}
