/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains and their vcpus.
 *
 *   create --> paused --unpause--> running <--pause--> paused
 *                                     |
 *                     SCHEDOP_shutdown|crash          domctl destroydomain
 *                                     v                     |
 *                                 shut down ----------------+--> dying (relinquish, preemptible) --> dead --> freed
 *                                                                                      at the last put_domain
 */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include <hv/lock.h>
#include <hv/cpuinfo.h>
#include <hv/time.h>
#include <hv/evtchn_core.h>
#include <hv/sched_core.h>
#include <hv/rangeset.h>
#include <hv/softirq.h>
#include <hv/x86/pv.h>
#include <xen/xen.h>
#include <xen/vcpu.h>
#include <xen/sched.h>
#include <xen/domctl.h>

struct grant_table;
struct pirq_table;
struct fifo_domain;
struct fifo_vcpu;

struct vcpu {
	unsigned int id;
	struct domain *domain;
	vcpu_info_t *vcpu_info; /* in shared_info, or the registered frame through the direct map */
	mfn_t vcpu_info_mfn; /* registered frame (a writable type reference is held), or MFN_NONE */

	/* scheduling: sched lock of `processor` */
	unsigned int processor;
	unsigned long pause_flags; /* VPF_*, atomic bits */
	int pause_count;
	bool is_running; /* on a CPU now */
	bool is_initialised; /* has a context */
	bool is_idle;
	cpumask_t dirty_cpu; /* CPUs that may hold its lazy state or TLB entries: 0 or 1 bit */
	cpumask_t hard_affinity, soft_affinity;
	struct sched_vcpu sched;

	/* time */
	struct timer singleshot_timer, periodic_timer, poll_timer;
	s_time_t periodic_period, periodic_last;
	vcpu_runstate_info_t runstate; /* sched lock */
	bool paused_for_shutdown; /* domain.lock */
	guest_ptr_t runstate_area; /* va in this vcpu's own address space; 0 = none */
	guest_ptr_t time_area; /* secondary vcpu_time_info, likewise */
	uint64_t time_area_done; /* va of the area that has been filled: its values do not change */

	/* events: domain's event_lock */
	evtchn_port_t virq_to_evtchn[NR_VIRQS];
	spinlock_t virq_lock; /* readers of virq_to_evtchn in interrupts */
	bool pinned_over; /* SCHEDOP_pin_override: hard_affinity is in saved_affinity */
	cpumask_t saved_affinity;
	int poll_evtchn; /* 0 none, -1 several, else the port polled */
	struct evtchn_vcpu evtchn;
	struct fifo_vcpu *fifo;

	/* multicall in progress */
	bool mc_active, mc_preempted;
	multicall_entry_t mc_call;

	struct pv_vcpu pv;
};

enum dying { DOM_ALIVE, DOM_DYING, DOM_DEAD };

struct domain {
	domid_t id;
	bool is_privileged; /* dom0 */
	bool is_hardware; /* gets the devices: dom0 */
	bool is_idle;
	unsigned int refs; /* atomic; the struct is freed at 0 */
	struct domain *next; /* list by id; domain_list_lock */
	struct domain *hash_next; /* same id bucket; domain_list_lock */
	struct tasklet free_work; /* frees the struct after the last reference */

	unsigned int max_vcpus;
	struct vcpu **vcpu; /* max_vcpus pointers, NULL until created */
	shared_info_t *shared_info;
	mfn_t shared_info_mfn;

	spinlock_t lock; /* life cycle, vcpu creation, misc parameters */
	spinlock_t page_lock; /* pages, tot_pages, lists */
	uint32_t page_list; /* first frame of its memory, FRAME_NIL */
	uint32_t tot_pages, max_pages;
	uint32_t outstanding_claim;
	uint32_t shared_pages;

	spinlock_t event_lock;
	struct evtchn_domain evtchn;
	struct fifo_domain *fifo;
	uint32_t max_evtchn_port;
	uint64_t poll_mask; /* vcpus in SCHEDOP_poll; atomic bits */

	struct grant_table *grant_table;
	unsigned int nr_pirqs;
	struct pirq_table *pirqs;

	struct rangeset *iomem_caps, *irq_caps, *ioport_caps;

	/* life cycle: lock */
	enum dying dying;
	unsigned int relinquish_step; /* where domain_kill() goes on */
	bool is_shutting_down, is_shut_down;
	int shutdown_code; /* -1 none */
	int pause_count; /* domain_pause */
	int controller_pause_count; /* domctl pausedomain */
	bool paused_for_suspend;
	uint64_t suspend_port;

