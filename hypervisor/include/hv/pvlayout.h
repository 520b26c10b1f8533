/* SPDX-License-Identifier: BSD-2-Clause */
/* The initial memory layout of a 64-bit PV domain; one computation for domain 0 and for guests. PURE. */
#ifndef HV_PVLAYOUT_H
#define HV_PVLAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <hv/xenelf.h>

/*
 * The boot ABI of <xen/xen.h>, "Start-of-day memory layout":
 *
 *   v_start                                                                          v_end (4 MiB aligned)
 *   | gap | kernel | ramdisk | p2m | start_info | xenstore | console | page tables | stack | >= 512 KiB |
 *   pfn 0                    (guest only: xenstore, console)
 *
 * and, outside of that mapping, in pfns from (v_end - v_start) / 4 KiB on:
 *
 *   | p2m with its own page tables: L3s, L2s, L1s | ramdisk | extra |
 *     when the kernel gives INIT_P2M                when the kernel gives MOD_START_PFN
 *
 * In [v_start, v_end) virtual address v is pfn (v - v_start) / 4 KiB.
 */
#define PVSEG_UNMAPPED (~0ULL)

struct pvseg {
	uint64_t vaddr; /* PVSEG_UNMAPPED: not in the initial mapping */
	uint64_t pfn; /* first pseudo-physical frame */
	uint64_t pages; /* 0: not there */
};

struct pvlayout_in {
	const struct xenelf *elf; /* as xenelf_parse() filled it */
	uint64_t ramdisk_size; /* bytes, 0 for none */
	uint64_t nr_pages; /* frames the domain starts with; p2m entries */
	uint64_t extra_pages; /* frames for the builder's own use, unmapped; 0 for none */
	bool dom0; /* no xenstore and console page */
};

/* Page tables of one mapped area, in frames per level; index 4 only for the main area. */
struct pvtables {
	uint64_t nr[5]; /* nr[1..4] */
	uint64_t pfn[5]; /* first frame of each level */
	uint64_t start, end; /* the virtual range they map */
};

struct pvlayout {
	uint64_t v_start, v_end;
	uint64_t nr_pages;
	struct pvseg kernel, ramdisk, p2m, start_info, xenstore, console, pagetables, stack, extra;
	struct pvtables main,
		p2m_tables; /* p2m_tables.nr[] all 0 when the list is in the main mapping */
	uint64_t used_pages; /* frames from 0 that are mapped or hold something */
	/* Values for start_info_t. */
	uint64_t pt_base, nr_pt_frames, mfn_list;
	uint64_t first_p2m_pfn, nr_p2m_frames;
	uint64_t mod_start, mod_len; /* mod_start is a pfn when mod_is_pfn: set SIF_MOD_START_PFN */
	bool mod_is_pfn;
	/* Registers of vcpu 0: rip, rsp (one past the stack), rsi. */
	uint64_t entry, stack_top, start_info_va;
};

/*
 * Compute the layout. NULL, or a static message naming the cause (memory too small, kernel outside the address
 * space a PV guest has, ...). *need, if not NULL, gets the frames needed when memory is too small, else 0.
 */
const char *pvlayout_compute(struct pvlayout *l, const struct pvlayout_in *in, uint64_t *need);

/* One page-table page of the layout. */
struct pvtable {
	unsigned int level; /* 4 .. 1 */
	uint64_t pfn; /* where it lives */
	uint64_t base; /* first virtual address its slot 0 maps */
	bool p2m; /* one of the p2m list's own */
};

/* Entries are these flags and a pfn; the builder turns the pfn into an mfn. */
#define PVPTE_PRESENT  0x001
#define PVPTE_RW       0x002
#define PVPTE_USER     0x004
#define PVPTE_ACCESSED 0x020
#define PVPTE_DIRTY    0x040

/* Number of page-table pages, the p2m list's own included; the L4 is number 0, then by falling level. */
uint64_t pvlayout_nr_tables(const struct pvlayout *l);

/* Page-table page number i, 0 <= i < pvlayout_nr_tables(). */
void pvlayout_table(const struct pvlayout *l, uint64_t i, struct pvtable *t);

/*
 * Slot 0..511 of a page-table page: false when not present, otherwise the frame and flags it must hold.
 * Page tables of the main area are mapped read-only, all else writable.
 */
bool pvlayout_slot(const struct pvlayout *l, const struct pvtable *t, unsigned int slot,
		   uint64_t *pfn, uint64_t *flags);

#endif
