/* SPDX-License-Identifier: BSD-2-Clause */
/* Event channels: glue over core/evtchn.c. 2-level and FIFO ABIs. */
#ifndef HV_EVTCHN_H
#define HV_EVTCHN_H

#include <hv/types.h>
#include <hv/lock.h>
#include <xen/event_channel.h>
#include <hv/evtchn_core.h>

struct domain;
struct vcpu;

/* A channel's lock, a bare ticket lock, for it is on the path of each event. Interrupts off. */
static inline void evtchn_lock(struct evtchn *c)
{
	uint16_t t = __atomic_fetch_add(&c->lock_next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&c->lock_now, __ATOMIC_ACQUIRE) != t)
		asm volatile("pause");
}
static inline void evtchn_unlock(struct evtchn *c)
{
	__atomic_store_n(&c->lock_now, (uint16_t)(c->lock_now + 1), __ATOMIC_RELEASE);
}

int evtchn_init(struct domain *d, uint32_t max_ports); /* 0, -XEN_ENOMEM */
int evtchn_destroy(
	struct domain *d); /* close all ports of a dying domain; 0 or -XEN_ERESTART: call again */
void evtchn_free(struct domain *d);
void evtchn_vcpu_init(struct vcpu *v);
void evtchn_vcpu_destroy(struct vcpu *v);
/* After VCPUOP_register_vcpu_info or at bring-up: v's vcpu_info page moved. */
void evtchn_vcpu_info_moved(struct vcpu *v);

/* Raise a virtual IRQ. Any context, also interrupts. Global VIRQs go to the vcpu that bound them. */
void send_guest_vcpu_virq(struct vcpu *v, uint32_t virq);
void send_guest_global_virq(struct domain *d, uint32_t virq);
/* A physical interrupt for the pirq bound to an event channel; see irq.h. */
void send_guest_pirq(struct domain *d, uint32_t pirq);
/* Hypercall-equivalent send on port by d (for our own notifications). 0 or -XEN_E*. */
int evtchn_send(struct domain *d, evtchn_port_t port);
/* True when an event is pending for the current vcpu and not masked: entry.S delivers an upcall. */
bool evtchn_upcall_pending(const struct vcpu *v);
/* v should look at its upcall_pending: wake it, or kick its CPU. */
void vcpu_kick(struct vcpu *v);
/* EVTCHNOP_unmask, for PHYSDEVOP_eoi with auto-unmask as well. 0 or -XEN_EINVAL. */
long evtchn_unmask(struct domain *d, evtchn_port_t port);
/* Is port pending (for SCHEDOP_poll)? -XEN_EINVAL: no such port. */
int evtchn_port_pending(struct domain *d, evtchn_port_t port);
/* Deliver an upcall to v by setting vcpu_info fields (2-level selector too); used by FIFO and 2-level. */
void vcpu_mark_events_pending(struct vcpu *v);
/* FIFO ABI, common/evtchn_fifo.c. v may be NULL where the domain has no such vcpu yet. */
void fifo_set_pending(struct domain *d, struct vcpu *v, struct evtchn *c);
void fifo_clear_pending(struct domain *d, struct evtchn *c);
void fifo_unmask(struct domain *d, struct vcpu *v, struct evtchn *c);
bool fifo_is_pending(const struct domain *d, uint32_t port);
bool fifo_is_masked(const struct domain *d, uint32_t port);
/* The port's word is still in a queue: the port may not be used anew. */
bool fifo_is_busy(const struct domain *d, uint32_t port);
/* Back to 2-level: unmap everything. All ports are closed; event_lock held. 0 or -XEN_ERESTART: some pages are left. */
long fifo_destroy(struct domain *d);
/* Make a channel of d pending; its lock or event_lock held. */
void evtchn_raise(struct domain *d, struct evtchn *c);
/* Wake vcpus of d that poll for port. */
void evtchn_wake_pollers(struct domain *d, uint32_t port);

void evtchn_dump(void); /* debug key e */
void virqs_dump(void);

#endif
