/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All ways between a guest and the hypervisor.
 *
 *  guest user --syscall--> syscall_entry --(short lane)--> guest kernel's syscall callback
 *  guest kernel --syscall rax=23--> syscall_entry --(short lane)--> where the frame on its stack says
 *  guest kernel --syscall--> syscall_entry -> hypercall handler -> ret_to_guest
 *  guest or hypervisor --exception--> exc_common -> guest_exception() or hv_exception()
 *  guest or hypervisor --interrupt--> irq_common -> do_irq()
 *
 * While the hypervisor handles a guest's entry, the guest's registers lie in cpu_info.regs at the top of the stack
 * (struct cpu_user_regs); "R" below is their address, which rsp equals after SAVE_REGS. A guest frame that is wanted
 * on the guest's own stack is written through its page tables; a fault there is caught by the exception table.
 */
#include <hv/config.h>
#include <hv/x86/asm.h>
#include <asm-offsets.h>

#define NR_HYPERCALLS 64
#define HYPERCALL_IRET 23
#define RFLAGS_IF 0x200
#define RFLAGS_IOPL_VM 0x23000
/* Cleared on the way into a guest handler: AC, VM, RF, NT, TF. */
#define RFLAGS_CLEAR 0x74100

	.macro SAVE_REGS
	pushq %rdi
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq %rax
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm

	.macro RESTORE_CALLEE_SAVED
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	.endm

	/* From R; leaves rsp at the error code slot. */
	.macro RESTORE_REGS
	RESTORE_CALLEE_SAVED
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	popq %rcx
	popq %rdx
	popq %rsi
	popq %rdi
	.endm


	/* Jump to `to` when address \reg lies in the hypervisor's slots; \tmp is lost. */
	.macro CHECK_GUEST_ADDR reg, tmp, to
	movq \reg, \tmp
	sarq $43, \tmp
	cmpq $-16, \tmp
	je \to
	.endm

	.section .text.entry, "ax"

/*
 * From the CPU's syscall stub (stub.c), which has switched to this CPU's stack: rsp = &R.rip, with rip, cs, rflags, rsp,
 * ss stored; the guest's rax is in cpu_info.scratch; rcx = rip, r11 = rflags. Interrupts are off.
 */
	.globl syscall_entry
	.balign 64
syscall_entry:
	movq CI_current - UREGS_rip(%rsp), %rax
	cmpb $0, VCPU_kernel_mode(%rax)
	je syscall_from_user
	movq CI_scratch - UREGS_rip(%rsp), %rax
	cmpl $HYPERCALL_IRET, %eax
	je iret_lane
hypercall:
	pushq $0
	movl $VEC_SYSCALL, 4(%rsp)
	SAVE_REGS
	cmpq $NR_HYPERCALLS, %rax
	jae hypercall_bad
	sti
	movq %r10, %rcx
	leaq hypercall_table(%rip), %r10
	call *(%r10, %rax, 8)
hypercall_done:
	movq %rax, UREGS_rax(%rsp)

/* rsp = R. Do what is pending, deliver an event upcall if one is due, then enter the guest. */
	.globl ret_to_guest
ret_to_guest:
	cli
	cmpq $0, CI_exit_work(%rsp)
	jne exit_work
	movq CI_current(%rsp), %rbx
	movq VCPU_vcpu_info(%rbx), %rax
	/* pending (low byte) not 0, mask (high byte) 0 */
	movzwl VINFO_pending(%rax), %eax
	decl %eax
	cmpl $0xfe, %eax
	jbe upcall
	cmpb $0, VCPU_nmi_pending(%rbx)
	jne upcall
restore_guest:
	cmpl $VEC_SYSCALL, UREGS_entry_vector(%rsp)
	jne restore_iret
	/* sysret takes rip from rcx and faults in ring 0 if that is not canonical. */
	movq UREGS_rip(%rsp), %rax
	movq %rax, %rcx
	shlq $16, %rax
	sarq $16, %rax
	cmpq %rax, %rcx
	jne restore_iret
	RESTORE_CALLEE_SAVED
	addq $8, %rsp
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	addq $8, %rsp
	popq %rdx
	popq %rsi
	popq %rdi
	movq UREGS_rflags - UREGS_error_code(%rsp), %r11
	movq UREGS_rsp - UREGS_error_code(%rsp), %rsp
	sysretq
restore_iret:
	RESTORE_REGS
	addq $8, %rsp
guest_iretq:
	iretq
	EXTABLE guest_iretq, guest_iret_fault

hypercall_bad:
	movq $MINUS_ENOSYS, %rax
	jmp hypercall_done
exit_work:
	sti
	call do_softirq
	jmp ret_to_guest
upcall:
	movq %rbx, %rdi
	call pv_deliver_pending
	/* A guest that could not take it has crashed: then scheduling work is pending. */
	cmpq $0, CI_exit_work(%rsp)
	jne exit_work
	jmp restore_guest

/* The guest's frame was refused by iretq: rsp = &R.rip and all other registers are the guest's. */
guest_iret_fault:
	pushq $0
	SAVE_REGS
	sti
	movq %rsp, %rdi
	call pv_iret_fault
	jmp ret_to_guest

