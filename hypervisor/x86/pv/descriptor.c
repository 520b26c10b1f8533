// SPDX-License-Identifier: BSD-2-Clause
// Guests' GDTs and LDTs: in the running CPU's window, made of the guest's own frames of type FT_DESC.

#include <hv/domain.h>
#include <hv/hypercall.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/x86/cpu.h>
#include <hv/x86/desc.h>

#define MAX_GDT_ENTRIES	  (HV_GDT_PAGE * 512)
#define DESC_PRESENT	  0x8000u
#define DESC_DPL	  0x6000u
#define DESC_CODE_OR_DATA 0x1000u
#define DESC_TYPE	  0x0f00u
#define DESC_CALL_GATE	  0x0c00u
#define WINDOW_PTE	  (PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)

/* A gate's target: the guest's part of the GDT, its LDT, or the flat code segments. */
static bool gate_selector_ok(uint16_t sel)
{
	return (sel & 4) || (sel & ~7u) < HV_GDT_PAGE * PAGE_SIZE || (sel | 3) == GUEST_CS64 ||
	       (sel | 3) == GUEST_CS32;
}

/*
 * A guest may have any code or data segment; all are made ring 3, where its kernel runs too. Of the system descriptors
 * the harmless type 0 (also second half of a gate) is let through, and call gates, but these are made absent: a
 * gate would lead past us. Absent descriptors may hold anything.
 */
bool descriptor_fix(uint64_t *desc)
{
	uint32_t lo = (uint32_t)*desc, hi = (uint32_t)(*desc >> 32);

	if (!(hi & DESC_PRESENT))
		return true;
	if (hi & DESC_CODE_OR_DATA) {
		*desc |= (uint64_t)DESC_DPL << 32;
		return true;
	}
	if (!(hi & DESC_TYPE))
		return true;
	if ((hi & DESC_TYPE) != DESC_CALL_GATE || (hi & 0xff) ||
	    !gate_selector_ok((uint16_t)(lo >> 16)))
		return false;
	*desc &= ~((uint64_t)DESC_PRESENT << 32);
	return true;
}

static void window_set(unsigned int page, mfn_t m)
{
	unsigned int c = smp_cpu();
	uint64_t *pte = desc_window_pte(c, page);

	if (m.v != INVALID_MFN_VAL)
		*pte = pte_make(m, WINDOW_PTE);
	else
		/* Page 15, beyond the GDT's limit, keeps the entry of an empty GDT page. */
		*pte = page < 16 ? *desc_window_pte(c, 15) : 0;
	invlpg(GDT_WINDOW((uint64_t)c) + (uint64_t)page * PAGE_SIZE);
}

static unsigned int gdt_pages(const struct vcpu *v)
{
	return DIV_ROUND_UP(v->pv.gdt_ents, 512);
}

static void load_ldtr(const struct vcpu *v)
{
	unsigned int c = smp_cpu();
	struct {
		uint64_t lo, hi;
	} *slot = (void *)(GDT_WINDOW((uint64_t)c) + (HV_LDT & ~7UL));
	uint64_t base = LDT_WINDOW((uint64_t)c), limit = v->pv.ldt_ents * 8UL - 1;

	if (!v->pv.ldt_ents) {
		asm volatile("lldt %w0" ::"r"(0));
		return;
	}
	/* 64-bit LDT descriptor: type 2, present. */
	slot->lo = (limit & 0xffff) | ((base & 0xffffff) << 16) | (0x82UL << 40) |
		   (((base >> 24) & 0xff) << 56);
	slot->hi = base >> 32;
	asm volatile("lldt %w0" ::"r"(HV_LDT));
}

void desc_load_guest(const struct vcpu *v)
{
	static unsigned int pages_loaded[NR_CPUS]; /* of the GDT window */
	unsigned int n = gdt_pages(v), *loaded = &pages_loaded[smp_cpu()];

	for (unsigned int i = 0; i < n; i++)
		window_set(i, v->pv.gdt_frame[i]);
	for (unsigned int i = n; i < *loaded; i++)
		window_set(i, MFN_NONE);
	*loaded = n;
	load_ldtr(v);
}

