// SPDX-License-Identifier: BSD-2-Clause
/* Starting the other CPUs, and interrupts between CPUs. */
#include <hv/boot.h>
#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/lock.h>
#include <hv/mm.h>
#include <hv/sched.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/time.h>
#include <hv/x86/apic.h>
#include <hv/x86/cpu.h>
#include <hv/x86/desc.h>
#include <hv/x86/entry.h>

cpumask_t cpu_online;
unsigned int nr_cpus = 1;
uint32_t cpu_apic_id[NR_CPUS];

void *smp_start_stack; /* for trampoline.S: where the CPU being started puts its stack pointer */
extern const char trampoline_start[], trampoline_end[];

/* ---- calls on other CPUs: one at a time (call_lock) */
static spinlock_t call_lock;
static void (*call_fn)(void *);
static void *call_arg;
static uint64_t call_pending; /* CPUs that have not taken fn and arg yet */

void smp_send_event(cpumask_t set)
{
	unsigned int n;

	for_each_cpu(n, set)
		if (n != smp_cpu())
			apic_send_ipi(n, VEC_IPI_EVENT);
}

/*
 * A CPU counts itself out after fn has run when the caller waits, else as soon as it has copied fn and arg, so that
 * the caller needs to hold on for a moment only.
 */
static bool call_wait;

static void serve_call(void)
{
	uint64_t me = BIT(smp_cpu());
	void (*fn)(void *);
	void *arg;
	bool wait;

	if (!(__atomic_load_n(&call_pending, __ATOMIC_ACQUIRE) & me))
		return;
	fn = call_fn;
	arg = call_arg;
	wait = call_wait;
	if (!wait)
		__atomic_fetch_and(&call_pending, ~me, __ATOMIC_SEQ_CST);
	fn(arg);
	if (wait)
		__atomic_fetch_and(&call_pending, ~me, __ATOMIC_SEQ_CST);
}

void smp_call_interrupt(void)
{
	serve_call();
}

void smp_call(cpumask_t set, void (*fn)(void *), void *arg, bool wait)
{
	uint64_t flags = irq_save(), me = BIT(smp_cpu());
	bool here = set.bits & me;
	unsigned int n;

	set.bits &= cpu_online.bits & ~me;
	if (set.bits) {
		while (!spin_trylock(&call_lock)) {
			serve_call();
			tlb_interrupt();
			cpu_relax();
		}
		call_fn = fn;
		call_arg = arg;
		call_wait = wait;
		__atomic_store_n(&call_pending, set.bits, __ATOMIC_SEQ_CST);
		for_each_cpu(n, set)
			apic_send_ipi(n, VEC_IPI_CALL);
	}
	if (here)
		fn(arg);
	if (set.bits) {
		while (__atomic_load_n(&call_pending, __ATOMIC_ACQUIRE)) {
			tlb_interrupt();
			cpu_relax();
		}
		spin_unlock(&call_lock);
	}
	irq_restore(flags);
}

static void stop_this(struct cpu_user_regs *regs)
{
	for (;;)
		asm volatile("cli; hlt");
}

/* By NMI: a CPU may hang with interrupts off. No answer is awaited. */
void smp_stop_others(void)
{
	unsigned int n;

	nmi_handler = stop_this;
	smp_mb();
	for_each_cpu(n, cpu_online)
		if (n != smp_cpu())
			apic_send_nmi(n);
	for (unsigned int i = 0; i < 100000; i++)
		cpu_relax();
}

/* ---- start */

/* A stack in the vmap area: pages 0 to 2 and 4 to 7 mapped, page 3 the guard. Returns its upper end. */
static __init void *new_stack(void)
{
	uint64_t va = vmap_reserve(STACK_SIZE, STACK_SIZE);

	if (!va)
		return NULL;
	for (unsigned int i = 0; i < STACK_SIZE / PAGE_SIZE; i++) {
		void *p = i == 3 ? NULL : hv_alloc_pages(0);

		if (i == 3)
			continue;
		if (!p || hv_map_page(va + i * PAGE_SIZE, virt_to_mfn(p),
				      PTE_P | PTE_W | PTE_A | PTE_D | PTE_G | PTE_NX))
			return NULL;
	}
	return (void *)(va + STACK_SIZE);
}

/* First C code of another CPU: on its own stack, interrupts off. */
void smp_start_this(void)
{
	unsigned int c = smp_cpu();

	desc_init_cpu(c, (void *)(cpu_info() + 1));
	cpu_init_this();
	tlb_flush_local_all();
	tsc_check_with(c);
	apic_init_cpu();
	sched_init_cpu(c);
	time_init_cpu();
	__atomic_fetch_or(&cpu_online.bits, BIT(c), __ATOMIC_SEQ_CST);
	idle_loop();
}

static __init bool start_cpu(unsigned int c, uint32_t apic_id)
{
	char *top = new_stack();
	struct cpu_info *ci = (struct cpu_info *)top - 1;

	if (!top) {
		log_warn("CPU %u: no memory for its stack, not used\n", c);
		return false;
	}
	ci->cpu = c;
	cpu_infos[c] = ci;
	cpu_apic_id[c] = apic_id;
	smp_start_stack = (void *)((uint64_t)ci & ~15UL);
	smp_mb();
	apic_send_init_sipi(apic_id, TRAMPOLINE_PHYS >> PAGE_SHIFT);
	tsc_check_with(c);
	for (unsigned int ms = 0; ms < 2000; ms++) {
		if (__atomic_load_n(&cpu_online.bits, __ATOMIC_ACQUIRE) & BIT(c))
			return true;
		udelay(1000);
	}
	cpu_infos[c] = NULL;
	return false;
}

__init void smp_boot_all(void)
{
	uint32_t boot_id = cpu_apic_id[0];
	unsigned int limit = opt.nosmp ? 1 : opt.maxcpus;

	memcpy(phys_to_virt(TRAMPOLINE_PHYS), trampoline_start,
	       (size_t)(trampoline_end - trampoline_start));
	for (unsigned int i = 0; i < acpi.nr_cpus && nr_cpus < limit; i++) {
		if (acpi.apic_id[i] == boot_id)
			continue;
		if (!start_cpu(nr_cpus, acpi.apic_id[i])) {
			/* It may come up late and take the stack of the next: start no more. */
			log_warn("CPU with APIC id %u did not start; CPUs after it are not used\n",
				 acpi.apic_id[i]);
			break;
		}
		nr_cpus++;
	}
	log_info("%u CPUs online\n", nr_cpus);
}
