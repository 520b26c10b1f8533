/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain may cost the daemon beyond its requests: a bucket of tokens that fills with time.
 *
 *   left: burst ── spent ──> 0 ── spent ──> debt: nothing of the domain is looked at until time has paid it
 */
#ifndef XS_BUDGET_H
#define XS_BUDGET_H

#include <stdint.h>

struct xs_budget {
	int64_t left; /* tokens; negative: a debt */
	int64_t burst; /* never more than that */
	int64_t rate; /* tokens per millisecond */
	uint64_t at; /* millisecond up to which it was filled */
};

/* A full bucket at the time now (milliseconds of any clock that does not go back). rate > 0. */
void xs_budget_init(struct xs_budget *b, int64_t burst, int64_t rate, uint64_t now);
/* Spend cost tokens, or give back -cost of them. */
void xs_budget_spend(struct xs_budget *b, int64_t cost);
/* Fill up to now. Returns milliseconds until there is no debt, at most a second; 0: none. */
uint32_t xs_budget_wait(struct xs_budget *b, uint64_t now);

#endif