/* ---- LDT */
bool ldt_map_page(struct vcpu *v, uint64_t offset)
{
	unsigned int page = (unsigned int)(offset >> PAGE_SHIFT);
	uint64_t e;
	struct frame *f;

	if (v->is_idle || offset >= v->pv.ldt_ents * 8UL)
		return false;
	e = guest_l1e(v->pv.ldt_base + (offset & PAGE_MASK));
	if (!(e & PTE_P) || !mfn_valid(pte_mfn(e)))
		return false;
	f = frame_of(pte_mfn(e));
	if (!frame_get_and_type(f, v->domain, FT_DESC))
		return false;
	if (v->pv.ldt_mapped & BIT(page)) {
		/* Somebody was quicker; only this CPU maps, so it was a stale fault. */
		frame_put_and_type(f);
		return true;
	}
	v->pv.ldt_frame[page] = pte_mfn(e);
	v->pv.ldt_mapped |= BIT(page);
	window_set(16 + page, pte_mfn(e));
	return true;
}

void ldt_invalidate(struct vcpu *v)
{
	for (unsigned int page = 0; v->pv.ldt_mapped; page++) {
		if (!(v->pv.ldt_mapped & BIT(page)))
			continue;
		if (v == current)
			window_set(16 + page, MFN_NONE);
		v->pv.ldt_mapped &= ~BIT(page);
		frame_put_and_type(frame_of(v->pv.ldt_frame[page]));
	}
}

void ldt_load(struct vcpu *v)
{
	load_ldtr(v);
}

/* ---- GDT */
void gdt_drop(struct vcpu *v)
{
	unsigned int n = gdt_pages(v);

	v->pv.gdt_ents = 0;
	if (v == current)
		desc_load_guest(v);
	for (unsigned int i = 0; i < n; i++)
		frame_put_and_type(frame_of(v->pv.gdt_frame[i]));
}

int gdt_set(struct vcpu *v, const uint64_t *frames, unsigned int entries)
{
	unsigned int n = DIV_ROUND_UP(entries, 512), i;

	if (entries > MAX_GDT_ENTRIES)
		return -XEN_EINVAL;
	for (i = 0; i < n; i++)
		if (!mfn_valid(mfn(frames[i])) ||
		    !frame_get_and_type(frame_of(mfn(frames[i])), v->domain, FT_DESC))
			goto undo_frames;
	gdt_drop(v);
	for (i = 0; i < n; i++)
		v->pv.gdt_frame[i] = mfn(frames[i]);
	v->pv.gdt_ents = entries;
	if (v == current)
		desc_load_guest(v);
	return 0;

undo_frames:
	while (i--)
		frame_put_and_type(frame_of(mfn(frames[i])));
	guest_trace("a GDT frame is not the domain's or is mapped writable");
	return -XEN_EINVAL;
}

long hc_set_gdt(unsigned long list, unsigned long entries)
{
	uint64_t frames[16];
	long rc;

	if (entries > MAX_GDT_ENTRIES)
		return -XEN_EINVAL;
	rc = copy_from_guest(frames, guest_ptr(list), DIV_ROUND_UP(entries, 512) * 8);
	if (rc)
		return rc;
	return gdt_set(current, frames, (unsigned int)entries);
}

long hc_update_descriptor(unsigned long ma, uint64_t desc)
{
	struct domain *d = current->domain;
	mfn_t m = mfn(ma >> PAGE_SHIFT);
	struct frame *f;
	uint64_t *slot;
	long rc = -XEN_EINVAL;
	bool is_desc;

	if ((ma & 7) || !descriptor_fix(&desc) || !mfn_valid(m))
		return -XEN_EINVAL;
	f = frame_of(m);
	if (!frame_get(f, d))
		return -XEN_EINVAL;
	/* A descriptor frame stays one; anything else must be writable for the guest. */
	is_desc = frame_type(f) == FT_DESC;
	if (frame_get_type(f, is_desc ? FT_DESC : FT_WRITABLE))
		goto put_frame;
	slot = (uint64_t *)((char *)mfn_to_virt(m) + (ma & (PAGE_SIZE - 1)));
	WRITE_ONCE(*slot, desc);
	rc = 0;
	frame_put_type(f);
put_frame:
	frame_put(f);
	return rc;
}
