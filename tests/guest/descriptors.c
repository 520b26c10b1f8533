// SPDX-License-Identifier: BSD-2-Clause
/*
 * Descriptor tables: set_gdt, update_descriptor, the LDT, descriptors that would give the guest what
 * it must not have, and the type rule that a descriptor page is never writable.
 */

#include "guest.h"

const char test_name[] = "descriptors";

static uint64_t gdt[512] __attribute__((aligned(4096)));
static uint64_t gdt2[512] __attribute__((aligned(4096)));
static uint64_t ldt[512] __attribute__((aligned(4096)));

/* Descriptors by access byte: present, DPL 3, code or data. */
#define DATA_DPL3   0x00cff3000000ffffUL
#define CODE64_DPL3 0x00affb000000ffffUL
#define CODE32_DPL3 0x00cffb000000ffffUL
#define DATA_DPL0   0x00cf93000000ffffUL
#define CODE64_DPL0 0x00af9b000000ffffUL
#define DATA_DPL1   0x00cfb3000000ffffUL
#define NOT_PRESENT 0x00cf73000000ffffUL
#define CALL_GATE   0x0000ec0000080000UL
#define LDT_DESC    0x0000820000000fffUL
#define TSS_DESC    0x0000890000000067UL
#define CONFORMING  0x00affe000000ffffUL

static long set_gdt(unsigned long mfn, unsigned int entries)
{
	unsigned long frames[16];

	for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++)
		frames[i] = mfn;
	return hc_set_gdt(frames, entries);
}

static long update(unsigned int slot, uint64_t desc)
{
	return hc_update_descriptor(table_maddr(gdt, slot), desc);
}

static void check_gdt(void)
{
	struct fault f;

	gdt[1] = DATA_DPL3;
	gdt[2] = CODE64_DPL3;
	check("set_gdt of a page that is mapped writable", set_gdt(virt_to_mfn(gdt), 512),
	      -XEN_EINVAL);
	set_page_flags(gdt, PTE_RO);
	check("set_gdt", set_gdt(virt_to_mfn(gdt), 512), 0);
	check("map it writable", set_page_flags(gdt, PTE_RW), -XEN_EBUSY);
	check("it cannot be a page table", pin_table(1, gdt), -XEN_EINVAL);
	f = FAULT("mov %0, %%ds", "r"(1 * 8 | 3));
	check("load of the own data segment", f.vector, VEC_NONE);
	f = FAULT("mov %0, %%es", "r"(5 * 8 | 3));
	check_fault("load of an empty slot", &f, VEC_GP, 5 * 8);
	f = FAULT("mov %0, %%ds", "r"(0));
	check("set_gdt of too many entries", set_gdt(virt_to_mfn(gdt), 512 * 14 + 1), -XEN_EINVAL);
	check("set_gdt of no frame", set_gdt(0xfffffffffUL, 512), -XEN_EINVAL);
	check("set_gdt of a page table", set_gdt(virt_to_mfn((void *)start_info->pt_base), 512),
	      -XEN_EINVAL);
	check("set_gdt from an unmapped page", hc_set_gdt(0x1000, 512), -XEN_EFAULT);
	f = FAULT("mov %0, %%ds; xor %%eax, %%eax; mov %%eax, %%ds", "r"(1 * 8 | 3));
	check("the old one is still there", f.vector, VEC_NONE);
}

static void check_updates(void)
{
	struct fault f;

	check("update: data", update(8, DATA_DPL3), 0);
	check_true("update: it is there", gdt[8] == DATA_DPL3);
	f = FAULT("mov %0, %%es; xor %%eax, %%eax; mov %%eax, %%es", "r"(8 * 8 | 3));
	check("update: load it", f.vector, VEC_NONE);
	check("update: code", update(9, CODE64_DPL3), 0);
	check("update: 32-bit code", update(9, CODE32_DPL3), 0);
	check("update: nothing", update(9, 0), 0);
	check("update: data of DPL 0", update(10, DATA_DPL0), 0);
	info("data of DPL 0 became %lx", gdt[10]);
	check("update: code of DPL 0", update(11, CODE64_DPL0), 0);
	info("code of DPL 0 became %lx", gdt[11]);
	f = FAULT("mov %0, %%es; xor %%eax, %%eax; mov %%eax, %%es", "r"(10 * 8 | 3));
	info("load of it: vector %d", f.vector);
	check("update: data of DPL 1", update(12, DATA_DPL1), 0);
	check("update: not present", update(13, NOT_PRESENT), 0);
	f = FAULT("mov %0, %%es", "r"(13 * 8 | 3));
	check_fault("update: load what is not present", &f, VEC_NP, 13 * 8);
	check("update: call gate", update(14, CALL_GATE), 0);
	check("update: LDT", update(15, LDT_DESC), -XEN_EINVAL);
	check("update: TSS", update(16, TSS_DESC), -XEN_EINVAL);
	check("update: conforming code", update(17, CONFORMING), 0);
	check("update: not aligned", hc_update_descriptor(table_maddr(gdt, 8) + 4, 0), -XEN_EINVAL);
	check("update: no frame", hc_update_descriptor(0xfffffffffUL << 12, 0), -XEN_EINVAL);
	check("update: in a page table", hc_update_descriptor(pte_maddr(UL(gdt2), 1), 0),
	      -XEN_EINVAL);
	check("update: in a data page", hc_update_descriptor(table_maddr(gdt2, 3), DATA_DPL3), 0);
	check("update: it is there", gdt2[3] == DATA_DPL3, 1);
	gdt2[3] = 0;
	f = FAULT("movq $0, (%0)", "r"(gdt + 8));
	check_fault("a plain store into the table", &f, VEC_PF, 3);
}

