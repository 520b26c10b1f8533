// SPDX-License-Identifier: BSD-2-Clause
/*
 * TLB flushes, here and on other CPUs, and the clock that tells which of them are not needed.
 *
 * Each flush of a whole TLB first moves the clock and then flushes, and leaves the moved value as that CPU's stamp.
 * A frame whose use ended at clock c may still be cached where stamp <= c.
 *
 * One request at a time (flush_lock). A CPU that waits, for the lock or for the others, serves requests to itself,
 * so two CPUs may flush each other with interrupts off. A lock that is held during a flush must not be waited for with
 * interrupts off.
 */
#include <hv/lib.h>
#include <hv/lock.h>
#include <hv/smp.h>
#include <hv/x86/apic.h>
#include <hv/x86/cpu.h>

static uint64_t clock_now = 1; /* 64 bits never wrap; frames keep the lower half */
static uint64_t stamp[NR_CPUS];

static spinlock_t flush_lock;
static uint64_t flush_va; /* these three: flush_lock */
static bool flush_one, flush_global;
static uint64_t flush_pending; /* CPUs that have not done it yet */

uint32_t tlb_clock(void)
{
	return (uint32_t)__atomic_load_n(&clock_now, __ATOMIC_SEQ_CST);
}

static uint64_t tick(void)
{
	return __atomic_add_fetch(&clock_now, 1, __ATOMIC_SEQ_CST);
}

void tlb_write_cr3(uint64_t cr3)
{
	uint64_t t = tick();

	write_cr3(cr3);
	stamp[smp_cpu()] = t;
}

void tlb_flush_local(void)
{
	uint64_t flags = irq_save();

	tlb_write_cr3(read_cr3());
	irq_restore(flags);
}

void tlb_flush_local_all(void)
{
	uint64_t flags = irq_save(), t = tick(), cr4 = read_cr4();

	write_cr4(cr4 ^ CR4_PGE);
	write_cr4(cr4);
	write_cr3(read_cr3());
	stamp[smp_cpu()] = t;
	irq_restore(flags);
}

void tlb_flush_local_va(uint64_t va)
{
	invlpg(va);
}

/*
 * A kept stamp is 32 bits: the newest clock value with these lower bits stands for it. That is never older than the
 * real one, so at worst a flush too many is done.
 */
cpumask_t tlb_filter(cpumask_t set, uint32_t kept)
{
	uint64_t c = __atomic_load_n(&clock_now, __ATOMIC_SEQ_CST);
	uint64_t full = c - (uint32_t)((uint32_t)c - kept);
	unsigned int n;

	for_each_cpu(n, set)
		if (READ_ONCE(stamp[n]) > full)
			set.bits &= ~BIT(n);
	return set;
}

static void flush_here(bool one, bool global, uint64_t va)
{
	if (one)
		invlpg(va);
	else if (global)
		tlb_flush_local_all();
	else
		tlb_flush_local();
}

/* Do what is asked of this CPU, if anything. */
static void serve(void)
{
	uint64_t me = BIT(smp_cpu());

	if (!(__atomic_load_n(&flush_pending, __ATOMIC_ACQUIRE) & me))
		return;
	flush_here(flush_one, flush_global, flush_va);
	__atomic_fetch_and(&flush_pending, ~me, __ATOMIC_SEQ_CST);
}

void tlb_interrupt(void)
{
	serve();
}

static void flush(cpumask_t set, bool one, bool global, uint64_t va)
{
	uint64_t flags = irq_save(), me = BIT(smp_cpu());
	unsigned int n;

	set.bits &= cpu_online.bits;
	if (set.bits & me)
		flush_here(one, global, va);
	set.bits &= ~me;
	if (!set.bits) {
		irq_restore(flags);
		return;
	}
	/* The holder may be waiting for this very CPU. */
	while (!spin_trylock(&flush_lock)) {
		serve();
		cpu_relax();
	}
	flush_one = one;
	flush_global = global;
	flush_va = va;
	__atomic_store_n(&flush_pending, set.bits, __ATOMIC_SEQ_CST);
	for_each_cpu(n, set)
		apic_send_ipi(n, VEC_IPI_TLB);
	while (__atomic_load_n(&flush_pending, __ATOMIC_ACQUIRE))
		cpu_relax();
	spin_unlock(&flush_lock);
	irq_restore(flags);
}

void tlb_flush_mask(cpumask_t set)
{
	flush(set, false, false, 0);
}

void tlb_flush_mask_all(cpumask_t set)
{
	flush(set, false, true, 0);
}

void tlb_flush_mask_va(cpumask_t set, uint64_t va)
{
	flush(set, true, false, va);
}
