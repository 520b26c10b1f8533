// SPDX-License-Identifier: BSD-2-Clause
// Domains and vcpus: making, finding, counting references, tearing down.
#include <hv/domain.h>
#include <hv/boot.h>
#include <hv/evtchn.h>
#include <hv/gnttab.h>
#include <hv/heap.h>
#include <hv/irq.h>
#include <hv/mm.h>
#include <hv/sched.h>
#include <hv/smp.h>

#define HASH_SIZE	 256
#define EXTRA_PIRQS_DOM0 256
#define EXTRA_PIRQS_DOMU 32

struct domain *dom0;
struct domain *domain_list;
spinlock_t domain_list_lock;
struct vcpu *idle_vcpu[NR_CPUS];
struct domain *idle_domain;
vcpu_info_t dummy_vcpu_info;

static struct domain *domain_hash[HASH_SIZE]; /* domain_list_lock */

/* ---- finding and counting */
static struct domain **hash_slot(domid_t id)
{
	return &domain_hash[id % HASH_SIZE];
}

/* One more reference, unless the last is gone already. */
static bool try_get(struct domain *d)
{
	unsigned int refs = READ_ONCE(d->refs);

	while (refs)
		if (__atomic_compare_exchange_n(&d->refs, &refs, refs + 1, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	return false;
}

struct domain *get_domain_by_id(domid_t id)
{
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);
	struct domain *d = *hash_slot(id);

	while (d && d->id != id)
		d = d->hash_next;
	if (d && !try_get(d))
		d = NULL;
	spin_unlock_irqrestore(&domain_list_lock, flags);
	return d;
}

void get_domain(struct domain *d)
{
	ASSERT(READ_ONCE(d->refs) != 0);
	atomic_inc(&d->refs);
}

struct domain *get_domain_or_self(domid_t id)
{
	struct domain *d = current->domain;

	if (id != DOMID_SELF && id != d->id)
		return get_domain_by_id(id);
	get_domain(d);
	return d;
}

void put_domain(struct domain *d)
{
	/* The last reference may go anywhere, with locks held: the work is done later. */
	if (atomic_dec_and_test(&d->refs))
		tasklet_schedule(&d->free_work);
}

struct vcpu *domain_vcpu(const struct domain *d, unsigned int id)
{
	return id < d->max_vcpus ? d->vcpu[id] : NULL;
}

static void list_remove(struct domain *d)
{
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);
	struct domain **p;

	for (p = &domain_list; *p != d; p = &(*p)->next)
		;
	WRITE_ONCE(*p, d->next);
	for (p = hash_slot(d->id); *p != d; p = &(*p)->hash_next)
		;
	WRITE_ONCE(*p, d->hash_next);
	spin_unlock_irqrestore(&domain_list_lock, flags);
}

/* False: the id is taken. */
static bool list_insert(struct domain *d)
{
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);
	struct domain **p;
	bool ok;

	for (p = &domain_list; *p && (*p)->id < d->id; p = &(*p)->next)
		;
	ok = !*p || (*p)->id != d->id;
	if (ok) {
		d->next = *p;
		WRITE_ONCE(*p, d);
		p = hash_slot(d->id);
		d->hash_next = *p;
		WRITE_ONCE(*p, d);
	}
	spin_unlock_irqrestore(&domain_list_lock, flags);
	return ok;
}

/* ---- the end of a domain's struct: every part may be there or not */
static void vcpu_free(struct vcpu *v)
{
	timer_kill(&v->singleshot_timer);
	timer_kill(&v->periodic_timer);
	timer_kill(&v->poll_timer);
	sched_vcpu_destroy(v);
	evtchn_vcpu_destroy(v);
	pv_vcpu_destroy(v);
	hv_free(v);
}

static void domain_struct_free(struct domain *d)
{
	struct vcpu *v;

	for (unsigned int i = 0; i < ARRAY_SIZE(d->watchdog); i++)
		timer_kill(&d->watchdog[i]);
	if (d->vcpu)
		for_each_vcpu(d, v)
			vcpu_free(v);
	gnttab_destroy(d);
	evtchn_free(d);
	if (d->pirqs)
		pirq_domain_destroy(d);
	pv_domain_destroy(d);
	frame_unshare_and_free(d->shared_info, d);
	rangeset_destroy(d->iomem_caps);
	rangeset_destroy(d->irq_caps);
	rangeset_destroy(d->ioport_caps);
	hv_free(d->vcpu);
	hv_free(d);
}

/* Tasklet: the last reference has gone. */
static void domain_free(void *arg)
{
	struct domain *d = arg;

	list_remove(d);
	if (d->target)
		put_domain(d->target);
	domain_struct_free(d);
}

