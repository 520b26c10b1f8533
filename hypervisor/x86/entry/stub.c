// SPDX-License-Identifier: BSD-2-Clause
// The system-call stub of each CPU, the exception table, and the SMAP sites.

#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/x86/cpu.h>
#include <hv/x86/entry.h>

#define STUB32_OFFSET  64
#define STUB_VIRT(cpu) (VMAP_VIRT + VMAP_SIZE - ((cpu) + 1UL) * PAGE_SIZE)
#define FMASK_BITS                                                                         \
	(X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_IOPL | X86_EFLAGS_NT | \
	 X86_EFLAGS_AC)

extern char syscall_entry[], syscall32_entry[];

struct ex_entry {
	uint64_t at, to;
};
extern const struct ex_entry __start_ex_table[], __stop_ex_table[];

struct smap_site {
	uint64_t at, open;
};
extern const struct smap_site __start_smap_sites[], __stop_smap_sites[];

static uint8_t *put(uint8_t *p, const void *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

/*
 * The syscall instruction changes neither the stack nor any register but rcx and r11, so the way to this CPU's stack must
 * be in its code:
 *
 *	movabs %rax, &cpu_info.scratch
 *	movq %rsp, %rax
 *	movabs $(end of the hardware frame in cpu_info.regs), %rsp
 *	push $GUEST_DS; push %rax; push %r11; push $GUEST_CS64 (or CS32); push %rcx
 *	jmp syscall_entry (or syscall32_entry)
 */
static void stub_write(uint8_t *p, uint64_t va, struct cpu_info *ci, uint32_t cs, const char *entry)
{
	const uint8_t *start = p;
	uint64_t scratch = (uint64_t)&ci->scratch, frame_end = (uint64_t)&ci->regs.es;
	uint32_t ss = GUEST_DS;
	int32_t rel;

	p = put(p, "\x48\xa3", 2);
	p = put(p, &scratch, 8);
	p = put(p, "\x48\x89\xe0", 3);
	p = put(p, "\x48\xbc", 2);
	p = put(p, &frame_end, 8);
	p = put(p, "\x68", 1);
	p = put(p, &ss, 4);
	p = put(p, "\x50\x41\x53\x68", 4);
	p = put(p, &cs, 4);
	p = put(p, "\x51\xe9", 2);
	rel = (int32_t)((int64_t)entry - (int64_t)(va + (uint64_t)(p - start) + 4));
	put(p, &rel, 4);
}

void entry_init_cpu(struct cpu_info *ci)
{
	uint64_t va = STUB_VIRT(ci->cpu);
	uint8_t *page = hv_alloc_pages(0);

	if (!page || hv_map_page(va, virt_to_mfn(page), PTE_P | PTE_A | PTE_G))
		hv_panic("CPU %lu: out of memory for its system-call stub\n", ci->cpu);
	stub_write(page, va, ci, GUEST_CS64, syscall_entry);
	stub_write(page + STUB32_OFFSET, va + STUB32_OFFSET, ci, GUEST_CS32, syscall32_entry);
	wrmsr(MSR_STAR, ((uint64_t)GUEST_CS32 << 48) | ((uint64_t)HV_CS << 32));
	wrmsr(MSR_LSTAR, va);
	/* The syscall instruction in 32-bit code, which AMD's CPUs have. */
	wrmsr(MSR_CSTAR, va + STUB32_OFFSET);
	wrmsr(MSR_FMASK, FMASK_BITS);
}

uint64_t extable_find(uint64_t rip)
{
	for (const struct ex_entry *e = __start_ex_table; e < __stop_ex_table; e++)
		if (e->at == rip)
			return e->to;
	return 0;
}

void smap_patch(void)
{
	for (const struct smap_site *s = __start_smap_sites; s < __stop_smap_sites; s++) {
		uint8_t *p = phys_to_virt(s->at - IMAGE_OFFSET);

		memcpy(p, s->open ? "\x0f\x01\xcb" : "\x0f\x01\xca", 3);
	}
}
