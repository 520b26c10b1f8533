/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies to and from the current guest, and other accesses that may fault. Each returns what is left undone; the
 * exception table sends a fault to the end of the function. Bulk goes by quadwords, so a fault may report up to seven
 * bytes too many as not copied; no caller uses more than "0 or not".
 */
#include <hv/x86/asm.h>

	.text
/* uint64_t copy_from_guest_raw(void *dst, uint64_t va, uint64_t bytes); to: (va, src, bytes). rdi <- rsi in both. */
	.globl copy_from_guest_raw, copy_to_guest_raw
	.balign 16
copy_from_guest_raw:
copy_to_guest_raw:
	movq %rdx, %rcx
	andl $7, %edx
	shrq $3, %rcx
	ASM_STAC
1:	rep movsq
	movl %edx, %ecx
	jrcxz 3f
2:	rep movsb
3:	ASM_CLAC
	movq %rcx, %rax
	ret
4:	ASM_CLAC
	leaq (%rdx, %rcx, 8), %rax
	ret
	EXTABLE 1b, 4b
	EXTABLE 2b, 3b

/* bool get_guest_4_raw(void *dst, uint64_t va), get_guest_16_raw(...), put_guest_8_raw(uint64_t va, uint64_t val) */
	.globl get_guest_4_raw, get_guest_16_raw, put_guest_8_raw
	.balign 16
get_guest_4_raw:
	ASM_STAC
1:	movl (%rsi), %eax
	ASM_CLAC
	movl %eax, (%rdi)
	xorl %eax, %eax
	ret
	EXTABLE 1b, 5f
get_guest_16_raw:
	ASM_STAC
2:	movq (%rsi), %rax
3:	movq 8(%rsi), %rdx
	ASM_CLAC
	movq %rax, (%rdi)
	movq %rdx, 8(%rdi)
	xorl %eax, %eax
	ret
	EXTABLE 2b, 5f
	EXTABLE 3b, 5f
put_guest_8_raw:
	ASM_STAC
4:	movq %rsi, (%rdi)
	ASM_CLAC
	xorl %eax, %eax
	ret
	EXTABLE 4b, 5f
5:	ASM_CLAC
	movl $1, %eax
	ret

/* uint64_t clear_guest_raw(uint64_t va, uint64_t bytes) */
	.globl clear_guest_raw
clear_guest_raw:
	movq %rsi, %rcx
	movl %esi, %edx
	andl $7, %edx
	shrq $3, %rcx
	xorl %eax, %eax
	ASM_STAC
1:	rep stosq
	movl %edx, %ecx
2:	rep stosb
3:	ASM_CLAC
	movq %rcx, %rax
	ret
4:	ASM_CLAC
	leaq (%rdx, %rcx, 8), %rax
	ret
	EXTABLE 1b, 4b
	EXTABLE 2b, 3b

/* bool rdmsr_safe(uint32_t msr, uint64_t *val) */
	.globl rdmsr_safe
rdmsr_safe:
	movl %edi, %ecx
1:	rdmsr
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, (%rsi)
	movl $1, %eax
	ret
2:	xorl %eax, %eax
	ret
	EXTABLE 1b, 2b

/* bool wrmsr_safe(uint32_t msr, uint64_t val) */
	.globl wrmsr_safe
wrmsr_safe:
	movl %edi, %ecx
	movl %esi, %eax
	movq %rsi, %rdx
	shrq $32, %rdx
1:	wrmsr
	movl $1, %eax
	ret
2:	xorl %eax, %eax
	ret
	EXTABLE 1b, 2b

/* bool load_ds|es|fs(uint16_t sel), load_gs_user(uint16_t sel): false, and the null selector, when it is refused. */
	.macro LOAD_SEL reg
	.globl load_\reg
load_\reg:
1:	movw %di, %\reg
	movl $1, %eax
	ret
2:	xorl %eax, %eax
	movw %ax, %\reg
	ret
	EXTABLE 1b, 2b
	.endm
	LOAD_SEL ds
	LOAD_SEL es
	LOAD_SEL fs
	LOAD_SEL gs

/* bool xsetbv_safe(uint64_t val): XCR0 */
	.globl xsetbv_safe
xsetbv_safe:
	xorl %ecx, %ecx
	movl %edi, %eax
	movq %rdi, %rdx
	shrq $32, %rdx
1:	xsetbv
	movl $1, %eax
	ret
2:	xorl %eax, %eax
	ret
	EXTABLE 1b, 2b

/* bool xrstor_safe(const void *area, uint64_t mask), fxrstor_safe(const void *area) */
	.globl xrstor_safe, fxrstor_safe
xrstor_safe:
	movl %esi, %eax
	movq %rsi, %rdx
	shrq $32, %rdx
1:	xrstor64 (%rdi)
	movl $1, %eax
	ret
fxrstor_safe:
3:	fxrstor64 (%rdi)
	movl $1, %eax
	ret
2:	xorl %eax, %eax
	ret
	EXTABLE 1b, 2b
	EXTABLE 3b, 2b
	.section .note.GNU-stack, "", @progbits
