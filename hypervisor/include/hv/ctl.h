/* SPDX-License-Identifier: BSD-2-Clause */
/* What domctl, sysctl and platform operations share. */
#ifndef HV_CTL_H
#define HV_CTL_H

#include <hv/domain.h>
#include <hv/guest_access.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

/* CPU sets in guest memory: bits beyond NR_CPUS are ignored on the way in and cleared on the way out. 0, -XEN_EFAULT. */
long cpumask_from_guest(const struct xenctl_bitmap *b, cpumask_t *out);
long cpumask_to_guest(const struct xenctl_bitmap *b, cpumask_t set);

/* The first domain with this id or a higher one, so that callers can walk; a reference is taken. NULL: none. */
struct domain *domain_from(domid_t id);

/* One domctl on d (referenced). 0, -XEN_E*, or -XEN_ERESTART: do it again from the start. */
typedef long (*domctl_fn)(struct xen_domctl *op, struct domain *d);

/* ---- common/domctl_vcpu.c */
long domctl_setvcpucontext(struct xen_domctl *op, struct domain *d);
long domctl_getvcpucontext(struct xen_domctl *op, struct domain *d);
long domctl_getvcpuinfo(struct xen_domctl *op, struct domain *d);
long domctl_setvcpuaffinity(struct xen_domctl *op, struct domain *d);
long domctl_getvcpuaffinity(struct xen_domctl *op, struct domain *d);
long domctl_set_ext_vcpucontext(struct xen_domctl *op, struct domain *d);
long domctl_get_ext_vcpucontext(struct xen_domctl *op, struct domain *d);
long domctl_scheduler_op(struct xen_domctl *op, struct domain *d);
long domctl_get_vcpu_msrs(struct xen_domctl *op, struct domain *d);
long domctl_set_vcpu_msrs(struct xen_domctl *op, struct domain *d);

/* ---- x86/pv/policy.c: CPUID and MSR policies as lists of leaves */
long domctl_get_cpu_policy(struct xen_domctl *op, struct domain *d);
long domctl_set_cpu_policy(struct xen_domctl *op, struct domain *d);
long sysctl_get_cpu_policy(struct xen_sysctl *op);
long sysctl_get_cpu_featureset(struct xen_sysctl *op);
/* The first n feature words of the machine. */
void cpu_feature_words(uint32_t *words, unsigned int n);

#endif
