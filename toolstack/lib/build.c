// SPDX-License-Identifier: BSD-2-Clause
// The PV domain builder: memory, kernel, ramdisk, page tables, start_info, vcpu 0, reserved grants.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "toolstack/lib/ts.h"
#include <xen/elfnote.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/io/console.h>
#include <hv/pvlayout.h>

#define PAGE	    4096UL
#define CHUNK	    512UL /* frames mapped or populated at a time */
#define MAX_RAMDISK (4UL << 30)

/* Everything one build needs; freed in one place. */
struct builder {
	struct ts *ts;
	uint32_t domid;
	struct ts_build *b;
	struct xenelf elf;
	struct pvlayout l;
	void *kernel, *ramdisk;
	size_t kernel_size, ramdisk_size;
	xen_pfn_t *p2m; /* pfn -> mfn */
	uint64_t nr_pages;
};

static int load_files(struct builder *x)
{
	const struct ts_build *b = x->b;
	const char *why;

	if (ts_read_file(x->ts, "kernel", b->kernel, MAX_RAMDISK, &x->kernel, &x->kernel_size) ||
	    ts_unpack_kernel(x->ts, b->kernel, &x->kernel, &x->kernel_size))
		return -1;
	why = xenelf_parse(&x->elf, x->kernel, x->kernel_size);
	if (why)
		return ts_fail(x->ts, "kernel %s: %s", b->kernel, why);
	if (x->elf.features_required &
	    ~(1U << XENFEAT_writable_page_tables | 1U << XENFEAT_pae_pgdir_above_4gb))
		return ts_fail(x->ts,
			       "kernel %s: it requires features (mask %#x) that a 64-bit PV domain "
			       "has not",
			       b->kernel, x->elf.features_required);
	if (b->ramdisk)
		return ts_read_file(x->ts, "ramdisk", b->ramdisk, MAX_RAMDISK, &x->ramdisk,
				    &x->ramdisk_size);
	return 0;
}

static int make_layout(struct builder *x)
{
	struct pvlayout_in in = {
		.elf = &x->elf,
		.ramdisk_size = x->ramdisk_size,
		.nr_pages = x->nr_pages,
	};
	uint64_t need;
	const char *why = pvlayout_compute(&x->l, &in, &need);

	if (!why)
		return 0;
	if (need)
		return ts_fail(
			x->ts,
			"memory of %llu MiB is too small for kernel %s and its ramdisk: at least "
			"%llu MiB are needed to start",
			(unsigned long long)(x->nr_pages >> 8), x->b->kernel,
			(unsigned long long)((need + 255) >> 8));
	return ts_fail(x->ts, "kernel %s: %s", x->b->kernel, why);
}

/* One run of order-9 extents if they can be had: fewer calls, and better for the page allocator. */
static int populate_large(struct builder *x, uint64_t pfn, uint64_t runs)
{
	xen_pfn_t frames[64];
	long got;

	for (uint64_t i = 0; i < runs; i++)
		frames[i] = pfn + i * 512;
	got = ts_populate(x->ts, x->domid, runs, 9, frames);
	if (got < 0)
		got = 0;
	for (long i = 0; i < got; i++)
		for (uint64_t k = 0; k < 512; k++)
			x->p2m[pfn + (uint64_t)i * 512 + k] = frames[i] + k;
	return (int)got;
}

static int populate_small(struct builder *x, uint64_t pfn, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		x->p2m[pfn + i] = pfn + i;
	if (ts_populate(x->ts, x->domid, n, 0, x->p2m + pfn) == (long)n)
		return 0;
	if (!errno)
		errno = ENOMEM;
	return ts_fail_errno(x->ts,
			     "memory: the hypervisor has no %llu MiB free (stopped at %llu MiB); "
			     "see free_memory in 'paravane info'",
			     (unsigned long long)(x->nr_pages >> 8),
			     (unsigned long long)(pfn >> 8));
}

