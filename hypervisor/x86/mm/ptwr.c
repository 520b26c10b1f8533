// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writable page tables: a guest kernel's write to an L1 table that it maps read-only faults and is carried out here.
 *
 *   fault address --walk through the direct map--> entry that maps it --> frame of type FT_L1, the domain's own
 *   instruction bytes --decode--> operation --compute on the entry--> l1_change() --> registers, flags, rip
 */
#include <hv/guest_access.h>
#include <hv/ptwr.h>
#include <hv/x86/cpu.h>
#include <hv/x86/mmu.h>

/* The register with this number of the instruction encoding. */
static uint64_t *gpr(struct cpu_user_regs *regs, unsigned int n)
{
	static const uint8_t offset[16] = {
		offsetof(struct cpu_user_regs, rax), offsetof(struct cpu_user_regs, rcx),
		offsetof(struct cpu_user_regs, rdx), offsetof(struct cpu_user_regs, rbx),
		offsetof(struct cpu_user_regs, rsp), offsetof(struct cpu_user_regs, rbp),
		offsetof(struct cpu_user_regs, rsi), offsetof(struct cpu_user_regs, rdi),
		offsetof(struct cpu_user_regs, r8),  offsetof(struct cpu_user_regs, r9),
		offsetof(struct cpu_user_regs, r10), offsetof(struct cpu_user_regs, r11),
		offsetof(struct cpu_user_regs, r12), offsetof(struct cpu_user_regs, r13),
		offsetof(struct cpu_user_regs, r14), offsetof(struct cpu_user_regs, r15),
	};

	return (uint64_t *)((char *)regs + offset[n & 15]);
}

/* A register as an instruction writes it: 32-bit results clear the upper half, narrower ones leave the rest. */
static void gpr_write(struct cpu_user_regs *regs, const struct ptwr_insn *in, unsigned int n,
		      bool high, uint64_t val)
{
	uint64_t *r = gpr(regs, n), m = ptwr_mask(in->size);

	if (in->size >= 4)
		*r = val & m;
	else if (high)
		*r = (*r & ~0xff00UL) | ((val & 0xff) << 8);
	else
		*r = (*r & ~m) | (val & m);
}

static bool source(struct cpu_user_regs *regs, const struct ptwr_insn *in, uint64_t *src)
{
	if (unlikely(in->op == PTWR_MOVS || in->op == PTWR_POP)) {
		*src = 0;
		return !copy_from_guest(src, guest_ptr(in->op == PTWR_POP ? regs->rsp : regs->rsi),
					in->size);
	}
	*src = in->has_imm ? in->imm : *gpr(regs, in->reg) >> (in->high_byte ? 8 : 0);
	return true;
}

/* What an instruction did to its operand. */
struct ptwr_result {
	uint64_t old, flags;
	bool written;
};

/* Registers and flags after the instruction. */
static void finish(struct cpu_user_regs *regs, const struct ptwr_insn *in,
		   const struct ptwr_result *r)
{
	if (likely(in->op <= PTWR_MOV))
		goto advance;
	if (in->op == PTWR_XCHG || in->op == PTWR_XADD)
		gpr_write(regs, in, in->reg, in->high_byte, r->old);
	else if (in->op == PTWR_CMPXCHG && !r->written)
		gpr_write(regs, in, 0, false, r->old);
	else if (in->op == PTWR_POP)
		regs->rsp += in->size;
	else if (in->op >= PTWR_STOS) {
		int64_t by = regs->rflags & X86_EFLAGS_DF ? -(int64_t)in->size : in->size;

		regs->rdi += (uint64_t)by;
		if (in->op == PTWR_MOVS)
			regs->rsi += (uint64_t)by;
		if (in->rep && --regs->rcx) {
			regs->rflags &= ~X86_EFLAGS_RF;
			return; /* the guest executes it again for the rest */
		}
	}
advance:
	regs->rflags = r->flags & ~X86_EFLAGS_RF;
	regs->rip += in->len;
	if (unlikely(r->flags & X86_EFLAGS_TF)) {
		current->pv.dr[6] |= 0x4000; /* single step */
		pv_inject_exception(1, -1);
	}
}

/* Compute and store in a locked table. 0, or an error of l1_change(). */
static inline int carry_out(struct domain *d, uint64_t *slot, unsigned int shift,
			    struct ptwr_result *r, const struct ptwr_insn *in, uint64_t src,
			    uint64_t acc, int *delta)
{
	uint64_t entry = pte_read(slot), new = src, m;

	r->old = entry;
	r->written = true;
	if (likely(in->size == 8)) {
		if (in->op != PTWR_MOV && in->op != PTWR_XCHG)
			r->written = ptwr_compute(in, entry, src, acc, &new, &r->flags);
	} else {
		m = ptwr_mask(in->size);
		r->old = (entry >> shift) & m;
		if (in->op != PTWR_MOV && in->op != PTWR_XCHG)
			r->written = ptwr_compute(in, r->old, src, acc, &new, &r->flags);
		new = (entry & ~(m << shift)) | ((new &m) << shift);
	}
	if (unlikely(!r->written))
		return 0;
	return l1_change(d, d, slot, entry, new, STORE_EXACT, delta);
}

