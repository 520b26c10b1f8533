// SPDX-License-Identifier: BSD-2-Clause
/*
 * The control calls: domctl, sysctl and platform_op, a domain without code made, filled and destroyed,
 * and what each of them answers to nonsense.
 */

#include "guest.h"
#include <xen/domctl.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

const char test_name[] = "control";

#define NEW 9

static struct xen_domctl op;
static struct xen_sysctl sys;
static struct xen_platform_op plat;
static xen_domctl_getdomaininfo_t list[4];
static xen_pfn_t frames[8];
static vcpu_guest_context_t context;
static char page[PAGE_SIZE] __attribute__((aligned(4096)));

static long domctl(uint32_t cmd, domid_t d)
{
	op.cmd = cmd;
	op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op.domain = d;
	return hypercall1(__HYPERVISOR_domctl, &op);
}

static long sysctl(uint32_t cmd)
{
	sys.cmd = cmd;
	sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return hypercall1(__HYPERVISOR_sysctl, &sys);
}

static long platform(uint32_t cmd)
{
	plat.cmd = cmd;
	plat.interface_version = XENPF_INTERFACE_VERSION;
	return hypercall1(__HYPERVISOR_platform_op, &plat);
}

static void check_nonsense(void)
{
	memset(&op, 0, sizeof(op));
	check("domctl: unmapped argument", hypercall1(__HYPERVISOR_domctl, 0x1000), -XEN_EFAULT);
	op.interface_version = 1;
	check("domctl: wrong version", hypercall1(__HYPERVISOR_domctl, &op), -XEN_EACCES);
	check("domctl: unknown command", domctl(999, 0), -XEN_ENOSYS);
	check("domctl: unknown command, no such domain", domctl(999, 5), -XEN_ESRCH);
	check("domctl: no such domain", domctl(XEN_DOMCTL_pausedomain, 5), -XEN_ESRCH);
	check("domctl: DOMID_SELF", domctl(XEN_DOMCTL_pausedomain, DOMID_SELF), -XEN_ESRCH);
	check("domctl: pause oneself", domctl(XEN_DOMCTL_pausedomain, 0), -XEN_EINVAL);
	check("domctl: destroy oneself", domctl(XEN_DOMCTL_destroydomain, 0), -XEN_EINVAL);
	check("domctl: resume oneself", domctl(XEN_DOMCTL_resumedomain, 0), -XEN_EINVAL);
	check("sysctl: unmapped argument", hypercall1(__HYPERVISOR_sysctl, 0x1000), -XEN_EFAULT);
	sys.interface_version = 1;
	check("sysctl: wrong version", hypercall1(__HYPERVISOR_sysctl, &sys), -XEN_EACCES);
	check("sysctl: unknown command", sysctl(999), -XEN_ENOSYS);
	check("platform: unmapped argument", hypercall1(__HYPERVISOR_platform_op, 0x1000),
	      -XEN_EFAULT);
	plat.interface_version = 1;
	check("platform: wrong version", hypercall1(__HYPERVISOR_platform_op, &plat), -XEN_EACCES);
	check("platform: unknown command", platform(999), -XEN_ENOSYS);
}

static void check_info(void)
{
	memset(&op, 0, sizeof(op));
	check("getdomaininfo of 0", domctl(XEN_DOMCTL_getdomaininfo, 0), 0);
	check("it is 0", op.domain, 0);
	check_true("it has pages", op.u.getdomaininfo.tot_pages >= start_info->nr_pages);
	check("nothing lies above domain 0", domctl(XEN_DOMCTL_getdomaininfo, 1), -XEN_ESRCH);
	memset(&sys, 0, sizeof(sys));
	sys.u.getdomaininfolist.max_domains = 4;
	set_xen_guest_handle(sys.u.getdomaininfolist.buffer, list);
	check("getdomaininfolist", sysctl(XEN_SYSCTL_getdomaininfolist), 0);
	check("one domain", sys.u.getdomaininfolist.num_domains, 1);
	check("running", list[0].flags & XEN_DOMINF_running, XEN_DOMINF_running);
	memset(&sys, 0, sizeof(sys));
	check("physinfo", sysctl(XEN_SYSCTL_physinfo), 0);
	check("one CPU", sys.u.physinfo.nr_cpus, 1);
	check("max_cpu_id", sys.u.physinfo.max_cpu_id, 0);
	check("one node", sys.u.physinfo.nr_nodes, 1);
	check_true("pv", sys.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv);
	check_true("free memory", sys.u.physinfo.free_pages < sys.u.physinfo.total_pages);
	check("sched_id", sysctl(XEN_SYSCTL_sched_id), 0);
	check("credit2", sys.u.sched_id.sched_id, XEN_SCHEDULER_CREDIT2);
	memset(&sys, 0, sizeof(sys));
	check("cputopoinfo: how many", sysctl(XEN_SYSCTL_cputopoinfo), 0);
	check_true("some", sys.u.cputopoinfo.num_cpus >= 1);
	memset(&sys, 0, sizeof(sys));
	sys.u.availheap.node = -1;
	check("availheap", sysctl(XEN_SYSCTL_availheap), 0);
	check_true("some is left", sys.u.availheap.avail_bytes > 1 << 20);
	memset(&sys, 0, sizeof(sys));
	sys.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
	check("cpupool 0", sysctl(XEN_SYSCTL_cpupool_op), 0);
	check("its domains", sys.u.cpupool_op.n_dom, 1);
	sys.u.cpupool_op.cpupool_id = 1;
	check("no cpupool above it", sysctl(XEN_SYSCTL_cpupool_op), -XEN_ENOENT);
}

