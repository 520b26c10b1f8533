// SPDX-License-Identifier: BSD-2-Clause
/* hc_xen_version: what this hypervisor is and offers; hc_vm_assist: what a guest switches on. */
#include <hv/hypercall.h>
#include <hv/boot.h>
#include <hv/domain.h>

#define XEN_MAJOR    4
#define XEN_MINOR    17
#define EXTRAVERSION ".0-paravane"
#define CAPABILITIES "xen-3.0-x86_64 "
#define DENIED	     "<denied>"

#define VMASST_VALID                                                                   \
	(BIT(VMASST_TYPE_4gb_segments) | BIT(VMASST_TYPE_4gb_segments_notify) |        \
	 BIT(VMASST_TYPE_writable_pagetables) | BIT(VMASST_TYPE_pae_extended_cr3) |    \
	 BIT(VMASST_TYPE_architectural_iopl) | BIT(VMASST_TYPE_runstate_update_flag) | \
	 BIT(VMASST_TYPE_m2p_strict))

/* A string into a fixed array of the ABI, the rest of it zero. */
static long put_text(guest_ptr_t arg, const char *text, size_t room)
{
	char buf[1024];
	size_t n = strnlen(text, room - 1);

	memset(buf, 0, room);
	memcpy(buf, text, n);
	return copy_to_guest(arg, buf, room);
}

static long compile_info(guest_ptr_t arg)
{
	xen_compile_info_t info = {
		.compiler = "gcc " __VERSION__,
		.compile_by = "paravane",
		.compile_domain = "",
		.compile_date = "",
	};

	return copy_to_guest(arg, &info, sizeof(info));
}

static long features(guest_ptr_t arg)
{
	const struct domain *d = current->domain;
	xen_feature_info_t fi;

	if (copy_from_guest(&fi, arg, sizeof(fi)))
		return -XEN_EFAULT;
	fi.submap = 0;
	if (fi.submap_idx == 0) {
		fi.submap = BIT(XENFEAT_mmu_pt_update_preserve_ad) | BIT(XENFEAT_highmem_assist) |
			    BIT(XENFEAT_gnttab_map_avail_bits) |
			    BIT(XENFEAT_memory_op_vnode_supported) | BIT(XENFEAT_direct_mapped) |
			    BIT(XENFEAT_pae_pgdir_above_4gb);
		if (d->is_hardware)
			fi.submap |= BIT(XENFEAT_dom0);
	} else if (fi.submap_idx == PARAVANE_FEATURES) {
		fi.submap = BIT(PARAVANE_FEAT_pte_range);
	} else if (fi.submap_idx >= XENFEAT_NR_SUBMAPS) {
		return -XEN_EINVAL;
	}
	return copy_to_guest(arg, &fi, sizeof(fi));
}

static long platform_parameters(guest_ptr_t arg)
{
	struct xen_platform_parameters p = { .virt_start = HYPERVISOR_VIRT_START };

	return copy_to_guest(arg, &p, sizeof(p));
}

static long command_line(guest_ptr_t arg)
{
	return put_text(arg, current_is_privileged() ? boot_info.cmdline : DENIED,
			sizeof(xen_commandline_t));
}

long hc_xen_version(unsigned long cmd, unsigned long arg)
{
	guest_ptr_t p = guest_ptr(arg);

	switch ((uint32_t)cmd) {
	case XENVER_version:
		return XEN_MAJOR << 16 | XEN_MINOR;
	case XENVER_extraversion:
		return put_text(p, EXTRAVERSION, sizeof(xen_extraversion_t));
	case XENVER_compile_info:
		return compile_info(p);
	case XENVER_capabilities:
		return put_text(p, CAPABILITIES, sizeof(xen_capabilities_info_t));
	case XENVER_changeset:
		return put_text(p, "unavailable", sizeof(xen_changeset_info_t));
	case XENVER_platform_parameters:
		return platform_parameters(p);
	case XENVER_get_features:
		return features(p);
	case XENVER_pagesize:
		return arg ? -XEN_EINVAL : (long)PAGE_SIZE;
	case XENVER_guest_handle:
		return copy_to_guest(p, current->domain->handle, sizeof(xen_domain_handle_t));
	case XENVER_commandline:
		return command_line(p);
	case XENVER_build_id:
		/* The image carries none. */
		return current_is_privileged() ? -XEN_ENODATA : -XEN_EPERM;
	default:
		return -XEN_ENOSYS;
	}
}

long hc_vm_assist(unsigned long cmd, unsigned long type)
{
	uint64_t *assist = &current->domain->vm_assist;

	type = (uint32_t)type;
	if (type >= 64 || !(VMASST_VALID & BIT(type)))
		return -XEN_EINVAL;
	switch ((uint32_t)cmd) {
	case VMASST_CMD_enable:
		__atomic_fetch_or(assist, BIT(type), __ATOMIC_SEQ_CST);
		return 0;
	case VMASST_CMD_disable:
		__atomic_fetch_and(assist, ~BIT(type), __ATOMIC_SEQ_CST);
		return 0;
	default:
		return -XEN_ENOSYS;
	}
}
