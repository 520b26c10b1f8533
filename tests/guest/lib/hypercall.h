/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls of a test guest: one generic call, typed wrappers where they help to read a test. */
#ifndef GUEST_HYPERCALL_H
#define GUEST_HYPERCALL_H

#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

extern char hypercall_page[4096];

/**
 * hypercall() - issue hypercall @nr with up to five arguments
 * Return: the hypercall's result, a negative Xen error number (xen/errno.h) on failure.
 */
static inline long hypercall(unsigned int nr, unsigned long a1, unsigned long a2, unsigned long a3,
			     unsigned long a4, unsigned long a5)
{
	register unsigned long r10 asm("r10") = a4;
	register unsigned long r8 asm("r8") = a5;
	long ret;

	asm volatile("call *%[entry]"
		     : "=a"(ret), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
		     : [entry] "0"(hypercall_page + nr * 32)
		     : "rcx", "r11", "memory");
	return ret;
}

#define UL(x)			   ((unsigned long)(x))
#define hypercall1(nr, a)	   hypercall(nr, UL(a), 0, 0, 0, 0)
#define hypercall2(nr, a, b)	   hypercall(nr, UL(a), UL(b), 0, 0, 0)
#define hypercall3(nr, a, b, c)	   hypercall(nr, UL(a), UL(b), UL(c), 0, 0)
#define hypercall4(nr, a, b, c, d) hypercall(nr, UL(a), UL(b), UL(c), UL(d), 0)

#define hc_set_trap_table(table)	 hypercall1(__HYPERVISOR_set_trap_table, table)
#define hc_mmu_update(req, n, done, dom) hypercall4(__HYPERVISOR_mmu_update, req, n, done, dom)
#define hc_set_gdt(frames, n)		 hypercall2(__HYPERVISOR_set_gdt, frames, n)
#define hc_stack_switch(ss, sp)		 hypercall2(__HYPERVISOR_stack_switch, ss, sp)
#define hc_fpu_taskswitch(set)		 hypercall1(__HYPERVISOR_fpu_taskswitch, set)
#define hc_set_debugreg(reg, val)	 hypercall2(__HYPERVISOR_set_debugreg, reg, val)
#define hc_get_debugreg(reg)		 hypercall1(__HYPERVISOR_get_debugreg, reg)
#define hc_update_descriptor(ma, desc)	 hypercall2(__HYPERVISOR_update_descriptor, ma, desc)
#define hc_memory_op(op, arg)		 hypercall2(__HYPERVISOR_memory_op, op, arg)
#define hc_multicall(list, n)		 hypercall2(__HYPERVISOR_multicall, list, n)
#define hc_update_va_mapping(va, pte, flags) \
	hypercall3(__HYPERVISOR_update_va_mapping, va, pte, flags)
#define hc_update_va_mapping_otherdomain(va, pte, flags, dom) \
	hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, va, pte, flags, dom)
#define hc_set_timer_op(ns)		 hypercall1(__HYPERVISOR_set_timer_op, ns)
#define hc_xen_version(op, arg)		 hypercall2(__HYPERVISOR_xen_version, op, arg)
#define hc_console_io(op, n, buf)	 hypercall3(__HYPERVISOR_console_io, op, n, buf)
#define hc_physdev_op(op, arg)		 hypercall2(__HYPERVISOR_physdev_op, op, arg)
#define hc_grant_table_op(op, arg, n)	 hypercall3(__HYPERVISOR_grant_table_op, op, arg, n)
#define hc_vm_assist(cmd, type)		 hypercall2(__HYPERVISOR_vm_assist, cmd, type)
#define hc_vcpu_op(op, vcpu, arg)	 hypercall3(__HYPERVISOR_vcpu_op, op, vcpu, arg)
#define hc_set_segment_base(which, base) hypercall2(__HYPERVISOR_set_segment_base, which, base)
#define hc_mmuext_op(op, n, done, dom)	 hypercall4(__HYPERVISOR_mmuext_op, op, n, done, dom)
#define hc_nmi_op(op, arg)		 hypercall2(__HYPERVISOR_nmi_op, op, arg)
#define hc_sched_op(op, arg)		 hypercall2(__HYPERVISOR_sched_op, op, arg)
#define hc_callback_op(op, arg)		 hypercall2(__HYPERVISOR_callback_op, op, arg)
#define hc_event_channel_op(op, arg)	 hypercall2(__HYPERVISOR_event_channel_op, op, arg)

#endif
