/* SPDX-License-Identifier: BSD-2-Clause */
/* PURE timer queue: nodes ordered by expiry (binary heap or the like). */
#ifndef HV_TIMER_CORE_H
#define HV_TIMER_CORE_H

#include <hv/types.h>

struct timer_node {
	s_time_t expires;
	uint32_t pos; /* place in the queue, 0 = not queued */
};

#endif
