// SPDX-License-Identifier: BSD-2-Clause
/* GDT, IDT and TSS of each CPU. */
#include <hv/boot.h>
#include <hv/cpuinfo.h>
#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/x86/desc.h>

struct tss64 *tss[NR_CPUS];

struct idt_gate {
	uint16_t offset0, selector;
	uint8_t ist, type;
	uint16_t offset1;
	uint32_t offset2, rsvd;
};
struct table_reg {
	uint16_t limit;
	uint64_t base;
} __packed;

#define GDT_BYTES	     ((HV_GDT_PAGE + 1) * PAGE_SIZE)
#define GDT_ENTRY(page, sel) (page)[((sel)&0xfff) / 8]

static struct idt_gate idt[256] __attribute__((section(".bss.page"))) __aligned(4096);
extern const void *const entry_vectors[256];

void idt_set(unsigned int vector, const void *handler, unsigned int dpl, unsigned int ist)
{
	uint64_t h = (uint64_t)handler;

	idt[vector] = (struct idt_gate){ .offset0 = (uint16_t)h,
					 .selector = HV_CS,
					 .ist = (uint8_t)ist,
					 .type = (uint8_t)(0x8e | dpl << 5),
					 .offset1 = (uint16_t)(h >> 16),
					 .offset2 = (uint32_t)(h >> 32) };
}

/* int3 and into may be raised by guests; NMI, #DF and #MC have their own stacks. */
static void fill_idt(void)
{
	static const uint8_t ist[] = { [2] = 2, [8] = 1, [18] = 3 };

	for (unsigned int v = 0; v < 256; v++)
		idt_set(v, entry_vectors[v], v == 3 || v == 4 ? 3 : 0,
			v < ARRAY_SIZE(ist) ? ist[v] : 0);
}

static void system_descriptor(uint64_t *e, uint64_t base, uint64_t limit, uint64_t type)
{
	e[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | type << 40 | (base >> 24 & 0xff) << 56;
	e[1] = base >> 32;
}

static void fill_gdt(uint64_t *page, const struct tss64 *t)
{
	GDT_ENTRY(page, HV_CS) = 0x00af9b000000ffff;
	GDT_ENTRY(page, HV_DS) = 0x00cf93000000ffff;
	GDT_ENTRY(page, GUEST_CS32) = 0x00cffb000000ffff;
	GDT_ENTRY(page, GUEST_DS) = 0x00cff3000000ffff;
	GDT_ENTRY(page, GUEST_CS64) = 0x00affb000000ffff;
	system_descriptor(&GDT_ENTRY(page, HV_TSS), (uint64_t)t, sizeof(*t) - 1, 0x89);
}

static void load_tables(unsigned int c)
{
	struct table_reg gdtr = { GDT_BYTES - 1, GDT_WINDOW((uint64_t)c) };
	struct table_reg idtr = { sizeof(idt) - 1, (uint64_t)idt };

	asm volatile("lgdt %0" ::"m"(gdtr));
	asm volatile("lidt %0" ::"m"(idtr));
	asm volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" ::"i"(HV_CS)
		     : "rax", "memory");
	asm volatile("movl %0, %%ss; movl %0, %%ds; movl %0, %%es" ::"r"(0));
	asm volatile("movl %0, %%ss" ::"r"(HV_DS));
	asm volatile("ltr %w0" ::"r"(HV_TSS));
	asm volatile("lldt %w0" ::"r"(0));
}

void desc_init_cpu(unsigned int c, void *stack_top)
{
	struct cpu_info *ci = (struct cpu_info *)stack_top - 1;
	uint64_t base = (uint64_t)stack_top - STACK_SIZE;
	uint64_t *page = hv_alloc_pages(0);
	struct tss64 *t = hv_alloc(sizeof(*t));

	if (!page || !t)
		hv_panic("CPU %u: no memory for its descriptor tables\n", c);
	t->rsp0 = (uint64_t)&ci->regs.es; /* the CPU pushes the guest's frame right below */
	t->ist[0] = base + 1 * PAGE_SIZE;
	t->ist[1] = base + 2 * PAGE_SIZE;
	t->ist[2] = base + 3 * PAGE_SIZE;
	t->iobase = sizeof(*t); /* no I/O bitmap */
	tss[c] = t;
	fill_gdt(page, t);
	*desc_window_pte(c, HV_GDT_PAGE) = virt_to_phys(page) | PTE_P | PTE_W | PTE_A | PTE_D |
					   PTE_NX;
	asm volatile("invlpg (%0)" ::"r"(GDT_WINDOW((uint64_t)c) + HV_GDT_PAGE * PAGE_SIZE)
		     : "memory");
	if (c == 0)
		fill_idt();
	load_tables(c);
}