/*
 * The entry that maps addr. Kernels change many entries of one table in a row, through one mapping: the L1 table found by the last
 * walk is used again while no entry of a higher table changed anywhere.
 */
static const uint64_t *find_l1e(struct vcpu *v, uint64_t addr)
{
	uint64_t tag = addr >> (PAGE_SHIFT + 9), changes = READ_ONCE(pt_changes);
	struct pt_cache *c = &v->pv.pt_cache;
	uint64_t *l1e;

	if (likely(c->tag == tag && c->changes == changes && c->cr3 == v->pv.cr3_kernel))
		return c->l1 + pt_index(addr, 1);
	l1e = guest_l1e_ptr(mfn(v->pv.cr3_kernel >> PAGE_SHIFT), addr);
	if (l1e) {
		c->tag = tag;
		c->changes = changes;
		c->cr3 = v->pv.cr3_kernel;
		c->l1 = l1e - pt_index(addr, 1);
	}
	return l1e;
}

/* Is addr mapped read-only, and to what is an L1 table just now? */
static inline bool find_target(struct vcpu *v, uint64_t addr, mfn_t *m)
{
	const uint64_t *l1e = find_l1e(v, addr);
	uint64_t e;

	if (unlikely(!l1e))
		return false;
	e = pte_read(l1e);
	*m = pte_mfn(e);
	if (unlikely((e & (PTE_P | PTE_W)) != PTE_P || !mfn_valid(*m)))
		return false;
	return (READ_ONCE(frame_of(*m)->type) & (FT_MASK | FT_VALIDATED)) ==
	       (pgt_word(FT_L1) | FT_VALIDATED);
}

/*
 * Is addr where the operand begins, and does it end in the same entry? An operand that began in the page before faults at the
 * start of this one: there the instruction's own address is looked at. (Segment bases are taken to be aligned.)
 */
static bool aligned(struct cpu_user_regs *regs, uint64_t addr, const uint64_t *bytes,
		    const struct ptwr_insn *in)
{
	uint64_t r[16];

	if (likely(addr & (PAGE_SIZE - 1)))
		return !(addr & (in->size - 1u));
	for (unsigned int i = 0; i < 16; i++)
		r[i] = *gpr(regs, i);
	if (in->op == PTWR_POP)
		r[4] += in->size; /* its address is computed after the stack pointer moved */
	return !(ptwr_operand((const uint8_t *)bytes, in, r, regs->rip) & (in->size - 1u));
}

/*
 * The instruction at rip, decoded; the same bytes need that only once. Near the end of a page that is followed by nothing,
 * fewer bytes are there. NULL: not one that is known.
 */
static const struct ptwr_insn *fetch(struct vcpu *v, uint64_t rip, uint64_t *bytes)
{
	struct insn_cache *c = &v->pv.insn_cache[(rip >> 1) % INSN_CACHE];
	unsigned int n;

	if (unlikely(!guest_range_ok(rip, PTWR_BYTES)))
		return NULL;
	n = PTWR_BYTES - (unsigned int)copy_from_guest_raw(bytes, rip, PTWR_BYTES);
	if (likely(n == PTWR_BYTES && c->bytes[0] == bytes[0] && c->bytes[1] == bytes[1] &&
		   c->insn.len))
		return &c->insn;
	c->bytes[0] = bytes[0];
	c->bytes[1] = bytes[1];
	if (likely(ptwr_decode((const uint8_t *)bytes, n, &c->insn))) {
		c->bytes[0] +=
			n !=
			PTWR_BYTES; /* not to be found again: the rest of the bytes is anything */
		return &c->insn;
	}
	c->insn.len = 0;
	return NULL;
}

bool ptwr_fault(struct vcpu *v, uint64_t addr, struct cpu_user_regs *regs)
{
	struct domain *d = v->domain;
	uint64_t bytes[PTWR_BYTES / 8], src, *slot;
	struct ptwr_result r;
	const struct ptwr_insn *in;
	struct frame *f;
	int delta = 0, rc;
	mfn_t m;

	if (!find_target(v, addr, &m))
		return false;
	in = fetch(v, regs->rip, bytes);
	if (unlikely(!in) || unlikely(!aligned(regs, addr, bytes, in)) ||
	    unlikely(!source(regs, in, &src))) {
		guest_trace("write to a page table at %#lx: unknown instruction at %#lx", addr,
			    regs->rip);
		return false;
	}
	/* That it is still mapped here does not matter. */
	f = frame_of(m);
	if (unlikely(!table_lock_l1(f, d)))
		return false;
	slot = (uint64_t *)mfn_to_virt(m) + (addr & (PAGE_SIZE - 1)) / 8;
	r.flags = regs->rflags;
	rc = carry_out(d, slot, (unsigned int)(addr & 7) * 8, &r, in, src, regs->rax, &delta);
	table_unlock(f, delta);
	if (likely(!rc)) {
		v->pv.pt_count.trapped++;
		finish(regs, in, &r);
		return true;
	}
	/* The CPU was quicker with an accessed or dirty bit: let the guest execute the instruction again. */
	return rc == -XEN_EAGAIN;
}
