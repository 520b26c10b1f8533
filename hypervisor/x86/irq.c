// SPDX-License-Identifier: BSD-2-Clause
/*
 * Device interrupts: vectors, lines and messages, and the guests' names for them (pirqs).
 *
 * An irq is a GSI (numbers below nr_gsis) or a message (above). Vectors are the same on all CPUs.
 *
 *   edge, message: interrupt -> EOI to the APIC -> event to each guest bound
 *   level:         interrupt -> mask the line -> EOI to the APIC -> event to each guest bound
 *                  each guest's PHYSDEVOP_eoi counts down; at 0 the line is unmasked
 *
 * A guest that never gives its EOI stops only lines that it shares.
 */
#include <hv/boot.h>
#include <hv/console.h>
#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/heap.h>
#include <hv/irq.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/x86/apic.h>
#include <hv/x86/desc.h>
#include <hv/x86/msi.h>
#include <xen/physdev.h>

#define NR_MSI_IRQS 512
#define MAX_IRQS    1024
#define MAX_SHARERS 4

struct irq {
	spinlock_t lock; /* everything here; taken with interrupts off; inside event_lock */
	uint8_t vector; /* 0: not set up */
	bool level, low;
	bool typed; /* level and low were given for it, by override or domain 0 */
	unsigned int cpu;
	void (*fn)(void *arg); /* hypervisor's own */
	void *arg;
	unsigned int nr_guests;
	struct {
		struct domain *d;
		uint32_t pirq;
		bool eoi_due;
	} guest[MAX_SHARERS];
	struct msi *msi; /* messages only */
	uint64_t count;
};

static struct irq irqs[MAX_IRQS];
static spinlock_t vector_lock; /* vector_irq, allocation of irq numbers for messages */
static uint16_t vector_irq[256]; /* irq + 1; 0: free */
static bool msi_used[MAX_IRQS];

/* A domain's pirqs; the domain's event_lock. */
struct pirq {
	uint16_t irq; /* + 1; 0: not mapped */
	uint32_t evtchn;
};
struct pirq_table {
	unsigned int nr;
	struct pirq p[];
};

/* ---- vectors */

/* A free vector for irq; 0 when all are taken. Numbers that guests may raise themselves stay free. */
static uint8_t vector_alloc(unsigned int irq)
{
	uint64_t flags = spin_lock_irqsave(&vector_lock);
	uint8_t found = 0;

	for (unsigned int v = VEC_FIRST_DEV; v <= VEC_LAST_DEV && !found; v++) {
		if (vector_irq[v] || v == 0x80 || v == VEC_HYPERCALL)
			continue;
		vector_irq[v] = (uint16_t)(irq + 1);
		found = (uint8_t)v;
	}
	spin_unlock_irqrestore(&vector_lock, flags);
	return found;
}

static void vector_free(uint8_t vector)
{
	uint64_t flags = spin_lock_irqsave(&vector_lock);

	vector_irq[vector] = 0;
	spin_unlock_irqrestore(&vector_lock, flags);
}

/* ---- lines */

/* Kind of a GSI that nobody described: ISA lines are edge and active high, PCI lines level and active low. */
static void default_type(unsigned int gsi)
{
	struct irq *i = &irqs[gsi];

	i->level = i->low = gsi >= 16;
	for (unsigned int isa = 0; isa < ARRAY_SIZE(acpi.isa_override); isa++) {
		uint16_t f = acpi.isa_override[isa].flags;

		if (!acpi.isa_override[isa].valid || acpi.isa_override[isa].gsi != gsi)
			continue;
		i->low = (f & 3) == 3;
		i->level = (f & 0xc) == 0xc;
		i->typed = f & 0xf;
	}
}

/* Vector and redirection entry of a line; lock held. 0 or -XEN_ENOSPC. */
static int line_setup(unsigned int gsi)
{
	struct irq *i = &irqs[gsi];

	if (!i->vector)
		i->vector = vector_alloc(gsi);
	if (!i->vector)
		return -XEN_ENOSPC;
	ioapic_set(gsi, i->vector, i->cpu, i->level, i->low, !i->fn && !i->nr_guests);
	return 0;
}

unsigned int isa_to_gsi(unsigned int isa_irq)
{
	return isa_irq < ARRAY_SIZE(acpi.isa_override) && acpi.isa_override[isa_irq].valid
		       ? acpi.isa_override[isa_irq].gsi
		       : isa_irq;
}

