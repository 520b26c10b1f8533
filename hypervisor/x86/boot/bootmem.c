// SPDX-License-Identifier: BSD-2-Clause
/* Memory before the heap: free ranges of RAM, given out from their upper ends. */
#include <hv/boot.h>
#include <hv/frame.h>
#include <hv/heap.h>
#include <hv/lib.h>

#define MAX_RANGES 192
#define FOUR_GIB   0x100000000UL

static __initdata struct {
	uint64_t start, end; /* whole pages */
} range[MAX_RANGES];
static __initdata unsigned int nr_ranges;
static __initdata uint64_t limit = FOUR_GIB;

static __init void add(uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	if (nr_ranges == MAX_RANGES) {
		log_warn("memory map has too many pieces: %#lx to %#lx is not used\n", start, end);
		return;
	}
	range[nr_ranges].start = start;
	range[nr_ranges++].end = end;
}

static __init void reserve(uint64_t start, uint64_t end)
{
	start &= PAGE_MASK;
	end = ROUND_UP(end, PAGE_SIZE);
	for (unsigned int i = 0; i < nr_ranges; i++) {
		uint64_t e = range[i].end;

		if (range[i].end <= start || range[i].start >= end)
			continue;
		if (range[i].start >= start) {
			range[i].start = MIN(end, e);
			continue;
		}
		range[i].end = start;
		add(end, e);
	}
}

__init void bootmem_init(void)
{
	uint64_t top = DIRECTMAP_END - DIRECTMAP_VIRT;

	for (unsigned int i = 0; i < boot_info.nr_e820; i++) {
		const struct e820_entry *e = &boot_info.e820[i];

		if (e->type == E820_RAM)
			add(ROUND_UP(e->addr, PAGE_SIZE), MIN(e->addr + e->size, top) & PAGE_MASK);
	}
	reserve(0, 0x100000); /* BIOS, trampoline, domain 0's legacy memory */
	reserve(IMAGE_PHYS, (uint64_t)image_end - IMAGE_OFFSET);
	for (unsigned int i = 0; i < boot_info.nr_modules; i++)
		reserve(boot_info.module[i].start, boot_info.module[i].end);
}

__init void bootmem_allow_high(void)
{
	limit = ~0UL;
}

__init void *boot_alloc(uint64_t bytes, uint64_t align)
{
	unsigned int best = MAX_RANGES;
	uint64_t best_at = 0, old_end;

	bytes = ROUND_UP(bytes, PAGE_SIZE);
	for (unsigned int i = 0; i < nr_ranges; i++) {
		uint64_t end = MIN(range[i].end, limit), at;

		if (end < range[i].start + bytes)
			continue;
		at = (end - bytes) & ~(align - 1);
		if (at >= range[i].start && at >= best_at) {
			best = i;
			best_at = at;
		}
	}
	if (best == MAX_RANGES)
		hv_panic("out of memory at start: %lu KiB wanted; give the machine more memory\n",
			 bytes >> 10);
	old_end = range[best].end;
	range[best].end = best_at;
	add(best_at + bytes, old_end);
	return memset(phys_to_virt(best_at), 0, bytes);
}

__init void bootmem_to_heap(void)
{
	for (unsigned int i = 0; i < nr_ranges; i++)
		if (range[i].start < range[i].end)
			heap_add(mfn(range[i].start >> PAGE_SHIFT),
				 (range[i].end - range[i].start) >> PAGE_SHIFT);
	nr_ranges = 0;
}

void boot_module_free(unsigned int i)
{
	struct boot_module *m = &boot_info.module[i];
	uint64_t start = ROUND_UP(m->start, PAGE_SIZE), end = m->end & PAGE_MASK;

	/* The last page of a page-aligned module is its alone. */
	if (!(m->start & (PAGE_SIZE - 1)))
		end = ROUND_UP(m->end, PAGE_SIZE);
	m->start = m->end = 0;
	if (start < end)
		heap_add(mfn(start >> PAGE_SHIFT), (end - start) >> PAGE_SHIFT);
}
