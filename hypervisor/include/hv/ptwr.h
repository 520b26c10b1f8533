/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PURE decoder of instructions that kernels use to change page-table entries, and what they compute.
 *
 * The address is not decoded: the fault gave it. Only forms whose single memory operand is written are known; anything
 * else is refused and the guest gets its page fault.
 */
#ifndef HV_PTWR_H
#define HV_PTWR_H

#include <hv/types.h>

enum ptwr_op {
	PTWR_ADD,
	PTWR_OR,
	PTWR_ADC,
	PTWR_SBB,
	PTWR_AND,
	PTWR_SUB,
	PTWR_XOR, /* 0..6 in this order: the field of the opcodes 80, 81, 83 */
	PTWR_MOV,
	PTWR_XCHG,
	PTWR_XADD,
	PTWR_CMPXCHG,
	PTWR_BTS,
	PTWR_BTR,
	PTWR_BTC,
	PTWR_INC,
	PTWR_DEC,
	PTWR_NOT,
	PTWR_NEG,
	PTWR_SETCC, /* condition in imm */
	PTWR_POP, /* the source is on the stack */
	PTWR_STOS, /* from here on string instructions */
	PTWR_MOVS,
};

struct ptwr_insn {
	uint8_t op; /* enum ptwr_op */
	uint8_t size; /* bytes of the memory operand: 1, 2, 4, 8 */
	uint8_t len; /* bytes of the instruction */
	uint8_t reg; /* register operand 0..15; 4..7 of a byte without REX: ah, ch, dh, bh with PTWR_HIGH */
	bool high_byte;
	bool has_imm; /* the source is imm, not reg */
	bool rep; /* string instruction with rep */
	uint8_t modrm; /* where its ModRM byte is; 0: it has none */
	uint8_t rex;
	uint64_t imm;
};

#define PTWR_BYTES 16 /* what should be fetched; less where the memory ends */

/* Decode the instruction in buf[0..n). False: not one of these, longer than n, or with more than four prefixes. */
bool ptwr_decode(const uint8_t *buf, unsigned int n, struct ptwr_insn *insn);

/*
 * What the instruction does to `old` (the memory operand) with source `src` and, for cmpxchg, `acc`; `flags` as before and
 * after (CF PF AF ZF SF OF). True when the operand is to be written with *new.
 */
bool ptwr_compute(const struct ptwr_insn *insn, uint64_t old, uint64_t src, uint64_t acc,
		  uint64_t *new, uint64_t *flags);

/*
 * Address of the memory operand without its segment base, from the register values gpr[] (by encoding number). Needed only where
 * the fault's address may be that of the operand's second part: at the start of a page.
 */
uint64_t ptwr_operand(const uint8_t *buf, const struct ptwr_insn *insn, const uint64_t gpr[16],
		      uint64_t rip);

static inline uint64_t ptwr_mask(unsigned int size)
{
	return ~0UL >> (64 - 8 * size);
}

#endif
