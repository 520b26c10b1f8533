// SPDX-License-Identifier: BSD-2-Clause
// System time from the pvclock fields of vcpu_info.

#include "guest.h"

uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

uint64_t system_time(void)
{
	volatile struct vcpu_time_info *t = &this_vcpu_info()->time;
	uint32_t version;
	uint64_t ns;

	do {
		uint64_t delta;

		version = t->version;
		barrier();
		delta = rdtsc() - t->tsc_timestamp;
		delta = t->tsc_shift < 0 ? delta >> -t->tsc_shift : delta << t->tsc_shift;
		ns = t->system_time +
		     (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
		barrier();
	} while ((version & 1) || version != t->version);
	return ns;
}

void spin_ns(uint64_t ns)
{
	uint64_t end = system_time() + ns;

	while (system_time() < end)
		asm volatile("pause");
}
