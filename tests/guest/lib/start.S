// SPDX-License-Identifier: BSD-2-Clause
// Entry points of a test guest: start of day, exceptions, events, system calls, user mode.

#include <xen/xen.h>

#include "layout.h"

	.section .text.start, "ax"
	.global	_start
_start:
	/* %rsi holds start_info; %rsp a stack of unspecified size that we leave at once. */
	cld
	leaq	guest_stacks + STACK_SIZE(%rip), %rsp
	xorl	%ebp, %ebp
	movq	%rsi, %rdi
	pushq	$0
	jmp	guest_start

	/* A vcpu brought up by vcpu_start(): %rsp is its own stack, %rdi the function, %rsi its argument. */
	.global	vcpu_entry
vcpu_entry:
	xorl	%ebp, %ebp
	pushq	$0
	jmp	vcpu_main

	.balign	4096
	.global	hypercall_page
hypercall_page:
	.skip	4096

#define HYPERCALL_IRET	(hypercall_page + __HYPERVISOR_iret * 32)

.macro save_regs
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
.endm

.macro restore_regs
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
.endm

	/*
	 * The hypervisor pushes SS, RSP, RFLAGS, CS, RIP, an error code where the vector has one,
	 * R11 and RCX. Every path makes that a struct regs: RCX and R11 go back to their registers,
	 * a missing error code becomes 0, and the vector stands below it.
	 */
	.text
	.balign	4096
	.global	trap_stubs
trap_stubs:
vector = 0
.rept 256
	.balign	16
	popq	%rcx
	popq	%r11
.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq	$0
.endif
	pushq	$vector
	jmp	entry_common
vector = vector + 1
.endr

	.balign	16
	.global	event_entry
event_entry:
	popq	%rcx
	popq	%r11
	pushq	$0
	pushq	$VEC_EVENT
	jmp	entry_common

	.balign	16
	.global	syscall_entry
syscall_entry:
	popq	%rcx
	popq	%r11
	pushq	$0
	pushq	$VEC_SYSCALL
	jmp	entry_common

	.balign	16
	.global	syscall32_entry
syscall32_entry:
	popq	%rcx
	popq	%r11
	pushq	$0
	pushq	$VEC_SYSCALL32
	jmp	entry_common

	.balign	16
	.global	sysenter_entry
sysenter_entry:
	popq	%rcx
	popq	%r11
	pushq	$0
	pushq	$VEC_SYSENTER
	jmp	entry_common

	.balign	16
	.global	nmi_entry
nmi_entry:
	popq	%rcx
	popq	%r11
	pushq	$0
	pushq	$2
	jmp	entry_common

	/* The failsafe frame has the four data selectors above the usual one: DS, ES, FS, GS from the top. */
	.balign	16
	.global	failsafe_entry
failsafe_entry:
	popq	%rcx
	popq	%r11
	popq	failsafe_sel + 0(%rip)
	popq	failsafe_sel + 8(%rip)
	popq	failsafe_sel + 16(%rip)
	popq	failsafe_sel + 24(%rip)
	pushq	$0
	pushq	$VEC_FAILSAFE

entry_common:
	cld
	save_regs
	movq	%rsp, %rdi
	movq	%rsp, %rbx
	andq	$-16, %rsp
	call	trap_entry
	movq	%rbx, %rsp

	/* %rsp points at a struct regs; VGCF flags of 0 restore everything. */
	.global	regs_return
regs_return:
	restore_regs
	addq	$16, %rsp
	pushq	$0
	jmp	HYPERCALL_IRET

	/*
	 * user_enter(struct regs *): run user code; comes back when user_leave() is called from a trap.
	 * The caller's stack pointer is kept in a variable: user code never runs nested.
	 */
	.global	user_enter
user_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, user_saved_sp(%rip)
	subq	$REGS_SIZE, %rsp
	movq	%rdi, %rsi
	movq	%rsp, %rdi
	movl	$REGS_SIZE / 8, %ecx
	rep movsq
	jmp	regs_return

	.global	user_leave
user_leave:
	movq	user_saved_sp(%rip), %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	/* raw_iret(struct iret_context *): the iret hypercall on any frame; returns only by a trap. */
	.global	raw_iret
raw_iret:
	.rept IRET_SIZE / 8
	pushq	IRET_SIZE - 8(%rdi)
	subq	$8, %rdi
	.endr
	addq	$IRET_SIZE, %rdi
	movl	$__HYPERVISOR_iret, %eax
	syscall
	ud2

	.bss
	.balign	STACK_SIZE
	.global	guest_stacks
guest_stacks:
	.skip	STACK_SIZE * MAX_VCPUS
	.balign	8
user_saved_sp:
	.skip	8
	.global	failsafe_sel
failsafe_sel:
	.skip	32

	.section .note.GNU-stack, "", @progbits
