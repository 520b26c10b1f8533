// SPDX-License-Identifier: BSD-2-Clause
// ptwork WHAT TIMES: one kind of work on page tables, so often; for counting what the hypervisor has to do for it.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define BIG  4096UL /* pages: 16 MiB */
#define FEW  64UL

static char *pages(unsigned long n)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	for (unsigned long i = 0; i < n; i++)
		p[i * PAGE] = 1;
	return p;
}

int main(int argc, char **argv)
{
	int times = argc > 2 ? atoi(argv[2]) : 0, refs = open("/proc/self/clear_refs", O_WRONLY);
	const char *what = argc > 1 ? argv[1] : "";
	char *p = strcmp(what, "munmap") ? pages(BIG) : NULL;

	for (int n = 0; n < times; n++) {
		if (!strcmp(what, "fork")) {
			int pid = fork();

			if (!pid)
				_exit(0);
			waitpid(pid, NULL, 0);
			for (unsigned long i = 0; i < BIG; i++)
				p[i * PAGE]++;
		} else if (!strcmp(what, "munmap")) {
			munmap(pages(FEW), FEW * PAGE);
		} else if (!strcmp(what, "mprotect")) {
			mprotect(p, BIG * PAGE, n & 1 ? PROT_READ | PROT_WRITE : PROT_READ);
		} else if (!strcmp(what, "clear_refs")) {
			if (write(refs, "1", 1) != 1)
				return 1;
			for (unsigned long i = 0; i < BIG; i++)
				p[i * PAGE]++;
		} else if (strcmp(what, "nothing")) {
			fprintf(stderr,
				"ptwork: %s: fork, munmap, mprotect, clear_refs or nothing\n",
				what);
			return 1;
		}
	}
	return 0;
}