/* ---- making domains */
static void watchdog_fired(void *arg)
{
	struct domain *d = arg;

	if (d->is_shutting_down || d->dying != DOM_ALIVE)
		return;
	log_warn("d%u: watchdog timer expired: shutting the domain down\n", d->id);
	domain_shutdown(d, SHUTDOWN_watchdog);
}

/* Plain values of a new domain; nothing that can fail. */
static void domain_set_up(struct domain *d, domid_t id, const struct xen_domctl_createdomain *cfg,
			  bool privileged)
{
	d->id = id;
	d->is_privileged = d->is_hardware = privileged;
	d->refs = 2;
	d->max_vcpus = cfg->max_vcpus;
	d->page_list = FRAME_NIL;
	d->shutdown_code = -1;
	d->pause_count = 1;
	/* Domain 0 is started by the hypervisor, the others by the toolstack. */
	d->controller_pause_count = !privileged;
	d->sched.weight = SCHED_WEIGHT_DEFAULT;
	d->nr_pirqs = nr_gsis + (privileged ? EXTRA_PIRQS_DOM0 : EXTRA_PIRQS_DOMU);
	memcpy(d->handle, cfg->handle, sizeof(d->handle));
	d->create_flags = cfg->flags;
	d->ssidref = cfg->ssidref;
	d->pv.pirq_eoi_map = MFN_NONE;
	d->free_work.fn = domain_free;
	d->free_work.arg = d;
	for (unsigned int i = 0; i < ARRAY_SIZE(d->watchdog); i++)
		timer_init(&d->watchdog[i], watchdog_fired, d, smp_cpu());
}

/* Everything that needs memory. 0 or -XEN_ENOMEM; what was made is freed by domain_struct_free(). */
static int domain_allocate(struct domain *d, const struct xen_domctl_createdomain *cfg)
{
	d->vcpu = hv_alloc(d->max_vcpus * sizeof(*d->vcpu));
	d->shared_info = hv_alloc_pages(0);
	d->iomem_caps = rangeset_new();
	d->irq_caps = rangeset_new();
	d->ioport_caps = rangeset_new();
	if (d->shared_info) {
		frame_share(d->shared_info, d, true);
		d->shared_info_mfn = virt_to_mfn(d->shared_info);
	}
	if (!d->vcpu || !d->shared_info || !d->iomem_caps || !d->irq_caps || !d->ioport_caps)
		return -XEN_ENOMEM;
	if (evtchn_init(d, cfg->max_evtchn_port) || pirq_domain_init(d) || pv_domain_init(d))
		return -XEN_ENOMEM;
	return gnttab_init(d, cfg->max_grant_frames < 0 ? 0 : (uint32_t)cfg->max_grant_frames,
			   cfg->max_maptrack_frames < 0 ? 0 : (uint32_t)cfg->max_maptrack_frames);
}

int domain_create(domid_t id, const struct xen_domctl_createdomain *cfg, bool privileged,
		  struct domain **out)
{
	struct domain *d;
	int rc;

	if (id > MAX_DOMID || cfg->max_vcpus == 0 || cfg->max_vcpus > MAX_VCPUS)
		return -XEN_EINVAL;
	d = hv_alloc(sizeof(*d));
	if (!d)
		return -XEN_ENOMEM;
	domain_set_up(d, id, cfg, privileged);
	rc = domain_allocate(d, cfg);
	if (rc == 0) {
		for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
			d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
		wallclock_update(d);
		if (!list_insert(d))
			rc = -XEN_EEXIST;
	}
	if (rc) {
		domain_struct_free(d);
		return rc;
	}
	*out = d;
	return 0;
}

static void timer_event(void *arg)
{
	send_guest_vcpu_virq(arg, VIRQ_TIMER);
}

static void periodic_event(void *arg)
{
	struct vcpu *v = arg;
	s_time_t period = READ_ONCE(v->periodic_period), time = now();

	if (!period)
		return;
	send_guest_vcpu_virq(v, VIRQ_TIMER);
	v->periodic_last += period;
	if (v->periodic_last + period <= time) /* far behind: ticks lost are not made up */
		v->periodic_last = time;
	timer_set(&v->periodic_timer, v->periodic_last + period);
}

static void poll_timeout(void *arg)
{
	struct vcpu *v = arg;

	if (test_and_clear_bit(v->id, &v->domain->poll_mask))
		vcpu_unblock(v);
}

struct vcpu *vcpu_create(struct domain *d, unsigned int id)
{
	struct vcpu *v;

