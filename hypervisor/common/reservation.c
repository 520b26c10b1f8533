// SPDX-License-Identifier: BSD-2-Clause
/* Memory given to and taken from a domain: XENMEM_*_reservation, populate_physmap, exchange. */
#include <hv/memop.h>
#include <hv/heap.h>
#include <hv/hypercall.h>
#include <hv/mm.h>
#include <hv/softirq.h>

#define DOMU_MAX_ORDER 9
#define DOM0_MAX_ORDER 18

struct memop {
	struct domain *d;
	guest_ptr_t list; /* of extents; 0: none */
	unsigned int order;
	unsigned int heap_flags;
};

unsigned int memory_max_order(void)
{
	return current_is_privileged() ? DOM0_MAX_ORDER : DOMU_MAX_ORDER;
}

/* XENMEMF_* to heap flags. False: the address width names no memory at all. */
static bool heap_flags(unsigned int mem_flags, unsigned int *flags)
{
	unsigned int bits = XENMEMF_get_address_bits(mem_flags);

	*flags = 0;
	if (!bits || bits >= 52)
		return true;
	*flags = HEAP_ADDR_BITS(bits);
	return bits > PAGE_SHIFT;
}

static bool read_extent(const struct memop *m, uint64_t i, xen_pfn_t *pfn)
{
	return copy_array_from_guest(pfn, m->list, i, 1) == 0;
}

static bool write_extent(const struct memop *m, uint64_t i, uint64_t v)
{
	xen_pfn_t out = v;

	return copy_array_to_guest(m->list, i, &out, 1) == 0;
}

static bool increase(const struct memop *m, uint64_t i)
{
	mfn_t new = domain_alloc_pages(m->d, m->order, m->heap_flags);

	if (mfn_eq(new, MFN_NONE))
		return false;
	return !m->list.va || write_extent(m, i, new.v);
}

static bool populate(const struct memop *m, uint64_t i)
{
	xen_pfn_t gpfn;
	mfn_t new;

	if (!read_extent(m, i, &gpfn))
		return false;
	new = domain_alloc_pages(m->d, m->order, m->heap_flags);
	if (mfn_eq(new, MFN_NONE))
		return false;
	for (uint64_t j = 0; j < 1UL << m->order; j++)
		m2p_set(mfn_add(new, j), gpfn + j);
	return write_extent(m, i, new.v);
}

static bool remove_page(struct domain *d, uint64_t nr)
{
	struct frame *f;

	if (!mfn_valid(mfn(nr)) || !frame_get(frame_of(mfn(nr)), d)) {
		guest_trace("d%u gives back frame %#lx, which is not its own", d->id, nr);
		return false;
	}
	f = frame_of(mfn(nr));
	if (f->count & FC_ALLOCATED) {
		m2p_set(mfn(nr), INVALID_M2P_ENTRY);
		domain_release_page(f);
	}
	frame_put(f);
	return true;
}

static bool decrease(const struct memop *m, uint64_t i)
{
	xen_pfn_t first;

	if (!read_extent(m, i, &first))
		return false;
	for (uint64_t j = 0; j < 1UL << m->order; j++)
		if (!remove_page(m->d, first + j))
			return false;
	return true;
}

/* The extents from `start` on, until one fails or work is pending. */
static uint64_t run_extents(unsigned int op, const struct memop *m, uint64_t start, uint64_t nr,
			    bool *preempted)
{
	uint64_t i;

	for (i = start; i < nr; i++) {
		bool ok;

		if (i != start && preempt_needed()) {
			*preempted = true;
			break;
		}
		if (op == XENMEM_increase_reservation)
			ok = increase(m, i);
		else if (op == XENMEM_populate_physmap)
			ok = populate(m, i);
		else
			ok = decrease(m, i);
		if (!ok)
			break;
	}
	return i;
}

long memory_reservation(unsigned int op, uint64_t start, guest_ptr_t arg)
{
	struct xen_memory_reservation r;
	bool preempted = false;
	uint64_t done = start;
	struct memop m;

	/* Errors here are told as "none done": the ABI counts extents. */
	if (copy_from_guest(&r, arg, sizeof(r)))
		return (long)start;
	if (r.nr_extents > UINT32_MAX >> MEMOP_EXTENT_SHIFT || start >= r.nr_extents)
		return (long)start;
	m.list = guest_handle(r.extent_start);
	m.order = r.extent_order;
	if (m.order > memory_max_order() || !heap_flags(r.mem_flags, &m.heap_flags))
		return (long)start;
	if (op == XENMEM_populate_physmap && (r.mem_flags & XENMEMF_populate_on_demand))
		return (long)start;
	if ((m.list.va || op != XENMEM_increase_reservation) &&
	    !guest_range_ok(m.list.va, r.nr_extents * sizeof(xen_pfn_t)))
		return (long)start;
	m.d = get_domain_or_self(r.domid);
	if (!m.d)
		return (long)start;
	if (memory_may_manage(m.d))
		done = run_extents(op, &m, start, r.nr_extents, &preempted);
	put_domain(m.d);
	if (preempted)
		return hypercall_continue(__HYPERVISOR_memory_op, 2,
					  (unsigned long)(op | done << MEMOP_EXTENT_SHIFT), arg.va);
	return (long)done;
}

