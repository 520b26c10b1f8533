// SPDX-License-Identifier: BSD-2-Clause
// core/pgt.c: the moves of a frame's type word against a naive model, and what changes of entries need.

#include <stdio.h>
#include <stdlib.h>
#include <hv/pgt.h>

#include "tests/unit/unit.h"

#define STEPS 40000

static uint64_t seed = 1;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned int)(seed >> 33) % n;
}

/* A frame as a naive mind sees it. */
struct model {
	enum frame_type type, last;
	unsigned int uses; /* by others than the frame itself */
	bool valid, partial, failing;
	unsigned int present, done;
	uint32_t clock;
};

static uint64_t word;
static struct model m;
static unsigned int refs; /* references on the frame: one for its allocation, one per use */

static void agree(void)
{
	unsigned int uses = m.uses + m.partial;
	const char *why = pgt_check(word, refs);

	ck_assert_msg(!why, "word %#lx: %s", word, why);
	ck_assert_uint_eq(word & FT_COUNT, uses);
	ck_assert_uint_eq((word & FT_MASK) >> FT_SHIFT, uses ? m.type : m.last);
	ck_assert_int_eq(!!(word & FT_VALIDATED), m.valid);
	ck_assert_int_eq(!!(word & FT_PARTIAL), m.partial);
	if (!uses)
		ck_assert_uint_eq(word >> FT_AUX_SHIFT, m.clock);
	else if (pgt_is_table(m.type))
		ck_assert_uint_eq(pgt_present(word), m.present);
	if (m.partial) {
		ck_assert_uint_eq(pgt_done(word), m.done);
		ck_assert_int_eq(pgt_error(word) != 0, m.failing);
	}
}

static void become_unused(enum frame_type last, uint32_t clock)
{
	m = (struct model){ .type = FT_NONE, .last = last, .clock = clock };
	word = pgt_unused(last, clock);
}

static void become_partial(enum frame_type t, unsigned int others, bool failing)
{
	m = (struct model){ .type = t, .uses = others, .partial = true, .failing = failing };
	m.present = rnd(513);
	m.done = m.present + rnd(513 - m.present);
	word = pgt_partial(t, m.present, m.done, failing ? 22 : 0);
	refs = 2;
}

/* What the glue does with a locked word: all entries are good, one is bad, or somebody needs the CPU. */
static void validate(enum frame_type t, bool was_partial)
{
	unsigned int luck = rnd(3);

	if (t == FT_L1 || !pgt_is_table(t))
		luck = luck == 2 ? 0 : luck;
	if (luck == 2) {
		become_partial(t, 0, rnd(4) == 0);
		return;
	}
	if (luck == 1) {
		become_unused(FT_NONE, 0);
		refs = 1;
		return;
	}
	m = (struct model){ .type = t, .uses = 1, .valid = true };
	m.present = pgt_is_table(t) ? rnd(513) : 0;
	word = pgt_valid(t, m.present);
	refs = 2;
}

static void release(enum frame_type t, uint32_t clock)
{
	if (t != FT_L1 && rnd(3) == 0) {
		become_partial(t, 0, false);
		return;
	}
	become_unused(t, clock);
	refs = 1;
}

