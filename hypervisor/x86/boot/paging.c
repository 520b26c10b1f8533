// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hypervisor's own page tables: idle_l4, model for slots 256 to 271 of every table.
 *
 * text and .init.text r-x, rodata r--, all data rw-; direct map rw- (image text and rodata r--).
 * All L3 tables of these slots exist from the start, so that no L4 ever changes.
 */
#include <hv/boot.h>
#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/lock.h>
#include <hv/mm.h>
#include <hv/smp.h>
#include <hv/x86/cpu.h>

#define TABLE	(PTE_P | PTE_W | PTE_A | PTE_D)
#define RW	(PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)
#define RO	(PTE_P | PTE_A | PTE_D | PTE_NX)
#define RX	(PTE_P | PTE_A | PTE_D)
#define SIZE_2M 0x200000UL
#define SIZE_1G 0x40000000UL

uint64_t idle_l4[512] __attribute__((section(".bss.page"))) __aligned(4096);
uint64_t max_frame;
#define VMAP_FIXED \
	0x100000UL /* the upper end: pages with addresses of their own (x86/entry/stub.c) */
static bool heap_ready;
static spinlock_t vmap_lock;
static uint64_t vmap_next = VMAP_VIRT + PAGE_SIZE; /* vmap_lock */
/* Single pages given back, for the next that want one (MSI-X table entries come and go); vmap_lock. */
static uint64_t vmap_spare[256];
static unsigned int nr_vmap_spare;
extern char boot_stack[];

static uint64_t *new_table(void)
{
	return heap_ready ? hv_alloc_pages(0) : boot_alloc(PAGE_SIZE, PAGE_SIZE);
}

/* Entry for va at `level`, making the tables above it; user: guests may read below. NULL: out of memory. */
static uint64_t *entry_at(uint64_t va, unsigned int level, uint64_t user)
{
	uint64_t *t = idle_l4;

	for (unsigned int l = 4; l > level; l--) {
		uint64_t *e = &t[pt_index(va, l)];

		if (!*e) {
			uint64_t *n = new_table();

			if (!n)
				return NULL;
			*e = virt_to_phys(n) | TABLE | user;
		}
		t = mfn_to_virt(pte_mfn(*e));
	}
	return &t[pt_index(va, level)];
}

/* Map with the largest pages that fit. Start-up only. */
static __init void map_range(uint64_t va, uint64_t pa, uint64_t bytes, uint64_t flags,
			     unsigned int max_level)
{
	uint64_t user = flags & PTE_U;

	while (bytes) {
		unsigned int level = 1;
		uint64_t size = PAGE_SIZE;

		if (max_level >= 3 && cpu.page1gb && !((va | pa) & (SIZE_1G - 1)) &&
		    bytes >= SIZE_1G) {
			level = 3;
			size = SIZE_1G;
		} else if (max_level >= 2 && !((va | pa) & (SIZE_2M - 1)) && bytes >= SIZE_2M) {
			level = 2;
			size = SIZE_2M;
		}
		*entry_at(va, level, user) = pa | flags | (level > 1 ? PTE_PS : 0);
		va += size;
		pa += size;
		bytes -= size;
	}
}

static __init void map_image(char *from, char *to, uint64_t flags)
{
	map_range((uint64_t)from, (uint64_t)from - IMAGE_OFFSET, (uint64_t)(to - from),
		  flags | PTE_G, 1);
}

/* The image's own frames in the direct map: what is not writable there is not writable here. */
static __init void map_direct(uint64_t start, uint64_t end)
{
	uint64_t img = IMAGE_PHYS, img_ro = (uint64_t)rodata_end - IMAGE_OFFSET;
	uint64_t img_end = ROUND_UP((uint64_t)image_end - IMAGE_OFFSET, SIZE_2M);

	while (start < end) {
		uint64_t stop = end, flags = RW | PTE_G;
		unsigned int level = 3;

		if (start < img) {
			stop = MIN(end, img);
		} else if (start < img_ro) {
			stop = MIN(end, img_ro);
			flags = RO | PTE_G;
			level = 1;
		} else if (start < img_end) {
			stop = MIN(end, img_end);
			level = 1;
		}
		map_range(DIRECTMAP_VIRT + start, start, stop - start, flags, level);
		start = stop;
	}
}

static __init void map_descriptor_windows(void)
{
	void *zero = boot_alloc(PAGE_SIZE, PAGE_SIZE);
	unsigned int pages = NR_CPUS << (DESC_CPU_SHIFT - PAGE_SHIFT);

	/* An empty descriptor in each GDT: a selector naming it faults as it does beyond the limit. LDTs fill on fault. */
	for (unsigned int i = 0; i < pages; i++)
		*entry_at(DESC_VIRT + i * PAGE_SIZE, 1, 0) = i & 16 ? 0 : virt_to_phys(zero) | RO;
}

