// SPDX-License-Identifier: BSD-2-Clause
/*
 * Page tables of a PV kernel: what may be pinned, hooked up, changed and mapped, and what not.
 *
 * The rule under test: a frame that is a page table is never mapped writable, and nothing becomes
 * part of a page table without having been validated. Every forbidden change must be refused with
 * the table left as it was; every allowed one must be seen in the table.
 */

#include "guest.h"

const char test_name[] = "pagetables";

/* An unused 2 MiB slot of the kernel's own L2, and an unused L4 slot. */
#define HOLE	     (GUEST_VIRT_BASE + (512UL << 20))
#define FREE_L4_SLOT 300

#define HIGH_BITS (0x7ffUL << 52)
#define BEYOND	  0xfffffffffUL

static char data[PAGE_SIZE] __attribute__((aligned(4096)));
static char scratch[PAGE_SIZE] __attribute__((aligned(4096)));

static unsigned long m2p_mfn(void)
{
	xen_pfn_t mfn = 0;
	struct xen_machphys_mfn_list list = { .max_extents = 1 };

	set_xen_guest_handle(list.extent_start, &mfn);
	if (hc_memory_op(XENMEM_machphys_mfn_list, &list) || !mfn)
		test_error("machphys_mfn_list gave no frame");
	return mfn;
}

/* A page that is no longer mapped writable, so that it may become a table. */
static uint64_t *new_table(void)
{
	uint64_t *t = page_alloc();

	if (set_page_flags(t, PTE_RO))
		test_error("cannot make a page read-only");
	return t;
}

static void write_protect(void *t)
{
	if (set_page_flags(t, PTE_RO))
		test_error("cannot make a page read-only");
}

static unsigned long boot_table(int level)
{
	return (*pte_ptr(UL(test_name), level + 1) & PTE_FRAME) / PAGE_SIZE;
}

static void check_va_mapping(void)
{
	unsigned long l4 = virt_to_mfn((void *)start_info->pt_base), mine = virt_to_mfn(scratch);
	uint64_t before = *pte_ptr(UL(scratch), 1);

	check("va: the L4 writable", map_page(scratch, mkpte(l4, PTE_RW)), -XEN_EBUSY);
	check("va: an L3 writable", map_page(scratch, mkpte(boot_table(3), PTE_RW)), -XEN_EBUSY);
	check("va: an L2 writable", map_page(scratch, mkpte(boot_table(2), PTE_RW)), -XEN_EBUSY);
	check("va: an L1 writable", map_page(scratch, mkpte(boot_table(1), PTE_RW)), -XEN_EBUSY);
	check("va: a machine-to-physical frame writable",
	      map_page(scratch, mkpte(m2p_mfn(), PTE_RW)), -XEN_EBUSY);
	check("va: a machine-to-physical frame read-only",
	      map_page(scratch, mkpte(m2p_mfn(), PTE_RO)), -XEN_EBUSY);
	check("va: a frame beyond all memory", map_page(scratch, mkpte(BEYOND, PTE_RW)),
	      -XEN_EPERM);
	check("va: bits 52 to 62 belong to the guest",
	      map_page(scratch, mkpte(mine, PTE_RW) | HIGH_BITS), 0);
	check_true("va: they are kept", (*pte_ptr(UL(scratch), 1) & HIGH_BITS) == HIGH_BITS);
	check("va: the global bit", map_page(scratch, mkpte(mine, PTE_RW) | PTE_G), 0);
	check_true("va: the refused ones changed nothing",
		   (*pte_ptr(UL(scratch), 1) & PTE_FRAME) == (before & PTE_FRAME));
	check("va: the L4 read-only", map_page(scratch, mkpte(l4, PTE_RO)), 0);
	check_true("va: it shows the L4", !memcmp(scratch, (void *)start_info->pt_base, 64));
	check("va: not present with any other bits", map_page(scratch, 0xfff0ffff00000ffeUL), 0);
	check_true("va: those bits are kept", *pte_ptr(UL(scratch), 1) == 0xfff0ffff00000ffeUL);
	check("va: without the user bit", map_page(scratch, mkpte(mine, PTE_P | PTE_W)), 0);
	check("va: the user bit is there nevertheless", !!(*pte_ptr(UL(scratch), 1) & PTE_U), 1);
	check("va: no-execute and available bits",
	      map_page(scratch, mkpte(mine, PTE_RW | PTE_NX | 0xe00)), 0);
	check("va: they are kept", *pte_ptr(UL(scratch), 1) >> 9 & 7, 7);
	check("va: uncached", map_page(scratch, mkpte(mine, PTE_RW | PTE_PCD)), 0);
	check("va: write-combining (PAT bit)", map_page(scratch, mkpte(mine, PTE_RW | PTE_PSE)), 0);
	check("va: back to normal", set_page_flags(scratch, PTE_RW), 0);
	scratch[0] = 1;
	check("va: an address without L1", map_page((void *)HOLE, mkpte(mine, PTE_RO)),
	      -XEN_EINVAL);
	check("va: an address without L3", map_page((void *)0x10000000000UL, mkpte(mine, PTE_RO)),
	      -XEN_EINVAL);
	check("va: a hypervisor address",
	      map_page((void *)HYPERVISOR_VIRT_START, mkpte(mine, PTE_RO)), -XEN_EINVAL);
	check("va: a non-canonical address",
	      map_page((void *)0x8000000000000000UL, mkpte(mine, PTE_RO)), -XEN_EINVAL);
}

