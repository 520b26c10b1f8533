// SPDX-License-Identifier: BSD-2-Clause
// Page tables: address translation, walks through the initial mapping, single updates.

#include "guest.h"

/* The address that pseudo-physical frame 0 has in the initial mapping, from the linker script. */
extern char virt_base[];

unsigned long virt_to_pfn(const void *va)
{
	return (UL(va) - UL(virt_base)) / PAGE_SIZE;
}

unsigned long pfn_to_mfn(unsigned long pfn)
{
	return ((unsigned long *)start_info->mfn_list)[pfn];
}

unsigned long mfn_to_pfn(unsigned long mfn)
{
	return machine_to_phys_mapping[mfn];
}

unsigned long virt_to_mfn(const void *va)
{
	return pfn_to_mfn(virt_to_pfn(va));
}

void *mfn_to_virt(unsigned long mfn)
{
	return (void *)(UL(virt_base) + mfn_to_pfn(mfn) * PAGE_SIZE);
}

uint64_t mkpte(unsigned long mfn, uint64_t flags)
{
	return mfn * PAGE_SIZE | flags;
}

static unsigned int index_of(unsigned long va, int level)
{
	return (va >> (12 + 9 * (level - 1))) & 511;
}

/* The table of @level on the way to @va: the initial mapping shows all boot page tables. */
static uint64_t *table_of(unsigned long va, int level)
{
	uint64_t *table = (uint64_t *)start_info->pt_base;

	for (int l = 4; l > level; l--) {
		uint64_t e = table[index_of(va, l)];

		if (!(e & PTE_P) || (l < 4 && (e & PTE_PSE)))
			return NULL;
		table = mfn_to_virt((e & PTE_FRAME) / PAGE_SIZE);
	}
	return table;
}

uint64_t *pte_ptr(unsigned long va, int level)
{
	uint64_t *table = table_of(va, level);

	return table ? table + index_of(va, level) : NULL;
}

uint64_t table_maddr(const void *table, unsigned int index)
{
	return virt_to_mfn((const void *)(UL(table) & ~(PAGE_SIZE - 1))) * PAGE_SIZE + index * 8;
}

uint64_t pte_maddr(unsigned long va, int level)
{
	uint64_t *table = table_of(va, level);

	return table ? table_maddr(table, index_of(va, level)) : 0;
}

long pt_update_cmd(uint64_t maddr, uint64_t val, unsigned int cmd)
{
	struct mmu_update u = { .ptr = maddr | cmd, .val = val };

	return hc_mmu_update(&u, 1, NULL, DOMID_SELF);
}

long pt_update(uint64_t maddr, uint64_t val)
{
	return pt_update_cmd(maddr, val, MMU_NORMAL_PT_UPDATE);
}

long mmuext1(unsigned int cmd, unsigned long arg1, unsigned long arg2)
{
	struct mmuext_op op;

	memset(&op, 0, sizeof(op));
	op.cmd = cmd;
	op.arg1.mfn = arg1;
	op.arg2.src_mfn = arg2;
	return hc_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

long pin_table(int level, const void *table)
{
	return mmuext1(MMUEXT_PIN_L1_TABLE + (unsigned int)level - 1, virt_to_mfn(table), 0);
}

long unpin_table(const void *table)
{
	return mmuext1(MMUEXT_UNPIN_TABLE, virt_to_mfn(table), 0);
}

long map_page(const void *va, uint64_t pte)
{
	return hc_update_va_mapping(va, pte, UVMF_INVLPG);
}

long set_page_flags(const void *va, uint64_t flags)
{
	return map_page(va, mkpte(virt_to_mfn(va), flags));
}
