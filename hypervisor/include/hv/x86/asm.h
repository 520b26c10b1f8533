/* SPDX-License-Identifier: BSD-2-Clause */
/* Macros for assembly files. */
/* clang-format off */
#ifdef __ASSEMBLY__
	/* A fault at label `at` goes on at `to`, with the registers and stack of the faulting instruction. */
	.macro EXTABLE at, to
	.pushsection __ex_table, "a"
	.balign 8
	.quad \at, \to
	.popsection
	.endm

	/* Three-byte places that become stac/clac on CPUs with SMAP (smap_patch()). */
	.macro ASM_STAC
771:	.byte 0x0f, 0x1f, 0x00
	.pushsection __smap_sites, "a"
	.quad 771b, 1
	.popsection
	.endm
	.macro ASM_CLAC
772:	.byte 0x0f, 0x1f, 0x00
	.pushsection __smap_sites, "a"
	.quad 772b, 0
	.popsection
	.endm
#endif
