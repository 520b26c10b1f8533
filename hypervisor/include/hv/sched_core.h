/* SPDX-License-Identifier: BSD-2-Clause */
/* PURE scheduler policy: credits, weights, caps, run queues on integers. */
#ifndef HV_SCHED_CORE_H
#define HV_SCHED_CORE_H

#include <hv/types.h>

/* Embedded in struct vcpu. */
struct sched_vcpu {
	int64_t credit;
};
/* Embedded in struct domain. */
struct sched_domain {
	uint16_t weight;
	uint16_t cap;
};

#endif