static void check_flush_flags(void)
{
	uint64_t pte = mkpte(virt_to_mfn(scratch), PTE_RW);
	unsigned long mask = 1;

	check("flush: none", hc_update_va_mapping(scratch, pte, UVMF_NONE), 0);
	check("flush: TLB local", hc_update_va_mapping(scratch, pte, UVMF_TLB_FLUSH), 0);
	check("flush: TLB all", hc_update_va_mapping(scratch, pte, UVMF_TLB_FLUSH | UVMF_ALL), 0);
	check("flush: TLB multi", hc_update_va_mapping(scratch, pte, UVMF_TLB_FLUSH | UL(&mask)),
	      0);
	check("flush: page local", hc_update_va_mapping(scratch, pte, UVMF_INVLPG), 0);
	check("flush: page all", hc_update_va_mapping(scratch, pte, UVMF_INVLPG | UVMF_ALL), 0);
	check("flush: page multi", hc_update_va_mapping(scratch, pte, UVMF_INVLPG | UL(&mask)), 0);
	check("flush: multi with a bad mask pointer",
	      hc_update_va_mapping(scratch, pte, UVMF_INVLPG | 0x1000), -XEN_EFAULT);
	check("flush: the type that is neither", hc_update_va_mapping(scratch, pte, 3), 0);
	check("flush: mmuext TLB local", mmuext1(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
	check("flush: mmuext TLB all", mmuext1(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
	check("flush: mmuext page local", mmuext1(MMUEXT_INVLPG_LOCAL, UL(scratch), 0), 0);
	check("flush: mmuext page all", mmuext1(MMUEXT_INVLPG_ALL, UL(scratch), 0), 0);
	check("flush: mmuext TLB multi", mmuext1(MMUEXT_TLB_FLUSH_MULTI, 0, UL(&mask)), 0);
	check("flush: mmuext page multi", mmuext1(MMUEXT_INVLPG_MULTI, UL(scratch), UL(&mask)), 0);
	check("flush: mmuext page multi, bad mask pointer",
	      mmuext1(MMUEXT_INVLPG_MULTI, UL(scratch), 0x1000), -XEN_EINVAL);
	check("flush: mmuext page of the hypervisor",
	      mmuext1(MMUEXT_INVLPG_LOCAL, HYPERVISOR_VIRT_START, 0), 0);
	check("flush: mmuext page, non-canonical",
	      mmuext1(MMUEXT_INVLPG_LOCAL, 0x8000000000000000UL, 0), 0);
	check("flush: mmuext cache", mmuext1(MMUEXT_FLUSH_CACHE, 0, 0), 0);
	check("flush: mmuext cache global", mmuext1(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), 0);
}

static void check_pin(void)
{
	uint64_t *l1 = page_alloc(), *l2 = page_alloc(), *l3 = page_alloc(), *l4 = page_alloc();

	l1[0] = mkpte(virt_to_mfn(data), PTE_RW);
	l1[511] = mkpte(virt_to_mfn(data), PTE_RO);
	l2[3] = mkpte(virt_to_mfn(l1), PTE_RW);
	l3[5] = mkpte(virt_to_mfn(l2), PTE_RW);
	l4[7] = mkpte(virt_to_mfn(l3), PTE_RW);
	l4[256] = 0x1234567890abcdeUL; /* the hypervisor's slot: ours is ignored */
	check("pin: an L1 that is mapped writable", pin_table(1, l1), -XEN_EINVAL);
	write_protect(l1);
	write_protect(l2);
	write_protect(l3);
	check("pin: L1", pin_table(1, l1), 0);
	check("pin: L1 again", pin_table(1, l1), -XEN_EINVAL);
	check("pin: L1 as L2", pin_table(2, l1), -XEN_EINVAL);
	check("pin: L1 as L4", pin_table(4, l1), -XEN_EINVAL);
	check("pin: map it writable", set_page_flags(l1, PTE_RW), -XEN_EBUSY);
	check("pin: L2", pin_table(2, l2), 0);
	check("pin: unpin L1 below an L2", unpin_table(l1), 0);
	check("pin: L1 is still a table", set_page_flags(l1, PTE_RW), -XEN_EBUSY);
	check("pin: unpin L1 again", unpin_table(l1), -XEN_EINVAL);
	check("pin: L3", pin_table(3, l3), 0);
	check("pin: L4 that is mapped writable", pin_table(4, l4), -XEN_EINVAL);
	write_protect(l4);
	check("pin: L4", pin_table(4, l4), 0);
	check_true("pin: the hypervisor's slots were filled", l4[256] != 0x1234567890abcdeUL);
	check("pin: guest slots stay", l4[8] == 0 && l4[7] != 0, 1);
	check("pin: unpin L4", unpin_table(l4), 0);
	check("pin: unpin L3", unpin_table(l3), 0);
	check("pin: unpin L2", unpin_table(l2), 0);
	check("pin: all are ordinary pages again",
	      set_page_flags(l4, PTE_RW) | set_page_flags(l3, PTE_RW) | set_page_flags(l2, PTE_RW) |
		      set_page_flags(l1, PTE_RW),
	      0);
	check("pin: unpin of a data page", unpin_table(data), -XEN_EINVAL);
	check("pin: a frame beyond all memory", mmuext1(MMUEXT_PIN_L1_TABLE, BEYOND, 0),
	      -XEN_EINVAL);
	check("pin: a hypervisor frame", mmuext1(MMUEXT_PIN_L1_TABLE, m2p_mfn(), 0), -XEN_EINVAL);
	check("pin: unpin of a hypervisor frame", mmuext1(MMUEXT_UNPIN_TABLE, m2p_mfn(), 0),
	      -XEN_EINVAL);
}

/* Pin a table with one bad entry: refused, and the page is usable again afterwards. */
static void refuse(const char *what, int level, unsigned int slot, uint64_t entry, long want)
{
	static uint64_t *t;
	char line[100];

	if (!t)
		t = page_alloc();
	memset(t, 0, PAGE_SIZE);
	t[slot] = entry;
	write_protect(t);
	fmt(line, sizeof(line), "bad table: %s", what);
	check(line, pin_table(level, t), want);
	fmt(line, sizeof(line), "bad table: %s: page is released", what);
	check(line, set_page_flags(t, PTE_RW), 0);
}

static void check_bad_tables(void)
{
	unsigned long mine = virt_to_mfn(data);
	refuse("L1 with a hypervisor frame", 1, 0, mkpte(m2p_mfn(), PTE_RW), -XEN_EBUSY);
	refuse("L1 with a writable page table", 1, 511, mkpte(boot_table(1), PTE_RW), -XEN_EBUSY);
	refuse("L1 with a frame beyond all memory", 1, 1, mkpte(BEYOND, PTE_RO), -XEN_EPERM);
	refuse("L2 with a data page", 2, 0, mkpte(mine, PTE_RW), -XEN_EINVAL);
	refuse("L2 with a large page", 2, 0, mkpte(mine & ~511UL, PTE_RW | PTE_PSE), -XEN_EINVAL);
	refuse("L2 with an L3", 2, 0, mkpte(boot_table(3), PTE_RW), -XEN_EINVAL);
	refuse("L2 with an L4", 2, 0, mkpte(virt_to_mfn((void *)start_info->pt_base), PTE_RW),
	       -XEN_EINVAL);
	refuse("L3 with an L1", 3, 0, mkpte(boot_table(1), PTE_RW), -XEN_EINVAL);
	refuse("L3 with a large page", 3, 0, PTE_RW | PTE_PSE, -XEN_EINVAL);
	refuse("L4 with an L1", 4, 0, mkpte(boot_table(1), PTE_RW), -XEN_EINVAL);
	refuse("L4 with a data page", 4, 511, mkpte(mine, PTE_RW), -XEN_EINVAL);
	refuse("L4 with the large bit", 4, 0, mkpte(boot_table(3), PTE_RW | PTE_PSE), -XEN_EINVAL);
	refuse("L4 with the global bit", 4, 0, mkpte(boot_table(3), PTE_RW | PTE_G), -XEN_EINVAL);
}

static void check_mmu_update(void)
{
	uint64_t *l1 = new_table(), *slot = (uint64_t *)scratch, machine;
	struct mmu_update u[3];
	unsigned int done = 77;
	unsigned long mine = virt_to_mfn(data);

	check("update: hook up an L1",
	      pt_update(pte_maddr(HOLE, 2), mkpte(virt_to_mfn(l1), PTE_RW)), 0);
	check("update: map a page in it", pt_update(table_maddr(l1, 3), mkpte(mine, PTE_RW)), 0);
	*(volatile uint64_t *)(HOLE + 3 * PAGE_SIZE + 8) = 0x123;
	check("update: it is the page", ((volatile uint64_t *)data)[1], 0x123);
	machine = pte_maddr(HOLE + 3 * PAGE_SIZE, 1);
	check_true("update: the walk agrees", machine == table_maddr(l1, 3));
	check("update: the L1 writable into itself",
	      pt_update(table_maddr(l1, 4), mkpte(virt_to_mfn(l1), PTE_RW)), -XEN_EBUSY);
	check("update: the L1 read-only into itself",
	      pt_update(table_maddr(l1, 4), mkpte(virt_to_mfn(l1), PTE_RO)), 0);
	check("update: a frame beyond all memory",
	      pt_update(table_maddr(l1, 3), mkpte(BEYOND, PTE_RW)), -XEN_EPERM);
	check_true("update: the old entry stays", (l1[3] & PTE_FRAME) == mine << 12);
	check("update: a table in use as L2 entry of itself",
	      pt_update(pte_maddr(HOLE, 2), mkpte(boot_table(2), PTE_RW)), -XEN_EINVAL);
	check("update: an unaligned entry", pt_update(table_maddr(l1, 3) + 4, 0), -XEN_ENOSYS);
	check("update: an ordinary page", pt_update(virt_to_mfn(scratch) << 12 | 8, 0x99), 0);
	check("update: the page was written", (long)slot[1], 0x99);
	check("update: a hypervisor frame", pt_update(m2p_mfn() << 12, 0), -XEN_EINVAL);
	check("update: a frame beyond all memory", pt_update(BEYOND << 12, 0), -XEN_EINVAL);

	/* The accessed and dirty bits that the CPU set are kept when asked for. */
	*(volatile char *)(HOLE + 3 * PAGE_SIZE) = 1;
	check("update: clear accessed and dirty",
	      pt_update(machine, mkpte(mine, PTE_P | PTE_U | PTE_W)), 0);
	mmuext1(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
	check("update: they are clear", (long)(l1[3] & (PTE_A | PTE_D)), 0);
	*(volatile char *)(HOLE + 3 * PAGE_SIZE) = 1;
	check("update: the CPU sets them", (long)(l1[3] & (PTE_A | PTE_D)), PTE_A | PTE_D);
	check("update: preserve them",
	      pt_update_cmd(machine, mkpte(mine, PTE_P | PTE_U), MMU_PT_UPDATE_PRESERVE_AD), 0);
	check("update: they are preserved", (long)(l1[3] & (PTE_A | PTE_D | PTE_W)), PTE_A | PTE_D);
	check("update: untranslated",
	      pt_update_cmd(machine, mkpte(mine, PTE_RW), MMU_PT_UPDATE_NO_TRANSLATE), 0);

	u[0].ptr = table_maddr(l1, 10);
	u[0].val = mkpte(mine, PTE_RO);
	u[1].ptr = table_maddr(l1, 11);
	u[1].val = mkpte(boot_table(1), PTE_RW);
	u[2].ptr = table_maddr(l1, 12);
	u[2].val = mkpte(mine, PTE_RO);
	check("update: three, the second bad", hc_mmu_update(u, 3, &done, DOMID_SELF), -XEN_EBUSY);
	check("update: one was done", done, 1);
	check("update: the first is there", !!l1[10], 1);
	check("update: the third is not", !!l1[12], 0);
	u[1].val = 0;
	check("update: three good ones", hc_mmu_update(u, 3, &done, DOMID_SELF), 0);
	check("update: three were done", done, 3);
	check("update: none", hc_mmu_update(u, 0, &done, DOMID_SELF), 0);
	check("update: none were done", done, 0);
	check("update: from an unmapped page", hc_mmu_update(0x1000, 1, &done, DOMID_SELF),
	      -XEN_EFAULT);
	check("update: from the hypervisor", hc_mmu_update(HYPERVISOR_VIRT_START, 1, 0, DOMID_SELF),
	      -XEN_EFAULT);
	check("update: done count into an unmapped page", hc_mmu_update(u, 1, 0x1000, DOMID_SELF),
	      0);
	check("update: foreign domain 5", hc_mmu_update(u, 1, &done, 5), -XEN_ESRCH);
	check("update: our own number", hc_mmu_update(u, 1, &done, 0), -XEN_ESRCH);
	check("update: tables of domain 5", hc_mmu_update(u, 1, &done, (5 + 1) << 16 | DOMID_SELF),
	      -XEN_ESRCH);
	check("update: unhook the L1", pt_update(pte_maddr(HOLE, 2), 0), 0);
	mmuext1(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
	check("update: the L1 maps itself read-only and may be written again",
	      set_page_flags(l1, PTE_RW), 0);
}

static void check_machphys(void)
{
	unsigned long mfn = virt_to_mfn(data), pfn = virt_to_pfn(data);

	check("m2p: change", pt_update_cmd(mfn << 12, 0x12345, MMU_MACHPHYS_UPDATE), 0);
	check("m2p: changed", (long)mfn_to_pfn(mfn), 0x12345);
	check("m2p: change back", pt_update_cmd(mfn << 12, pfn, MMU_MACHPHYS_UPDATE), 0);
	check("m2p: of a hypervisor frame", pt_update_cmd(m2p_mfn() << 12, 1, MMU_MACHPHYS_UPDATE),
	      -XEN_EINVAL);
	check("m2p: of no frame", pt_update_cmd(BEYOND << 12, 1, MMU_MACHPHYS_UPDATE), -XEN_EINVAL);
}

static void check_linear(void)
{
	uint64_t *l4 = (uint64_t *)start_info->pt_base;
	unsigned long base = 0xffff000000000000UL | UL(FREE_L4_SLOT) << 39;
	unsigned long mfn = virt_to_mfn(l4);
	volatile uint64_t *window;

	check("linear: the L4 writable into itself",
	      pt_update(table_maddr(l4, FREE_L4_SLOT), mkpte(mfn, PTE_RW)), -XEN_EINVAL);
	check("linear: the L4 read-only into itself",
	      pt_update(table_maddr(l4, FREE_L4_SLOT), mkpte(mfn, PTE_RO)), 0);
	/* Four times the same slot: the window onto the L4 itself. */
	window = (void *)(base | UL(FREE_L4_SLOT) << 30 | UL(FREE_L4_SLOT) << 21 |
			  UL(FREE_L4_SLOT) << 12);
	check_true("linear: the window shows the L4", window[511] == l4[511]);
	/* Three times: the window onto L3s, here the last one. */
	window = (void *)(base | UL(FREE_L4_SLOT) << 30 | UL(FREE_L4_SLOT) << 21 | 511UL << 12);
	check_true("linear: and an L3", window[510] == *pte_ptr(GUEST_VIRT_BASE, 3));
	check("linear: write through the window", FAULT("movq $0, (%0)", "r"(window)).vector,
	      VEC_PF);
	check("linear: unhook", pt_update(table_maddr(l4, FREE_L4_SLOT), 0), 0);
	check("linear: the hypervisor's slot", pt_update(table_maddr(l4, 256), 0), -XEN_EINVAL);
	check("linear: the hypervisor's last slot", pt_update(table_maddr(l4, 271), 0),
	      -XEN_EINVAL);
	check("linear: the slot after it", pt_update(table_maddr(l4, 272), 0), 0);
}

static void check_new_space(void)
{
	uint64_t *l4 = page_alloc(), *boot = (uint64_t *)start_info->pt_base;

	for (unsigned int i = 0; i < 512; i++)
		l4[i] = i < 256 || i > 271 ? boot[i] : 0;
	write_protect(l4);
	check("space: take an unpinned L4", mmuext1(MMUEXT_NEW_BASEPTR, virt_to_mfn(l4), 0), 0);
	scratch[5] = 5;
	check("space: pin it while in use", pin_table(4, l4), 0);
	check("space: back", mmuext1(MMUEXT_NEW_BASEPTR, virt_to_mfn(boot), 0), 0);
	check("space: a data page", mmuext1(MMUEXT_NEW_BASEPTR, virt_to_mfn(data), 0), -XEN_EINVAL);
	check("space: an L3", mmuext1(MMUEXT_NEW_BASEPTR, boot_table(3), 0), -XEN_EINVAL);
	check("space: no frame", mmuext1(MMUEXT_NEW_BASEPTR, BEYOND, 0), -XEN_EINVAL);
	check("space: unpin", unpin_table(l4), 0);
	check("space: writable again", set_page_flags(l4, PTE_RW), 0);
}

static void check_page_ops(void)
{
	uint64_t *a = page_alloc(), *b = page_alloc();
	unsigned long mfn_a = virt_to_mfn(a), mfn_b = virt_to_mfn(b);

	a[7] = 7;
	check("page: copy", mmuext1(MMUEXT_COPY_PAGE, mfn_b, mfn_a), 0);
	check("page: copied", (long)b[7], 7);
	check("page: clear", mmuext1(MMUEXT_CLEAR_PAGE, mfn_b, 0), 0);
	check("page: cleared", (long)b[7], 0);
	check("page: clear a page table", mmuext1(MMUEXT_CLEAR_PAGE, boot_table(1), 0),
	      -XEN_EINVAL);
	check("page: clear no frame", mmuext1(MMUEXT_CLEAR_PAGE, BEYOND, 0), -XEN_EINVAL);
	check("page: copy from a page table", mmuext1(MMUEXT_COPY_PAGE, mfn_b, boot_table(1)), 0);
	check("page: copy into a page table", mmuext1(MMUEXT_COPY_PAGE, boot_table(1), mfn_a),
	      -XEN_EINVAL);
	check("page: copy from no frame", mmuext1(MMUEXT_COPY_PAGE, mfn_b, BEYOND), -XEN_EINVAL);
	check("page: mark super", mmuext1(MMUEXT_MARK_SUPER, mfn_a & ~511UL, 0), -XEN_EOPNOTSUPP);
	check("page: unknown operation", mmuext1(99, 0, 0), -XEN_ENOSYS);
	check("page: operations from an unmapped page", hc_mmuext_op(0x1000, 1, 0, DOMID_SELF),
	      -XEN_EFAULT);
	check("page: foreign domain 5", hc_mmuext_op(0x1000, 1, 0, 5), -XEN_ESRCH);
}

/* Device memory: domain 0 may map what is no RAM, except what the hypervisor keeps for itself. */
static void check_device(void)
{
	check("device: VGA memory", map_page(scratch, mkpte(0xb8, PTE_RW | PTE_PCD)), 0);
	check("device: HPET", map_page(scratch, mkpte(0xfed00, PTE_RW | PTE_PCD)), 0);
	check("device: HPET is made read-only", !!(*pte_ptr(UL(scratch), 1) & PTE_W), 0);
	check("device: local APIC", map_page(scratch, mkpte(0xfee00, PTE_RW | PTE_PCD)),
	      -XEN_EPERM);
	check("device: IO-APIC", map_page(scratch, mkpte(0xfec00, PTE_RW | PTE_PCD)), 0);
	check("device: IO-APIC is made read-only", !!(*pte_ptr(UL(scratch), 1) & PTE_W), 0);
	check("device: IO-APIC read-only", map_page(scratch, mkpte(0xfec00, PTE_RO | PTE_PCD)), 0);
	check("device: with FD DOMID_IO",
	      hc_update_va_mapping_otherdomain(scratch, mkpte(0xb8, PTE_RW), UVMF_INVLPG, DOMID_IO),
	      0);
	check("device: RAM with FD DOMID_IO",
	      hc_update_va_mapping_otherdomain(scratch, mkpte(virt_to_mfn(data), PTE_RW),
					       UVMF_INVLPG, DOMID_IO),
	      -XEN_EBUSY);
	check("device: FD of a domain that is not there",
	      hc_update_va_mapping_otherdomain(scratch, mkpte(virt_to_mfn(data), PTE_RW),
					       UVMF_INVLPG, 5),
	      -XEN_ESRCH);
	check("device: FD DOMID_XEN, machine-to-physical frame",
	      hc_update_va_mapping_otherdomain(scratch, mkpte(m2p_mfn(), PTE_RO), UVMF_INVLPG,
					       DOMID_XEN),
	      0);
	check("device: back to normal", set_page_flags(scratch, PTE_RW), 0);
}

void test_main(void)
{
	check_va_mapping();
	check_flush_flags();
	check_pin();
	check_bad_tables();
	check_mmu_update();
	check_machphys();
	check_linear();
	check_new_space();
	check_page_ops();
	check_device();
}
