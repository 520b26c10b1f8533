/* SPDX-License-Identifier: BSD-2-Clause */
/* PURE event-channel state: ports, their states and the legal moves. */
#ifndef HV_EVTCHN_CORE_H
#define HV_EVTCHN_CORE_H

#include <hv/types.h>

/* Embedded in struct domain and struct vcpu by hv/domain.h. */
struct evtchn_domain {
	uint32_t nr_ports;
};
struct evtchn_vcpu {
	uint32_t poll_port;
};

#endif
