// SPDX-License-Identifier: BSD-2-Clause
// Domain 0 from the boot modules: memory, kernel, initrd, p2m, page tables, start_info, vcpu 0.

#include <hv/boot.h>
#include <hv/domain.h>
#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/pvlayout.h>
#include <hv/rangeset.h>
#include <hv/sched.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/x86/unpack.h>
#include <hv/xenelf.h>

/* Kept back from a dom0 that is given all memory: a sixteenth, at most 128 MiB. */
#define RESERVE_MAX (128UL << (20 - PAGE_SHIFT))

struct build {
	struct domain *d;
	uint32_t *mfn; /* of each pfn */
	unsigned int mfn_order;
	uint64_t nr_pages;
	struct xenelf elf;
	struct pvlayout l;
};

static void *pfn_virt(const struct build *b, uint64_t n)
{
	BUG_ON(n >= b->nr_pages);
	return mfn_to_virt(mfn(b->mfn[n]));
}

/* ---- memory */
static uint64_t dom0_pages(uint64_t to_be_freed)
{
	uint64_t avail = heap_free_pages() + to_be_freed, reserve = MIN(avail / 16, RESERVE_MAX), n;

	avail -= reserve;
	n = opt.dom0_mem_pages ? opt.dom0_mem_pages : avail;
	if (opt.dom0_mem_max)
		n = MIN(n, opt.dom0_mem_max);
	n = MAX(n, opt.dom0_mem_min);
	if (n > avail) {
		log_warn("dom0_mem=%luM is more than there is; dom0 gets %luM\n", n >> 8,
			 avail >> 8);
		n = avail;
	}
	return n;
}

static void alloc_frame_list(struct build *b)
{
	while ((PAGE_SIZE << b->mfn_order) < b->nr_pages * sizeof(*b->mfn))
		b->mfn_order++;
	b->mfn = hv_alloc_pages(b->mfn_order);
	if (!b->mfn)
		hv_panic("dom0: no memory for its frame list\n");
	b->d->max_pages = opt.dom0_mem_max ? (uint32_t)opt.dom0_mem_max : ~0u;
}

/* Frames for the pfns from n up to end. Large blocks first; the last ones page by page. Not cleared. */
static void alloc_memory(struct build *b, uint64_t n, uint64_t end)
{
	unsigned int order = 10;

	while (n < end) {
		mfn_t m = MFN_NONE;

		if (n + (1UL << order) <= end)
			m = domain_alloc_pages(b->d, order, HEAP_NO_SCRUB);
		if (m.v == INVALID_MFN_VAL) {
			if (!order)
				hv_panic("dom0: memory ran out at page %lu of %lu\n", n,
					 b->nr_pages);
			order--;
			continue;
		}
		for (uint64_t i = 0; i < 1UL << order; i++, n++) {
			b->mfn[n] = (uint32_t)(m.v + i);
			m2p_set(mfn_add(m, i), n);
		}
	}
}

/* ---- contents */
/* n bytes at byte `at` of the domain's memory, from src or, without one, zero. */
static void put(const struct build *b, uint64_t at, const void *src, uint64_t n)
{
	while (n) {
		uint64_t in_page = at & (PAGE_SIZE - 1), step = MIN(n, PAGE_SIZE - in_page);
		char *to = (char *)pfn_virt(b, at >> PAGE_SHIFT) + in_page;

		if (src) {
			memcpy(to, src, step);
			src = (const char *)src + step;
		} else {
			memset(to, 0, step);
		}
		at += step;
		n -= step;
	}
}

/* The rest of the page that the byte `at` lies in. */
static void clear_rest(const struct build *b, uint64_t at)
{
	put(b, at, NULL, -at & (PAGE_SIZE - 1));
}

struct load_to {
	const struct build *b;
	uint64_t offset; /* bytes from pfn 0 */
};

static int copy_out(void *ctx, uint64_t off, const void *src, size_t n)
{
	const struct load_to *to = ctx;

	put(to->b, to->offset + off, src, n);
	return 0;
}

static int zero_out(void *ctx, uint64_t off, uint64_t n)
{
	const struct load_to *to = ctx;

	put(to->b, to->offset + off, NULL, n);
	return 0;
}

static void load_kernel(struct build *b)
{
	struct load_to to = { b, b->l.kernel.pfn << PAGE_SHIFT };
	struct xenelf_sink sink = { copy_out, zero_out, &to };

	to.offset += b->elf.virt_start & (PAGE_SIZE - 1);
	xenelf_load_sink(&b->elf, &sink);
	if (b->elf.hypercall_page != XENELF_NONE)
		hypercall_page_fill(
			pfn_virt(b, (b->elf.hypercall_page - b->l.v_start) >> PAGE_SHIFT));
}