static int populate(struct builder *x)
{
	uint64_t pfn = 0;

	x->p2m = calloc(x->nr_pages, sizeof(*x->p2m));
	if (!x->p2m)
		return ts_fail(x->ts, "out of memory for the frame list of the domain");
	while (pfn < x->nr_pages) {
		uint64_t left = x->nr_pages - pfn, runs = left / 512;
		int done = runs ? populate_large(x, pfn, runs < 64 ? runs : 64) : 0;

		if (ts_interrupted)
			return ts_fail(x->ts, "interrupted");
		if (done) {
			pfn += (uint64_t)done * 512;
			continue;
		}
		left = left < CHUNK ? left : CHUNK;
		if (populate_small(x, pfn, left))
			return -1;
		pfn += left;
	}
	return 0;
}

static void *map(struct builder *x, uint64_t pfn, uint64_t n)
{
	void *p = xenforeignmemory_map(x->ts->fmem, x->domid, PROT_READ | PROT_WRITE, n,
				       x->p2m + pfn, NULL);

	if (!p)
		ts_fail_errno(x->ts, "domain %u: cannot map frames %llu to %llu", x->domid,
			      (unsigned long long)pfn, (unsigned long long)(pfn + n));
	return p;
}

static void unmap(struct builder *x, void *p, uint64_t n)
{
	xenforeignmemory_unmap(x->ts->fmem, p, n);
}

/*
 * The kernel is loaded through a window of some frames at a time: one mapping of it all would keep domain 0's kernel in one
 * call for long. The loader runs once per window and each range is clipped to it.
 */
struct window {
	uint8_t *at;
	uint64_t start, end; /* offsets from virt_start */
};

static bool clip(const struct window *w, uint64_t off, uint64_t n, uint64_t *from, uint64_t *len)
{
	uint64_t end = off + n < w->end ? off + n : w->end;

	*from = off > w->start ? off : w->start;
	*len = end > *from ? end - *from : 0;
	return *len != 0;
}

static int window_copy(void *ctx, uint64_t off, const void *src, size_t n)
{
	const struct window *w = ctx;
	uint64_t from, len;

	if (clip(w, off, n, &from, &len))
		memcpy(w->at + (from - w->start), (const uint8_t *)src + (from - off), len);
	return 0;
}

static int window_zero(void *ctx, uint64_t off, uint64_t n)
{
	const struct window *w = ctx;
	uint64_t from, len;

	if (clip(w, off, n, &from, &len))
		memset(w->at + (from - w->start), 0, len);
	return 0;
}

static int put_kernel(struct builder *x)
{
	const struct pvseg *k = &x->l.kernel;
	uint64_t head =
		x->elf.virt_start - k->vaddr; /* bytes of the first page before the kernel */

	for (uint64_t done = 0; done < k->pages; done += CHUNK) {
		uint64_t n = k->pages - done < CHUNK ? k->pages - done : CHUNK;
		struct window w;
		const struct xenelf_sink sink = { window_copy, window_zero, &w };
		uint8_t *at = map(x, k->pfn + done, n);

		if (!at)
			return -1;
		memset(at, 0,
		       n * PAGE); /* gaps too: frames come with whatever the last owner left */
		w.at = at + (done ? 0 : head);
		w.start = done ? done * PAGE - head : 0;
		w.end = (done + n) * PAGE - head;
		xenelf_load_sink(&x->elf, &sink); /* cannot fail because the window does not */
		unmap(x, at, n);
	}
	return 0;
}

static int put_bytes(struct builder *x, uint64_t pfn, const void *data, size_t size)
{
	const uint8_t *from = data;

	while (size) {
		uint64_t pages = (size + PAGE - 1) / PAGE;
		size_t n;
		uint8_t *at;

		pages = pages < CHUNK ? pages : CHUNK;
		n = size < pages * PAGE ? size : pages * PAGE;
		at = map(x, pfn, pages);
		if (!at)
			return -1;
		memcpy(at, from, n);
		memset(at + n, 0, pages * PAGE - n);
		unmap(x, at, pages);
		from += n;
		size -= n;
		pfn += pages;
	}
	return 0;
}

