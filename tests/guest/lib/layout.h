/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers shared by the assembly and the C of the test framework. */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#define GUEST_VIRT_BASE 0xffffffff80000000

/* One stack per vcpu, aligned to its size: the vcpu's number is found from %rsp. */
#define STACK_SIZE 16384
#define MAX_VCPUS  8

#define REGS_SIZE 176
#define IRET_SIZE 72

/* Pseudo vectors of the entries that are not exceptions. */
#define VEC_EVENT     0x100
#define VEC_SYSCALL   0x101
#define VEC_SYSCALL32 0x102
#define VEC_SYSENTER  0x103
#define VEC_FAILSAFE  0x104

#endif
