// SPDX-License-Identifier: BSD-2-Clause
/*
 * multicall: results in order, failures that do not stop it, unknown calls, nesting, bad lists, a
 * list long enough to be interrupted, and that a call's own results are right inside of one.
 */

#include "guest.h"

const char test_name[] = "multicall";

static struct multicall_entry list[4000];
static char page[PAGE_SIZE] __attribute__((aligned(4096)));

static void set(unsigned int i, unsigned long op, unsigned long a, unsigned long b, unsigned long c)
{
	memset(&list[i], 0, sizeof(list[i]));
	list[i].op = op;
	list[i].result = 0x5555;
	list[i].args[0] = a;
	list[i].args[1] = b;
	list[i].args[2] = c;
}

static void check_results(void)
{
	set(0, __HYPERVISOR_xen_version, XENVER_version, 0, 0);
	set(1, 63, 0, 0, 0);
	set(2, __HYPERVISOR_update_va_mapping, UL(page), mkpte(virt_to_mfn(page), PTE_RO), 0);
	set(3, __HYPERVISOR_update_va_mapping, HYPERVISOR_VIRT_START, 0, 0);
	set(4, __HYPERVISOR_xen_version, XENVER_pagesize, 0, 0);
	set(5, 0xffffffff12345678, 0, 0, 0);
	check("call", hc_multicall(list, 6), 0);
	check("version", (long)list[0].result, 4 << 16 | 17);
	check("unknown call", (long)list[1].result, -XEN_ENOSYS);
	check("update_va_mapping", (long)list[2].result, 0);
	check("refused update_va_mapping", (long)list[3].result, -XEN_EINVAL);
	check("after the failure", (long)list[4].result, PAGE_SIZE);
	check("wild number", (long)list[5].result, -XEN_ENOSYS);
	check("it was done: the page is read-only", FAULT("movb $0, (%0)", "r"(page)).vector,
	      VEC_PF);
	set_page_flags(page, PTE_RW);
}

static void check_bad(void)
{
	set(0, __HYPERVISOR_multicall, UL(&list[2]), 1, 0);
	set(1, __HYPERVISOR_xen_version, XENVER_pagesize, 0, 0);
	set(2, __HYPERVISOR_xen_version, XENVER_pagesize, 0, 0);
	check("nested", hc_multicall(list, 2), 0);
	check("the inner call", (long)list[0].result, -XEN_EINVAL);
	check("was not made", (long)list[2].result, 0x5555);
	check("the rest was", (long)list[1].result, PAGE_SIZE);
	check("none", hc_multicall(list, 0), 0);
	check("from an unmapped page", hc_multicall(0x1000, 1), -XEN_EFAULT);
	check("none from an unmapped page", hc_multicall(0x1000, 0), 0);
	check("from the hypervisor", hc_multicall(HYPERVISOR_VIRT_START, 1), -XEN_EFAULT);
}

/* The list runs into a page that is not there: what comes before is done. */
static void check_edge(void)
{
	static char two[2 * PAGE_SIZE] __attribute__((aligned(4096)));
	struct multicall_entry *m = (void *)(two + PAGE_SIZE - 2 * sizeof(*m));

	map_page(two + PAGE_SIZE, 0);
	for (unsigned int i = 0; i < 2; i++) {
		memset(&m[i], 0, sizeof(*m));
		m[i].op = __HYPERVISOR_xen_version;
		m[i].args[0] = XENVER_pagesize;
		m[i].result = 0;
	}
	check("into an absent page", hc_multicall(m, 0x7fffffff), -XEN_EFAULT);
	check("the first two were made", (long)(m[0].result + m[1].result), 2 * PAGE_SIZE);
	set_page_flags(two + PAGE_SIZE, PTE_RW);
	/* Results that cannot be stored. */
	set_page_flags(two, PTE_RO);
	check("a read-only list", hc_multicall(m, 2), -XEN_EFAULT);
	set_page_flags(two, PTE_RW);
}

/* Pending events interrupt a long list; every entry must be done exactly once. */
static void check_long(void)
{
	unsigned int n = ARRAY_SIZE(list), wrong = 0, port;
	unsigned int before;

	port = (unsigned int)evtchn_bind_virq(VIRQ_TIMER, 0);
	before = event_count[port];
	for (unsigned int i = 0; i < n; i++)
		set(i, __HYPERVISOR_update_va_mapping, UL(page),
		    mkpte(virt_to_mfn(page), i & 1 ? PTE_RO : PTE_RW), UVMF_TLB_FLUSH);
	hc_set_timer_op(system_time() + 300000);
	events_on();
	check("a long list with events on", hc_multicall(list, n), 0);
	events_off();
	for (unsigned int i = 0; i < n; i++)
		if (list[i].result)
			wrong++;
	check("results that are not 0", wrong, 0);
	info("events meanwhile: %u", event_count[port] - before);
	set_page_flags(page, PTE_RW);
}

void test_main(void)
{
	check_results();
	check_bad();
	check_edge();
	check_long();
}
