/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the other CPUs start: real mode at TRAMPOLINE_PHYS, to which smp.c copies this page.
 * Real mode -> protected -> long mode on the early tables -> idle_l4 and this CPU's stack -> smp_start_this().
 */
#include <hv/config.h>

#define PA(x) ((x) - IMAGE_OFFSET)
#define T(x) (TRAMPOLINE + (x) - trampoline_start)
#define TRAMPOLINE 0x70000

	.section .rodata
	.globl trampoline_start, trampoline_end
	.balign 16
	.code16
trampoline_start:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	lgdtl trampoline_gdtr - trampoline_start
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpl $0x18, $T(tramp32)

	.code32
tramp32:
	movl $0x10, %eax
	movl %eax, %ds
	movl $0x20, %eax
	movl %eax, %cr4
	movl $PA(early_l4), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x900, %eax
	wrmsr
	movl $0x80010033, %eax
	movl %eax, %cr0
	ljmp $8, $T(tramp64)

	.code64
tramp64:
	movabsq $smp_start_high, %rax
	jmp *%rax
	.balign 8
trampoline_gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00cf9b000000ffff
trampoline_gdt_end:
trampoline_gdtr:
	.short trampoline_gdt_end - trampoline_gdt - 1
	.long T(trampoline_gdt)
trampoline_end:

	.text
smp_start_high:
	leaq idle_l4(%rip), %rax
	movabsq $IMAGE_OFFSET, %rcx
	subq %rcx, %rax
	movq %rax, %cr3
	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movq smp_start_stack(%rip), %rsp /* below this CPU's struct cpu_info */
	xorl %ebp, %ebp
	call smp_start_this
	ud2
