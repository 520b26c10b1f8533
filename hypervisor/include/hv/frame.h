/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One record for each machine frame: who owns it, how often it is referenced, and what it is used as.
 *
 * count  31        allocated: belongs to the owner's memory; one reference stands for that
 *        30        hypervisor page shared with the owner (shared_info, grant frames)
 *        29        broken or reserved
 *        28        free, and known to hold nothing but zeros
 *        27..0     references: allocation, mappings, types, grants
 *
 * type   63..32    page table: entries validated so far (partial) and, when valid, present entries;
 *                  type count 0: TLB clock at which the last type reference went (tlb_filter())
 *        31..28    type: FT_*; type count 0: the last one
 *        27        validated: contents obey the type's rules
 *        26        pinned by the guest: one type reference and one reference stand for that
 *        25        partly validated (preempted)
 *        24        locked: validation or release under way on some CPU
 *        23..0     uses as this type
 *
 *   none --get--> T, not validated --validate--> T validated --last put--> (release) --> none
 *                                   \--preempted--> T partial --continue--> ...
 *
 * A frame has one type at a time; a frame of a page-table or descriptor type is never mapped writable.
 * Taking a type needs a reference on the frame; both are dropped together.
 */
#ifndef HV_FRAME_H
#define HV_FRAME_H

#include <hv/types.h>
#include <xen/xen.h>

struct domain;

struct frame {
	uint64_t type;
	uint32_t count;
	uint16_t owner; /* domid; DOMID_INVALID: none (free, or the hypervisor's own) */
	uint16_t spare; /* buddy: order + 1 while free */
	uint32_t next; /* owner's list or free list: frame numbers, FRAME_NIL ends */
	uint32_t prev;
};

#define FRAME_NIL 0xffffffffu

#define FC_ALLOCATED 0x80000000u
#define FC_HVPAGE    0x40000000u
#define FC_BROKEN    0x20000000u
#define FC_CLEAN     0x10000000u
#define FC_COUNT     0x0fffffffu

enum frame_type { FT_NONE, FT_WRITABLE, FT_L1, FT_L2, FT_L3, FT_L4, FT_DESC };

#define FT_SHIFT     28
#define FT_MASK	     0xf0000000UL
#define FT_VALIDATED 0x08000000UL
#define FT_PINNED    0x04000000UL
#define FT_PARTIAL   0x02000000UL
#define FT_LOCKED    0x01000000UL
#define FT_COUNT     0x00ffffffUL
#define FT_AUX_SHIFT 32

extern uint64_t max_frame; /* one past the highest frame with a record */

static inline struct frame *frame_of(mfn_t m)
{
	return (struct frame *)FRAMES_VIRT + m.v;
}
static inline mfn_t frame_mfn(const struct frame *f)
{
	return mfn((uint64_t)(f - (struct frame *)FRAMES_VIRT));
}
/* Is there a record: RAM, or a hole below the top of RAM (then FC_BROKEN, owner DOMID_IO)? */
static inline bool mfn_valid(mfn_t m)
{
	return m.v < max_frame;
}
/* What it is used as now; the word keeps the last type when there are no uses. */
static inline enum frame_type frame_type(const struct frame *f)
{
	uint64_t w = READ_ONCE(f->type);

	return w & FT_COUNT ? (enum frame_type)((w & FT_MASK) >> FT_SHIFT) : FT_NONE;
}
static inline void *mfn_to_virt(mfn_t m)
{
	return (void *)(DIRECTMAP_VIRT + (m.v << PAGE_SHIFT));
}
static inline void *phys_to_virt(uint64_t pa)
{
	return (void *)(DIRECTMAP_VIRT + pa);
}
/* Of a direct-map pointer. */
static inline uint64_t virt_to_phys(const void *va)
{
	return (uint64_t)va - DIRECTMAP_VIRT;
}
static inline mfn_t virt_to_mfn(const void *va)
{
	return mfn(virt_to_phys(va) >> PAGE_SHIFT);
}

/*
 * Machine to pseudo-physical table (guests read it at RO_M2P_VIRT). INVALID_M2P_ENTRY: no translation.
 */
static inline uint64_t m2p_get(mfn_t m)
{
	return ((const uint64_t *)RW_M2P_VIRT)[m.v];
}
static inline void m2p_set(mfn_t m, uint64_t gpfn)
{
	((uint64_t *)RW_M2P_VIRT)[m.v] = gpfn;
}

/*
 * Take a reference on a frame that d owns. False: not d's, no record, being freed, or the count is full.
 * d may be dom_io's or dom_xen's struct too.
 */
bool frame_get(struct frame *f, const struct domain *d);
bool frame_get_owned(struct frame *f, uint16_t owner);
/* Take one more; the caller holds one. */
void frame_ref(struct frame *f);
/* Drop a reference; the last one frees the frame. */
void frame_put(struct frame *f);
/*
 * Take a type reference; the caller holds a reference on the frame. Page tables are validated on the first use.
 * 0, -XEN_EINVAL (other type in use, or contents break the rules), -XEN_ERESTART (preempted; progress is kept
 * as FT_PARTIAL, call again), -XEN_EBUSY (count full). current's domain must own the frame or be privileged.
 */
int frame_get_type(struct frame *f, enum frame_type type);
/* Drop one. Releasing a big table may be preempted only through frame_put_type_preemptible. */
void frame_put_type(struct frame *f);
/*
 * 0, or -XEN_ERESTART: the type reference is gone, but the table is partly released and holds itself. The caller keeps its
 * reference on the frame until frame_finish_release() has returned 0.
 */
int frame_put_type_preemptible(struct frame *f);
/* Go on releasing a partial table; nothing to do when somebody uses it again. 0 or -XEN_ERESTART (only if `preempt`). */
int frame_finish_release(struct frame *f, bool preempt);

static inline bool frame_get_and_type(struct frame *f, const struct domain *d, enum frame_type t)
{
	if (!frame_get(f, d))
		return false;
	if (frame_get_type(f, t) == 0)
		return true;
	frame_put(f);
	return false;
}
static inline void frame_put_and_type(struct frame *f)
{
	frame_put_type(f);
	frame_put(f);
}

/* Walk all frames and all their tables; log every broken rule. Number of errors. Debug key `V`, and a
 * sysctl debug-keys from tests. Stops the world. */
unsigned int frame_check_all(void);

#endif
