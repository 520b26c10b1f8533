// SPDX-License-Identifier: BSD-2-Clause
// Budgets: see the header.
#include "xs_budget.h"

/* A debt is never larger than a second's tokens, so that no mistake can shut a domain out. */
#define DEBT_MS 1000

void xs_budget_init(struct xs_budget *b, int64_t burst, int64_t rate, uint64_t now)
{
	b->left = b->burst = burst;
	b->rate = rate;
	b->at = now;
}

void xs_budget_spend(struct xs_budget *b, int64_t cost)
{
	b->left -= cost;
	if (b->left > b->burst)
		b->left = b->burst;
	if (b->left < -DEBT_MS * b->rate)
		b->left = -DEBT_MS * b->rate;
}

uint32_t xs_budget_wait(struct xs_budget *b, uint64_t now)
{
	uint64_t gone = now - b->at;

	b->at = now;
	/* Longer than it takes to fill the bucket from any debt is all the same. */
	if (gone > (uint64_t)(b->burst / b->rate) + DEBT_MS)
		b->left = b->burst;
	else
		xs_budget_spend(b, -(int64_t)gone * b->rate);
	return b->left >= 0 ? 0 : (uint32_t)((-b->left + b->rate - 1) / b->rate);
}
