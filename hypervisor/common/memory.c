// SPDX-License-Identifier: BSD-2-Clause
/* hc_memory_op: questions about memory, memory maps, claims, resources; reservations are in reservation.c. */
#include <hv/memop.h>
#include <hv/boot.h>
#include <hv/gnttab.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/mm.h>
#include <hv/softirq.h>

#define M2P_CHUNK      (2UL << 20) /* bytes of the M2P table named by one entry of machphys_mfn_list */
#define MAX_GUEST_E820 1024

bool memory_may_manage(const struct domain *d)
{
	return d == current->domain || current_is_privileged() || current->domain->target == d;
}

/* Guests write the number of their frames into shared_info. */
static long maximum_gpfn(const struct domain *d)
{
	uint64_t nr = d->shared_info ? READ_ONCE(d->shared_info->arch.max_pfn) : 0;

	return (long)(nr ? nr - 1 : 0);
}

/* current_reservation, maximum_reservation, maximum_gpfn. */
static long domain_numbers(unsigned int op, guest_ptr_t arg)
{
	struct domain *d;
	domid_t id;
	long rc;

	if (copy_from_guest(&id, arg, sizeof(id)))
		return -XEN_EFAULT;
	d = get_domain_or_self(id);
	if (!d)
		return -XEN_ESRCH;
	if (!memory_may_manage(d))
		rc = -XEN_EPERM;
	else if (op == XENMEM_current_reservation)
		rc = d->tot_pages;
	else if (op == XENMEM_maximum_reservation)
		rc = d->max_pages;
	else
		rc = maximum_gpfn(d);
	put_domain(d);
	return rc;
}

static long machphys_mapping(guest_ptr_t arg)
{
	struct xen_machphys_mapping m = {
		.v_start = MACH2PHYS_VIRT_START,
		.v_end = MACH2PHYS_VIRT_END,
		.max_mfn = MACH2PHYS_NR_ENTRIES - 1,
	};

	return copy_to_guest(arg, &m, sizeof(m));
}

/* Frame that holds the M2P table's byte at va, from the hypervisor's own tables; 0 when there is none. */
static uint64_t m2p_frame(uint64_t va)
{
	const uint64_t *table = idle_l4;

	for (unsigned int level = 4;; level--) {
		uint64_t e = table[pt_index(va, level)];

		if (!(e & PTE_P))
			return 0;
		if (level == 1 || (e & PTE_PS)) {
			uint64_t below = BIT(9 * (level - 1)) - 1; /* frames within the mapping */

			return (pte_mfn(e).v & ~below) | ((va >> PAGE_SHIFT) & below);
		}
		table = mfn_to_virt(pte_mfn(e));
	}
}

static long machphys_mfn_list(guest_ptr_t arg)
{
	uint64_t end = RO_M2P_VIRT + max_frame * sizeof(uint64_t), last = 0;
	struct xen_machphys_mfn_list l;
	unsigned int i = 0;

	if (copy_from_guest(&l, arg, sizeof(l)))
		return -XEN_EFAULT;
	for (uint64_t va = RO_M2P_VIRT; i < l.max_extents && va < end; va += M2P_CHUNK, i++) {
		xen_pfn_t nr = m2p_frame(va);

		/* A hole is shown as the chunk before it: something that can be mapped. */
		if (nr)
			last = nr;
		else
			nr = last;
		if (copy_array_to_guest(guest_handle(l.extent_start), i, &nr, 1))
			return -XEN_EFAULT;
	}
	l.nr_extents = i;
	return copy_to_guest(arg, &l, sizeof(l));
}

/* Hand `have` entries at src to the caller's buffer: all, or (part) as many as it takes. */
static long copy_map_out(guest_ptr_t arg, const void *src, unsigned int have, bool part)
{
	struct xen_memory_map m;

	if (copy_from_guest(&m, arg, sizeof(m)))
		return -XEN_EFAULT;
	if (!part && m.nr_entries < have)
		return -XEN_EINVAL;
	m.nr_entries = MIN(m.nr_entries, have);
	if (copy_to_guest(guest_handle(m.buffer), src, m.nr_entries * sizeof(struct e820_entry)))
		return -XEN_EFAULT;
	return copy_to_guest(arg, &m, sizeof(m));
}

static long machine_memory_map(guest_ptr_t arg)
{
	if (!current_is_privileged())
		return -XEN_EPERM;
	return copy_map_out(arg, boot_info.e820, boot_info.nr_e820, false);
}

