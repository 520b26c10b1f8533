/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PURE rules of guests' page tables: what an entry may hold, what a change of it needs, and the moves of a frame's
 * type word. docs/page-types.md has the state table and the reasons.
 *
 *                 get(T)                       validated
 *   unused ---------------> locked, not valid -----------> valid, n uses --get/put--> ...
 *     ^  ^                    |  |    ^                        | last put
 *     |  +--- invalid entry --+  |    | get(T): go on          v
 *     |                preempted v    |                 locked, not valid
 *     |                       partial (1 use, its own) <---preempted---+
 *     +------------------------------ released ------------------------+
 *
 * "unused" keeps the last type and the TLB clock of its end. A partial frame holds one type use and one reference for
 * itself: nobody needs to come back, and whoever takes it as the same type goes on where it stopped. While it is partial the
 * slots below `done` hold references, the others none; `error` is set when validation failed and only release is left.
 */
#ifndef HV_PGT_H
#define HV_PGT_H

#include <hv/frame.h>
#include <hv/mm.h>

/* ---- entries */
#define PTE_GUEST_KERNEL \
	BIT(52) /* added to entries of the guest kernel, which runs in ring 3 as its users do */
#define PTE_SOFT     (0x7ffUL << 52)
#define PTE_CACHE_L1 (PTE_PWT | PTE_PCD | PTE_PAT)

/* Flags that a present entry must not have; the frame number is judged elsewhere. */
#define PGT_DISALLOW_LX (PTE_PWT | PTE_PCD | PTE_PS | PTE_G)
#define PGT_DISALLOW_L1 PTE_CACHE_L1 /* for domains without devices */

static inline bool pgt_is_table(enum frame_type t)
{
	return t >= FT_L1 && t <= FT_L4;
}
/* Level 1..4 of a table type, and back. */
static inline unsigned int pgt_level(enum frame_type t)
{
	return t - FT_L1 + 1;
}
static inline enum frame_type pgt_type(unsigned int level)
{
	return (enum frame_type)(FT_L1 + level - 1);
}
static inline bool pgt_hv_slot(unsigned int level, unsigned int slot)
{
	return level == 4 && slot >= HV_L4_FIRST && slot <= HV_L4_LAST;
}

/*
 * A present entry as it is stored: reachable from ring 3, marked when it was the kernel's. Global entries are stored
 * without G: a change of CR3 must empty the TLB of everything of the guest.
 */
static inline uint64_t pgt_adjust_l1(uint64_t e)
{
	if (!(e & PTE_U))
		e |= PTE_U | PTE_GUEST_KERNEL;
	return e & ~PTE_G;
}
static inline uint64_t pgt_adjust_lx(uint64_t e)
{
	return e | PTE_U;
}

/*
 * What it takes to replace entry `old` of an L1 table by the stored form `new`. References depend on nothing but the
 * entry: present - one on the frame; present and writable - a type use FT_WRITABLE as well.
 */
enum pgt_change {
	PGT_SAME_REFS, /* nothing: same frame, same right to write */
	PGT_GAIN_WRITE, /* take a type use before the store */
	PGT_LOSE_WRITE, /* drop one after it */
	PGT_CLEAR, /* drop all of old after the store */
	PGT_REPLACE, /* take all of new before, drop all of old, if present, after */
};
static inline enum pgt_change pgt_l1_change(uint64_t old, uint64_t new)
{
	uint64_t diff = old ^ new;

	if (!(new &PTE_P))
		return old & PTE_P ? PGT_CLEAR : PGT_SAME_REFS;
	if (diff & (PTE_MFN_MASK | PTE_P | PTE_CACHE_L1))
		return PGT_REPLACE;
	if (!(diff & PTE_W))
		return PGT_SAME_REFS;
	return new &PTE_W ? PGT_GAIN_WRITE : PGT_LOSE_WRITE;
}
/* Change of the number of present entries. */
static inline int pgt_present_delta(uint64_t old, uint64_t new)
{
	return (int)(new &PTE_P) - (int)(old & PTE_P);
}
/* True when none of the eight entries is present. */
static inline bool pgt_eight_empty(const uint64_t *e)
{
	return !((e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]) & PTE_P);
}
/*
 * Tables are sparse: the first slot from i on (a multiple of 8) whose group of eight holds a present entry, 512 when there is none;
 * and the end of the last such group up to i, 0 when there is none.
 */
static inline unsigned int pgt_skip_up(const uint64_t *table, unsigned int i)
{
	while (i < 512 && pgt_eight_empty(table + i))
		i += 8;
	return i;
}
static inline unsigned int pgt_skip_down(const uint64_t *table, unsigned int i)
{
	while (i && pgt_eight_empty(table + i - 8))
		i -= 8;
	return i;
}

/* ---- the upper half of a table's type word: present entries, slots done, error */
#define PGT_PRESENT_ONE BIT(32)
static inline unsigned int pgt_present(uint64_t w)
{
	return (w >> 32) & 0x3ff;
}
static inline unsigned int pgt_done(uint64_t w)
{
	return (w >> 42) & 0x3ff;
}
static inline int pgt_error(uint64_t w)
{
	return (w >> 52) & 0xff;
}
static inline uint64_t pgt_progress(unsigned int present, unsigned int done, int error)
{
	return ((uint64_t)present << 32) | ((uint64_t)done << 42) | ((uint64_t)error << 52);
}

/* ---- moves of the type word */
enum pgt_act {
	PGT_OK, /* done with `next` */
	PGT_FLUSH, /* `next` is locked: flush TLBs, then pgt_valid() */
	PGT_VALIDATE, /* `next` is locked: flush when told, check all entries, then pgt_valid() or unused */
	PGT_RESUME, /* `next` is locked: go on with the partial table */
	PGT_RELEASE, /* `next` is locked: drop what the entries hold, then pgt_unused() */
	PGT_WAIT, /* somebody has it locked: look again */
	PGT_REFUSED, /* in use as another type */
	PGT_FULL, /* too many uses */
};
struct pgt_step {
	uint64_t next;
	enum pgt_act act;
	bool flush; /* stale TLB entries made under the last type must go first */
};

static inline uint64_t pgt_word(enum frame_type t)
{
	return (uint64_t)t << FT_SHIFT;
}
/* Take one use as type t of a frame with type word w. */
struct pgt_step pgt_get(uint64_t w, enum frame_type t);
/* Drop one use; `clock` is the TLB clock now. */
struct pgt_step pgt_put(uint64_t w, uint32_t clock);
/* Lock a partial table (PGT_RESUME); PGT_WAIT when it is locked, PGT_REFUSED when it is not partial. */
struct pgt_step pgt_resume(uint64_t w);
/* Lock a valid table to change its entries. PGT_REFUSED: no valid page table. */
struct pgt_step pgt_lock(uint64_t w);
/* Words that end a locked state: one use, `present` entries; unused; partial. */
uint64_t pgt_valid(enum frame_type t, unsigned int present);
uint64_t pgt_unused(enum frame_type last, uint32_t clock);
uint64_t pgt_partial(enum frame_type t, unsigned int present, unsigned int done, int error);

/* Why word w with reference count word c breaks the rules above; NULL when it does not. */
const char *pgt_check(uint64_t w, uint32_t c);

#endif