static void check_vcpu_calls(domid_t d)
{
	memset(&op, 0, sizeof(op));
	check("getvcpuinfo", domctl(XEN_DOMCTL_getvcpuinfo, d), 0);
	check("down", op.u.getvcpuinfo.online, 0);
	op.u.getvcpuinfo.vcpu = 2;
	check("getvcpuinfo of one too many", domctl(XEN_DOMCTL_getvcpuinfo, d), -XEN_EINVAL);
	memset(&op, 0, sizeof(op));
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
	check("getvcpucontext before there is one", domctl(XEN_DOMCTL_getvcpucontext, d),
	      -XEN_ENODATA);
	op.u.vcpucontext.vcpu = 9;
	check("getvcpucontext of one too many", domctl(XEN_DOMCTL_getvcpucontext, d), -XEN_EINVAL);
	check("setvcpucontext of one too many", domctl(XEN_DOMCTL_setvcpucontext, d), -XEN_EINVAL);
	memset(&op, 0, sizeof(op));
	op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	check("scheduler getinfo", domctl(XEN_DOMCTL_scheduler_op, d), 0);
	check("weight", op.u.scheduler_op.u.credit2.weight, 256);
	check("cap", op.u.scheduler_op.u.credit2.cap, 0);
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
	op.u.scheduler_op.u.credit2.weight = 512;
	check("scheduler putinfo", domctl(XEN_DOMCTL_scheduler_op, d), 0);
	op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT;
	check("scheduler_op for another scheduler", domctl(XEN_DOMCTL_scheduler_op, d),
	      -XEN_EINVAL);
	memset(&op, 0, sizeof(op));
	check("get_address_size", domctl(XEN_DOMCTL_get_address_size, d), 0);
	check("64 bits", op.u.address_size.size, 64);
	memset(&op, 0, sizeof(op));
	check("affinity of nothing", domctl(XEN_DOMCTL_setvcpuaffinity, d), -XEN_EINVAL);
	op.u.vcpuaffinity.vcpu = 7;
	op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
	check("affinity of one too many", domctl(XEN_DOMCTL_setvcpuaffinity, d), -XEN_EINVAL);
}

static long populate(domid_t d, unsigned int n, unsigned int order)
{
	struct xen_memory_reservation r = { .nr_extents = n, .extent_order = order, .domid = d };

	for (unsigned int i = 0; i < n; i++)
		frames[i] = 0x100 + i;
	set_xen_guest_handle(r.extent_start, frames);
	return hc_memory_op(XENMEM_populate_physmap, &r);
}

static void check_memory(domid_t d)
{
	struct xen_memory_reservation r = { .nr_extents = 1, .domid = d };
	long before;

	check("populate over the limit", populate(d, 1, 0), 0);
	memset(&op, 0, sizeof(op));
	op.u.max_mem.max_memkb = 6 * 4;
	check("max_mem", domctl(XEN_DOMCTL_max_mem, d), 0);
	check("populate up to the limit", populate(d, 8, 0), 6);
	check("m2p was set", mfn_to_pfn(frames[2]) == 0x102, 1);
	check("current_reservation", hc_memory_op(XENMEM_current_reservation, &d), 6);
	check("maximum_reservation", hc_memory_op(XENMEM_maximum_reservation, &d), 6);
	/* Its frame in our address space, and gone again. */
	before = hc_update_va_mapping_otherdomain(page, mkpte(frames[0], PTE_RW), UVMF_INVLPG, d);
	check("map a frame of it", before, 0);
	check("it is clear", page[0] | page[100] | page[4095], 0);
	page[5] = 1;
	set_xen_guest_handle(r.extent_start, frames);
	check("take the frame away while it is mapped",
	      hc_memory_op(XENMEM_decrease_reservation, &r), 1);
	check("still counted", hc_memory_op(XENMEM_current_reservation, &d), 6);
	check("not twice", hc_memory_op(XENMEM_decrease_reservation, &r), 1);
	map_page(page, 0);
	check("now it is gone", hc_memory_op(XENMEM_current_reservation, &d), 5);
	check("a frame that is not its own", hc_memory_op(XENMEM_decrease_reservation, &r), 0);
	memset(&op, 0, sizeof(op));
	op.u.getpageframeinfo3.num = 3;
	set_xen_guest_handle(op.u.getpageframeinfo3.array, frames);
	check("getpageframeinfo3", domctl(XEN_DOMCTL_getpageframeinfo3, d), 0);
	check("gone", (long)frames[0], (long)XEN_DOMCTL_PFINFO_XTAB);
	check("plain", (long)frames[1], (long)XEN_DOMCTL_PFINFO_NOTAB);
	op.u.getpageframeinfo3.num = 1025;
	check("getpageframeinfo3 of too many", domctl(XEN_DOMCTL_getpageframeinfo3, d), -XEN_E2BIG);
	memset(&op, 0, sizeof(op));
	op.u.hypercall_init.gmfn = frames[0];
	check("hypercall page in no frame", domctl(XEN_DOMCTL_hypercall_init, d), -XEN_EINVAL);
}