__init void paging_init(void)
{
	uint64_t top = 0;

	for (unsigned int slot = HV_L4_FIRST; slot <= HV_L4_LAST; slot++) {
		if (slot > HV_L4_FIRST && slot < 261)
			continue; /* reserved, empty */
		idle_l4[slot] = virt_to_phys(boot_alloc(PAGE_SIZE, PAGE_SIZE)) | TABLE |
				(slot == HV_L4_FIRST ? PTE_U : 0);
	}
	map_image(image_start, text_end, RX);
	map_image(text_end, rodata_end, RO);
	map_image(init_start, init_text_end, RX);
	map_image(init_text_end, image_end, RW);
	*entry_at((uint64_t)boot_stack + 3 * PAGE_SIZE, 1, 0) = 0; /* guard page */
	for (unsigned int i = 0; i < boot_info.nr_e820; i++) {
		const struct e820_entry *e = &boot_info.e820[i];
		uint64_t start = ROUND_UP(e->addr, PAGE_SIZE),
			 end = (e->addr + e->size) & PAGE_MASK;

		if (e->type != E820_RAM || start >= end)
			continue;
		map_direct(start, end);
		top = MAX(top, end);
	}
	/* The BIOS area: tables there are read through the direct map as well. */
	for (uint64_t pa = 0; pa < 0x100000; pa += PAGE_SIZE)
		if (!*entry_at(DIRECTMAP_VIRT + pa, 1, 0))
			*entry_at(DIRECTMAP_VIRT + pa, 1, 0) = pa | RW | PTE_G;
	max_frame = top >> PAGE_SHIFT;
	map_descriptor_windows();
	(void)*entry_at(VMAP_VIRT, 1, 0);
	tlb_write_cr3((uint64_t)idle_l4 - IMAGE_OFFSET);
	bootmem_allow_high();
}

/* Both tables in pieces of 2 MiB: a guest names the pieces of the M2P by their first frame. */
__init void frames_init(void)
{
	uint64_t records = ROUND_UP(max_frame * sizeof(struct frame), SIZE_2M);
	uint64_t m2p = ROUND_UP(max_frame * sizeof(uint64_t), SIZE_2M);

	for (uint64_t at = 0; at < records; at += SIZE_2M)
		map_range(FRAMES_VIRT + at, virt_to_phys(boot_alloc(SIZE_2M, SIZE_2M)), SIZE_2M,
			  RW | PTE_G, 2);
	for (uint64_t at = 0; at < m2p; at += SIZE_2M) {
		uint64_t *piece = boot_alloc(SIZE_2M, SIZE_2M);

		memset(piece, 0xff, SIZE_2M);
		map_range(RW_M2P_VIRT + at, virt_to_phys(piece), SIZE_2M, RW | PTE_G, 2);
		map_range(RO_M2P_VIRT + at, virt_to_phys(piece), SIZE_2M, RO | PTE_U | PTE_G, 2);
	}
}

__init void paging_heap_ready(void)
{
	heap_ready = true;
}

uint64_t vmap_reserve(uint64_t bytes, uint64_t align)
{
	uint64_t flags = spin_lock_irqsave(&vmap_lock), va;

	va = ROUND_UP(vmap_next, align);
	bytes = ROUND_UP(bytes, PAGE_SIZE);
	if (bytes == PAGE_SIZE && align <= PAGE_SIZE && nr_vmap_spare)
		va = vmap_spare[--nr_vmap_spare];
	else if (va + bytes + PAGE_SIZE > VMAP_VIRT + VMAP_SIZE - VMAP_FIXED)
		va = 0;
	else
		vmap_next = va + bytes + PAGE_SIZE; /* a hole between two mappings */
	spin_unlock_irqrestore(&vmap_lock, flags);
	return va;
}

int hv_map_page(uint64_t va, mfn_t m, uint64_t flags)
{
	uint64_t *e = entry_at(va, 1, 0);

	if (!e)
		return -XEN_ENOMEM;
	WRITE_ONCE(*e, flags ? pte_make(m, flags) : 0);
	return 0;
}

void *ioremap(uint64_t pa, uint64_t bytes, bool uncached)
{
	uint64_t start = pa & PAGE_MASK, end = ROUND_UP(pa + bytes, PAGE_SIZE);
	uint64_t va = vmap_reserve(end - start, PAGE_SIZE);

	if (!va || end <= start)
		return NULL;
	for (uint64_t at = start; at < end; at += PAGE_SIZE)
		if (hv_map_page(va + at - start, mfn(at >> PAGE_SHIFT),
				RW | PTE_G | (uncached ? PTE_PCD | PTE_PWT : 0)))
			return NULL;
	return (void *)(va + (pa & (PAGE_SIZE - 1)));
}

void iounmap(void *p, uint64_t bytes)
{
	uint64_t start = (uint64_t)p & PAGE_MASK, end = ROUND_UP((uint64_t)p + bytes, PAGE_SIZE);
	uint64_t flags;

	if (start < VMAP_VIRT || end > VMAP_VIRT + VMAP_SIZE)
		return;
	for (uint64_t va = start; va < end; va += PAGE_SIZE)
		hv_map_page(va, mfn(0), 0);
	tlb_flush_mask_all(cpu_online);
	flags = spin_lock_irqsave(&vmap_lock);
	if (end - start == PAGE_SIZE && nr_vmap_spare < ARRAY_SIZE(vmap_spare))
		vmap_spare[nr_vmap_spare++] = start;
	spin_unlock_irqrestore(&vmap_lock, flags);
}

uint64_t *desc_window_pte(unsigned int c, unsigned int page)
{
	return entry_at(GDT_WINDOW((uint64_t)c) + page * PAGE_SIZE, 1, 0);
}

void paging_free_init(void)
{
	uint64_t pa = (uint64_t)init_start - IMAGE_OFFSET,
		 bytes = (uint64_t)(init_end - init_start);

	for (char *p = init_start; p < init_end; p += PAGE_SIZE)
		hv_map_page((uint64_t)p, mfn(0), 0);
	tlb_flush_mask_all(cpu_online);
	heap_add(mfn(pa >> PAGE_SHIFT), bytes >> PAGE_SHIFT);
}
