// SPDX-License-Identifier: BSD-2-Clause
/* hc_platform_op: what dom0's kernel tells and asks about the machine. */
#include <hv/boot.h>
#include <hv/domain.h>
#include <hv/hypercall.h>
#include <hv/sched.h>
#include <hv/smp.h>
#include <hv/time.h>
#include <hv/x86/cpu.h>

#define S5_SOFT_OFF 5

static long settime64(const struct xenpf_settime64 *t)
{
	if (t->mbz)
		return -XEN_EINVAL;
	wallclock_set(t->secs, t->nsecs, t->system_time);
	return 0;
}

/* Idle times of the CPUs in the caller's set; CPUs that are not there leave it. */
static long getidletime(struct xenpf_getidletime *g)
{
	uint32_t bits = MIN(g->cpumap_nr_cpus, (uint32_t)NR_CPUS);
	guest_ptr_t map = guest_handle(g->cpumap_bitmap);
	cpumask_t set = { 0 };
	unsigned int c;

	if (copy_from_guest(&set, map, DIV_ROUND_UP(bits, 8)))
		return -XEN_EFAULT;
	if (bits < 64)
		set.bits &= BIT(bits) - 1;
	set.bits &= cpu_online.bits;
	g->now = (uint64_t)now();
	for_each_cpu(c, set) {
		uint64_t t = vcpu_run_time(idle_vcpu[c]);

		if (copy_array_to_guest(guest_handle(g->idletime), c, &t, 1))
			return -XEN_EFAULT;
	}
	return copy_to_guest(map, &set, DIV_ROUND_UP(bits, 8));
}

static long get_cpuinfo(struct xenpf_pcpuinfo *i)
{
	uint32_t c = i->xen_cpuid;

	i->max_present = nr_cpus - 1;
	if (c >= nr_cpus) {
		i->flags = XEN_PCPU_FLAGS_INVALID;
	} else {
		i->flags = XEN_PCPU_FLAGS_ONLINE;
		i->apic_id = cpu_apic_id[c];
		i->acpi_id = c;
	}
	return 0;
}

static long get_cpu_version(struct xenpf_pcpu_version *p)
{
	struct cpuid l0 = cpuid(0, 0), l1 = cpuid(1, 0);
	uint32_t family = (l1.a >> 8) & 15, model = (l1.a >> 4) & 15;

	if (p->xen_cpuid >= nr_cpus)
		return -XEN_EINVAL;
	if (family == 6 || family == 15)
		model |= (l1.a >> 12) & 0xf0;
	if (family == 15)
		family += (l1.a >> 20) & 0xff;
	p->max_present = nr_cpus - 1;
	memcpy(p->vendor_id, &l0.b, 4);
	memcpy(p->vendor_id + 4, &l0.d, 4);
	memcpy(p->vendor_id + 8, &l0.c, 4);
	p->family = family;
	p->model = model;
	p->stepping = l1.a & 15;
	return 0;
}

static long cpu_online_offline(uint32_t c, bool online)
{
	if (c >= nr_cpus)
		return -XEN_EINVAL;
	return online ? 0 : -XEN_EOPNOTSUPP;
}

/* BIOS data of disks and monitors are not collected at boot: each list is empty. */
static long firmware_info(struct xenpf_firmware_info *f)
{
	switch (f->type) {
	case XEN_FW_DISK_INFO:
	case XEN_FW_DISK_MBR_SIGNATURE:
	case XEN_FW_VBEDDC_INFO:
		return -XEN_ESRCH;
	case XEN_FW_EFI_INFO:
		return -XEN_EOPNOTSUPP;
	case XEN_FW_KBD_SHIFT_FLAGS:
		if (f->index)
			return -XEN_ESRCH;
		f->u.kbd_shift_flags = 0;
		return 0;
	default:
		return -XEN_EINVAL;
	}
}

static long enter_acpi_sleep(const struct xenpf_enter_acpi_sleep *s)
{
	if (s->flags & XENPF_ACPI_SLEEP_EXTENDED)
		return -XEN_EINVAL;
	if (s->sleep_state != S5_SOFT_OFF)
		return -XEN_EOPNOTSUPP;
	log_info("Domain 0 switches the machine off\n");
	acpi_enter_sleep(s->val_a, s->val_b);
	return 0;
}

static long platform_run(struct xen_platform_op *op)
{
	switch (op->cmd) {
	case XENPF_settime32:
		wallclock_set(op->u.settime32.secs, op->u.settime32.nsecs,
			      op->u.settime32.system_time);
		return 0;
	case XENPF_settime64:
		return settime64(&op->u.settime64);
	case XENPF_getidletime:
		return getidletime(&op->u.getidletime);
	case XENPF_get_cpuinfo:
		return get_cpuinfo(&op->u.pcpu_info);
	case XENPF_get_cpu_version:
		return get_cpu_version(&op->u.pcpu_version);
	case XENPF_cpu_online:
		return cpu_online_offline(op->u.cpu_ol.cpuid, true);
	case XENPF_cpu_offline:
		return cpu_online_offline(op->u.cpu_ol.cpuid, false);
	case XENPF_firmware_info:
		return firmware_info(&op->u.firmware_info);
	case XENPF_enter_acpi_sleep:
		return enter_acpi_sleep(&op->u.enter_acpi_sleep);
	case XENPF_platform_quirk:
		return 0;
	case XENPF_cpu_hotadd:
	case XENPF_mem_hotadd:
	case XENPF_core_parking:
		return -XEN_EOPNOTSUPP;
	default:
		return -XEN_ENOSYS;
	}
}

long hc_platform_op(unsigned long arg_va)
{
	guest_ptr_t arg = guest_ptr(arg_va);
	struct xen_platform_op op;
	long rc;

	if (!current_is_privileged())
		return -XEN_EPERM;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -XEN_EFAULT;
	if (op.interface_version != XENPF_INTERFACE_VERSION)
		return -XEN_EACCES;
	rc = platform_run(&op);
	if (rc == 0 && copy_to_guest(arg, &op, sizeof(op)))
		return -XEN_EFAULT;
	return rc;
}
