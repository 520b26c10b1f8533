// SPDX-License-Identifier: BSD-2-Clause
// The notes that guests have unless they bring their own: see rules.mk for NAME.S.

#include "layout.h"
#include "note.inc"

xen_note XEN_ELFNOTE_GUEST_OS, .asciz "paravane-test"
xen_note XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
xen_note XEN_ELFNOTE_LOADER, .asciz "generic"
xen_note XEN_ELFNOTE_PAE_MODE, .asciz "yes"
xen_note XEN_ELFNOTE_VIRT_BASE, .quad GUEST_VIRT_BASE
xen_note XEN_ELFNOTE_ENTRY, .quad _start
xen_note XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page
xen_note XEN_ELFNOTE_FEATURES, .asciz "writable_page_tables|mmu_pt_update_preserve_ad"

	.section .note.GNU-stack, "", @progbits
