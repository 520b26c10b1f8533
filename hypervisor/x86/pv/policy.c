// SPDX-License-Identifier: BSD-2-Clause
/* CPU policies as lists of CPUID leaves: what guests see, what the machine has, and per-domain lists from the toolstack. */
#include <hv/ctl.h>
#include <hv/heap.h>
#include <hv/x86/cpu.h>

#define MAX_BASIC    0xdu
#define MAX_EXTENDED 0x80000021u
#define MAX_LEAVES   112
#define TOOLS_LEAVES \
	256 /* room that callers are told to have: libraries write more leaves than are read */
#define TOOLS_MSRS	    8
#define SPARE_LEAVES	    8
#define MAX_CACHE_SUBLEAVES 6
#define MAX_XSAVE_SUBLEAVES 32
#define NR_FEATURE_WORDS    18

struct leaves {
	xen_cpuid_leaf_t leaf[MAX_LEAVES];
	uint32_t nr;
};

typedef struct cpuid (*cpuid_source)(uint32_t leaf, uint32_t sub);

static struct cpuid from_machine(uint32_t leaf, uint32_t sub)
{
	return cpuid(leaf, sub);
}

static struct cpuid for_guests(uint32_t leaf, uint32_t sub)
{
	return pv_cpuid(current, leaf, sub);
}

static void leaf_add(struct leaves *l, uint32_t leaf, uint32_t sub, struct cpuid c)
{
	if (l->nr < MAX_LEAVES)
		l->leaf[l->nr++] = (xen_cpuid_leaf_t){ leaf, sub, c.a, c.b, c.c, c.d };
}

/* One past the highest state component; those between are part of the list even when they are not there. */
static uint32_t xsave_subleaves(cpuid_source src)
{
	uint32_t n = 2;

	for (uint32_t i = 2; i < MAX_XSAVE_SUBLEAVES; i++)
		if (src(0xd, i).a)
			n = i + 1;
	return n;
}

/* Leaves that have sub-leaves, each ended in its own way. */
static void add_subleaves(struct leaves *l, cpuid_source src, uint32_t leaf)
{
	uint32_t n = 1;

	if (leaf == 4)
		n = MAX_CACHE_SUBLEAVES;
	else if (leaf == 7)
		n = MIN(src(7, 0).a, 1u) + 1;
	else if (leaf == 0xb)
		n = 2;
	else if (leaf == 0xd)
		n = xsave_subleaves(src);
	for (uint32_t i = 0; i < n; i++) {
		struct cpuid c = src(leaf, i);

		leaf_add(l, leaf, i, c);
		if (leaf == 4 && !(c.a & 31))
			break; /* the one that ends the list is part of it */
	}
}

static void collect(struct leaves *l, cpuid_source src)
{
	uint32_t basic = MIN(src(0, 0).a, MAX_BASIC), ext = src(0x80000000u, 0).a;

	l->nr = 0;
	for (uint32_t i = 0; i <= basic; i++) {
		if (i == 4 || i == 7 || i == 0xb || i == 0xd)
			add_subleaves(l, src, i);
		else
			leaf_add(l, i, XEN_CPUID_NO_SUBLEAF, src(i, 0));
	}
	/*
	 * Bounds of the hypervisor's own leaves, 0: its default. Tools that change the list take its length for the room they
	 * have, so some are there more than once.
	 */
	for (unsigned int i = 0; i < SPARE_LEAVES; i++)
		leaf_add(l, i & 1 ? 0x40000100 : 0x40000000, XEN_CPUID_NO_SUBLEAF,
			 (struct cpuid){ 0 });
	ext = ext < 0x80000000u ? 0x80000000u : MIN(ext, MAX_EXTENDED);
	for (uint32_t i = 0x80000000u; i <= ext; i++)
		leaf_add(l, i, XEN_CPUID_NO_SUBLEAF, src(i, 0));
}

/* Give out a list: its length when the buffer is NULL. */
static long leaves_out(const struct leaves *l, guest_ptr_t to, uint32_t *nr)
{
	uint32_t room = *nr;

	*nr = l->nr;
	if (!to.va)
		return 0;
	if (room < l->nr)
		return -XEN_ENOBUFS;
	return copy_array_to_guest(to, 0, l->leaf, l->nr);
}

static long policy_out(cpuid_source src, guest_ptr_t to, uint32_t *nr)
{
	struct leaves *l = hv_alloc(sizeof(*l));
	long rc;

	if (!l)
		return -XEN_ENOMEM;
	collect(l, src);
	if (!to.va) {
		/* Asked for the size to be had at most. */
		*nr = TOOLS_LEAVES;
		hv_free(l);
		return 0;
	}
	rc = leaves_out(l, to, nr);
	hv_free(l);
	return rc;
}