	if (id >= d->max_vcpus || d->vcpu[id])
		return NULL;
	v = hv_alloc(sizeof(*v));
	if (!v)
		return NULL;
	v->id = id;
	v->domain = d;
	v->pause_flags = VPF_DOWN;
	v->hard_affinity.bits = v->soft_affinity.bits = ~0UL;
	if (d->is_hardware && opt.dom0_vcpus_pin)
		v->hard_affinity.bits = BIT(id % nr_cpus);
	v->vcpu_info_mfn = MFN_NONE;
	v->vcpu_info = id < XEN_LEGACY_MAX_VCPUS ? &d->shared_info->vcpu_info[id]
						 : &dummy_vcpu_info;
	evtchn_vcpu_init(v);
	if (sched_vcpu_init(v) || pv_vcpu_init(v)) {
		pv_vcpu_destroy(v);
		hv_free(v);
		return NULL;
	}
	timer_init(&v->singleshot_timer, timer_event, v, v->processor);
	timer_init(&v->periodic_timer, periodic_event, v, v->processor);
	timer_init(&v->poll_timer, poll_timeout, v, v->processor);
	__atomic_store_n(&d->vcpu[id], v, __ATOMIC_RELEASE);
	return v;
}

int vcpu_up(struct vcpu *v)
{
	if (!v->is_initialised)
		return -XEN_EINVAL;
	if (__atomic_fetch_and(&v->pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST) & VPF_DOWN)
		vcpu_wake(v);
	return 0;
}

/* ---- vcpu_info elsewhere */
int vcpu_map_info(struct vcpu *v, mfn_t m, unsigned int offset)
{
	struct domain *d = v->domain;
	vcpu_info_t *new_info;

	if (offset > PAGE_SIZE - sizeof(vcpu_info_t) || (offset & (_Alignof(vcpu_info_t) - 1)))
		return -XEN_ENXIO;
	if (!mfn_eq(v->vcpu_info_mfn, MFN_NONE))
		return -XEN_EINVAL;
	/* Its old place must not change while it is copied: its owner, or nobody, runs. */
	if (v != current && !(READ_ONCE(v->pause_flags) & VPF_DOWN))
		return -XEN_EINVAL;
	if (!mfn_valid(m) || !frame_get_and_type(frame_of(m), d, FT_WRITABLE))
		return -XEN_EINVAL;
	new_info = (vcpu_info_t *)((char *)mfn_to_virt(m) + offset);
	if (v->vcpu_info == &dummy_vcpu_info) {
		memset(new_info, 0, sizeof(*new_info));
		new_info->evtchn_upcall_mask = 1;
	} else {
		memcpy(new_info, v->vcpu_info, sizeof(*new_info));
	}
	v->vcpu_info_mfn = m;
	__atomic_store_n(&v->vcpu_info, new_info, __ATOMIC_SEQ_CST);
	evtchn_vcpu_info_moved(v);
	return 0;
}

void vcpu_unmap_info(struct vcpu *v)
{
	mfn_t m = v->vcpu_info_mfn;

	if (mfn_eq(m, MFN_NONE))
		return;
	v->vcpu_info_mfn = MFN_NONE;
	__atomic_store_n(&v->vcpu_info,
			 v->id < XEN_LEGACY_MAX_VCPUS ? &v->domain->shared_info->vcpu_info[v->id]
						      : &dummy_vcpu_info,
			 __ATOMIC_SEQ_CST);
	frame_put_and_type(frame_of(m));
}

/* ---- tearing down */
enum { KILL_EVENTS, KILL_PIRQS, KILL_GRANTS, KILL_VCPUS, KILL_MEMORY, KILL_DONE };

/* Everything of v that holds frames. */
static int vcpu_relinquish(struct vcpu *v)
{
	int rc = vcpu_drop_cr3(v);

	if (rc)
		return rc;
	ldt_invalidate(v);
	v->pv.ldt_ents = 0;
	gdt_drop(v);
	vcpu_unmap_info(v);
	timer_stop(&v->periodic_timer);
	timer_stop(&v->singleshot_timer);
	timer_stop(&v->poll_timer);
	return 0;
}

static int kill_step(struct domain *d)
{
	struct vcpu *v;
	int rc;

	switch (d->relinquish_step) {
	case KILL_EVENTS:
		return evtchn_destroy(d);
	case KILL_PIRQS:
		pirq_domain_destroy(d);
		d->pirqs = NULL;
		return 0;
	case KILL_GRANTS:
		return gnttab_release_mappings(d);
	case KILL_VCPUS:
		for_each_vcpu(d, v) {
			rc = vcpu_relinquish(v);
			if (rc)
				return rc;
		}
		return 0;
	case KILL_MEMORY:
		return domain_relinquish_memory(d);
	}
	return 0;
}

