// SPDX-License-Identifier: BSD-2-Clause
// The few notes of the boot-low guest: no VIRT_BASE, ENTRY or PADDR_OFFSET, and no features.

#include "note.inc"

xen_note XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
xen_note XEN_ELFNOTE_LOADER, .asciz "generic"
xen_note XEN_ELFNOTE_PAE_MODE, .asciz "yes"
xen_note XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page

	.section .note.GNU-stack, "", @progbits
