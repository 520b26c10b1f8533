// SPDX-License-Identifier: BSD-2-Clause
// Model-specific registers of PV guests. What is not listed does not exist: #GP, which kernels probe for.

#include <hv/domain.h>
#include <hv/x86/cpu.h>

#define MSR_TSC		  0x10
#define MSR_PLATFORM_INFO 0xce
#define MSR_MISC_FEATURES 0x140
#define MSR_MISC_ENABLE	  0x1a0
#define MSR_UCODE_REV	  0x8b
#define MSR_MCG_CAP	  0x179
#define MSR_MCG_STATUS	  0x17a
#define MSR_MC0_CTL	  0x400
#define MC_BANKS	  2 /* virtual machine-check banks, in which nothing ever happens */
#define MSR_HWCR	  0xc0010015u
#define MSR_DE_CFG	  0xc0011029u

bool pv_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *val)
{
	switch (msr) {
	case MSR_FS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_GS_BASE:
		/* The guest's kernel is running: its bases are the CPU's. */
		*val = rdmsr(msr);
		return true;
	case MSR_EFER:
		*val = rdmsr(MSR_EFER);
		return true;
	case MSR_TSC:
		*val = rdtsc();
		return true;
	case MSR_PAT:
		*val = rdmsr(MSR_PAT);
		return true;
	case MSR_TSC_AUX:
		*val = v->pv.tsc_aux;
		return cpu.rdtscp;
	case MSR_PLATFORM_INFO:
	case MSR_MISC_FEATURES:
	case MSR_HWCR:
		*val = 0;
		return true;
	case MSR_DE_CFG:
		*val = BIT(1); /* LFENCE serialises */
		return true;
	case MSR_APIC_BASE:
		if (!v->domain->is_hardware)
			return false;
		*val = rdmsr(MSR_APIC_BASE);
		return true;
	case MSR_UCODE_REV:
	case MSR_MISC_ENABLE:
		return rdmsr_safe(msr, val);
	case MSR_MCG_CAP:
		*val = MC_BANKS;
		return true;
	case MSR_MCG_STATUS:
		*val = 0;
		return true;
	case MSR_MC0_CTL ... MSR_MC0_CTL + 4 * MC_BANKS - 1:
		*val = msr & 3 ? 0 : ~0UL;
		return true;
	default:
		return false;
	}
}

bool pv_wrmsr(struct vcpu *v, uint32_t msr, uint64_t val)
{
	uint64_t cur;

	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
		if (!canonical(val))
			return false;
		wrmsr(msr, val);
		return true;
	case MSR_TSC_AUX:
		if (!cpu.rdtscp || val >> 32)
			return false;
		v->pv.tsc_aux = (uint32_t)val;
		wrmsr(MSR_TSC_AUX, val);
		return true;
	case MSR_UCODE_REV:
	case MSR_MCG_STATUS:
	case MSR_MC0_CTL ... MSR_MC0_CTL + 4 * MC_BANKS - 1:
		return true;
	case MSR_EFER:
	case MSR_MISC_ENABLE:
		/* Writing what is there already does no harm. */
		return pv_rdmsr(v, msr, &cur) && cur == val;
	default:
		return false;
	}
}