int domain_kill(struct domain *d)
{
	int rc;

	if (d == dom0 || d == current->domain)
		return -XEN_EINVAL;
	if (d->dying == DOM_DEAD)
		return 0;
	if (d->dying == DOM_ALIVE) {
		domain_pause(d);
		spin_lock(&d->lock);
		d->dying = DOM_DYING;
		spin_unlock(&d->lock);
		/* Those who looked at `dying` under these locks have finished. */
		spin_lock(&d->event_lock);
		spin_unlock(&d->event_lock);
		spin_lock(&d->page_lock);
		spin_unlock(&d->page_lock);
		domain_drop_claim(d);
		d->relinquish_step = KILL_EVENTS;
	}
	while (d->relinquish_step < KILL_DONE) {
		rc = kill_step(d);
		if (rc)
			return rc;
		d->relinquish_step++;
		if (preempt_needed())
			return -XEN_ERESTART;
	}
	d->dying = DOM_DEAD;
	send_guest_global_virq(dom0, VIRQ_DOM_EXC);
	put_domain(d); /* its own existence's; pages still mapped elsewhere hold another */
	return 0;
}

/* ---- start, information */
void domain_init(void)
{
	static const struct xen_domctl_createdomain none;

	idle_domain = hv_alloc(sizeof(*idle_domain));
	if (idle_domain)
		idle_domain->vcpu = hv_alloc(NR_CPUS * sizeof(*idle_domain->vcpu));
	if (!idle_domain || !idle_domain->vcpu)
		hv_panic("no memory for the idle domain\n");
	domain_set_up(idle_domain, DOMID_IDLE, &none, false);
	idle_domain->is_idle = true;
	idle_domain->pause_count = 0;
	idle_domain->max_vcpus = NR_CPUS;
	dummy_vcpu_info.evtchn_upcall_mask = 1;
}

void domain_getinfo(struct domain *d, struct xen_domctl_getdomaininfo *out)
{
	uint32_t flags = XEN_DOMINF_blocked;
	struct vcpu *v;

	memset(out, 0, sizeof(*out));
	out->domain = d->id;
	out->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
	for_each_vcpu(d, v) {
		out->cpu_time += vcpu_run_time(v);
		out->max_vcpu_id = v->id;
		if (v->pause_flags & VPF_DOWN)
			continue;
		/* Blocked is said when all of them are. */
		if (!(v->pause_flags & VPF_BLOCKED))
			flags &= ~(uint32_t)XEN_DOMINF_blocked;
		if (v->is_running)
			flags |= XEN_DOMINF_running;
		out->nr_online_vcpus++;
	}
	flags |= (d->dying == DOM_DEAD ? XEN_DOMINF_dying : 0) |
		 (d->is_shut_down ? XEN_DOMINF_shutdown : 0) |
		 (d->controller_pause_count > 0 ? XEN_DOMINF_paused : 0) |
		 ((d->create_flags & XEN_DOMCTL_CDF_xs_domain) ? XEN_DOMINF_xs_domain : 0);
	if (d->shutdown_code != -1)
		flags |= ((uint32_t)d->shutdown_code & XEN_DOMINF_shutdownmask)
			 << XEN_DOMINF_shutdownshift;
	out->flags = flags;
	out->tot_pages = d->tot_pages;
	out->max_pages = d->max_pages;
	out->outstanding_pages = d->outstanding_claim;
	out->shared_info_frame = d->shared_info_mfn.v;
	out->ssidref = d->ssidref;
	memcpy(out->handle, d->handle, sizeof(out->handle));
	out->gpaddr_bits = 52;
	out->arch_config.emulation_flags = 0;
}

void domain_dump(void)
{
	uint64_t flags = spin_lock_irqsave(&domain_list_lock);
	struct vcpu *v;

	for (struct domain *d = domain_list; d; d = d->next) {
		log_info("d%u: refs %u dying %u pages %u of %u, pause %d, shutdown %d, dirty CPUs "
			 "%#lx\n",
			 d->id, d->refs, d->dying, d->tot_pages, d->max_pages, d->pause_count,
			 d->shutdown_code, d->dirty_cpumask.bits);
		for_each_vcpu(d, v)
			log_info("  v%u: CPU %u%s flags %#lx pause %d upcall %u mask %u poll %d "
				 "hard %#lx soft %#lx\n",
				 v->id, v->processor, v->is_running ? " running" : "",
				 v->pause_flags, v->pause_count,
				 v->vcpu_info->evtchn_upcall_pending,
				 v->vcpu_info->evtchn_upcall_mask, v->poll_evtchn,
				 v->hard_affinity.bits, v->soft_affinity.bits);
	}
	spin_unlock_irqrestore(&domain_list_lock, flags);
}