/*
 * Exchange. Work goes chunk by chunk; a chunk is the larger of the two extents, so that whole extents go in and out:
 *
 *   in: order 0   |a|b|c|d|    steal all, allocate, then free the stolen and assign the new: a chunk is
 *   out: order 2  |   X   |    either untouched or done
 *
 * What a chunk gave up is kept back for a while, so that the next chunk does not get it.
 */
#define LIMBO 128

struct exchange {
	struct domain *d;
	xen_memory_exchange_t x;
	unsigned int order; /* of a chunk */
	unsigned int heap_flags;
	uint32_t *stolen; /* frames taken from the domain, 2^order */
	uint32_t *fresh; /* first frames of new blocks, chunk size / out extent size */
	uint32_t limbo[LIMBO]; /* given up, not yet free */
	unsigned int nr_limbo;
};

/* Take a frame that nobody refers to out of the domain's hands; it stays counted and listed. */
static bool steal(struct domain *d, uint64_t nr)
{
	struct frame *f;
	uint32_t alone = FC_ALLOCATED | 2;

	if (!mfn_valid(mfn(nr)))
		return false;
	f = frame_of(mfn(nr));
	if (!frame_get(f, d))
		return false;
	if (cmpxchg(&f->count, alone, 0) == alone)
		return true;
	frame_put(f);
	return false;
}

static void unsteal(struct exchange *e, uint64_t n)
{
	while (n--) {
		struct frame *f = frame_of(mfn(e->stolen[n]));

		__atomic_store_n(&f->count, FC_ALLOCATED | 1, __ATOMIC_SEQ_CST);
		/* The teardown of a domain that died meanwhile has passed over the stolen ones. */
		if (READ_ONCE(e->d->dying) != DOM_ALIVE)
			domain_release_page(f);
	}
}

static long steal_chunk(struct exchange *e, uint64_t chunk)
{
	unsigned int in = e->x.in.extent_order;
	uint64_t per_chunk = 1UL << (e->order - in), n = 0;

	for (uint64_t i = 0; i < per_chunk; i++) {
		xen_pfn_t first;

		if (copy_array_from_guest(&first, guest_handle(e->x.in.extent_start),
					  chunk * per_chunk + i, 1)) {
			unsteal(e, n);
			return -XEN_EFAULT;
		}
		for (uint64_t j = 0; j < 1UL << in; j++) {
			if (!steal(e->d, first + j)) {
				guest_trace("frame %#lx cannot be exchanged: not the domain's or "
					    "in use",
					    first + j);
				unsteal(e, n);
				return -XEN_EINVAL;
			}
			e->stolen[n++] = (uint32_t)(first + j);
		}
	}
	return 0;
}

static void free_fresh(struct exchange *e, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		heap_free(mfn(e->fresh[i]), e->x.out.extent_order);
}

static long alloc_fresh(struct exchange *e, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		mfn_t m = heap_alloc(e->x.out.extent_order, e->heap_flags);

		if (mfn_eq(m, MFN_NONE)) {
			free_fresh(e, 0, i);
			return -XEN_ENOMEM;
		}
		e->fresh[i] = (uint32_t)m.v;
	}
	return 0;
}

/* The new blocks become the domain's, at the pseudo-physical frames it asks for. */
static long assign_fresh(struct exchange *e, uint64_t chunk, uint64_t n)
{
	unsigned int out = e->x.out.extent_order;
	guest_ptr_t list = guest_handle(e->x.out.extent_start);
	long rc = 0;

	for (uint64_t i = 0; i < n; i++) {
		xen_pfn_t gpfn, new = e->fresh[i];

		if (!domain_assign_pages(e->d, mfn(new), out)) {
			free_fresh(e, i, n);
			return e->d->dying != DOM_ALIVE ? -XEN_EINVAL : -XEN_ENOMEM;
		}
		if (copy_array_from_guest(&gpfn, list, chunk * n + i, 1)) {
			rc = -XEN_EFAULT;
			continue;
		}
		for (uint64_t j = 0; j < 1UL << out; j++)
			m2p_set(mfn(new + j), gpfn + j);
		if (copy_array_to_guest(list, chunk * n + i, &new, 1))
			rc = -XEN_EFAULT;
	}
	return rc;
}

