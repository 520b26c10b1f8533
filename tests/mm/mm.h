// SPDX-License-Identifier: BSD-2-Clause
// Shared by the tests of page-table handling: loads and stores that may fault, random numbers, time.
#ifndef TESTS_MM_H
#define TESTS_MM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096UL

/* Both instructions are three bytes, which is what the handler steps over. false: the access faulted. */
static inline bool store(void *p, uint64_t v)
{
	uint64_t ok = 1;

	asm volatile("movq %%rdx, (%%rdi)" : "+a"(ok) : "D"(p), "d"(v) : "memory");
	return ok;
}

static inline bool load(const void *p, uint64_t *v)
{
	uint64_t ok = 1;

	asm volatile("movq (%%rdi), %%rdx" : "+a"(ok), "=d"(*v) : "D"(p) : "memory");
	return ok;
}

static inline void mm_on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *at = (const uint8_t *)r[REG_RIP];

	if (at[0] == 0x48 && (at[1] == 0x89 || at[1] == 0x8b) && at[2] == 0x17) {
		r[REG_RIP] += 3;
		r[REG_RAX] = 0;
		return;
	}
	dprintf(1, "signal %d for address %p at %p: not an access of the test\n", sig,
		info->si_addr, (const void *)at);
	_exit(3);
}

static inline void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = mm_on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static inline uint64_t rnd(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x * 0x2545f4914f6cdd1dUL;
}

/* A number below n. */
static inline unsigned int below(uint64_t *state, unsigned int n)
{
	return (unsigned int)((rnd(state) >> 32) % n);
}

static inline double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

#define die(...)                         \
	do {                             \
		dprintf(1, __VA_ARGS__); \
		_exit(1);                \
	} while (0)

static inline void *map(void *at, size_t len, int prot, int flags, int fd, long offset)
{
	void *p = mmap(at, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		die("mmap of %zu bytes at %p, flags %#x: %m\n", len, at, (unsigned int)flags);
	return p;
}

#endif