static int clear_page(struct builder *x, const struct pvseg *s)
{
	void *at = map(x, s->pfn, s->pages);

	if (!at)
		return -1;
	memset(at, 0, s->pages * PAGE);
	unmap(x, at, s->pages);
	return 0;
}

static int put_table(struct builder *x, const struct pvtable *t)
{
	uint64_t *at = map(x, t->pfn, 1);
	uint64_t pfn, flags;

	if (!at)
		return -1;
	for (unsigned int slot = 0; slot < 512; slot++)
		at[slot] = pvlayout_slot(&x->l, t, slot, &pfn, &flags) ? x->p2m[pfn] << 12 | flags
								       : 0;
	unmap(x, at, 1);
	return 0;
}

static int put_tables(struct builder *x)
{
	struct pvtable t;

	for (uint64_t i = 0; i < pvlayout_nr_tables(&x->l); i++) {
		pvlayout_table(&x->l, i, &t);
		if (put_table(x, &t))
			return -1;
	}
	return 0;
}

static int put_start_info(struct builder *x, uint64_t shared_info_mfn)
{
	const struct pvlayout *l = &x->l;
	struct start_info *si = map(x, l->start_info.pfn, 1);

	if (!si)
		return -1;
	memset(si, 0, PAGE);
	strcpy(si->magic, "xen-3.0-x86_64");
	si->nr_pages = x->nr_pages;
	si->shared_info = shared_info_mfn << 12;
	si->flags = l->mod_is_pfn ? SIF_MOD_START_PFN : 0;
	si->store_mfn = x->b->store_mfn;
	si->store_evtchn = x->b->store_port;
	si->console.domU.mfn = x->b->console_mfn;
	si->console.domU.evtchn = x->b->console_port;
	si->pt_base = l->pt_base;
	si->nr_pt_frames = l->nr_pt_frames;
	si->mfn_list = l->mfn_list;
	si->mod_start = l->mod_start;
	si->mod_len = l->mod_len;
	si->first_p2m_pfn = l->first_p2m_pfn;
	si->nr_p2m_frames = l->nr_p2m_frames;
	strncpy((char *)si->cmd_line, x->b->cmdline, MAX_GUEST_CMDLINE - 1);
	unmap(x, si, 1);
	return 0;
}

