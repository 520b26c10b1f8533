/* SPDX-License-Identifier: BSD-2-Clause */
/* Processor registers, MSRs, CPUID, features. Only x86/ includes this. */
#ifndef HV_X86_CPU_H
#define HV_X86_CPU_H

#include <hv/types.h>

#define MSR_APIC_BASE	   0x1b
#define MSR_SYSENTER_CS	   0x174
#define MSR_SYSENTER_ESP   0x175
#define MSR_SYSENTER_EIP   0x176
#define MSR_PAT		   0x277
#define MSR_EFER	   0xc0000080u
#define MSR_STAR	   0xc0000081u
#define MSR_LSTAR	   0xc0000082u
#define MSR_CSTAR	   0xc0000083u
#define MSR_FMASK	   0xc0000084u
#define MSR_FS_BASE	   0xc0000100u
#define MSR_GS_BASE	   0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX	   0xc0000103u
#define EFER_SCE	   BIT(0)
#define EFER_LME	   BIT(8)
#define EFER_LMA	   BIT(10)
#define EFER_NXE	   BIT(11)
#define CR0_PE		   BIT(0)
#define CR0_MP		   BIT(1)
#define CR0_EM		   BIT(2)
#define CR0_TS		   BIT(3)
#define CR0_ET		   BIT(4)
#define CR0_NE		   BIT(5)
#define CR0_WP		   BIT(16)
#define CR0_AM		   BIT(18)
#define CR0_PG		   BIT(31)
#define CR4_TSD		   BIT(2)
#define CR4_DE		   BIT(3)
#define CR4_PSE		   BIT(4)
#define CR4_PAE		   BIT(5)
#define CR4_MCE		   BIT(6)
#define CR4_PGE		   BIT(7)
#define CR4_PCE		   BIT(8)
#define CR4_OSFXSR	   BIT(9)
#define CR4_OSXMMEXCPT	   BIT(10)
#define CR4_UMIP	   BIT(11)
#define CR4_FSGSBASE	   BIT(16)
#define CR4_PCIDE	   BIT(17)
#define CR4_OSXSAVE	   BIT(18)
#define CR4_SMEP	   BIT(20)
#define CR4_SMAP	   BIT(21)
#define X86_EFLAGS_TF	   BIT(8)
#define X86_EFLAGS_IF	   BIT(9)
#define X86_EFLAGS_DF	   BIT(10)
#define X86_EFLAGS_IOPL	   (3UL << 12)
#define X86_EFLAGS_NT	   BIT(14)
#define X86_EFLAGS_RF	   BIT(16)
#define X86_EFLAGS_VM	   BIT(17)
#define X86_EFLAGS_AC	   BIT(18)
#define X86_EFLAGS_VIF	   BIT(19)
#define X86_EFLAGS_VIP	   BIT(20)
#define X86_EFLAGS_ID	   BIT(21)

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return ((uint64_t)hi << 32) | lo;
}
static inline void wrmsr(uint32_t msr, uint64_t val)
{
	asm volatile("wrmsr" ::"c"(msr), "a"((uint32_t)val), "d"((uint32_t)(val >> 32)) : "memory");
}
/* False when the access faults (exception table). x86/entry/fixup.S */
bool rdmsr_safe(uint32_t msr, uint64_t *val);
bool wrmsr_safe(uint32_t msr, uint64_t val);

#define DEFINE_CR(n)                                                     \
	static inline uint64_t read_cr##n(void)                          \
	{                                                                \
		uint64_t v;                                              \
		asm volatile("movq %%cr" #n ", %0" : "=r"(v)::"memory"); \
		return v;                                                \
	}                                                                \
	static inline void write_cr##n(uint64_t v)                       \
	{                                                                \
		asm volatile("movq %0, %%cr" #n ::"r"(v) : "memory");    \
	}
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)
#undef DEFINE_CR

struct cpuid {
	uint32_t a, b, c, d;
};
static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
	return r;
}
static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return ((uint64_t)hi << 32) | lo;
}
static inline void invlpg(uint64_t va)
{
	asm volatile("invlpg %0" ::"m"(*(const char *)va) : "memory");
}
static inline uint8_t inb(uint16_t p)
{
	uint8_t v;

	asm volatile("inb %w1, %0" : "=a"(v) : "Nd"(p));
	return v;
}
static inline uint16_t inw(uint16_t p)
{
	uint16_t v;

	asm volatile("inw %w1, %0" : "=a"(v) : "Nd"(p));
	return v;
}
static inline uint32_t inl(uint16_t p)
{
	uint32_t v;

	asm volatile("inl %w1, %0" : "=a"(v) : "Nd"(p));
	return v;
}
static inline void outb(uint8_t v, uint16_t p)
{
	asm volatile("outb %0, %w1" ::"a"(v), "Nd"(p));
}
static inline void outw(uint16_t v, uint16_t p)
{
	asm volatile("outw %0, %w1" ::"a"(v), "Nd"(p));
}
static inline void outl(uint32_t v, uint16_t p)
{
	asm volatile("outl %0, %w1" ::"a"(v), "Nd"(p));
}
static inline void cpu_relax(void)
{
	asm volatile("pause" ::: "memory");
}

/* Features of the boot CPU that the hypervisor uses; set by cpu_init(). */
struct cpu_features {
	bool smep, smap, umip, fsgsbase, xsave, pcid, pge, page1gb, nx, x2apic, tsc_deadline,
		invtsc, rdtscp, xsaveopt;
	uint64_t xcr0_mask; /* XCR0 bits offered to guests */
	uint32_t xsave_size; /* bytes for that mask */
	uint32_t phys_bits;
	uint64_t pte_rsvd; /* bits that must be 0 in an entry */
};
extern struct cpu_features cpu;

void cpu_init_boot(void); /* detect; boot CPU */
void cpu_init_this(void); /* set control registers, MSRs, descriptor tables of this CPU */

/* System call MSRs and what else entry.S needs on this CPU (x86/entry/). */
struct cpu_info;
void entry_init_cpu(struct cpu_info *ci);

#endif