static long create(uint32_t flags, uint32_t vcpus)
{
	memset(&op, 0, sizeof(op));
	op.u.createdomain.flags = flags;
	op.u.createdomain.max_vcpus = vcpus;
	op.u.createdomain.max_evtchn_port = 1023;
	op.u.createdomain.max_grant_frames = 4;
	op.u.createdomain.max_maptrack_frames = 4;
	op.u.createdomain.grant_opts = 1;
	return domctl(XEN_DOMCTL_createdomain, NEW);
}

static void check_life(void)
{
	check("create an HVM domain", create(XEN_DOMCTL_CDF_hvm, 1), -XEN_EOPNOTSUPP);
	check("create with unknown flags", create(1u << 30, 1), -XEN_EINVAL);
	check("create without vcpus", create(0, 0), -XEN_EINVAL);
	check("create", create(0, 2), 0);
	check("with the id asked for", op.domain, NEW);
	check("create it again", create(0, 2), -XEN_EEXIST);
	memset(&op, 0, sizeof(op));
	check("getdomaininfo of the next", domctl(XEN_DOMCTL_getdomaininfo, 1), 0);
	check("is the new one", op.domain, NEW);
	check("paused", op.u.getdomaininfo.flags & XEN_DOMINF_paused, XEN_DOMINF_paused);
	check("no pages", (long)op.u.getdomaininfo.tot_pages, 0);
	check("no vcpu yet", op.u.getdomaininfo.max_vcpu_id, XEN_INVALID_MAX_VCPU_ID);
	op.u.max_vcpus.max = 3;
	check("max_vcpus of another number", domctl(XEN_DOMCTL_max_vcpus, NEW), -XEN_EINVAL);
	op.u.max_vcpus.max = 2;
	check("max_vcpus", domctl(XEN_DOMCTL_max_vcpus, NEW), 0);
	check_vcpu_calls(NEW);
	check_memory(NEW);
	check("pause", domctl(XEN_DOMCTL_pausedomain, NEW), 0);
	check("unpause", domctl(XEN_DOMCTL_unpausedomain, NEW), 0);
	check("and the pause it began with", domctl(XEN_DOMCTL_unpausedomain, NEW), 0);
	check("once too often", domctl(XEN_DOMCTL_unpausedomain, NEW), -XEN_EINVAL);
	check("destroy", domctl(XEN_DOMCTL_destroydomain, NEW), 0);
	for (int i = 0; i < 1000 && domctl(XEN_DOMCTL_getdomaininfo, NEW) == 0; i++)
		hc_sched_op(SCHEDOP_yield, 0);
	check("it is gone", domctl(XEN_DOMCTL_getdomaininfo, NEW), -XEN_ESRCH);
}

static void check_platform(void)
{
	memset(&plat, 0, sizeof(plat));
	check("get_cpuinfo", platform(XENPF_get_cpuinfo), 0);
	check("CPU 0 is on", plat.u.pcpu_info.flags & XEN_PCPU_FLAGS_ONLINE, XEN_PCPU_FLAGS_ONLINE);
	plat.u.pcpu_info.xen_cpuid = 7;
	check("get_cpuinfo of CPU 7", platform(XENPF_get_cpuinfo), 0);
	check("which there is not", plat.u.pcpu_info.flags & XEN_PCPU_FLAGS_INVALID,
	      XEN_PCPU_FLAGS_INVALID);
	memset(&plat, 0, sizeof(plat));
	plat.u.settime64.mbz = 1;
	check("settime64 with a wild field", platform(XENPF_settime64), -XEN_EINVAL);
	memset(&plat, 0, sizeof(plat));
	plat.u.firmware_info.type = XEN_FW_DISK_INFO;
	plat.u.firmware_info.index = 99;
	check("firmware_info of disk 99", platform(XENPF_firmware_info), -XEN_ESRCH);
	plat.u.firmware_info.type = 77;
	check("firmware_info of unknown kind", platform(XENPF_firmware_info), -XEN_EINVAL);
}

void test_main(void)
{
	check_nonsense();
	check_info();
	check_life();
	check_platform();
}