static void load_ramdisk(struct build *b, const struct boot_module *m)
{
	uint64_t at = b->l.ramdisk.pfn << PAGE_SHIFT, n = m->end - m->start;

	put(b, at, phys_to_virt(m->start), n);
	clear_rest(b, at + n);
}

static void write_p2m(struct build *b)
{
	for (uint64_t n = 0; n < b->nr_pages; n++) {
		uint64_t *page = pfn_virt(b, b->l.p2m.pfn + n / 512);

		page[n % 512] = b->mfn[n];
	}
	clear_rest(b, (b->l.p2m.pfn << PAGE_SHIFT) + b->nr_pages * 8);
}

static void write_tables(struct build *b)
{
	uint64_t nr = pvlayout_nr_tables(&b->l);

	for (uint64_t i = 0; i < nr; i++) {
		struct pvtable t;
		uint64_t *page, to, flags;

		pvlayout_table(&b->l, i, &t);
		page = pfn_virt(b, t.pfn);
		for (unsigned int slot = 0; slot < 512; slot++)
			page[slot] = pvlayout_slot(&b->l, &t, slot, &to, &flags)
					     ? pte_make(mfn(b->mfn[to]), flags)
					     : 0;
	}
}

static void write_start_info(struct build *b)
{
	start_info_t *si = pfn_virt(b, b->l.start_info.pfn);
	const char *args = boot_info.module[0].cmdline;
	size_t n = MIN(strlen(args), sizeof(si->cmd_line) - 1);

	memset(si, 0, PAGE_SIZE);
	memcpy(si->magic, "xen-3.0-x86_64", sizeof("xen-3.0-x86_64"));
	si->nr_pages = b->nr_pages;
	si->shared_info = b->d->shared_info_mfn.v << PAGE_SHIFT;
	si->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
	if (b->l.mod_is_pfn && b->l.mod_len)
		si->flags |= SIF_MOD_START_PFN;
	si->pt_base = b->l.pt_base;
	si->nr_pt_frames = b->l.nr_pt_frames;
	si->mfn_list = b->l.mfn_list;
	si->first_p2m_pfn = b->l.first_p2m_pfn;
	si->nr_p2m_frames = b->l.nr_p2m_frames;
	si->mod_start = b->l.mod_start;
	si->mod_len = b->l.mod_len;
	memcpy(si->cmd_line, args, n);
	if (args[n])
		log_warn("dom0's command line is cut to %zu characters\n", n);
}

/* ---- rights: all devices but the hypervisor's own */
static void deny_ports(struct domain *d, uint64_t s, uint64_t e)
{
	BUG_ON(rangeset_remove(d->ioport_caps, s, e));
}

static void grant_devices(struct domain *d)
{
	int rc = rangeset_add(d->ioport_caps, 0, 0xffff);

	rc = rc ?: rangeset_add(d->iomem_caps, 0, (1UL << (52 - PAGE_SHIFT)) - 1);
	rc = rc ?: rangeset_add(d->irq_caps, 0, d->nr_pirqs - 1);
	if (rc)
		hv_panic("dom0: no memory for its device rights\n");
	deny_ports(d, 0x20, 0x21);
	deny_ports(d, 0xa0, 0xa1);
	deny_ports(d, 0x40, 0x43);
	deny_ports(d, 0xcf8, 0xcff);
	if (opt.console_com1)
		deny_ports(d, opt.com1_port, opt.com1_port + 7u);
	BUG_ON(rangeset_remove(d->iomem_caps, acpi.lapic_base >> PAGE_SHIFT,
			       acpi.lapic_base >> PAGE_SHIFT));
	/* IO-APICs it may look at: their frames are never mapped writable. */
}

/* ---- vcpus */
static void start_vcpu0(struct build *b)
{
	static struct vcpu_guest_context c;
	struct vcpu *v = b->d->vcpu[0];
	mfn_t l4 = mfn(b->mfn[b->l.main.pfn[4]]);
	int rc;

	c.user_regs.rip = b->l.entry;
	c.user_regs.rsp = b->l.stack_top;
	c.user_regs.rsi = b->l.start_info_va;
	c.user_regs.rflags = 0x200;
	c.user_regs.cs = GUEST_CS64;
	c.user_regs.ss = GUEST_DS;
	c.kernel_ss = GUEST_DS;
	c.kernel_sp = b->l.stack_top;
	c.flags = VGCF_in_kernel | VGCF_online;
	c.ctrlreg[3] = l4.v << PAGE_SHIFT;
	while ((rc = pin_table(b->d, l4, 4)) == -XEN_ERESTART)
		do_softirq();
	if (rc)
		hv_panic("dom0: its first page tables are refused: error %d\n", rc);
	while ((rc = pv_set_context(v, &c)) == -XEN_ERESTART)
		do_softirq();
	if (rc)
		hv_panic("dom0: its first context is refused: error %d\n", rc);
}