/*
 * A system call of guest user code: frame [rcx r11 rip cs rflags rsp ss] on the guest kernel's stack, kernel tables,
 * kernel GS base, upcalls masked if asked for; then its callback. rax = vcpu, rsp = &R.rip.
 */
	.balign 16
syscall_from_user:
	pushq %rdx
	pushq %rbx
	cmpq $0, VCPU_syscall_rip(%rax)
	je syscall_slow
	movq VCPU_vcpu_info(%rax), %rbx
	cmpb $0, VINFO_mask(%rbx)
	jne syscall_slow
	movq VCPU_kernel_sp(%rax), %rcx
	andq $~15, %rcx
	subq $56, %rcx
	CHECK_GUEST_ADDR %rcx, %rdx, syscall_slow
	movb $1, VCPU_kernel_mode(%rax)
	swapgs
	movq VCPU_cr3_kernel(%rax), %rdx
	movq %rdx, %cr3
	movzbl VCPU_syscall_masks(%rax), %edx
	movb %dl, VINFO_mask(%rbx)
	movq 16(%rsp), %rdx
	movq 40(%rsp), %rbx
	ASM_STAC
1:	movq %rdx, 0(%rcx)
2:	movq %r11, 8(%rcx)
3:	movq %rdx, 16(%rcx)
4:	movq $GUEST_CS64, 24(%rcx)
5:	movq %r11, 32(%rcx)
6:	movq %rbx, 40(%rcx)
7:	movq $GUEST_DS, 48(%rcx)
	ASM_CLAC
	andl $~RFLAGS_CLEAR, %r11d
	movq %rcx, 40(%rsp)
	movq VCPU_syscall_rip(%rax), %rcx
	popq %rbx
	popq %rdx
	movq CI_scratch - UREGS_rip(%rsp), %rax
	movq UREGS_rsp - UREGS_rip(%rsp), %rsp
	sysretq
	EXTABLE 1b, syscall_fault
	EXTABLE 2b, syscall_fault
	EXTABLE 3b, syscall_fault
	EXTABLE 4b, syscall_fault
	EXTABLE 5b, syscall_fault
	EXTABLE 6b, syscall_fault
	EXTABLE 7b, syscall_fault

/* No callback, masked, a stack in our slots or not mapped: pv_syscall() decides with all registers saved. */
syscall_fault:
	ASM_CLAC
	/* Back to user mode, as if nothing had been tried. */
	movb $0, VCPU_kernel_mode(%rax)
	swapgs
	movq VCPU_vcpu_info(%rax), %rbx
	movb $0, VINFO_mask(%rbx)
	movq VCPU_cr3_user(%rax), %rdx
	movq %rdx, %cr3
syscall_slow:
	popq %rbx
	popq %rdx
	movq UREGS_rip - UREGS_rip(%rsp), %rcx
	movq CI_scratch - UREGS_rip(%rsp), %rax
	pushq $0
	movl $VEC_SYSCALL, 4(%rsp)
	SAVE_REGS
	sti
	movq %rsp, %rdi
	call pv_syscall
	jmp ret_to_guest

/* The same from 32-bit code; rare enough to save everything first. */
	.globl syscall32_entry
syscall32_entry:
	movq CI_scratch - UREGS_rip(%rsp), %rax
	pushq $0
	SAVE_REGS
	sti
	movq %rsp, %rdi
	call pv_syscall32
	jmp ret_to_guest

/*
 * The iret hypercall: the guest kernel's stack holds [rax r11 rcx flags rip cs rflags rsp ss]. The short lane serves
 * flags 0; everything else goes to hc_iret(). rsp = &R.rip, rax = 23, rcx and r11 are free.
 */
	.balign 16
iret_lane:
	movq UREGS_rsp - UREGS_rip(%rsp), %rcx
	CHECK_GUEST_ADDR %rcx, %r11, iret_slow
	pushq %rdx
	pushq %rbx
	movq CI_current - UREGS_rip + 16(%rsp), %rbx
	/* The end of an NMI handler: hc_iret() lets the next one in. */
	cmpb $0, VCPU_nmi_masked(%rbx)
	jne iret_slow_pop
	ASM_STAC
1:	cmpq $0, 24(%rcx)
	jne iret_slow_pop
2:	movq 32(%rcx), %r11
	movq %r11, 16(%rsp)
3:	movzwl 40(%rcx), %eax
	movl %eax, %edx
	notl %edx
	orl $3, %eax
	movq %rax, 24(%rsp)
4:	movl 48(%rcx), %eax
5:	movq 56(%rcx), %r11
6:	movzwl 64(%rcx), %ecx
	orl $3, %ecx
	/* rdx = ~cs, eax = rflags, r11 = rsp, ecx = ss; the guest's stack is at the old R.rsp */
	testl $3, %edx
	jnz 20f
	/* To user mode: the other tables and GS base. */
	cmpq $0, VCPU_cr3_user(%rbx)
	je iret_slow_pop