static void try_get(void)
{
	enum frame_type t = (enum frame_type)(1 + rnd(FT_DESC));
	struct pgt_step s = pgt_get(word, t);
	bool used = m.uses || m.partial;

	if (used && m.type != t) {
		ck_assert_int_eq(s.act, PGT_REFUSED);
		return;
	}
	if (m.valid) {
		ck_assert_int_eq(s.act, PGT_OK);
		word = s.next;
		m.uses++;
		refs++;
		return;
	}
	if (m.partial) {
		ck_assert_int_eq(s.act, PGT_RESUME);
		ck_assert_int_eq(pgt_get(s.next, t).act, PGT_WAIT);
		ck_assert_int_eq(pgt_get(s.next, FT_WRITABLE).act, PGT_REFUSED);
		ck_assert_uint_eq(pgt_done(s.next), m.done);
		if (m.failing) {
			become_unused(FT_NONE, 0);
			refs = 1;
		} else
			validate(t, true);
		return;
	}
	/* A first use: other uses leave stale translations, the same one does not, nor does a fresh frame. */
	ck_assert_int_eq(s.flush, m.last != FT_NONE && m.last != t);
	if (t == FT_WRITABLE && !s.flush) {
		ck_assert_int_eq(s.act, PGT_OK);
		ck_assert_uint_eq(s.next, pgt_valid(t, 0));
	} else {
		ck_assert_int_eq(s.act, t == FT_WRITABLE ? PGT_FLUSH : PGT_VALIDATE);
		/* Nobody uses it before it is checked and flushed. */
		ck_assert_int_eq(pgt_get(s.next, t).act, PGT_WAIT);
		ck_assert_int_eq(pgt_get(s.next, t == FT_L2 ? FT_L3 : FT_L2).act, PGT_REFUSED);
	}
	if (t == FT_WRITABLE) {
		m = (struct model){ .type = t, .uses = 1, .valid = true };
		word = pgt_valid(t, 0);
		refs = 2;
	} else
		validate(t, false);
}

static void try_put(void)
{
	uint32_t clock = rnd(1u << 30);
	struct pgt_step s;

	if (!m.uses)
		return;
	s = pgt_put(word, clock);
	if (m.uses > 1 || !pgt_is_table(m.type)) {
		ck_assert_int_eq(s.act, PGT_OK);
		word = s.next;
		refs--;
		if (--m.uses == 0)
			m = (struct model){ .last = m.type, .clock = clock };
		return;
	}
	ck_assert_int_eq(s.act, PGT_RELEASE);
	ck_assert_uint_eq(pgt_present(s.next), m.present);
	ck_assert_int_eq(pgt_get(s.next, m.type).act, PGT_WAIT);
	ck_assert_int_eq(pgt_put(s.next, clock).act, PGT_WAIT);
	release(m.type, clock);
}

static void try_lock(void)
{
	struct pgt_step s = pgt_lock(word);

	if (!m.valid || !pgt_is_table(m.type)) {
		ck_assert_int_eq(s.act, PGT_REFUSED);
		return;
	}
	ck_assert_int_eq(s.act, PGT_OK);
	ck_assert_int_eq(pgt_lock(s.next).act, PGT_WAIT);
	/* Others may join and leave meanwhile, but the last use stays. */
	ck_assert_int_eq(pgt_get(s.next, m.type).act, PGT_OK);
	ck_assert_int_eq(pgt_put(s.next, 0).act, m.uses > 1 ? PGT_OK : PGT_WAIT);
	ck_assert_uint_eq(s.next - FT_LOCKED, word);
}

static void try_finish(void)
{
	struct pgt_step s = pgt_resume(word);

	ck_assert_int_eq(s.act, m.partial ? PGT_RESUME : PGT_REFUSED);
	if (m.partial && rnd(2))
		release(m.type, 77);
}

START_TEST(random_moves)
{
	seed = (uint64_t)_i + 1;
	become_unused(FT_NONE, 0);
	refs = 1;
	for (int i = 0; i < STEPS; i++) {
		switch (rnd(5)) {
		case 0:
		case 1:
			try_get();
			break;
		case 2:
			try_put();
			break;
		case 3:
			try_lock();
			break;
		default:
			try_finish();
			break;
		}
		agree();
	}
}
END_TEST

START_TEST(full)
{
	uint64_t w = pgt_word(FT_WRITABLE) | FT_VALIDATED | FT_COUNT;

	ck_assert_int_eq(pgt_get(w, FT_WRITABLE).act, PGT_FULL);
	ck_assert_int_eq(pgt_get(w - 1, FT_WRITABLE).act, PGT_OK);
	ck_assert_uint_eq(pgt_get(w - 1, FT_WRITABLE).next, w);
	ck_assert_int_eq(pgt_put(pgt_unused(FT_L1, 3), 9).act, PGT_REFUSED);
}
END_TEST