int irq_request(unsigned int gsi, void (*fn)(void *arg), void *arg)
{
	struct irq *i = &irqs[gsi];
	uint64_t flags;
	int rc;

	if (gsi >= nr_gsis)
		return -XEN_EINVAL;
	flags = spin_lock_irqsave(&i->lock);
	i->arg = arg;
	i->fn = fn;
	rc = line_setup(gsi);
	spin_unlock_irqrestore(&i->lock, flags);
	return rc;
}

int irq_set_type(unsigned int gsi, bool level, bool low)
{
	struct irq *i = &irqs[gsi];
	uint64_t flags;
	int rc = 0;

	if (gsi >= nr_gsis)
		return -XEN_EINVAL;
	flags = spin_lock_irqsave(&i->lock);
	/* A line in use keeps its kind: another guest, or we, rely on it. */
	if (!i->fn && !i->nr_guests) {
		i->level = level;
		i->low = low;
		i->typed = true;
		rc = line_setup(gsi);
	}
	spin_unlock_irqrestore(&i->lock, flags);
	return rc;
}

/* ---- messages */

int irq_alloc_msi(struct msi *m)
{
	unsigned int n = 0;
	uint64_t flags = spin_lock_irqsave(&vector_lock);

	for (unsigned int k = nr_gsis; k < MIN(nr_gsis + NR_MSI_IRQS, (unsigned int)MAX_IRQS); k++)
		if (!msi_used[k]) {
			msi_used[k] = true;
			n = k;
			break;
		}
	spin_unlock_irqrestore(&vector_lock, flags);
	if (!n)
		return -XEN_ENOSPC;
	irqs[n].vector = vector_alloc(n);
	if (!irqs[n].vector) {
		msi_used[n] = false;
		return -XEN_ENOSPC;
	}
	irqs[n].level = false;
	irqs[n].cpu = 0;
	irqs[n].count = 0;
	irqs[n].msi = m;
	msi_write(m, irqs[n].vector, 0);
	return (int)n;
}

void irq_free_msi(unsigned int n)
{
	struct irq *i = &irqs[n];
	uint64_t flags = spin_lock_irqsave(&i->lock);
	struct msi *m = i->msi;
	uint8_t vector = i->vector;

	i->msi = NULL;
	i->vector = 0;
	spin_unlock_irqrestore(&i->lock, flags);
	if (m)
		msi_release(m);
	if (vector)
		vector_free(vector);
	flags = spin_lock_irqsave(&vector_lock);
	msi_used[n] = false;
	spin_unlock_irqrestore(&vector_lock, flags);
}

/* ---- delivery */

static bool eoi_awaited(const struct irq *i)
{
	for (unsigned int g = 0; g < i->nr_guests; g++)
		if (i->guest[g].eoi_due)
			return true;
	return false;
}

static void device_interrupt(unsigned int n)
{
	struct irq *i = &irqs[n];
	void (*fn)(void *arg);

	spin_lock(&i->lock);
	i->count++;
	fn = i->fn;
	if (i->level && i->nr_guests)
		ioapic_mask(n, true);
	apic_eoi();
	if (i->level)
		ioapic_eoi(n, i->vector);
	for (unsigned int g = 0; g < i->nr_guests; g++) {
		i->guest[g].eoi_due = i->level;
		send_guest_pirq(i->guest[g].d, i->guest[g].pirq);
	}
	spin_unlock(&i->lock);
	if (fn)
		fn(i->arg);
}

void do_irq(struct cpu_user_regs *regs)
{
	unsigned int v = regs->entry_vector & 0xff;

	switch (v) {
	case VEC_TIMER:
		apic_eoi();
		softirq_raise(SOFTIRQ_TIMER);
		return;
	case VEC_IPI_EVENT: /* exit_work is looked at on the way out */
		apic_eoi();
		return;
	case VEC_IPI_CALL:
		apic_eoi();
		smp_call_interrupt();
		return;
	case VEC_IPI_TLB:
		apic_eoi();
		tlb_interrupt();
		return;
	case VEC_ERROR:
		apic_eoi();
		log_warn("CPU %u: local APIC error\n", smp_cpu());
		return;
	case VEC_SPURIOUS: /* has no EOI */
		return;
	}
	if (vector_irq[v])
		device_interrupt(vector_irq[v] - 1U);
	else
		apic_eoi(); /* the last one of a message just unmapped */
}

