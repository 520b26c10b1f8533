// SPDX-License-Identifier: BSD-2-Clause
// PURE moves of a frame's type word: hv/pgt.h has the drawing.

#include <hv/pgt.h>

static enum frame_type type_of(uint64_t w)
{
	return (enum frame_type)((w & FT_MASK) >> FT_SHIFT);
}

/* First use. What the frame was used as before decides whether TLBs may still know it as that. */
static struct pgt_step get_unused(uint64_t w, enum frame_type t)
{
	enum frame_type last = type_of(w);
	bool flush = last != FT_NONE && last != t;

	if (t == FT_WRITABLE && !flush)
		return (struct pgt_step){ pgt_valid(t, 0), PGT_OK, false };
	return (struct pgt_step){ pgt_word(t) | FT_LOCKED | 1,
				  t == FT_WRITABLE ? PGT_FLUSH : PGT_VALIDATE, flush };
}

/*
 * A different type in use is refused at once, also while it is being validated: waiting for it could be waiting for a
 * CPU that waits for us.
 */
struct pgt_step pgt_get(uint64_t w, enum frame_type t)
{
	if (!(w & FT_COUNT))
		return get_unused(w, t);
	if (type_of(w) != t)
		return (struct pgt_step){ w, PGT_REFUSED, false };
	if (w & FT_VALIDATED) {
		if ((w & FT_COUNT) == FT_COUNT)
			return (struct pgt_step){ w, PGT_FULL, false };
		return (struct pgt_step){ w + 1, PGT_OK, false };
	}
	return pgt_resume(w);
}

/* The last use of a locked table cannot go: its locker relies on it. */
struct pgt_step pgt_put(uint64_t w, uint32_t clock)
{
	if ((w & FT_COUNT) > 1)
		return (struct pgt_step){ w - 1, PGT_OK, false };
	if (!(w & FT_COUNT))
		return (struct pgt_step){ w, PGT_REFUSED, false };
	if (w & FT_LOCKED)
		return (struct pgt_step){ w, PGT_WAIT, false };
	if (pgt_is_table(type_of(w)) && (w & FT_VALIDATED))
		return (struct pgt_step){ (w & ~FT_VALIDATED) | FT_LOCKED, PGT_RELEASE, false };
	return (struct pgt_step){ pgt_unused(type_of(w), clock), PGT_OK, false };
}

struct pgt_step pgt_resume(uint64_t w)
{
	if ((w & FT_LOCKED) && !(w & FT_VALIDATED))
		return (struct pgt_step){ w, PGT_WAIT, false };
	if (!(w & FT_PARTIAL))
		return (struct pgt_step){ w, PGT_REFUSED, false };
	return (struct pgt_step){ (w & ~FT_PARTIAL) | FT_LOCKED, PGT_RESUME, false };
}

struct pgt_step pgt_lock(uint64_t w)
{
	if (!(w & FT_VALIDATED) || !(w & FT_COUNT) || !pgt_is_table(type_of(w)))
		return (struct pgt_step){ w, PGT_REFUSED, false };
	if (w & FT_LOCKED)
		return (struct pgt_step){ w, PGT_WAIT, false };
	return (struct pgt_step){ w | FT_LOCKED, PGT_OK, false };
}

uint64_t pgt_valid(enum frame_type t, unsigned int present)
{
	return pgt_word(t) | FT_VALIDATED | 1 | present * PGT_PRESENT_ONE;
}

uint64_t pgt_unused(enum frame_type last, uint32_t clock)
{
	return pgt_word(last) | ((uint64_t)clock << FT_AUX_SHIFT);
}

uint64_t pgt_partial(enum frame_type t, unsigned int present, unsigned int done, int error)
{
	return pgt_word(t) | FT_PARTIAL | 1 | pgt_progress(present, done, error);
}

const char *pgt_check(uint64_t w, uint32_t c)
{
	uint64_t uses = w & FT_COUNT;
	enum frame_type t = type_of(w);

	if (t > FT_DESC)
		return "no such type";
	if (!uses)
		return w & (FT_VALIDATED | FT_PINNED | FT_PARTIAL | FT_LOCKED)
			       ? "unused, with flags"
			       : NULL;
	if (w & FT_LOCKED)
		return "locked";
	if (!(w & FT_VALIDATED) == !(w & FT_PARTIAL))
		return "neither or both of valid and partial";
	if ((w & FT_PARTIAL) && (uses != 1 || !pgt_is_table(t) || t == FT_L1))
		return "partial, but not a table with one use";
	if ((w & FT_PINNED) && (!pgt_is_table(t) || (w & FT_PARTIAL)))
		return "pinned, but not a valid table";
	if (pgt_is_table(t) && (pgt_present(w) > 512 || pgt_done(w) > 512))
		return "more entries than slots";
	if (uses > (c & FC_COUNT))
		return "more type uses than references";
	return NULL;
}
