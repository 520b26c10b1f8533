// SPDX-License-Identifier: BSD-2-Clause
/*
 * The small calls: sched_op, callback_op, nmi_op, vm_assist, physdev_op, xen_version's rest, and
 * hypercalls that a PV domain is refused or that do not exist.
 */

#include "guest.h"

const char test_name[] = "misc";

static char page[PAGE_SIZE] __attribute__((aligned(4096)));

static void check_sched(void)
{
	struct sched_watchdog w = { .id = 2, .timeout = 0 };
	struct sched_remote_shutdown r = { .domain_id = 5, .reason = 0 };
	struct sched_pin_override pin = { .pcpu = -1 };

	check("sched: yield", hc_sched_op(SCHEDOP_yield, 0), 0);
	check("sched: unknown operation", hc_sched_op(99, 0), -XEN_ENOSYS);
	check("sched: shutdown from an unmapped page", hc_sched_op(SCHEDOP_shutdown, 0x1000),
	      -XEN_EFAULT);
	check("sched: poll from an unmapped page", hc_sched_op(SCHEDOP_poll, 0x1000), -XEN_EFAULT);
	check("sched: remote shutdown of domain 5", hc_sched_op(SCHEDOP_remote_shutdown, &r),
	      -XEN_ESRCH);
	check("sched: watchdog that is not set", hc_sched_op(SCHEDOP_watchdog, &w), -XEN_EINVAL);
	w.id = 0;
	w.timeout = 100;
	check("sched: watchdog of 100 s", hc_sched_op(SCHEDOP_watchdog, &w), 1);
	w.id = 1;
	w.timeout = 200;
	check("sched: watchdog set again", hc_sched_op(SCHEDOP_watchdog, &w), 0);
	w.timeout = 0;
	check("sched: watchdog stopped", hc_sched_op(SCHEDOP_watchdog, &w), 0);
	w.id = 9;
	check("sched: watchdog with a wild number", hc_sched_op(SCHEDOP_watchdog, &w), -XEN_EINVAL);
	check("sched: pin override off", hc_sched_op(SCHEDOP_pin_override, &pin), -XEN_EINVAL);
	pin.pcpu = 0;
	check("sched: pin override to CPU 0", hc_sched_op(SCHEDOP_pin_override, &pin), 0);
	pin.pcpu = -1;
	check("sched: pin override off again", hc_sched_op(SCHEDOP_pin_override, &pin), 0);
}

static long callback(uint16_t type, unsigned long address, unsigned int op)
{
	struct callback_register cb = { .type = type, .address = address };

	return hc_callback_op(op, &cb);
}

static void check_callbacks(void)
{
	check("callback: unknown type", callback(99, 0, CALLBACKOP_register), -XEN_ENOSYS);
	check("callback: non-canonical address",
	      callback(CALLBACKTYPE_failsafe, 0x8000000000000000UL, CALLBACKOP_register),
	      -XEN_EINVAL);
	check("callback: sysenter",
	      callback(CALLBACKTYPE_sysenter, UL(sysenter_entry), CALLBACKOP_register), 0);
	check("callback: syscall32",
	      callback(CALLBACKTYPE_syscall32, UL(syscall32_entry), CALLBACKOP_register), 0);
	check("callback: nmi", callback(CALLBACKTYPE_nmi, UL(nmi_entry), CALLBACKOP_register), 0);
	check("callback: unregister nmi", callback(CALLBACKTYPE_nmi, 0, CALLBACKOP_unregister), 0);
	check("callback: unregister event", callback(CALLBACKTYPE_event, 0, CALLBACKOP_unregister),
	      -XEN_EINVAL);
	check("callback: unregister unknown", callback(99, 0, CALLBACKOP_unregister), -XEN_ENOSYS);
	check("callback: unknown operation", callback(0, 0, 99), -XEN_ENOSYS);
	check("callback: from an unmapped page", hc_callback_op(CALLBACKOP_register, 0x1000),
	      -XEN_EFAULT);
}

/* An NMI that the domain sends to itself. */
static unsigned int nmis;

static bool nmi_hook(struct regs *regs)
{
	if (regs->vector != 2)
		return false;
	nmis++;
	return true;
}

