/* SPDX-License-Identifier: BSD-2-Clause */
/* The assembly macro that makes one ELF note of a test guest. */

#include <xen/elfnote.h>

/* One "Xen" note: name and type are fixed, the descriptor is the rest of the line. */
.macro xen_note type, desc:vararg
	.pushsection .note.xen, "a", @note
	.balign	4
	.long	4, 9f - 8f, \type
	.asciz	"Xen"
8:	\desc
9:	.balign	4
	.popsection
.endm
