/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes and the hypervisor's part of the address space; usable from assembly.
 *
 * L4 slot  virtual address       what                                            guest access
 * 256      0xffff800000000000    machine-to-physical table (ABI)                 read
 * 261      0xffff828000000000    vmap: APICs, HPET, ACPI tables, guarded stacks  none
 *          0xffff828040000000    hypervisor image                                none
 *          0xffff828080000000    GDT and LDT windows, one pair per CPU           none
 *          0xffff829000000000    frame records, one per machine frame            none
 *          0xffff82a000000000    machine-to-physical table, writable             none
 * 262-271  0xffff830000000000    direct map of all RAM, write, no execute        none
 *
 * All these slots are the same in every L4 table; guests own every other slot.
 */
#ifndef HV_CONFIG_H
#define HV_CONFIG_H

#ifdef __ASSEMBLY__
#define HV_UL(x) x
#else
#define HV_UL(x) x##UL
#endif

#define NR_CPUS	  64
#define MAX_VCPUS 64 /* per domain; more than 32 need vcpu_info registered elsewhere (ABI) */

#define PAGE_SHIFT 12
#define PAGE_SIZE  (HV_UL(1) << PAGE_SHIFT)
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define STACK_ORDER 3
#define STACK_SIZE  (PAGE_SIZE << STACK_ORDER)

#define HV_L4_FIRST    256
#define HV_L4_LAST     271
#define HV_VIRT_START  HV_UL(0xffff800000000000)
#define HV_VIRT_END    HV_UL(0xffff880000000000)
#define RO_M2P_VIRT    HV_UL(0xffff800000000000)
#define VMAP_VIRT      HV_UL(0xffff828000000000)
#define VMAP_SIZE      HV_UL(0x40000000)
#define IMAGE_VIRT     HV_UL(0xffff828040000000)
#define IMAGE_PHYS     HV_UL(0x200000)
#define IMAGE_OFFSET   (IMAGE_VIRT - IMAGE_PHYS)
#define DESC_VIRT      HV_UL(0xffff828080000000)
#define FRAMES_VIRT    HV_UL(0xffff829000000000)
#define RW_M2P_VIRT    HV_UL(0xffff82a000000000)
#define DIRECTMAP_VIRT HV_UL(0xffff830000000000)
#define DIRECTMAP_END  HV_UL(0xffff880000000000)

/* Each CPU has a window of 32 pages: 16 for the GDT of the running vcpu, 16 for its LDT. */
#define DESC_CPU_SHIFT	17
#define GDT_WINDOW(cpu) (DESC_VIRT + ((cpu) << DESC_CPU_SHIFT))
#define LDT_WINDOW(cpu) (GDT_WINDOW(cpu) + (HV_UL(16) << PAGE_SHIFT))

/* Selectors: 0xe0xx lie in the reserved part of the GDT (ABI: FLAT_*, page 14 of the window). */
#define HV_GDT_PAGE 14
#define HV_CS	    0xe008
#define HV_DS	    0xe010
#define HV_TSS	    0xe040
#define HV_LDT	    0xe050
#define GUEST_CS32  0xe023
#define GUEST_CS64  0xe033
#define GUEST_DS    0xe02b

/* Interrupt vectors. 0x20-0xdf are for devices, above that the hypervisor's own. */
#define VEC_FIRST_DEV 0x20
#define VEC_LAST_DEV  0xdf
#define VEC_TIMER     0xf0
#define VEC_IPI_EVENT 0xf1
#define VEC_IPI_CALL  0xf2
#define VEC_IPI_TLB   0xf3
#define VEC_ERROR     0xf4
#define VEC_SPURIOUS  0xff
#define VEC_HYPERCALL 0x82
#define VEC_SYSCALL   0x100 /* entry_vector of a frame made by the syscall instruction */
#define VEC_SYSENTER  0x101

#endif
