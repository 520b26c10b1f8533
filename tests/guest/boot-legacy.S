// SPDX-License-Identifier: BSD-2-Clause
// The legacy section of the boot-legacy guest. Its hypercall page is a page number from VIRT_BASE on.

	.section __xen_guest, "a", @progbits
	.ascii	"GUEST_OS=paravane-test,GUEST_VER=1,XEN_VER=xen-3.0,"
	.ascii	"VIRT_BASE=0xffffffff80000000,ELF_PADDR_OFFSET=0xffffffff80000000,"
	.ascii	"VIRT_ENTRY=0xffffffff80100000,HYPERCALL_PAGE=0x101,"
	.ascii	"LOADER=generic,PAE=yes,BSD_SYMTAB=yes"
	.byte	0

	.section .note.GNU-stack, "", @progbits