static long memory_map(guest_ptr_t arg)
{
	struct domain *d = current->domain;
	struct e820_entry *copy;
	unsigned int n;
	long rc;

	_Static_assert(sizeof(*d->pv.e820) == sizeof(struct e820_entry), "the same layout");
	n = READ_ONCE(d->pv.nr_e820);
	if (!n)
		return -XEN_ENOSYS;
	/* Not under the lock: taking memory may have to wait for other CPUs. */
	copy = hv_alloc(n * sizeof(*copy));
	if (!copy)
		return -XEN_ENOMEM;
	spin_lock(&d->lock);
	n = d->pv.e820 ? MIN(n, d->pv.nr_e820) : 0;
	memcpy(copy, d->pv.e820, n * sizeof(*copy));
	spin_unlock(&d->lock);
	rc = copy_map_out(arg, copy, n, true);
	hv_free(copy);
	return rc;
}

static long set_memory_map(guest_ptr_t arg)
{
	struct xen_foreign_memory_map m;
	struct domain *d;
	void *new, *old;
	uint64_t bytes;
	long rc;

	if (copy_from_guest(&m, arg, sizeof(m)))
		return -XEN_EFAULT;
	if (m.map.nr_entries > MAX_GUEST_E820)
		return -XEN_EINVAL;
	d = get_domain_or_self(m.domid);
	if (!d)
		return -XEN_ESRCH;
	rc = -XEN_EPERM;
	if (!memory_may_manage(d))
		goto put;
	bytes = m.map.nr_entries * sizeof(struct e820_entry);
	new = hv_alloc(bytes ? bytes : 1);
	rc = -XEN_ENOMEM;
	if (!new)
		goto put;
	rc = copy_from_guest(new, guest_handle(m.map.buffer), bytes);
	if (rc) {
		hv_free(new);
		goto put;
	}
	spin_lock(&d->lock);
	old = d->pv.e820;
	d->pv.e820 = new;
	d->pv.nr_e820 = m.map.nr_entries;
	spin_unlock(&d->lock);
	hv_free(old);
put:
	put_domain(d);
	return rc;
}

/* A promise of memory for a domain that is about to be built; nr_extents 0 takes the promise back. */
static int set_claim(struct domain *d, uint64_t pages)
{
	int rc = 0;

	spin_lock(&d->page_lock);
	if (!pages) {
		(void)heap_claim(-(int64_t)d->outstanding_claim); /* cannot fail: shrinks */
		d->outstanding_claim = 0;
	} else if (d->outstanding_claim || pages <= d->tot_pages || pages > d->max_pages) {
		rc = -XEN_EINVAL;
	} else {
		rc = heap_claim((int64_t)(pages - d->tot_pages));
		if (!rc)
			d->outstanding_claim = (uint32_t)(pages - d->tot_pages);
	}
	spin_unlock(&d->page_lock);
	return rc;
}

void domain_drop_claim(struct domain *d)
{
	(void)set_claim(d, 0); /* cannot fail: shrinks */
}

static long claim_pages(guest_ptr_t arg)
{
	struct xen_memory_reservation r;
	struct domain *d;
	long rc;

	if (!current_is_privileged())
		return -XEN_EPERM;
	if (copy_from_guest(&r, arg, sizeof(r)))
		return -XEN_EFAULT;
	if (r.extent_start.p || r.extent_order || r.mem_flags)
		return -XEN_EINVAL;
	d = get_domain_by_id(r.domid);
	if (!d)
		return -XEN_ESRCH;
	rc = d->dying == DOM_ALIVE || !r.nr_extents ? set_claim(d, r.nr_extents) : -XEN_EINVAL;
	put_domain(d);
	return rc;
}

/* Frames of a resource from `start` on into the caller's list. */
static long acquire_frames(const struct xen_mem_acquire_resource *r, struct domain *d,
			   uint64_t start, guest_ptr_t arg)
{
	for (uint64_t i = start; i < r->nr_frames; i++) {
		xen_pfn_t out;
		mfn_t m;
		long rc;

		if (i != start && preempt_needed())
			return hypercall_continue(__HYPERVISOR_memory_op, 2,
						  XENMEM_acquire_resource | i << MEMOP_EXTENT_SHIFT,
						  arg.va);
		rc = gnttab_get_frame(d, (uint32_t)(r->frame + i), &m);
		if (rc)
			return rc;
		out = m.v;
		if (copy_array_to_guest(guest_handle(r->frame_list), i, &out, 1))
			return -XEN_EFAULT;
	}
	return 0;
}