/* A page with a forbidden descriptor cannot become a table. */
static void check_bad_tables(void)
{
	static const struct {
		const char *what;
		uint64_t desc;
		long want;
	} bad[] = {
		{ "call gate", CALL_GATE, 0 },	   { "LDT", LDT_DESC, -XEN_EINVAL },
		{ "TSS", TSS_DESC, -XEN_EINVAL },  { "not present", NOT_PRESENT, 0 },
		{ "data of DPL 0", DATA_DPL0, 0 },
	};
	char line[80];

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(gdt2, 0, sizeof(gdt2));
		gdt2[400] = bad[i].desc;
		set_page_flags(gdt2, PTE_RO);
		fmt(line, sizeof(line), "table with %s", bad[i].what);
		check(line, set_gdt(virt_to_mfn(gdt2), 512), bad[i].want);
		check("back to the first", set_gdt(virt_to_mfn(gdt), 512), 0);
		check("and writable again", set_page_flags(gdt2, PTE_RW), 0);
	}
}

static long set_ldt(const void *va, unsigned int entries)
{
	return mmuext1(MMUEXT_SET_LDT, UL(va), entries);
}

static void check_ldt(void)
{
	struct fault f;

	f = FAULT("mov %0, %%es", "r"(1 * 8 | 7));
	check_fault("load from no LDT", &f, VEC_GP, 1 * 8 | 4);
	memset(ldt, 0, sizeof(ldt));
	ldt[1] = DATA_DPL3;
	ldt[2] = NOT_PRESENT;
	check("set_ldt", set_ldt(ldt, 16), 0);
	set_page_flags(ldt, PTE_RO);
	f = FAULT("mov %0, %%es; xor %%eax, %%eax; mov %%eax, %%es", "r"(1 * 8 | 7));
	check("load from the LDT", f.vector, VEC_NONE);
	f = FAULT("mov %0, %%es", "r"(2 * 8 | 7));
	check_fault("load what is not present", &f, VEC_NP, 2 * 8 | 4);
	f = FAULT("mov %0, %%es", "r"(20 * 8 | 7));
	check_fault("load beyond its limit", &f, VEC_GP, 20 * 8 | 4);
	check("its page became a descriptor page", set_page_flags(ldt, PTE_RW), -XEN_EBUSY);
	check("no LDT", set_ldt(0, 0), 0);
	check("its page is free again", set_page_flags(ldt, PTE_RW), 0);
	check("set_ldt not aligned", set_ldt((char *)ldt + 8, 16), -XEN_EINVAL);
	check("set_ldt too large", set_ldt(ldt, 8193), -XEN_EINVAL);
	check("set_ldt in the hypervisor", set_ldt((void *)HYPERVISOR_VIRT_START, 16), -XEN_EINVAL);
	check("set_ldt on an unmapped page", set_ldt((void *)0x1000, 16), 0);
	f = FAULT("mov %0, %%es", "r"(1 * 8 | 7));
	check("load from it", f.vector, VEC_PF);
	set_ldt(0, 0);
}

static void check_end(void)
{
	check("no GDT", hc_set_gdt(NULL, 0), 0);
	check("its page is free again", set_page_flags(gdt, PTE_RW), 0);
	check("stack_switch to SS 0", hc_stack_switch(0, UL(guest_stacks) + STACK_SIZE / 2), 0);
	check("stack_switch to the hypervisor's SS",
	      hc_stack_switch(0xe010, UL(guest_stacks) + STACK_SIZE / 2), 0);
	check("stack_switch to a non-canonical address",
	      hc_stack_switch(FLAT_KERNEL_SS, 0x8000000000000000UL), 0);
	check("stack_switch back",
	      hc_stack_switch(FLAT_KERNEL_SS, UL(guest_stacks) + STACK_SIZE / 2), 0);
}

void test_main(void)
{
	check_gdt();
	check_updates();
	check_bad_tables();
	check_ldt();
	check_end();
}