	struct sched_domain sched;
	uint64_t vm_assist; /* VMASST_TYPE bits */
	xen_domain_handle_t handle;
	uint32_t create_flags;
	uint32_t ssidref;
	int64_t time_offset_seconds;
	uint32_t tsc_mode, tsc_incarnation;
	struct timer watchdog[2];
	uint32_t watchdog_inuse;
	struct domain *target;
	cpumask_t
		dirty_cpumask; /* CPUs on which some vcpu of it runs or ran last: TLB flushes go there */
	struct pv_domain pv;
};

#define MAX_DOMID 0x7fefu

extern struct domain *dom0; /* NULL before it is built */
extern struct domain *domain_list; /* ascending id; take domain_list_lock */
extern spinlock_t domain_list_lock;
extern struct vcpu *idle_vcpu[NR_CPUS];
extern struct domain *idle_domain;
/* Where vcpus beyond the 32 of shared_info have their vcpu_info until they register one. */
extern vcpu_info_t dummy_vcpu_info;

/* ---- common/domain.c */
void domain_init(void);
/*
 * New domain, paused (controller_pause_count 1), without vcpus or memory. cfg as in XEN_DOMCTL_createdomain.
 * 0 and *out with one reference for the caller (the domain's own existence holds another), or -XEN_EINVAL, -XEN_EEXIST, -XEN_ENOMEM.
 */
int domain_create(domid_t id, const struct xen_domctl_createdomain *cfg, bool privileged,
		  struct domain **out);
/* Vcpu `id` of d, down, not initialised. NULL: out of memory. */
struct vcpu *vcpu_create(struct domain *d, unsigned int id);
/* Reference by id; DOMID_SELF is the caller's business. NULL when there is none. */
struct domain *get_domain_by_id(domid_t id);
/* DOMID_SELF or an id; dying domains too. NULL: none. Drop with put_domain(). */
struct domain *get_domain_or_self(domid_t id);
/* The same without a reference, only for the current domain's own id or under domain_list_lock. */
void get_domain(struct domain *d);
void put_domain(struct domain *d);
/* Start or go on tearing d down. 0 when dead, -XEN_ERESTART, -XEN_EINVAL for dom0. */
int domain_kill(struct domain *d);
/* SCHEDOP_shutdown by d, or on its behalf. For dom0: ends the machine according to the reason. */
void domain_shutdown(struct domain *d, int reason);
void domain_resume(struct domain *d);
/* Beyond repair: log why, shut down as crashed, reschedule. Returns; the caller leaves as soon as it can. */
void domain_crash(struct domain *d, const char *fmt, ...) __printf(2, 3);
/* Machine reset or power-off (x86/shutdown.c); does not return. */
void machine_restart(void) __noreturn;
void machine_poweroff(void) __noreturn;
void machine_halt(void) __noreturn;
/* XENPF_enter_acpi_sleep: write the PM1 control registers with the sleep types given, and SLP_EN. */
void acpi_enter_sleep(uint16_t pm1a, uint16_t pm1b);
/* All vcpus are paused and shut down: VIRQ_DOM_EXC to dom0. */
void domain_report(struct domain *d);
struct vcpu *domain_vcpu(const struct domain *d, unsigned int id); /* NULL out of range */
/* VCPUOP_initialise / setvcpucontext are x86: pv.h. */
int vcpu_up(struct vcpu *v);
/* Register vcpu_info at mfn:offset. 0 or -XEN_E*. */
int vcpu_map_info(struct vcpu *v, mfn_t m, unsigned int offset);
void vcpu_unmap_info(struct vcpu *v);
void domain_dump(void); /* debug key q */
void domain_getinfo(struct domain *d, struct xen_domctl_getdomaininfo *out);

/* Arm a watchdog (id 0: a new one), poke it (timeout in seconds) or drop it (timeout 0): SCHEDOP_watchdog. */
long domain_watchdog(struct domain *d, uint32_t id, uint32_t timeout);

#define for_each_vcpu(d, v)                                     \
	for (unsigned int vi_ = 0; vi_ < (d)->max_vcpus; vi_++) \
		if (((v) = (d)->vcpu[vi_]) != NULL)

static inline bool is_pv_guest(const struct domain *d)
{
	return !d->is_idle;
}
/* May the current domain use privileged operations? */
static inline bool current_is_privileged(void)
{
	return current->domain->is_privileged;
}

#endif
