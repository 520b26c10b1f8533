/* SPDX-License-Identifier: BSD-2-Clause */
/* 64-bit paravirtual guests: the CPU state of a vcpu and the ways in and out of a guest. */
#ifndef HV_X86_PV_H
#define HV_X86_PV_H

#include <hv/types.h>
#include <hv/ptwr.h>
#include <hv/config.h>
#include <xen/xen.h>

struct vcpu;
struct frame;
struct domain;

/* A frame to be built on the guest kernel's stack. entry.S uses the offsets. */
struct trap_bounce {
	uint64_t rip;
	uint32_t error_code;
	uint8_t flags; /* TBF_* */
	uint16_t cs;
};
#define TBF_EXCEPTION	      1
#define TBF_EXCEPTION_ERRCODE 2
#define TBF_INTERRUPT	      8 /* mask upcalls on entry */
#define TBF_FAILSAFE	      16 /* the data selectors of pv.ds to pv.gs are in the frame */

/* Result of the last walk for a trapped page-table write; see x86/mm/ptwr.c. */
struct pt_cache {
	uint64_t tag, changes, cr3;
	uint64_t *l1;
};
/* Instructions decoded for trapped page-table writes, by their bytes. */
#define INSN_CACHE 8
struct insn_cache {
	uint64_t bytes[2];
	struct ptwr_insn insn; /* len 0: none */
};

/* Changes of page-table entries by the vcpu, for debug key 'P'. */
struct pt_count {
	uint64_t trapped; /* writes that faulted */
	uint64_t updates; /* requests of mmu_update */
	uint64_t range_calls, range_entries; /* pte_range */
};

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
	uint32_t ldt_mapped; /* pages of the LDT window in use, ldt_frame[] says by which frames */
	mfn_t ldt_frame[16];
	void *fpu; /* XSAVE area, 64-byte aligned */
	bool fpu_used, fpu_dirty; /* has valid state; the CPU's registers hold it */
	uint64_t xcr0;
	bool nmi_pending;
	uint64_t nmi_rip;
	bool nmi_masked;
	uint8_t *iobmp; /* guest's own I/O bitmap address and limit (set_iobitmap) */
	unsigned int iobmp_limit;
	uint32_t tsc_aux;
	struct pt_cache pt_cache;
	struct pt_count pt_count;
	struct insn_cache insn_cache[INSN_CACHE];
	struct frame
		*old_table; /* table it dropped whose release was preempted; a reference is held */
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
	uint32_t
		relinquish_next; /* domain_relinquish_memory(): frame to go on with + 1, referenced; 0 none */
	uint8_t relinquish_pass;
	uint32_t pci_cf8; /* last address word written to port 0xcf8 */
};

/* x86/pv/domain.c */
int pv_vcpu_init(struct vcpu *v); /* 0, -XEN_ENOMEM */
void pv_vcpu_destroy(struct vcpu *v);
int pv_domain_init(struct domain *d); /* 0, -XEN_ENOMEM */
void pv_domain_destroy(struct domain *d);
/*
 * Give v the state in ctx: VCPUOP_initialise, setvcpucontext, dom0 builder. v is paused or down.
 * 0; -XEN_EINVAL: a frame, selector or table in ctx that v may not use; -XEN_ERESTART: call again.
 */
int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *ctx);
void pv_get_context(struct vcpu *v, struct vcpu_guest_context *ctx);
/* Fill a page with the hypercall entry points of <xen/arch-x86/xen-x86_64.h>. */
void hypercall_page_fill(void *page);

/* ---- x86/pv/bounce.c: frames on the guest kernel's stack; the vcpu is current */
/*
 * Go to the guest kernel at rip, as if the CPU had taken a trap there: frame on its stack, kernel tables.
 * flags: TBF_*. False, and the domain crashes, when there is no handler or the stack cannot be written.
 */
bool pv_bounce(struct vcpu *v, uint64_t rip, unsigned int flags, uint32_t error_code);
/* Deliver exception `vector` through the guest's trap table; error_code -1: it has none. */
void pv_inject_exception(unsigned int vector, int error_code);
void pv_inject_page_fault(uint64_t cr2, uint32_t error_code);
/* A selector in pv.ds to pv.gs could not be loaded: the failsafe callback, if there is one. */
void pv_failsafe(struct vcpu *v);
/* NMI for v (VCPUOP_send_nmi): delivered at its next entry. */
void pv_inject_nmi(struct vcpu *v);

/* ---- x86/pv/emulate.c: privileged instructions of guests */
/* #GP of the guest: true when the instruction at rip was carried out (or another trap injected). */
bool pv_emulate_privileged(struct vcpu *v, struct cpu_user_regs *regs);
/* #UD of the guest: true for the forced-emulation prefix with cpuid. */
bool pv_emulate_forced(struct vcpu *v, struct cpu_user_regs *regs);
/* Does the guest's code run with rights to I/O instructions? */
bool pv_iopl_ok(const struct vcpu *v);
/* CPUID as v may see it; x86/pv/cpuid.c. */
struct cpuid;
struct cpuid pv_cpuid(struct vcpu *v, uint32_t leaf, uint32_t sub);
/* False: #GP. x86/pv/msr.c */
bool pv_rdmsr(struct vcpu *v, uint32_t msr, uint64_t *val);
bool pv_wrmsr(struct vcpu *v, uint32_t msr, uint64_t val);

/* ---- x86/pv/descriptor.c */
/* The LDT of v changed, or its pages may have: drop the window's pages. v is current or not running. */
void ldt_invalidate(struct vcpu *v);
/* v->pv.ldt_base and ldt_ents changed and v is current: make the CPU use them. */
void ldt_load(struct vcpu *v);
/* Fault at `offset` bytes into the LDT window: map the page. False: the guest has none there. */
bool ldt_map_page(struct vcpu *v, uint64_t offset);
/* Replace v's GDT by these frames (taken references move in); entries a multiple of nothing, at most 7168 - 0. */
int gdt_set(struct vcpu *v, const uint64_t *frames, unsigned int entries);
void gdt_drop(struct vcpu *v);
/* May a guest have this descriptor? Its DPL is made 3. False for system descriptors. */
bool descriptor_fix(uint64_t *desc);
/* Make a selector harmless: DPL 3, present in the guest's part; for set_trap_table and contexts. */
static inline uint16_t sel_guest(uint16_t sel)
{
	return sel | 3;
}

/* ---- x86/pv/context.c */
/* Load FPU, debug registers, bases, tables of v on this CPU; it becomes current. */
void pv_load(struct vcpu *v);
void pv_save(struct vcpu *v);
/* v->pv.dr[] of the current vcpu changed: make the CPU use them. */
void pv_debug_reload(const struct vcpu *v);
/* Bytes of an FPU image. */
unsigned int pv_fpu_bytes(void);

/* Canonical, so that the CPU takes it in rip or a base. In our slots it just faults in the guest. */
static inline bool canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}
/* Address that we may use on a guest's behalf: canonical, not in our slots. */
static inline bool guest_addr_ok(uint64_t va)
{
	return va < 0x0000800000000000UL || va >= HV_VIRT_END;
}

#endif