20:	xchgq %r11, 40(%rsp)
	movq %rcx, 48(%rsp)
	movl %eax, %ecx
	andl $~RFLAGS_IOPL_VM, %eax
	orl $RFLAGS_IF, %eax
	movq %rax, 32(%rsp)
	/* r11 = the guest's stack: its rax, r11 and rcx; then the mask follows IF */
7:	movq 0(%r11), %rax
	movq %rax, CI_scratch - UREGS_rip + 16(%rsp)
8:	movq 16(%r11), %rax
9:	movq 8(%r11), %r11
	ASM_CLAC
	pushq %rax
	movq VCPU_vcpu_info(%rbx), %rax
	notl %ecx
	shrl $9, %ecx
	andl $1, %ecx
	movb %cl, VINFO_mask(%rax)
	testl $3, %edx
	jnz 21f
	movb $0, VCPU_kernel_mode(%rbx)
	swapgs
	movq VCPU_cr3_user(%rbx), %rdx
	movq %rdx, %cr3
21:	movzwl VINFO_pending(%rax), %edx
	popq %rcx
	decl %edx
	cmpl $0xfe, %edx
	jbe 22f
	popq %rbx
	popq %rdx
	movq CI_scratch - UREGS_rip(%rsp), %rax
23:	iretq
	EXTABLE 23b, guest_iret_fault

	/* An event is pending: with all registers saved, as if the guest had just entered. */
22:	popq %rbx
	popq %rdx
	movq CI_scratch - UREGS_rip(%rsp), %rax
	pushq $0
	SAVE_REGS
	jmp ret_to_guest

	/* Faults before anything was lost but R.rip, R.cs: hc_iret() reads the guest's stack anew. */
	EXTABLE 1b, iret_slow_pop
	EXTABLE 2b, iret_slow_pop
	EXTABLE 3b, iret_slow_pop
	EXTABLE 4b, iret_slow_pop
	EXTABLE 5b, iret_slow_pop
	EXTABLE 6b, iret_slow_pop
	EXTABLE 7b, iret_slow_r11
	EXTABLE 8b, iret_slow_r11
	EXTABLE 9b, iret_slow_r11
iret_slow_r11:
	movq %r11, 40(%rsp)
iret_slow_pop:
	ASM_CLAC
	popq %rbx
	popq %rdx
iret_slow:
	movl $HYPERCALL_IRET, %eax
	jmp hypercall

/* ---- exceptions and interrupts: vector stubs push (error code and) the vector, then come here */
	.balign 16
exc_common:
	SAVE_REGS
	cld
	movq %rsp, %rdi
	testb $3, UREGS_cs(%rsp)
	jz 1f
	call guest_exception
	jmp ret_to_guest
1:	call hv_exception
restore_hv:
	RESTORE_REGS
	addq $8, %rsp
	iretq

	.balign 16
irq_common:
	SAVE_REGS
	cld
	movq %rsp, %rdi
	call do_irq
	testb $3, UREGS_cs(%rsp)
	jnz ret_to_guest
	jmp restore_hv

/*
 * NMI, double fault, machine check run on stacks of their own (IST) and may have interrupted anything, the entry paths
 * above included; they return by iretq only.
 */
ist_common:
	SAVE_REGS
	cld
	movq %rsp, %rdi
	call ist_exception
	jmp restore_hv

	/* One stub of 16 bytes for each vector. */
	.macro STUB vec
	.balign 16
	.if \vec == 2 || \vec == 18
	pushq $0
	movl $\vec, 4(%rsp)
	jmp ist_common
	.elseif \vec == 8
	movl $\vec, 4(%rsp)
	jmp ist_common
	.elseif \vec == 10 || \vec == 11 || \vec == 12 || \vec == 13 || \vec == 14 || \vec == 17 || \vec == 21 || \vec == 29 || \vec == 30
	movl $\vec, 4(%rsp)
	jmp exc_common
	.else
	pushq $0
	movl $\vec, 4(%rsp)
	.if \vec < 32
	jmp exc_common
	.else
	jmp irq_common
	.endif
	.endif
	.endm

	.balign 16
vector_stubs:
	.set n, 0
	.rept 256
	STUB n
	.set n, n + 1
	.endr

	.section .rodata
	.globl entry_vectors
	.balign 8
entry_vectors:
	.set n, 0
	.rept 256
	.quad vector_stubs + n * 16
	.set n, n + 1
	.endr

	.text
/*
 * void leave_to_guest(void): enter the guest whose registers are in cpu_info.regs, with an empty stack.
 */
	.globl leave_to_guest
leave_to_guest:
	orq $(STACK_SIZE - 1), %rsp
	addq $(1 - CI_sizeof), %rsp
	jmp ret_to_guest

/* void reset_stack_and_jump(void (*fn)(void)): call fn with an empty stack; it does not return. */
	.globl reset_stack_and_jump
reset_stack_and_jump:
	orq $(STACK_SIZE - 1), %rsp
	addq $(1 - CI_sizeof - 8), %rsp
	call *%rdi
	ud2
	.section .note.GNU-stack, "", @progbits