/* Event upcalls are masked until the guest asks for them. */
static int put_shared_info(struct builder *x, uint64_t mfn)
{
	xen_pfn_t frame = mfn;
	shared_info_t *s = xenforeignmemory_map(x->ts->fmem, x->domid, PROT_READ | PROT_WRITE, 1,
						&frame, NULL);

	if (!s)
		return ts_fail_errno(x->ts, "domain %u: cannot map its shared info page", x->domid);
	memset(s, 0, PAGE);
	for (int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		s->vcpu_info[i].evtchn_upcall_mask = 1;
	xenforeignmemory_unmap(x->ts->fmem, s, 1);
	return 0;
}

/* Grants 0 and 1 let the back ends of dom0 map console and store ring without frame numbers. */
static int put_grants(struct builder *x)
{
	void *at = NULL;
	grant_entry_v1_t *g;
	xenforeignmemory_resource_handle *h = xenforeignmemory_map_resource(
		x->ts->fmem, (domid_t)x->domid, XENMEM_resource_grant_table,
		XENMEM_resource_grant_table_id_shared, 0, 1, &at, PROT_READ | PROT_WRITE, 0);

	if (!h)
		return ts_fail_errno(x->ts, "domain %u: cannot map its grant table", x->domid);
	g = at;
	g[GNTTAB_RESERVED_CONSOLE].frame = (uint32_t)x->b->console_mfn;
	g[GNTTAB_RESERVED_XENSTORE].frame = (uint32_t)x->b->store_mfn;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	g[GNTTAB_RESERVED_CONSOLE].flags =
		GTF_permit_access; /* domid 0 is what the field holds already */
	g[GNTTAB_RESERVED_XENSTORE].flags = GTF_permit_access;
	xenforeignmemory_unmap_resource(x->ts->fmem, h);
	return 0;
}

/* Flat segments of <xen/xen.h>; the stack pointer of the kernel is that of the start. */
static int set_vcpu(struct builder *x)
{
	vcpu_guest_context_t *c = calloc(1, sizeof(*c));
	const struct pvlayout *l = &x->l;
	int rc;

	if (!c)
		return ts_fail(x->ts, "out of memory");
	c->flags = VGCF_in_kernel | VGCF_online;
	c->user_regs.rip = l->entry;
	c->user_regs.rsp = l->stack_top;
	c->user_regs.rsi = l->start_info_va;
	c->user_regs.rflags = 1UL << 9;
	c->user_regs.cs = FLAT_KERNEL_CS64;
	c->user_regs.ss = FLAT_KERNEL_SS64;
	c->user_regs.ds = FLAT_KERNEL_DS64;
	c->user_regs.es = FLAT_KERNEL_DS64;
	c->user_regs.fs = FLAT_KERNEL_DS64;
	c->user_regs.gs = FLAT_KERNEL_DS64;
	c->kernel_ss = FLAT_KERNEL_SS64;
	c->kernel_sp = l->stack_top;
	c->ctrlreg[3] = x->p2m[l->main.pfn[4]] << 12;
	rc = ts_set_vcpu_context(x->ts, x->domid, 0, c);
	free(c);
	return rc ? ts_fail_errno(x->ts, "domain %u: its first vcpu cannot be started", x->domid)
		  : 0;
}

static int fill(struct builder *x)
{
	const struct pvlayout *l = &x->l;
	xen_domctl_getdomaininfo_t info;
	uint64_t hypercall_pfn;

	x->b->store_mfn = x->p2m[l->xenstore.pfn];
	x->b->console_mfn = x->p2m[l->console.pfn];
	if (ts_domain_info(x->ts, x->domid, &info))
		return ts_fail_errno(x->ts, "domain %u vanished while it was built", x->domid);
	if (put_kernel(x) || put_bytes(x, l->ramdisk.pfn, x->ramdisk, x->ramdisk_size) ||
	    put_bytes(x, l->p2m.pfn, x->p2m, x->nr_pages * sizeof(*x->p2m)) ||
	    clear_page(x, &l->xenstore) || clear_page(x, &l->console) || clear_page(x, &l->stack) ||
	    put_start_info(x, info.shared_info_frame) ||
	    put_shared_info(x, info.shared_info_frame) || put_grants(x) || put_tables(x))
		return -1;
	if (x->elf.hypercall_page != XENELF_NONE) {
		hypercall_pfn = (x->elf.hypercall_page - l->v_start) >> 12;
		if (ts_hypercall_page(x->ts, x->domid, x->p2m[hypercall_pfn]))
			return ts_fail_errno(x->ts, "domain %u: cannot set up its hypercall page",
					     x->domid);
	}
	if (ts_pin_l4(x->ts, x->domid, x->p2m[l->main.pfn[4]]))
		return ts_fail_errno(x->ts, "domain %u: the hypervisor refuses its page tables",
				     x->domid);
	return set_vcpu(x);
}

int ts_build_pv(struct ts *ts, uint32_t domid, struct ts_build *b)
{
	struct builder x = { .ts = ts, .domid = domid, .b = b, .nr_pages = b->memory_kb >> 2 };
	int rc = load_files(&x);

	if (!rc)
		rc = make_layout(&x);
	if (!rc)
		rc = populate(&x);
	if (!rc)
		rc = fill(&x);
	if (!rc && ts_interrupted)
		rc = ts_fail(ts, "interrupted");
	free(x.kernel);
	free(x.ramdisk);
	free(x.p2m);
	return rc;
}
