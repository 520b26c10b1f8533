// SPDX-License-Identifier: BSD-2-Clause
// CPUID as a PV guest may see it: the CPU's own leaves without what ring 3 cannot use, and the hypervisor's leaves.

#include <hv/domain.h>
#include <hv/time.h>
#include <hv/x86/cpu.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/version.h>

#define B(n) (1u << (n))

/* Leaf 1: what needs ring 0, an APIC of one's own, or state that is not switched. */
#define L1_ECX_HIDDEN                                                                             \
	(B(2) | B(3) | B(4) | B(5) | B(6) | B(7) | B(8) | B(10) | B(14) | B(15) | B(17) | B(18) | \
	 B(21) | B(24))
#define L1_EDX_HIDDEN	  (B(1) | B(3) | B(12) | B(13) | B(17) | B(18) | B(21) | B(29) | B(30) | B(31))
#define L1_ECX_HYPERVISOR B(31)
#define L1_ECX_OSXSAVE	  B(27)
#define L1_EDX_MTRR	  B(12)
#define L1_EDX_ACPI	  B(22)
/* Leaf 7: SGX, TSC_ADJUST, HLE, SMEP, INVPCID, RTM, PQM, MPX, PQE, SMAP, PT; UMIP, PKU, WAITPKG, CET, LA57, PKS ... */
#define L7_EBX_HIDDEN \
	(B(1) | B(2) | B(4) | B(7) | B(10) | B(11) | B(12) | B(14) | B(15) | B(20) | B(25))
#define L7_ECX_SHOWN \
	(B(1) | B(6) | B(8) | B(9) | B(10) | B(11) | B(12) | B(14) | B(22) | B(25) | B(27))
#define L7_EDX_SHOWN  (B(2) | B(3) | B(4) | B(8) | B(14))
#define L71_EAX_SHOWN (B(4) | B(5))
#define E1_ECX_SHOWN  (B(0) | B(5) | B(6) | B(7) | B(8) | B(11) | B(16) | B(21))
#define E1_EDX_SHOWN  (B(11) | B(20) | B(22) | B(25) | B(27) | B(29) | B(30) | B(31))

static struct cpuid hypervisor_leaf(const struct vcpu *v, uint32_t n, uint32_t sub)
{
	struct cpuid r = { 0, 0, 0, 0 };

	switch (n) {
	case 0:
		r = (struct cpuid){ 0x40000005, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
				    XEN_CPUID_SIGNATURE_EDX };
		break;
	case 1:
		r.a = 0x00040011;
		break;
	case 2:
		r.a = 1;
		r.b = 0x40000000;
		r.c = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
		break;
	case 3:
		if (sub == 0) {
			r.a = B(1) | (cpu.invtsc ? B(2) : 0);
			r.b = v->domain->tsc_mode;
			r.c = (uint32_t)tsc_khz;
			r.d = v->domain->tsc_incarnation;
		} else if (sub == 2)
			r.a = (uint32_t)tsc_khz;
		break;
	case 5:
		r.b = cpu.phys_bits;
		break;
	default:
		break;
	}
	return r;
}

static void xsave_leaf(struct cpuid *r, uint32_t sub)
{
	uint64_t mask = cpu.xcr0_mask;

	if (!cpu.xsave) {
		*r = (struct cpuid){ 0, 0, 0, 0 };
		return;
	}
	if (sub == 0) {
		r->a = (uint32_t)mask;
		r->d = (uint32_t)(mask >> 32);
		r->c = cpu.xsave_size;
	} else if (sub == 1) {
		r->a &= B(0) | B(1) | B(2);
		r->c = r->d = 0;
	} else if (sub >= 63 || !(mask & BIT(sub)))
		*r = (struct cpuid){ 0, 0, 0, 0 };
}

static void basic_leaf(struct vcpu *v, struct cpuid *r, uint32_t leaf, uint32_t sub)
{
	switch (leaf) {
	case 0:
		r->a = MIN(r->a, 0x16u);
		break;
	case 1:
		r->b = (r->b & 0xffff) | (v->id << 25) | (MIN(v->domain->max_vcpus, 127u) << 17);
		r->c &= ~(L1_ECX_HIDDEN | L1_ECX_OSXSAVE);
		r->c |= L1_ECX_HYPERVISOR;
		if (!cpu.xsave)
			r->c &= ~(B(26) | B(28) | B(12) | B(29));
		else
			/* On from the start: kernels take its absence for "XSAVE is forbidden here". */
			r->c |= L1_ECX_OSXSAVE;
		r->d &= ~(v->domain->is_hardware ? L1_EDX_HIDDEN & ~L1_EDX_MTRR
						 : L1_EDX_HIDDEN | L1_EDX_ACPI);
		break;
	case 7:
		if (sub == 0) {
			r->a = MIN(r->a, 1u);
			r->b &= ~L7_EBX_HIDDEN;
			r->c &= L7_ECX_SHOWN;
			r->d &= L7_EDX_SHOWN;
			if (!cpu.xsave)
				r->b &= ~(B(5) | B(16) | B(17) | B(21) | B(28) | B(30) | B(31));
		} else {
			r->a &= sub == 1 ? L71_EAX_SHOWN : 0;
			r->b = r->c = r->d = 0;
		}
		break;
	case 0xd:
		xsave_leaf(r, sub);
		break;
	case 2:
	case 4:
	case 0x15:
	case 0x16:
		break;
	default:
		*r = (struct cpuid){ 0, 0, 0, 0 };
		break;
	}
}

static void extended_leaf(struct cpuid *r, uint32_t leaf)
{
	switch (leaf) {
	case 0x80000000u:
		r->a = MIN(r->a, 0x80000008u);
		break;
	case 0x80000001u:
		r->c &= E1_ECX_SHOWN;
		/* Bits 0 to 9 and some more repeat leaf 1 on AMD's CPUs. */
		r->d &= E1_EDX_SHOWN | (0x0183f3ffu & ~L1_EDX_HIDDEN);
		break;
	case 0x80000007u:
		r->a = r->b = r->c = 0;
		r->d &= cpu.invtsc ? B(8) : 0;
		break;
	case 0x80000008u:
		r->b &= B(0) | B(2);
		r->c = 0;
		r->d = 0;
		break;
	case 0x80000002u ... 0x80000006u:
		break;
	default:
		*r = (struct cpuid){ 0, 0, 0, 0 };
		break;
	}
}

struct cpuid pv_cpuid(struct vcpu *v, uint32_t leaf, uint32_t sub)
{
	struct cpuid r;

	if (leaf >= 0x40000000 && leaf < 0x40000100)
		return hypervisor_leaf(v, leaf - 0x40000000, sub);
	r = cpuid(leaf, sub);
	if (leaf < 0x40000000)
		basic_leaf(v, &r, leaf, sub);
	else
		extended_leaf(&r, leaf);
	return r;
}