static void limbo_empty(struct exchange *e)
{
	while (e->nr_limbo)
		heap_free(mfn(e->limbo[--e->nr_limbo]), 0);
}

static void give_up(struct exchange *e, uint32_t nr)
{
	domain_detach_page(frame_of(mfn(nr)));
	if (e->nr_limbo == LIMBO)
		limbo_empty(e);
	e->limbo[e->nr_limbo++] = nr;
}

static long exchange_chunk(struct exchange *e, uint64_t chunk)
{
	uint64_t n = 1UL << (e->order - e->x.out.extent_order);
	long rc = steal_chunk(e, chunk);

	if (rc)
		return rc;
	rc = alloc_fresh(e, n);
	if (rc) {
		unsteal(e, 1UL << e->order);
		return rc;
	}
	for (uint64_t i = 0; i < 1UL << e->order; i++)
		give_up(e, e->stolen[i]);
	return assign_fresh(e, chunk, n);
}

/* All that can be said of the argument without touching anything. */
static long exchange_check(const xen_memory_exchange_t *x)
{
	unsigned int max = memory_max_order();

	if (x->in.extent_order > max || x->out.extent_order > max)
		return -XEN_EPERM;
	if (x->nr_exchanged > x->in.nr_extents || x->in.domid != x->out.domid)
		return -XEN_EINVAL;
	if (~0UL >> x->in.extent_order < x->in.nr_extents ||
	    ~0UL >> x->out.extent_order < x->out.nr_extents)
		return -XEN_EINVAL;
	if (x->in.nr_extents << x->in.extent_order != x->out.nr_extents << x->out.extent_order)
		return -XEN_EINVAL;
	if (x->in.nr_extents > ~0UL / 16 || x->out.nr_extents > ~0UL / 16)
		return -XEN_EINVAL;
	if (!guest_range_ok((uint64_t)x->in.extent_start.p, x->in.nr_extents * sizeof(xen_pfn_t)) ||
	    !guest_range_ok((uint64_t)x->out.extent_start.p, x->out.nr_extents * sizeof(xen_pfn_t)))
		return -XEN_EFAULT;
	return 0;
}

static long exchange_all(struct exchange *e, guest_ptr_t arg)
{
	unsigned int in_shift = e->order - e->x.in.extent_order;
	uint64_t start = e->x.nr_exchanged >> in_shift, chunks = e->x.in.nr_extents >> in_shift, i;
	guest_ptr_t nr_ptr = guest_ptr(arg.va + offsetof(xen_memory_exchange_t, nr_exchanged));
	bool preempted = false;
	long rc = 0;

	for (i = start; i < chunks && !rc; i++) {
		if (i != start && preempt_needed()) {
			preempted = true;
			break;
		}
		rc = exchange_chunk(e, i);
	}
	/* A chunk that failed is not counted. */
	e->x.nr_exchanged = (i - (rc != 0)) << in_shift;
	if (copy_to_guest(nr_ptr, &e->x.nr_exchanged, sizeof(e->x.nr_exchanged)))
		return -XEN_EFAULT;
	if (preempted)
		return hypercall_continue(__HYPERVISOR_memory_op, 2, (unsigned long)XENMEM_exchange,
					  arg.va);
	return rc;
}

long memory_exchange(guest_ptr_t arg)
{
	struct exchange e = { 0 };
	long rc;

	if (copy_from_guest(&e.x, arg, sizeof(e.x)))
		return -XEN_EFAULT;
	rc = exchange_check(&e.x);
	if (rc)
		return rc;
	if (!heap_flags(e.x.out.mem_flags, &e.heap_flags))
		return -XEN_ENOMEM;
	e.order = MAX(e.x.in.extent_order, e.x.out.extent_order);
	e.d = get_domain_or_self(e.x.in.domid);
	if (!e.d)
		return -XEN_ESRCH;
	rc = -XEN_EPERM;
	if (!memory_may_manage(e.d))
		goto put;
	rc = -XEN_ENOMEM;
	e.stolen = hv_alloc(sizeof(uint32_t) << e.order);
	e.fresh = hv_alloc(sizeof(uint32_t) << (e.order - e.x.out.extent_order));
	if (e.stolen && e.fresh)
		rc = exchange_all(&e, arg);
	limbo_empty(&e);
	hv_free(e.fresh);
	hv_free(e.stolen);
put:
	put_domain(e.d);
	return rc;
}
