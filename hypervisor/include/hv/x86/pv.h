/* SPDX-License-Identifier: BSD-2-Clause */
/* 64-bit paravirtual guests: the CPU state of a vcpu and the ways in and out of a guest. */
#ifndef HV_X86_PV_H
#define HV_X86_PV_H

#include <hv/types.h>
#include <xen/xen.h>

struct vcpu;
struct domain;

/* A frame to be built on the guest kernel's stack. entry.S uses the offsets. */
struct trap_bounce {
	uint64_t rip;
	uint32_t error_code;
	uint8_t flags; /* TBF_* */
	uint16_t cs;
};
#define TBF_EXCEPTION 1
#define TBF_EXCEPTION_ERRCODE 2
#define TBF_INTERRUPT 8 /* mask upcalls on entry */

#define VGCF_I387_VALID_BIT 0
struct pv_vcpu {
	/* hot: entry.S by offset */
	struct trap_bounce bounce;
	uint64_t kernel_sp, kernel_ss;
	uint64_t syscall_rip, event_rip, failsafe_rip;
	uint64_t cr3_kernel, cr3_user; /* values for CR3, 0 when there is none */
	uint8_t kernel_mode; /* 1: in the guest's kernel (kernel tables, kernel GS) */
	uint8_t syscall_masks_events, failsafe_masks_events, iopl;
	uint64_t fs_base, gs_base_kernel, gs_base_user;
	uint64_t nr_upcalls;

	struct trap_info trap[256];
	struct cpu_user_regs regs; /* when not running */
	uint16_t ds, es, fs, gs;
	uint64_t cr0, cr2, cr4; /* as the guest sees them: TS, fault address */
	uint64_t dr[8];
	uint64_t syscall32_rip, sysenter_rip;
	bool syscall32_masks_events, sysenter_masks_events, kernel_in_user_mode;
	mfn_t gdt_frame[16];
	unsigned int gdt_ents;
	uint64_t ldt_base;
	unsigned int ldt_ents;
	void *fpu; /* XSAVE area, 64-byte aligned */
	bool fpu_used, fpu_dirty; /* has valid state; the CPU's registers hold it */
	uint64_t xcr0;
	bool nmi_pending;
	uint64_t nmi_rip;
	bool nmi_masked;
	uint8_t *iobmp; /* guest's own I/O bitmap address and limit (set_iobitmap) */
	unsigned int iobmp_limit;
	uint32_t tsc_aux;
};
struct pv_domain {
	uint32_t nr_e820;
	struct {
		uint64_t addr, size;
		uint32_t type;
	} __packed *e820; /* dom0: the machine's, others: set by the toolstack or made up */
	struct cpuid_leaf *cpuid; /* NULL: default policy */
	unsigned int nr_cpuid;
	mfn_t pirq_eoi_map;
	bool auto_unmask;
};

/* x86/pv/domain.c */
int pv_vcpu_init(struct vcpu *v); /* 0, -XEN_ENOMEM */
void pv_vcpu_destroy(struct vcpu *v);
int pv_domain_init(struct domain *d);
void pv_domain_destroy(struct domain *d);
/* Give v the state in ctx: VCPUOP_initialise, setvcpucontext, dom0 builder. All is checked first.
 * 0, -XEN_EINVAL, -XEN_ERESTART; v is paused or down. */
int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *ctx);
void pv_get_context(struct vcpu *v, struct vcpu_guest_context *ctx);

/* x86/pv/traps.c: deliver to the current guest's kernel. */
void pv_inject_exception(unsigned int vector, int error_code /* -1: none */);
void pv_inject_page_fault(uint64_t cr2, uint32_t error_code);
void pv_inject_nmi(struct vcpu *v);

#endif