START_TEST(checker_finds)
{
	uint64_t valid = pgt_valid(FT_L2, 3);

	ck_assert_ptr_null(pgt_check(valid, 2));
	ck_assert_ptr_null(pgt_check(valid | FT_PINNED, 2));
	ck_assert_ptr_nonnull(pgt_check(valid, 0)); /* more uses than references */
	ck_assert_ptr_nonnull(pgt_check(valid | FT_LOCKED, 2));
	ck_assert_ptr_nonnull(pgt_check(valid | FT_PARTIAL, 2));
	ck_assert_ptr_nonnull(pgt_check(valid & ~FT_VALIDATED, 2));
	ck_assert_ptr_nonnull(pgt_check(pgt_valid(FT_WRITABLE, 0) | FT_PINNED, 2));
	ck_assert_ptr_nonnull(pgt_check(pgt_valid(FT_L2, 513), 2));
	ck_assert_ptr_nonnull(
		pgt_check(pgt_partial(FT_L1, 0, 0, 0), 2)); /* an L1 is done in one go */
	ck_assert_ptr_nonnull(pgt_check(pgt_unused(FT_L2, 5) | FT_PINNED, 2));
	ck_assert_ptr_nonnull(pgt_check(pgt_word((enum frame_type)9) | FT_VALIDATED | 1, 2));
}
END_TEST

/* References that an entry holds, the naive way. */
static int refs_of(uint64_t e)
{
	return !!(e & PTE_P);
}
static int uses_of(uint64_t e)
{
	return (e & PTE_P) && (e & PTE_W);
}

START_TEST(l1_changes)
{
	static const uint64_t flags[] = { PTE_P,  PTE_W,   PTE_A,	    PTE_D,
					  PTE_NX, PTE_PCD, PTE_GUEST_KERNEL };

	for (unsigned int i = 0; i < 1u << 14; i++) {
		uint64_t old = 0x1000, new = 0x1000;
		enum pgt_change c;
		int r = 0, u = 0;

		for (unsigned int b = 0; b < 7; b++) {
			old |= i >> b & 1 ? flags[b] : 0;
			new |= i >> (b + 7) & 1 ? flags[b] : 0;
		}
		for (int moved = 0; moved < 2; moved++, new += 0x1000) {
			c = pgt_l1_change(old, new);
			r = c == PGT_REPLACE ? 1 - refs_of(old)
			    : c == PGT_CLEAR ? -refs_of(old)
					     : 0;
			u = c == PGT_REPLACE	  ? uses_of(new) - uses_of(old)
			    : c == PGT_CLEAR	  ? -uses_of(old)
			    : c == PGT_GAIN_WRITE ? 1
			    : c == PGT_LOSE_WRITE ? -1
						  : 0;
			/* One assertion for all: libcheck writes to a pipe at each. */
			if (r != refs_of(new) - refs_of(old) || u != uses_of(new) - uses_of(old) ||
			    (moved && (old & new &PTE_P) && c != PGT_REPLACE) ||
			    pgt_present_delta(old, new) != r)
				ck_abort_msg("%#lx -> %#lx: change %u", old, new, c);
		}
	}
}
END_TEST

START_TEST(adjusted)
{
	ck_assert_uint_eq(pgt_adjust_l1(0x5000 | PTE_P), 0x5000 | PTE_P | PTE_U | PTE_GUEST_KERNEL);
	ck_assert_uint_eq(pgt_adjust_l1(0x5000 | PTE_P | PTE_U | PTE_G), 0x5000 | PTE_P | PTE_U);
	ck_assert_uint_eq(pgt_adjust_lx(0x5000 | PTE_P), 0x5000 | PTE_P | PTE_U);
	ck_assert(pgt_hv_slot(4, 256) && pgt_hv_slot(4, 271));
	ck_assert(!pgt_hv_slot(4, 255) && !pgt_hv_slot(4, 272) && !pgt_hv_slot(3, 260));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pgt");
	TCase *t = tcase_create("type word"), *u = tcase_create("entries");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, random_moves, 0, 8);
	tcase_add_test(t, full);
	tcase_add_test(t, checker_finds);
	suite_add_tcase(s, t);
	tcase_add_test(u, l1_changes);
	tcase_add_test(u, adjusted);
	suite_add_tcase(s, u);
	return unit_run(s);
}
