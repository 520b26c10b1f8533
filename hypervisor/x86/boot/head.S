/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the boot loader (32-bit, paging off, at IMAGE_PHYS) to hv_main() (64-bit, at IMAGE_VIRT).
 *
 * Early page tables, all in 2 MiB pages: the first 4 GiB at 0 and at DIRECTMAP_VIRT, the image and what
 * follows it (32 MiB) at IMAGE_VIRT. paging.c replaces them; the other CPUs come up through them.
 */
#include <hv/config.h>

#define PA(x) ((x) - IMAGE_OFFSET)
#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00010003 /* page-aligned modules, memory map, address fields */
#define MB2_MAGIC 0xe85250d6

	.section .multiboot, "ax"
	.balign 4
mb1:	.long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
	.long PA(mb1), IMAGE_PHYS, PA(data_end), PA(bss_end), PA(start32)

	.balign 8
mb2:	.long MB2_MAGIC, 0, mb2_end - mb2, -(MB2_MAGIC + (mb2_end - mb2))
	.balign 8
	.short 2, 0 /* address tag */
	.long 24, PA(mb2), IMAGE_PHYS, PA(data_end), PA(bss_end)
	.balign 8
	.short 3, 0 /* entry address tag */
	.long 12, PA(start32)
	.balign 8
	.short 6, 0 /* modules page-aligned */
	.long 8
	.balign 8
	.short 0, 0
	.long 8
mb2_end:

	.code32
	.globl start32
start32:
	cli
	cld
	movl %eax, %esi /* magic */
	movl %ebx, %ebp /* information structure */
	/* Nothing of ours is in .bss yet, and loaders need not have cleared it. */
	movl $PA(bss_start), %edi
	movl $PA(bss_end), %ecx
	subl %edi, %ecx
	shrl $2, %ecx
	xorl %eax, %eax
	rep stosl
	movl $PA(boot_stack + STACK_SIZE), %esp

	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb no_long_mode
	movl $0x80000001, %eax
	cpuid
	btl $29, %edx
	jnc no_long_mode
	btl $20, %edx
	jnc no_long_mode

	/* 2048 entries of 2 MiB: the first 4 GiB */
	movl $PA(early_l2), %edi
	movl $0x83, %eax
	xorl %edx, %edx
	movl $2048, %ecx
1:	movl %eax, (%edi)
	movl %edx, 4(%edi)
	addl $8, %edi
	addl $0x200000, %eax
	adcl $0, %edx
	loop 1b
	movl $PA(early_l2_image), %edi
	movl $(IMAGE_PHYS + 0x83), %eax
	movl $16, %ecx
2:	movl %eax, (%edi)
	addl $8, %edi
	addl $0x200000, %eax
	loop 2b
	movl $PA(early_l2 + 0x0000 + 3), PA(early_l3)
	movl $PA(early_l2 + 0x1000 + 3), PA(early_l3 + 8)
	movl $PA(early_l2 + 0x2000 + 3), PA(early_l3 + 16)
	movl $PA(early_l2 + 0x3000 + 3), PA(early_l3 + 24)
	movl $PA(early_l2_image + 3), PA(early_l3_image + ((IMAGE_VIRT >> 30) & 511) * 8)
	movl $PA(early_l3 + 3), PA(early_l4)
	movl $PA(early_l3 + 3), PA(early_l4 + ((DIRECTMAP_VIRT >> 39) & 511) * 8)
	movl $PA(early_l3_image + 3), PA(early_l4 + ((IMAGE_VIRT >> 39) & 511) * 8)

	movl $0x20, %eax /* PAE */
	movl %eax, %cr4
	movl $PA(early_l4), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx /* EFER: long mode, no-execute */
	rdmsr
	orl $0x900, %eax
	wrmsr
	movl $0x80010033, %eax /* PG WP NE ET MP PE */
	movl %eax, %cr0
	lgdt PA(early_gdtr)
	ljmp $8, $PA(start64_low)

no_long_mode:
	movl $PA(no_long_mode_text), %esi
3:	lodsb
	testb %al, %al
	jz 5f
	movb %al, %ah
	movw $0x3fd, %dx
4:	inb %dx, %al
	testb $0x20, %al
	jz 4b
	movb %ah, %al
	movw $0x3f8, %dx
	outb %al, %dx
	jmp 3b
5:	hlt
	jmp 5b

	.code64
start64_low:
	movabsq $start64, %rax
	jmp *%rax
start64:
	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	leaq boot_stack + STACK_SIZE - 256(%rip), %rsp /* leaves struct cpu_info, all zero */
	movl %esi, %edi
	movl %ebp, %esi
	xorl %ebp, %ebp
	call hv_main
	ud2

	.section .rodata
no_long_mode_text:
	.asciz "(PV) this CPU has no 64-bit mode or no execute-disable bit; Paravane needs both\r\n"
	.balign 8
	.globl early_gdt
early_gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 64-bit code */
	.quad 0x00cf93000000ffff /* data */
	.quad 0x00cf9b000000ffff /* 32-bit code, for the trampoline */
early_gdt_end:
early_gdtr:
	.short early_gdt_end - early_gdt - 1
	.long PA(early_gdt)

	.section .bss.stack, "aw", @nobits
	.balign STACK_SIZE
	.globl boot_stack
boot_stack:
	.skip STACK_SIZE

	.section .bss.page, "aw", @nobits
	.balign 4096
	.globl early_l4
early_l4: .skip 4096
early_l3: .skip 4096
early_l3_image: .skip 4096
early_l2: .skip 4 * 4096
early_l2_image: .skip 4096
