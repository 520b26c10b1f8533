// SPDX-License-Identifier: BSD-2-Clause
/* What this CPU can do, and its control registers. */
#include <hv/cpuinfo.h>
#include <hv/lib.h>
#include <hv/x86/cpu.h>

struct cpu_features cpu;

/* State components a guest may use: x87, SSE, AVX, AVX-512 (three), PKRU. */
#define XCR0_OFFERED (BIT(0) | BIT(1) | BIT(2) | BIT(5) | BIT(6) | BIT(7) | BIT(9))

static void xsetbv(uint64_t v)
{
	asm volatile("xsetbv" ::"c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static void detect_xsave(void)
{
	struct cpuid c = cpuid(0xd, 0);

	cpu.xcr0_mask = (((uint64_t)c.d << 32) | c.a) & XCR0_OFFERED;
	cpu.xsaveopt = cpuid(0xd, 1).a & BIT(0);
	/* Size for the mask, in the standard format: the end of the highest component. */
	cpu.xsave_size = 576;
	for (unsigned int i = 2; i < 63; i++)
		if (cpu.xcr0_mask & BIT(i)) {
			c = cpuid(0xd, i);
			cpu.xsave_size = MAX(cpu.xsave_size, c.a + c.b);
		}
}

void cpu_init_boot(void)
{
	uint32_t max = cpuid(0, 0).a, max_ext = cpuid(0x80000000u, 0).a;
	struct cpuid f1 = cpuid(1, 0), e1 = cpuid(0x80000001u, 0), f7 = { 0 };

	if (max >= 7)
		f7 = cpuid(7, 0);
	cpu.smep = f7.b & BIT(7);
	cpu.smap = f7.b & BIT(20);
	cpu.umip = f7.c & BIT(2);
	cpu.fsgsbase = f7.b & BIT(0);
	cpu.xsave = (f1.c & BIT(26)) && max >= 0xd;
	cpu.pcid = f1.c & BIT(17);
	cpu.x2apic = f1.c & BIT(21);
	cpu.tsc_deadline = f1.c & BIT(24);
	cpu.pge = f1.d & BIT(13);
	cpu.nx = e1.d & BIT(20);
	cpu.page1gb = e1.d & BIT(26);
	cpu.rdtscp = e1.d & BIT(27);
	cpu.invtsc = max_ext >= 0x80000007u && (cpuid(0x80000007u, 0).d & BIT(8));
	cpu.phys_bits = max_ext >= 0x80000008u ? cpuid(0x80000008u, 0).a & 0xff : 36;
	cpu.phys_bits = MIN(cpu.phys_bits, 52U);
	cpu.pte_rsvd = ((1UL << 52) - 1) & ~((1UL << cpu.phys_bits) - 1);
	if (cpu.xsave)
		detect_xsave();
	log_info("CPU: %u address bits%s%s%s%s%s%s%s%s\n", cpu.phys_bits, cpu.smep ? ", SMEP" : "",
		 cpu.smap ? ", SMAP" : "", cpu.umip ? ", UMIP" : "", cpu.xsave ? ", XSAVE" : "",
		 cpu.pcid ? ", PCID" : "", cpu.x2apic ? ", x2APIC" : "",
		 cpu.tsc_deadline ? ", TSC deadline" : "", cpu.invtsc ? ", invariant TSC" : "");
}

void cpu_init_this(void)
{
	uint64_t cr4 = CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cr4 |= cpu.pge ? CR4_PGE : 0;
	cr4 |= cpu.smep ? CR4_SMEP : 0;
	cr4 |= cpu.smap ? CR4_SMAP : 0;
	/* Not UMIP: guests' kernels run in ring 3, and sgdt, sldt and smsw have to work there. */
	cr4 |= cpu.fsgsbase ? CR4_FSGSBASE : 0;
	cr4 |= cpu.xsave ? CR4_OSXSAVE : 0;
	write_cr4(cr4);
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
	if (cpu.xsave)
		xsetbv(cpu.xcr0_mask);
	/* WB WT UC- UC WC WP UC UC: the layout that guests of this ABI assume */
	wrmsr(MSR_PAT, 0x050100070406UL);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE | EFER_SCE);
	if (cpu.rdtscp)
		wrmsr(MSR_TSC_AUX, 0);
	entry_init_cpu(cpu_info());
}