long sysctl_get_cpu_policy(struct xen_sysctl *op)
{
	struct xen_sysctl_cpu_policy *p = &op->u.cpu_policy;

	if (p->_rsvd)
		return -XEN_EINVAL;
	p->nr_msrs = p->leaves.p ? 0 : TOOLS_MSRS;
	switch (p->index) {
	case XEN_SYSCTL_cpu_policy_raw:
	case XEN_SYSCTL_cpu_policy_host:
		return policy_out(from_machine, guest_handle(p->leaves), &p->nr_leaves);
	case XEN_SYSCTL_cpu_policy_pv_max:
	case XEN_SYSCTL_cpu_policy_pv_default:
		return policy_out(for_guests, guest_handle(p->leaves), &p->nr_leaves);
	case XEN_SYSCTL_cpu_policy_hvm_max:
	case XEN_SYSCTL_cpu_policy_hvm_default:
		return -XEN_EOPNOTSUPP;
	default:
		return -XEN_EINVAL;
	}
}

/* The feature words in the order of <xen/arch-x86/cpufeatureset.h>. */
static void feature_words(cpuid_source src, uint32_t *w)
{
	struct cpuid l1 = src(1, 0), e1 = src(0x80000001u, 0), l7 = src(7, 0), l71 = src(7, 1),
		     d1 = src(0xd, 1);
	struct cpuid e7 = src(0x80000007u, 0), e8 = src(0x80000008u, 0);

	w[0] = l1.d;
	w[1] = l1.c;
	w[2] = e1.d;
	w[3] = e1.c;
	w[4] = d1.a;
	w[5] = l7.b;
	w[6] = l7.c;
	w[7] = e7.d;
	w[8] = e8.b;
	w[9] = l7.d;
	w[10] = l71.a;
}

void cpu_feature_words(uint32_t *words, unsigned int n)
{
	uint32_t all[NR_FEATURE_WORDS] = { 0 };

	feature_words(from_machine, all);
	memcpy(words, all, MIN(n, (unsigned int)NR_FEATURE_WORDS) * sizeof(*words));
}

long sysctl_get_cpu_featureset(struct xen_sysctl *op)
{
	struct xen_sysctl_cpu_featureset *f = &op->u.cpu_featureset;
	uint32_t words[NR_FEATURE_WORDS] = { 0 }, n = f->nr_features;
	guest_ptr_t to = guest_handle(f->features);

	switch (f->index) {
	case XEN_SYSCTL_cpu_featureset_raw:
	case XEN_SYSCTL_cpu_featureset_host:
		feature_words(from_machine, words);
		break;
	case XEN_SYSCTL_cpu_featureset_pv:
	case XEN_SYSCTL_cpu_featureset_pv_max:
		feature_words(for_guests, words);
		break;
	case XEN_SYSCTL_cpu_featureset_hvm:
	case XEN_SYSCTL_cpu_featureset_hvm_max:
		break;
	default:
		return -XEN_EINVAL;
	}
	f->nr_features = NR_FEATURE_WORDS;
	if (!to.va)
		return 0;
	f->nr_features = MIN(n, (uint32_t)NR_FEATURE_WORDS);
	if (copy_array_to_guest(to, 0, words, f->nr_features))
		return -XEN_EFAULT;
	return n < NR_FEATURE_WORDS ? -XEN_ENOBUFS : 0;
}

long domctl_get_cpu_policy(struct xen_domctl *op, struct domain *d)
{
	struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;

	p->nr_msrs = 0;
	return policy_out(for_guests, guest_handle(p->leaves), &p->nr_leaves);
}

/*
 * The list is read and its leaves are checked, but guests go on seeing the default policy: what the toolstack sends for a
 * guest made here is that policy with topology adjusted.
 */
long domctl_set_cpu_policy(struct xen_domctl *op, struct domain *d)
{
	struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;

	if (d == current->domain)
		return -XEN_EINVAL;
	p->err_leaf = p->err_subleaf = p->err_msr = UINT32_MAX;
	if (p->nr_leaves > TOOLS_LEAVES || p->nr_msrs > TOOLS_MSRS)
		return -XEN_E2BIG;
	for (uint32_t i = 0; i < p->nr_leaves; i++) {
		xen_cpuid_leaf_t l;

		if (copy_array_from_guest(&l, guest_handle(p->leaves), i, 1))
			return -XEN_EFAULT;
		if ((l.leaf & 0x7fffffffu) > 0x4000ffffu) {
			p->err_leaf = l.leaf;
			p->err_subleaf = l.subleaf;
			return -XEN_ERANGE;
		}
	}
	return 0;
}
