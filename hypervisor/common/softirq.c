// SPDX-License-Identifier: BSD-2-Clause
/* Softirqs: work that a CPU does before it returns to a guest. */
#include <hv/softirq.h>
#include <hv/lock.h>
#include <hv/smp.h>

struct cpu_info *cpu_infos[NR_CPUS];
static softirq_fn handlers[NR_SOFTIRQS];
static struct tasklet *tasklets[NR_CPUS]; /* touched by their own CPU with interrupts off */

unsigned int smp_processor_id(void)
{
	return smp_cpu();
}

void softirq_register(enum softirq nr, softirq_fn fn)
{
	handlers[nr] = fn;
}

void softirq_raise_on(unsigned int cpu, enum softirq nr)
{
	struct cpu_info *ci = cpu_infos[cpu];

	if (!ci)
		return;
	if (__atomic_fetch_or(&ci->exit_work, BIT(nr), __ATOMIC_SEQ_CST) & BIT(nr))
		return; /* whoever set it first has sent the interrupt */
	if (cpu != smp_cpu())
		smp_send_event((cpumask_t){ BIT(cpu) });
}

void do_softirq(void)
{
	struct cpu_info *ci = cpu_info();
	uint64_t pending;

	while ((pending = READ_ONCE(ci->exit_work)) != 0) {
		/* Lowest other work first; SCHEDULE may not return, so nothing may wait behind it. */
		uint64_t first = pending & ~BIT(SOFTIRQ_SCHEDULE);
		unsigned int nr = (unsigned int)__builtin_ctzl(first ? first : pending);

		__atomic_fetch_and(&ci->exit_work, ~BIT(nr), __ATOMIC_SEQ_CST);
		if (nr < NR_SOFTIRQS && handlers[nr])
			handlers[nr]();
	}
}

void tasklet_schedule(struct tasklet *t)
{
	uint64_t flags = irq_save();
	unsigned int c = smp_cpu();

	if (!__atomic_exchange_n(&t->queued, true, __ATOMIC_SEQ_CST)) {
		t->next = tasklets[c];
		tasklets[c] = t;
		softirq_raise(SOFTIRQ_TASKLET);
	}
	irq_restore(flags);
}

/* Handler of SOFTIRQ_TASKLET: registered by console_init_early(). */
void tasklet_softirq(void)
{
	uint64_t flags = irq_save();
	struct tasklet *t = tasklets[smp_cpu()], *next;

	tasklets[smp_cpu()] = NULL;
	irq_restore(flags);
	for (; t; t = next) {
		next = t->next;
		__atomic_store_n(&t->queued, false, __ATOMIC_SEQ_CST);
		t->fn(t->arg);
	}
}
