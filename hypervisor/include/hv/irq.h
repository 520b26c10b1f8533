/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: vectors, IO-APIC lines (GSIs), MSI, and pirqs: a domain's names for them.
 *
 * For dom0 pirq == GSI for line interrupts; MSIs get pirqs above the GSIs.
 */
#ifndef HV_IRQ_H
#define HV_IRQ_H

#include <hv/types.h>
#include <hv/lock.h>

struct domain;
struct vcpu;

void irq_init(void); /* IDT vectors of devices, IO-APICs masked */
/* Entry from entry.S: vector in regs->entry_vector; interrupts off. */
struct cpu_user_regs;
void do_irq(struct cpu_user_regs *regs);
/* A hypervisor-owned device line (the UART): handler called with interrupts off. 0 or -XEN_E*. */
unsigned int isa_to_gsi(unsigned int isa_irq); /* by the overrides of the MADT */
int irq_request(unsigned int gsi, void (*fn)(void *arg), void *arg);

/* ---- guests' pirqs, called by evtchn (event lock of d held) */
int pirq_guest_bind(struct vcpu *v, uint32_t pirq, bool will_share);
void pirq_guest_unbind(struct domain *d, uint32_t pirq);
/* The guest finished handling (PHYSDEVOP_eoi, or unmask of a bound port). */
void pirq_guest_eoi(struct domain *d, uint32_t pirq);
bool pirq_needs_eoi(struct domain *d, uint32_t pirq);
/* Move the interrupt to v's CPU. */
void pirq_set_affinity(struct domain *d, uint32_t pirq, const struct vcpu *v);
/* Event channel port bound to d's pirq, kept by the pirq object; 0 = none. */
uint32_t pirq_evtchn(struct domain *d, uint32_t pirq);
void pirq_set_evtchn(struct domain *d, uint32_t pirq, uint32_t port);

int pirq_domain_init(struct domain *d); /* d->nr_pirqs is set */
void pirq_domain_destroy(struct domain *d);
/*
 * Name irq for d: pirq itself, or any free number when negative. The pirq, -XEN_EEXIST (either has another name or
 * use), -XEN_EINVAL (out of range), -XEN_ENOSPC. event_lock of d.
 */
int pirq_map(struct domain *d, int pirq, unsigned int irq);
int pirq_unmap(struct domain *d,
	       uint32_t pirq); /* also unbinds, frees a message; -XEN_EINVAL when not mapped */
int pirq_to_irq(struct domain *d, uint32_t pirq); /* -1: not mapped */
void irq_free_msi(unsigned int irq); /* from irq_alloc_msi(), nobody bound; frees the message too */
/* A number without a use, below nr_gsis for a line, above for a message. -XEN_ENOSPC. event_lock of d. */
int pirq_find_free(struct domain *d, bool gsi);
/* Line kind as domain 0 read it from AML. 0, -XEN_EINVAL, -XEN_ENOSPC. */
int irq_set_type(unsigned int gsi, bool level, bool low);
extern unsigned int nr_gsis;
void irq_dump(void); /* debug keys i, z */

#endif
