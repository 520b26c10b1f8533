// SPDX-License-Identifier: BSD-2-Clause
// Many clients at work: let all of them ask before they are answered.
//
// Linux lets a process that has slept run at once, before one that is busy. So with few processors the daemon would interrupt a
// client program at each request, handle this one and sleep again: a turn of the loop for each request, however many were about to
// come. Under SCHED_BATCH it waits until they sleep, or until their time slice ends, and finds the requests of all. With few clients
// there would be little to gain, and each answer would wait for the slice of a program that only computes.
#include <sched.h>
#include <stdint.h>

#include "xsd.h"

/* So many clients in so many events are a crowd. */
#define MANY   16
#define WINDOW 64

static void set_policy(int policy)
{
	static const struct sched_param none;
	static int now = -1;

	if (now < 0)
		now = sched_getscheduler(0);
	/* Who gave us a policy of another kind had a reason. */
	if (now != policy && (now == SCHED_OTHER || now == SCHED_BATCH) &&
	    !sched_setscheduler(0, policy, &none))
		now = policy;
}

void xsd_crowd(struct xsd *d, uint32_t events)
{
	static uint32_t window = 1, seen, clients;
	uint32_t i;

	for (i = 0; i < d->nreadable; i++) {
		clients += d->readable[i]->window != window;
		d->readable[i]->window = window;
	}
	seen += events;
	if (seen < WINDOW)
		return;
	set_policy(clients >= MANY ? SCHED_BATCH : SCHED_OTHER);
	seen = clients = 0;
	window++;
}
