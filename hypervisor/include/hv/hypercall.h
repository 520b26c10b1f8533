/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls: hypercalls.def has a row for each hypercall and each sub-operation. The dispatcher applies the columns
 * (argument size, copy in, copy out, privilege); handlers get a checked copy in hypervisor memory.
 *
 *   HYPERCALL(number, handler, nargs)                    long handler(up to six unsigned long)
 *   SUBOP(table, cmd, handler, type, flags)              long handler(type *arg)
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include <hv/lib.h>
#include <hv/guest_access.h>
#include <hv/paravane.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/physdev.h>
#include <xen/vcpu.h>
#include <xen/memory.h>
#include <xen/grant_table.h>
#include <xen/version.h>
#include <xen/callback.h>
#include <xen/nmi.h>
#include <xen/platform.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

/* SUBOP flags */
#define HC_IN	      BIT(0) /* copy the argument in before */
#define HC_OUT	      BIT(1) /* copy it out after, when the result is >= 0 */
#define HC_OUT_ALWAYS BIT(2) /* copy it out whatever the result */
#define HC_PRIV	      BIT(3) /* the privileged domain only: else -XEN_EPERM */
#define HC_RESTART    BIT(4) /* may return hypercall_continue() */
#define HC_NOARG      BIT(5) /* takes no argument: the handler gets NULL */

struct subop {
	long (*fn)(void *arg);
	uint16_t size;
	uint16_t flags;
};

/* Look cmd up, apply the row's columns, call. -XEN_ENOSYS for an unknown cmd. */
long subop_call(const struct subop *table, unsigned int n, unsigned long cmd, guest_ptr_t arg);

/*
 * Leave the handler to be called again with these arguments after pending work is done and the vcpu returns to its
 * guest: return what this returns. Works inside a multicall too.
 */
long hypercall_continue(unsigned long op, unsigned int nargs, ...);

/* Is this vcpu inside a multicall? */
bool in_multicall(void);

/* Prototypes of all handlers, from the table. */
#define HYPERCALL(nr, handler, nargs) HC_PROTO_##nargs(handler);
#define HC_PROTO_0(h)		      long h(void)
#define HC_PROTO_1(h)		      long h(unsigned long a)
#define HC_PROTO_2(h)		      long h(unsigned long a, unsigned long b)
#define HC_PROTO_3(h)		      long h(unsigned long a, unsigned long b, unsigned long c)
#define HC_PROTO_4(h)		      long h(unsigned long a, unsigned long b, unsigned long c, unsigned long d)
#define HC_PROTO_5(h) \
	long h(unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e)
#define SUBOP(table, cmd, handler, type, flags) long handler(type *arg);
#include <hv/hypercalls.def>
#undef HYPERCALL
#undef SUBOP

#endif