static void create(struct build *b)
{
	struct xen_domctl_createdomain cfg = {
		.max_vcpus = opt.dom0_max_vcpus ? MIN(opt.dom0_max_vcpus, (unsigned int)MAX_VCPUS)
						: nr_cpus,
		.max_evtchn_port = -1,
		.max_grant_frames = 64,
		.max_maptrack_frames = 1024,
		.grant_opts = 1,
	};
	int rc = domain_create(0, &cfg, true, &b->d);

	if (rc)
		hv_panic("dom0 cannot be created: error %d\n", rc);
	for (unsigned int i = 0; i < cfg.max_vcpus; i++) {
		struct vcpu *v = vcpu_create(b->d, i);

		if (!v)
			hv_panic("dom0: no memory for vcpu %u\n", i);
		if (opt.dom0_vcpus_pin)
			vcpu_set_hard_affinity(v, (cpumask_t){ BIT(i % nr_cpus) });
	}
	for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		b->d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
}

static void parse_kernel(struct build *b, void **image, unsigned int *order)
{
	const struct boot_module *m = &boot_info.module[0];
	const char *err;
	struct xenelf_payload payload;
	size_t size;
	s_time_t t0 = now();

	if (!boot_info.nr_modules)
		hv_panic("no dom0 kernel: give a PV kernel as the first boot module\n");
	err = xenelf_bzimage_payload(&payload, phys_to_virt(m->start), m->end - m->start);
	if (err)
		hv_panic("dom0 kernel (the first boot module): %s\n", err);
	*image = NULL;
	if (payload.format != XENELF_FMT_ELF) {
		err = unpack(&payload, image, &size, order);
		if (err)
			hv_panic("dom0 kernel (the first boot module) %s\n", err);
		log_info("dom0 kernel: %zu KiB of %s unpacked to %zu KiB in %ld ms\n",
			 payload.size >> 10, xenelf_format_name(payload.format), size >> 10,
			 (now() - t0) / 1000000);
		err = xenelf_parse(&b->elf, *image, size);
	} else
		err = xenelf_parse(&b->elf, payload.data, payload.size);
	if (err)
		hv_panic("dom0 kernel (the first boot module): %s\n", err);
}

/* The boot modules' pages go back to the heap once they are copied. */
static uint64_t module_pages(void)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < boot_info.nr_modules; i++)
		n += (boot_info.module[i].end - boot_info.module[i].start) >> PAGE_SHIFT;
	return n;
}

void dom0_build(void)
{
	static struct build b;
	const struct boot_module *rd = boot_info.nr_modules > 1 ? &boot_info.module[1] : NULL;
	struct pvlayout_in in = { .elf = &b.elf, .dom0 = true };
	unsigned int order = 0;
	uint64_t need = 0;
	const char *err;
	void *image;

	parse_kernel(&b, &image, &order);
	create(&b);
	b.nr_pages = dom0_pages(module_pages() + (image ? 1UL << order : 0));
	in.nr_pages = b.nr_pages;
	in.ramdisk_size = rd ? rd->end - rd->start : 0;
	err = pvlayout_compute(&b.l, &in, &need);
	if (err)
		hv_panic("dom0 with %lu MiB: %s; it needs %lu MiB\n", b.nr_pages >> 8, err,
			 (need + 255) >> 8);
	alloc_frame_list(&b);
	/*
	 * First what is filled now; the rest when the sources' own memory is free again. It is not cleared but where domain
	 * 0 reads before it writes: nobody but the loader and domain 0's own kernel had it before.
	 */
	alloc_memory(&b, 0, b.l.used_pages);
	load_kernel(&b);
	if (rd)
		load_ramdisk(&b, rd);
	if (image)
		hv_free_pages(image, order);
	for (unsigned int i = 0; i < boot_info.nr_modules; i++)
		boot_module_free(i);
	alloc_memory(&b, b.l.used_pages, b.nr_pages);
	write_p2m(&b);
	write_tables(&b);
	write_start_info(&b);
	grant_devices(b.d);
	start_vcpu0(&b);
	log_info("dom0: %s %s, %lu MiB, %u vcpus, kernel %016lx-%016lx, entry %016lx\n",
		 b.elf.guest_os, b.elf.guest_version, b.nr_pages >> 8, b.d->max_vcpus,
		 b.elf.virt_start, b.elf.virt_end, b.elf.entry);
	hv_free_pages(b.mfn, b.mfn_order);
	dom0 = b.d;
	wallclock_update(b.d);
}