void irq_init(void)
{
	BUG_ON(nr_gsis + 64 > MAX_IRQS);
	for (unsigned int gsi = 0; gsi < nr_gsis; gsi++)
		default_type(gsi);
	keyhandler_register('i', irq_dump, "interrupts");
	keyhandler_register('z', irq_dump, "interrupts");
}

/* ---- pirqs: the domain's event_lock is held, but for init, destroy and EOI (which only reads p->irq) */

int pirq_domain_init(struct domain *d)
{
	unsigned int n = d->nr_pirqs;

	d->pirqs = hv_alloc(sizeof(*d->pirqs) + n * sizeof(struct pirq));
	if (!d->pirqs)
		return -XEN_ENOMEM;
	d->pirqs->nr = n;
	return 0;
}

static struct pirq *pirq_of(struct domain *d, uint32_t pirq)
{
	return d->pirqs && pirq < d->pirqs->nr ? &d->pirqs->p[pirq] : NULL;
}

void pirq_domain_destroy(struct domain *d)
{
	struct pirq_table *t = d->pirqs;

	if (!t)
		return;
	for (uint32_t p = 0; p < t->nr; p++)
		if (t->p[p].irq) {
			pirq_guest_unbind(d, p);
			pirq_unmap(d, p);
		}
	d->pirqs = NULL;
	hv_free(t);
}

uint32_t pirq_evtchn(struct domain *d, uint32_t pirq)
{
	const struct pirq *p = pirq_of(d, pirq);

	return p ? READ_ONCE(p->evtchn) : 0;
}

void pirq_set_evtchn(struct domain *d, uint32_t pirq, uint32_t port)
{
	struct pirq *p = pirq_of(d, pirq);

	if (p)
		WRITE_ONCE(p->evtchn, port);
}

int pirq_find_free(struct domain *d, bool gsi)
{
	int first = (int)MIN(nr_gsis, d->nr_pirqs);

	/* Messages from the top, away from the GSIs that have their own numbers. */
	for (int p = gsi ? first - 1 : (int)d->nr_pirqs - 1; d->pirqs && p >= (gsi ? 0 : first);
	     p--)
		if (!d->pirqs->p[p].irq)
			return p;
	return -XEN_ENOSPC;
}

int pirq_map(struct domain *d, int pirq, unsigned int irq)
{
	unsigned int n = d->pirqs ? d->pirqs->nr : 0;

	for (uint32_t p = 0; p < n; p++)
		if (d->pirqs->p[p].irq == irq + 1)
			return pirq < 0 || (uint32_t)pirq == p ? (int)p : -XEN_EEXIST;
	if (pirq < 0)
		pirq = pirq_find_free(d, false);
	if (pirq < 0)
		return pirq;
	if ((uint32_t)pirq >= n)
		return -XEN_EINVAL;
	if (d->pirqs->p[pirq].irq)
		return -XEN_EEXIST;
	d->pirqs->p[pirq].irq = (uint16_t)(irq + 1);
	return pirq;
}

int pirq_unmap(struct domain *d, uint32_t pirq)
{
	struct pirq *p = pirq_of(d, pirq);
	unsigned int irq;

	if (!p || !p->irq)
		return -XEN_EINVAL;
	irq = p->irq - 1U;
	pirq_guest_unbind(d, pirq);
	p->irq = 0;
	if (irq >= nr_gsis)
		irq_free_msi(irq);
	return 0;
}

int pirq_to_irq(struct domain *d, uint32_t pirq)
{
	const struct pirq *p = pirq_of(d, pirq);

	return p && p->irq ? p->irq - 1 : -1;
}