static void check_nmi(void)
{
	struct xennmi_callback cb = { .handler_address = UL(nmi_entry) };

	check("nmi: register", hc_nmi_op(XENNMI_register_callback, &cb), 0);
	trap_hook = nmi_hook;
	check("nmi: send to vcpu 0", hc_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	hc_sched_op(SCHEDOP_yield, 0);
	check("nmi: taken", nmis, 1);
	check("nmi: send again", hc_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	check("nmi: taken again, the first one's iret let it in", nmis, 2);
	trap_hook = NULL;
	check("nmi: unregister", hc_nmi_op(XENNMI_unregister_callback, NULL), 0);
	check("nmi: unknown operation", hc_nmi_op(99, NULL), -XEN_ENOSYS);
}

static void check_assist(void)
{
	static const unsigned int known[] = {
		VMASST_TYPE_4gb_segments,	 VMASST_TYPE_4gb_segments_notify,
		VMASST_TYPE_writable_pagetables, VMASST_TYPE_pae_extended_cr3,
		VMASST_TYPE_architectural_iopl,	 VMASST_TYPE_runstate_update_flag,
		VMASST_TYPE_m2p_strict,
	};
	char line[60];

	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		long on = hc_vm_assist(VMASST_CMD_enable, known[i]);

		fmt(line, sizeof(line), "vm_assist %u on", known[i]);
		check(line, on, 0);
		if (!on)
			hc_vm_assist(VMASST_CMD_disable, known[i]);
	}
	check("vm_assist: unknown type", hc_vm_assist(VMASST_CMD_enable, 20), -XEN_EINVAL);
	check("vm_assist: wild type", hc_vm_assist(VMASST_CMD_enable, 1000), -XEN_EINVAL);
	check("vm_assist: unknown command", hc_vm_assist(9, VMASST_TYPE_writable_pagetables),
	      -XEN_ENOSYS);
}

static void check_physdev(void)
{
	struct physdev_irq_status_query q = { .irq = 9 };
	struct physdev_set_iopl iopl = { .iopl = 1 };
	struct physdev_apic apic = { .apic_physbase = 0xfec00000, .reg = 1 };
	struct physdev_get_free_pirq free = { .type = MAP_PIRQ_TYPE_GSI };
	struct physdev_eoi eoi = { .irq = 9 };
	struct physdev_map_pirq map;
	struct physdev_setup_gsi gsi = { .gsi = 9, .triggering = 1, .polarity = 1 };

	check("physdev: unknown operation", hc_physdev_op(99, &q), -XEN_ENOSYS);
	check("physdev: set_iopl 1", hc_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	iopl.iopl = 7;
	check("physdev: set_iopl 7", hc_physdev_op(PHYSDEVOP_set_iopl, &iopl), -XEN_EINVAL);
	check("physdev: set_iopl from an unmapped page", hc_physdev_op(PHYSDEVOP_set_iopl, 0x1000),
	      -XEN_EFAULT);
	check("physdev: irq_status", hc_physdev_op(PHYSDEVOP_irq_status_query, &q), 0);
	info("irq 9 status %x", q.flags);
	q.irq = 100000;
	check("physdev: irq_status of a wild irq", hc_physdev_op(PHYSDEVOP_irq_status_query, &q),
	      -XEN_EINVAL);
	check("physdev: apic_read of the version", hc_physdev_op(PHYSDEVOP_apic_read, &apic), 0);
	check_true("physdev: it is an IO-APIC", (apic.value & 0xff) >= 0x11);
	apic.apic_physbase = 0xdead0000;
	check("physdev: apic_read where none is", hc_physdev_op(PHYSDEVOP_apic_read, &apic),
	      -XEN_EINVAL);
	check("physdev: get_free_pirq", hc_physdev_op(PHYSDEVOP_get_free_pirq, &free), 0);
	check_true("physdev: it is above the GSIs", free.pirq >= 16);
	eoi.irq = 100000;
	check("physdev: eoi of a wild irq", hc_physdev_op(PHYSDEVOP_eoi, &eoi), -XEN_EINVAL);
	memset(&map, 0, sizeof(map));
	map.domid = DOMID_SELF;
	map.type = MAP_PIRQ_TYPE_GSI;
	map.index = 9;
	map.pirq = 9;
	check("physdev: map_pirq of GSI 9", hc_physdev_op(PHYSDEVOP_map_pirq, &map), 0);
	check("physdev: it is pirq 9", map.pirq, 9);
	check("physdev: setup_gsi", hc_physdev_op(PHYSDEVOP_setup_gsi, &gsi), 0);
	map.index = 100000;
	check("physdev: map_pirq of a wild GSI", hc_physdev_op(PHYSDEVOP_map_pirq, &map),
	      -XEN_EINVAL);
	map.domid = 5;
	check("physdev: map_pirq for domain 5", hc_physdev_op(PHYSDEVOP_map_pirq, &map),
	      -XEN_ESRCH);
}

/* A GSI of our own bound to a port, its status, and given back. */
static void check_pirq(void)
{
	struct evtchn_bind_pirq bind = { .pirq = 9, .flags = BIND_PIRQ__WILL_SHARE };
	struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = 9 };
	struct evtchn_status st;

	check("pirq: bind", hc_event_channel_op(EVTCHNOP_bind_pirq, &bind), 0);
	check("pirq: status", evtchn_status(bind.port, &st), 0);
	check("pirq: it is a pirq", st.status, EVTCHNSTAT_pirq);
	check("pirq: its number", st.u.pirq, 9);
	bind.flags = 0;
	check("pirq: bind again", hc_event_channel_op(EVTCHNOP_bind_pirq, &bind), -XEN_EEXIST);
	check("pirq: unmap while bound", hc_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
	check("pirq: close", evtchn_close(st.port), 0);
	check("pirq: unmap again", hc_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), -XEN_EINVAL);
}

static void check_version(void)
{
	struct xen_compile_info *ci = (void *)page;
	char *text = page;

	check("version: extraversion", hc_xen_version(XENVER_extraversion, page), 0);
	check_true("version: it begins with a dot", page[0] == '.');
	check("version: compile_info", hc_xen_version(XENVER_compile_info, ci), 0);
	check_true("version: there is a compiler", ci->compiler[0]);
	check("version: changeset", hc_xen_version(XENVER_changeset, page), 0);
	check("version: guest_handle", hc_xen_version(XENVER_guest_handle, page), 0);
	check("version: command line", hc_xen_version(XENVER_commandline, page), 0);
	info("command line %s", text);
	check("version: extraversion into a read-only page",
	      (set_page_flags(page, PTE_RO), hc_xen_version(XENVER_extraversion, page)),
	      -XEN_EFAULT);
	set_page_flags(page, PTE_RW);
}

static void check_refused(void)
{
	check("hypercall 11", hypercall1(11, 0), -XEN_ENOSYS);
	check("hypercall 38 (tmem)", hypercall1(__HYPERVISOR_tmem_op, 0), -XEN_ENOSYS);
	check("hypercall 43", hypercall1(43, 0), -XEN_ENOSYS);
	check("hypercall 56", hypercall1(56, 0), -XEN_ENOSYS);
	check("dm_op", hypercall3(__HYPERVISOR_dm_op, 0, 0, 0) < 0, 1);
	check("sysctl from an unmapped page", hypercall1(__HYPERVISOR_sysctl, 0x1000), -XEN_EFAULT);
	check("domctl from an unmapped page", hypercall1(__HYPERVISOR_domctl, 0x1000), -XEN_EFAULT);
	check("sysctl of a wrong version",
	      (memset(page, 0x77, PAGE_SIZE), hypercall1(__HYPERVISOR_sysctl, page)), -XEN_EACCES);
	check("domctl of a wrong version", hypercall1(__HYPERVISOR_domctl, page), -XEN_EACCES);
	check("platform_op of a wrong version", hypercall1(__HYPERVISOR_platform_op, page),
	      -XEN_EACCES);
	check("platform_op from an unmapped page", hypercall1(__HYPERVISOR_platform_op, 0x1000),
	      -XEN_EFAULT);
}

/* The old numbers that NetBSD still uses. */
static void check_compat(void)
{
	struct evtchn_op op;

	memset(&op, 0, sizeof(op));
	op.cmd = EVTCHNOP_alloc_unbound;
	op.u.alloc_unbound.dom = DOMID_SELF;
	op.u.alloc_unbound.remote_dom = DOMID_SELF;
	check("old event_channel_op: alloc", hypercall1(__HYPERVISOR_event_channel_op_compat, &op),
	      0);
	check("old event_channel_op: port", op.u.alloc_unbound.port > 0, 1);
	check("old sched_op: yield", hypercall2(__HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0), 0);
	check("old sched_op: unknown", hypercall2(__HYPERVISOR_sched_op_compat, 99, 0),
	      -XEN_ENOSYS);
	check("old physdev_op from an unmapped page",
	      hypercall1(__HYPERVISOR_physdev_op_compat, 0x1000), -XEN_EFAULT);
}

void test_main(void)
{
	check_callbacks();
	check_nmi();
	check_assist();
	check_physdev();
	check_pirq();
	check_version();
	check_refused();
	check_compat();
	check_sched();
}
