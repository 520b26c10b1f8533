// SPDX-License-Identifier: BSD-2-Clause
// Memory under pressure: mmhold PROCESSES MIB SECONDS [swap]. Each process fills MIB and goes on checking and rewriting all of it.
/*
 * Half of the memory is private, half shared. Every word of a page tells its page and how often it was written. Now and then
 * a process forks a child that checks everything too. With the word swap, reading pages back must have happened.
 *
 * Seen failing: with a hypervisor whose emulated read-modify-write instructions on page tables drop the dirty bit (swap).
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "mm.h"

#define WORDS (PAGE / sizeof(uint64_t))
#define RUN   32u

static uint64_t *area;
static uint32_t *written; /* how often each page was */
static unsigned int pages, who;

static uint64_t word(unsigned int i, unsigned int w)
{
	return (((uint64_t)who << 56 | (uint64_t)i << 28 | written[i]) + w) * 0x9e3779b97f4a7c15UL;
}

static void fill(unsigned int i)
{
	written[i]++;
	for (unsigned int w = 0; w < WORDS; w++)
		area[i * WORDS + w] = word(i, w);
}

static void check(unsigned int i)
{
	for (unsigned int w = 0; w < WORDS; w++)
		if (area[i * WORDS + w] != word(i, w))
			die("process %u, page %u of %u, word %u: %#lx instead of %#lx\n", who, i,
			    pages, w, area[i * WORDS + w], word(i, w));
}

static unsigned long hold(double until)
{
	uint64_t rng = who + 1;
	unsigned long checked = 0;
	int status, pid;

	area = map(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map(area + pages / 2 * WORDS, pages / 2 * PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	written = map(NULL, pages * sizeof(*written), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned int i = 0; i < pages; i++)
		fill(i);
	do {
		/* Runs of neighbours: the swap device reads ahead. */
		for (unsigned int n = 0; n < pages / RUN; n++) {
			unsigned int first = below(&rng, pages / RUN) * RUN;

			for (unsigned int i = first; i < first + RUN; i++, checked++) {
				check(i);
				if (!below(&rng, 3))
					fill(i);
			}
		}
		pid = fork();
		if (!pid) {
			for (unsigned int i = 0; i < pages; i++)
				check(i);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			die("process %u: child's status %#x\n", who, (unsigned int)status);
	} while (seconds_now() < until);
	for (unsigned int i = 0; i < pages; i++)
		check(i);
	return checked;
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 3 ? (unsigned int)atoi(argv[1]) : 0;
	bool failed = false;
	struct rusage ru;
	double until;

	if (!n || n > 64)
		die("usage: mmhold PROCESSES MIB SECONDS [swap]; 1 to 64 processes\n");
	pages = (unsigned int)atoi(argv[2]) * 256;
	until = seconds_now() + atof(argv[3]);
	for (who = 0; who < n; who++)
		if (!fork()) {
			dprintf(1, "process %u checked %lu pages\n", who, hold(until));
			_exit(0);
		}
	for (unsigned int i = 0; i < n; i++) {
		int status;

		if (wait(&status) < 0 || status) {
			dprintf(1, "a process ended with status %#x\n", (unsigned int)status);
			failed = true;
		}
	}
	getrusage(RUSAGE_CHILDREN, &ru);
	dprintf(1, "%ld pages were read back\n", ru.ru_majflt);
	if (argc > 4 && !ru.ru_majflt)
		die("nothing went to swap and came back\n");
	return failed;
}