int pirq_guest_bind(struct vcpu *v, uint32_t pirq, bool will_share)
{
	struct domain *d = v->domain;
	struct pirq *p = pirq_of(d, pirq);
	struct irq *i;
	uint64_t flags;
	unsigned int n;
	int rc = 0;

	if (!p || !p->irq)
		return -XEN_EINVAL;
	n = p->irq - 1U;
	i = &irqs[n];
	flags = spin_lock_irqsave(&i->lock);
	if (i->nr_guests == MAX_SHARERS || (i->fn && !i->level)) {
		rc = -XEN_EBUSY;
	} else {
		i->guest[i->nr_guests].d = d;
		i->guest[i->nr_guests].eoi_due = false;
		i->guest[i->nr_guests++].pirq = pirq;
		if (i->nr_guests == 1 && !i->fn)
			i->cpu = v->processor;
		if (n < nr_gsis) {
			if (!eoi_awaited(i))
				rc = line_setup(n);
		} else {
			msi_write(i->msi, i->vector, i->cpu);
			msi_mask(i->msi, false);
		}
		if (rc)
			i->nr_guests--;
	}
	spin_unlock_irqrestore(&i->lock, flags);
	return rc;
}

void pirq_guest_unbind(struct domain *d, uint32_t pirq)
{
	struct pirq *p = pirq_of(d, pirq);
	struct irq *i;
	uint64_t flags;

	if (!p || !p->irq)
		return;
	i = &irqs[p->irq - 1];
	flags = spin_lock_irqsave(&i->lock);
	for (unsigned int g = 0; g < i->nr_guests; g++)
		if (i->guest[g].d == d && i->guest[g].pirq == pirq) {
			i->guest[g] = i->guest[--i->nr_guests];
			break;
		}
	if (p->irq - 1U >= nr_gsis) {
		if (!i->nr_guests && i->msi)
			msi_mask(i->msi, true);
	} else if (!i->nr_guests && !i->fn) {
		ioapic_mask(p->irq - 1U, true);
	} else if (!eoi_awaited(i)) {
		ioapic_mask(p->irq - 1U, false);
	}
	spin_unlock_irqrestore(&i->lock, flags);
}

bool pirq_needs_eoi(struct domain *d, uint32_t pirq)
{
	const struct pirq *p = pirq_of(d, pirq);

	return p && p->irq && irqs[p->irq - 1].level;
}

void pirq_guest_eoi(struct domain *d, uint32_t pirq)
{
	struct pirq *p = pirq_of(d, pirq);
	struct irq *i;
	uint64_t flags;
	bool was_due = false;

	if (!p || !p->irq)
		return;
	i = &irqs[p->irq - 1];
	if (!i->level)
		return;
	flags = spin_lock_irqsave(&i->lock);
	for (unsigned int g = 0; g < i->nr_guests; g++)
		if (i->guest[g].d == d && i->guest[g].pirq == pirq) {
			was_due = i->guest[g].eoi_due;
			i->guest[g].eoi_due = false;
		}
	if (was_due && !eoi_awaited(i))
		ioapic_mask(p->irq - 1U, false);
	spin_unlock_irqrestore(&i->lock, flags);
}

void pirq_set_affinity(struct domain *d, uint32_t pirq, const struct vcpu *v)
{
	struct pirq *p = pirq_of(d, pirq);
	struct irq *i;
	uint64_t flags;
	unsigned int n;

	if (!p || !p->irq)
		return;
	n = p->irq - 1U;
	i = &irqs[n];
	flags = spin_lock_irqsave(&i->lock);
	if (i->vector && i->cpu != v->processor && i->nr_guests == 1 && !i->fn) {
		i->cpu = v->processor;
		if (n < nr_gsis)
			ioapic_set(n, i->vector, i->cpu, i->level, i->low, eoi_awaited(i));
		else
			msi_write(i->msi, i->vector, i->cpu);
	}
	spin_unlock_irqrestore(&i->lock, flags);
}

void irq_dump(void)
{
	for (unsigned int n = 0; n < MAX_IRQS; n++) {
		const struct irq *i = &irqs[n];

		if (!i->vector)
			continue;
		log_info("irq %u vector %#x cpu %u %s count %lu%s\n", n, i->vector, i->cpu,
			 n >= nr_gsis ? "message"
			 : i->level   ? "level"
				      : "edge",
			 i->count, i->fn ? " hypervisor" : "");
		for (unsigned int g = 0; g < i->nr_guests; g++)
			log_info("   d%u pirq %u port %u%s\n", i->guest[g].d->id, i->guest[g].pirq,
				 pirq_evtchn(i->guest[g].d, i->guest[g].pirq),
				 i->guest[g].eoi_due ? " awaits EOI" : "");
	}
}