static long resource_checked(struct xen_mem_acquire_resource *r, struct domain *d, uint64_t start,
			     guest_ptr_t arg)
{
	uint32_t max;

	if (r->type == XENMEM_resource_ioreq_server || r->type == XENMEM_resource_vmtrace_buf)
		return -XEN_EOPNOTSUPP;
	/* Status frames belong to grant tables of version 2. */
	if (r->type != XENMEM_resource_grant_table ||
	    r->id != XENMEM_resource_grant_table_id_shared)
		return -XEN_EINVAL;
	max = gnttab_max_frames(d);
	if (!r->frame_list.p) {
		if (r->nr_frames)
			return -XEN_EINVAL;
		r->nr_frames = max;
		return copy_to_guest(arg, r, sizeof(*r));
	}
	if (r->frame + r->nr_frames < r->frame || r->frame + r->nr_frames > max)
		return -XEN_EINVAL;
	if (start && start >= r->nr_frames)
		return -XEN_EINVAL;
	return acquire_frames(r, d, start, arg);
}

static long acquire_resource(uint64_t start, guest_ptr_t arg)
{
	struct xen_mem_acquire_resource r;
	struct domain *d;
	long rc = -XEN_EPERM;

	if (copy_from_guest(&r, arg, sizeof(r)))
		return -XEN_EFAULT;
	if (r.pad)
		return -XEN_EINVAL;
	if (r.nr_frames > UINT32_MAX >> MEMOP_EXTENT_SHIFT)
		return -XEN_E2BIG;
	if (r.domid == DOMID_SELF || r.domid == current->domain->id)
		return -XEN_EPERM;
	d = get_domain_by_id(r.domid);
	if (!d)
		return -XEN_ESRCH;
	if (current_is_privileged() || current->domain->target == d)
		rc = resource_checked(&r, d, start, arg);
	put_domain(d);
	return rc;
}

/* No device has memory reserved for it: there is no IOMMU support. */
static long reserved_device_memory(guest_ptr_t arg)
{
	struct xen_reserved_device_memory_map m;

	if (copy_from_guest(&m, arg, sizeof(m)))
		return -XEN_EFAULT;
	if (m.flags & ~XENMEM_RDM_ALL)
		return -XEN_EINVAL;
	m.nr_entries = 0;
	return copy_to_guest(arg, &m, sizeof(m));
}

/* Operations that change a translated guest's physmap: guests here have none. */
static long physmap_op(guest_ptr_t arg)
{
	struct domain *d;
	domid_t id; /* first member of all their arguments */

	if (copy_from_guest(&id, arg, sizeof(id)))
		return -XEN_EFAULT;
	d = get_domain_or_self(id);
	if (!d)
		return -XEN_ESRCH;
	put_domain(d);
	return -XEN_EACCES;
}

static long questions(unsigned int op, guest_ptr_t arg)
{
	switch (op) {
	case XENMEM_maximum_ram_page:
		return (long)max_frame;
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:
	case XENMEM_maximum_gpfn:
		return domain_numbers(op, arg);
	case XENMEM_machphys_mfn_list:
		return machphys_mfn_list(arg);
	case XENMEM_machphys_mapping:
		return machphys_mapping(arg);
	case XENMEM_memory_map:
		return memory_map(arg);
	case XENMEM_machine_memory_map:
		return machine_memory_map(arg);
	case XENMEM_set_memory_map:
		return set_memory_map(arg);
	case XENMEM_claim_pages:
		return claim_pages(arg);
	case XENMEM_reserved_device_memory_map:
		return reserved_device_memory(arg);
	case XENMEM_add_to_physmap:
	case XENMEM_add_to_physmap_batch:
	case XENMEM_remove_from_physmap:
		return physmap_op(arg);
	case XENMEM_get_vnumainfo:
		return -XEN_EOPNOTSUPP;
	case XENMEM_get_sharing_freed_pages:
	case XENMEM_get_sharing_shared_pages:
		return 0;
	default:
		return -XEN_ENOSYS;
	}
}

long hc_memory_op(unsigned long cmd, unsigned long arg)
{
	/* The number of extents done stands above the operation; the whole is 32 bits wide in the ABI. */
	unsigned int op = (uint32_t)cmd & ((1u << MEMOP_EXTENT_SHIFT) - 1);
	uint64_t start = cmd >> MEMOP_EXTENT_SHIFT;

	switch (op) {
	case XENMEM_increase_reservation:
	case XENMEM_decrease_reservation:
	case XENMEM_populate_physmap:
		return memory_reservation(op, start, guest_ptr(arg));
	case XENMEM_acquire_resource:
		return acquire_resource(start, guest_ptr(arg));
	case XENMEM_exchange:
		return start ? -XEN_EINVAL : memory_exchange(guest_ptr(arg));
	default:
		return start ? -XEN_EINVAL : questions(op, guest_ptr(arg));
	}
}
