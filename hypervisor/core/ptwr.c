// SPDX-License-Identifier: BSD-2-Clause
// PURE decoder for trapped page-table writes; see hv/ptwr.h. Opcode numbers: the CPU manuals' opcode maps.

#include <hv/ptwr.h>
#include <hv/string.h>

#define CF	  0x001UL
#define PF	  0x004UL
#define AF	  0x010UL
#define ZF	  0x040UL
#define SF	  0x080UL
#define OF	  0x800UL
#define ALL_FLAGS (CF | PF | AF | ZF | SF | OF)

/*
 * What an opcode means: enum ptwr_op, and these. ModRM with a memory operand follows unless NO_MODRM; GROUP: its reg field says
 * more. The source is a register unless an immediate is said.
 */
#define KNOWN	 BIT(5)
#define BYTE_OP	 BIT(6) /* one byte, else by prefixes */
#define IMM8	 BIT(7)
#define IMM_OP	 BIT(8) /* as wide as the operand, four bytes at most */
#define NO_MODRM BIT(9)
#define GROUP	 BIT(10)
#define LOCKABLE BIT(11)
#define PREFIX	 BIT(12)
#define STACK	 BIT(13) /* eight bytes without REX.W */
#define OP_MASK	 0x1fu

#define ARITH(op)     (KNOWN | LOCKABLE | (op))
#define ARITH_ROW(op) [(op) << 3] = ARITH(op) | BYTE_OP, [(op) << 3 | 1] = ARITH(op)

static const uint16_t one_byte[256] = {
	ARITH_ROW(PTWR_ADD),
	ARITH_ROW(PTWR_OR),
	ARITH_ROW(PTWR_ADC),
	ARITH_ROW(PTWR_SBB),
	ARITH_ROW(PTWR_AND),
	ARITH_ROW(PTWR_SUB),
	ARITH_ROW(PTWR_XOR),
	[0x26] = PREFIX,
	[0x2e] = PREFIX,
	[0x36] = PREFIX,
	[0x3e] = PREFIX,
	[0x40 ... 0x4f] = PREFIX,
	[0x64 ... 0x67] = PREFIX,
	[0x80] = KNOWN | LOCKABLE | GROUP | BYTE_OP | IMM8,
	[0x81] = KNOWN | LOCKABLE | GROUP | IMM_OP,
	[0x83] = KNOWN | LOCKABLE | GROUP | IMM8,
	[0x86] = KNOWN | LOCKABLE | BYTE_OP | PTWR_XCHG,
	[0x87] = KNOWN | LOCKABLE | PTWR_XCHG,
	[0x88] = KNOWN | BYTE_OP | PTWR_MOV,
	[0x89] = KNOWN | PTWR_MOV,
	[0x8f] = KNOWN | GROUP | STACK | PTWR_POP,
	[0xa2] = KNOWN | NO_MODRM | BYTE_OP | PTWR_MOV, /* accumulator to an absolute address */
	[0xa3] = KNOWN | NO_MODRM | PTWR_MOV,
	[0xa4] = KNOWN | NO_MODRM | BYTE_OP | PTWR_MOVS,
	[0xa5] = KNOWN | NO_MODRM | PTWR_MOVS,
	[0xaa] = KNOWN | NO_MODRM | BYTE_OP | PTWR_STOS,
	[0xab] = KNOWN | NO_MODRM | PTWR_STOS,
	[0xc6] = KNOWN | GROUP | BYTE_OP | IMM8 | PTWR_MOV,
	[0xc7] = KNOWN | GROUP | IMM_OP | PTWR_MOV,
	[0xf0] = PREFIX,
	[0xf2] = PREFIX,
	[0xf3] = PREFIX,
	[0xf6] = KNOWN | LOCKABLE | GROUP | BYTE_OP | PTWR_NOT,
	[0xf7] = KNOWN | LOCKABLE | GROUP | PTWR_NOT,
	[0xfe] = KNOWN | LOCKABLE | GROUP | BYTE_OP | PTWR_INC,
	[0xff] = KNOWN | LOCKABLE | GROUP | PTWR_INC,
};

/* After 0f. */
static const uint16_t two_byte[256] = {
	[0x90 ... 0x9f] = KNOWN | BYTE_OP | PTWR_SETCC,
	[0xab] = KNOWN | LOCKABLE | PTWR_BTS,
	[0xb0] = KNOWN | LOCKABLE | BYTE_OP | PTWR_CMPXCHG,
	[0xb1] = KNOWN | LOCKABLE | PTWR_CMPXCHG,
	[0xb3] = KNOWN | LOCKABLE | PTWR_BTR,
	[0xba] = KNOWN | LOCKABLE | GROUP | IMM8 | PTWR_BTS,
	[0xbb] = KNOWN | LOCKABLE | PTWR_BTC,
	[0xc0] = KNOWN | LOCKABLE | BYTE_OP | PTWR_XADD,
	[0xc1] = KNOWN | LOCKABLE | PTWR_XADD,
	[0xc3] = KNOWN | PTWR_MOV, /* movnti */
};

struct prefixes {
	uint8_t rex;
	bool operand16, address32, lock, rep;
};

/* Prefixes in any order; REX counts only right before the opcode. The opcode's place; NULL: only prefixes. */
static const uint8_t *skip_prefixes(const uint8_t *p, const uint8_t *end, struct prefixes *x)
{
	for (; p < end && (one_byte[*p] & PREFIX); p++) {
		x->rex = 0;
		if ((*p & 0xf0) == 0x40)
			x->rex = *p;
		else if (*p == 0xf0)
			x->lock = true;
		else if (*p == 0x66)
			x->operand16 = true;
		else if (*p == 0x67)
			x->address32 = true;
		else if (*p >= 0xf2)
			x->rep = true;
	}
	return p < end ? p : NULL;
}

/* Bytes of ModRM, SIB and displacement at p; 0: a register operand. SIB is read only if it is there. */
static unsigned int modrm_length(const uint8_t *p)
{
	uint8_t mod = *p >> 6, rm = *p & 7;
	unsigned int n = 1;

	if (mod == 3)
		return 0;
	if (rm == 4)
		n = 2;
	if (mod == 1)
		return n + 1;
	if (mod == 2 || (rm == 4 ? p[1] & 7 : rm) == 5)
		return n + 4;
	return n;
}

/* An immediate or displacement of n bytes, sign-extended. */
static uint64_t immediate(const uint8_t *p, unsigned int n)
{
	uint64_t v = 0;

	if (n == 1)
		return (uint64_t)(int8_t)*p;
	for (unsigned int i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return n == 2 ? (uint64_t)(int16_t)v : (uint64_t)(int32_t)v;
}

/* The operation that the reg field of a GROUP opcode selects; false: none of ours. */
static bool select_op(uint32_t info, uint8_t field, struct ptwr_insn *in)
{
	switch (info & OP_MASK) {
	case PTWR_ADD: /* 80, 81, 83: the field is the operation; 7 is cmp */
		in->op = field;
		return field <= PTWR_XOR;
	case PTWR_BTS: /* 4 is bt */
		in->op = (uint8_t)(PTWR_BTS + field - 5);
		return field >= 5;
	case PTWR_NOT:
		in->op = field == 2 ? PTWR_NOT : PTWR_NEG;
		return field == 2 || field == 3;
	case PTWR_INC:
		in->op = field ? PTWR_DEC : PTWR_INC;
		return field <= 1;
	default: /* mov, pop */
		return field == 0;
	}
}

/* The register operand of the reg field; 4 to 7 of a byte without REX are second bytes. */
static void select_reg(const struct prefixes *x, uint8_t field, struct ptwr_insn *in)
{
	in->reg = (uint8_t)(field | ((x->rex & 4) << 1));
	if (unlikely(in->size == 1) && !x->rex && field >= 4) {
		in->reg = field - 4;
		in->high_byte = true;
	}
}

static uint8_t operand_size(uint32_t info, const struct prefixes *x)
{
	if (info & BYTE_OP)
		return 1;
	if (likely(x->rex & 8))
		return 8;
	if (x->operand16)
		return 2;
	return info & STACK ? 8 : 4;
}

bool ptwr_decode(const uint8_t *buf, unsigned int n, struct ptwr_insn *in)
{
	/* Longest: four prefixes or so, 0f, opcode, ModRM, SIB, displacement, immediate. Behind the bytes there are zeros. */
	uint8_t copy[PTWR_BYTES];
	struct prefixes x = { 0 };
	const uint8_t *p, *start = buf;
	uint32_t info, opcode, imm = 0;

	if (unlikely(n < PTWR_BYTES)) {
		memset(copy, 0, sizeof(copy));
		memcpy(copy, buf, n);
		start = copy;
	}
	/* The rest after the opcode is at most 11 bytes: never read beyond the sixteen. */
	p = skip_prefixes(start, start + PTWR_BYTES - 11, &x);
	if (unlikely(!p))
		return false;
	opcode = *p++;
	info = one_byte[opcode];
	if (opcode == 0x0f) {
		opcode = *p++;
		info = two_byte[opcode];
	}
	if (unlikely(!(info & KNOWN)) || unlikely(x.lock && !(info & LOCKABLE)))
		return false;
	in->op = info & OP_MASK;
	in->size = operand_size(info, &x);
	in->rex = x.rex;
	in->modrm = 0;
	in->reg = 0;
	in->high_byte = false;
	in->has_imm = info & (IMM8 | IMM_OP);
	in->rep = x.rep;
	if (likely(!(info & NO_MODRM))) {
		unsigned int len = modrm_length(p);
		uint8_t field = (*p >> 3) & 7;

		if (!len)
			return false;
		in->modrm = (uint8_t)(p - start);
		p += len;
		if (!(info & GROUP))
			select_reg(&x, field, in);
		else if (!select_op(info, field, in))
			return false;
	} else if (in->op == PTWR_MOV)
		p += x.address32 ? 4 : 8;
	if (in->has_imm) {
		imm = info & IMM8 ? 1 : in->size == 8 ? 4 : in->size;
		in->imm = immediate(p, imm);
		p += imm;
	}
	if (unlikely(in->op == PTWR_SETCC)) {
		in->has_imm = true;
		in->imm = opcode & 15;
	}
	in->len = (uint8_t)(p - start);
	return in->len <= n;
}

static uint64_t sib_address(const uint8_t *p, uint8_t mod, uint8_t rex, const uint64_t gpr[16])
{
	unsigned int index = ((*p >> 3) & 7) | ((rex & 2) << 2), base = *p & 7;
	uint64_t a = index == 4 ? 0 : gpr[index] << (*p >> 6);

	if (base == 5 && mod == 0)
		return a;
	return a + gpr[base | ((rex & 1) << 3)];
}

uint64_t ptwr_operand(const uint8_t *buf, const struct ptwr_insn *insn, const uint64_t gpr[16],
		      uint64_t rip)
{
	const uint8_t *p = buf + insn->modrm;
	uint8_t mod = *p >> 6, rm = *p & 7;
	unsigned int disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	uint64_t a;

	if (insn->op >= PTWR_STOS)
		return gpr[7];
	if (!insn->modrm) {
		/* An absolute address in the instruction's last bytes: its lower half will do. */
		return immediate(buf + insn->len - 8, 4);
	}
	p++;
	if (rm == 4) {
		if (mod == 0 && (*p & 7) == 5)
			disp = 4;
		a = sib_address(p++, mod, insn->rex, gpr);
	} else if (rm == 5 && mod == 0) {
		disp = 4;
		a = rip + insn->len;
	} else
		a = gpr[rm | ((insn->rex & 1) << 3)];
	return disp ? a + immediate(p, disp) : a;
}

/* ---- results */
static uint64_t szp(uint64_t r, unsigned int size)
{
	uint64_t f = 0;

	if (!(r & ptwr_mask(size)))
		f |= ZF;
	if ((r >> (8 * size - 1)) & 1)
		f |= SF;
	if (!__builtin_parity((uint8_t)r))
		f |= PF;
	return f;
}

/* a + b + carry, with the flags that it sets. */
static uint64_t add(uint64_t a, uint64_t b, uint64_t carry, unsigned int size, uint64_t *flags)
{
	uint64_t m = ptwr_mask(size), r = (a + b + carry) & m, f;

	a &= m;
	b &= m;
	f = szp(r, size) | ((a ^ b ^ r) & AF);
	if (r < a || (carry && r == a))
		f |= CF;
	if ((((a ^ r) & (b ^ r)) >> (8 * size - 1)) & 1)
		f |= OF;
	*flags = (*flags & ~ALL_FLAGS) | f;
	return r;
}

/* a - b - borrow. */
static uint64_t sub(uint64_t a, uint64_t b, uint64_t borrow, unsigned int size, uint64_t *flags)
{
	uint64_t m = ptwr_mask(size), r = (a - b - borrow) & m, f;

	a &= m;
	b &= m;
	f = szp(r, size) | ((a ^ b ^ r) & AF);
	if (a < b || (borrow && a == b))
		f |= CF;
	if ((((a ^ b) & (a ^ r)) >> (8 * size - 1)) & 1)
		f |= OF;
	*flags = (*flags & ~ALL_FLAGS) | f;
	return r;
}

static uint64_t logic(uint64_t r, unsigned int size, uint64_t *flags)
{
	*flags = (*flags & ~ALL_FLAGS) | szp(r, size);
	return r;
}

static uint64_t bit_op(unsigned int op, uint64_t old, uint64_t src, unsigned int size,
		       uint64_t *flags)
{
	uint64_t bit = 1UL << (src & (8 * size - 1));

	*flags = (*flags & ~CF) | (old & bit ? CF : 0);
	if (op == PTWR_BTS)
		return old | bit;
	return op == PTWR_BTR ? old & ~bit : old ^ bit;
}

/* inc and dec leave the carry flag alone. */
static uint64_t step(bool up, uint64_t old, unsigned int size, uint64_t *flags)
{
	uint64_t carry = *flags & CF;
	uint64_t r = up ? add(old, 1, 0, size, flags) : sub(old, 1, 0, size, flags);

	*flags = (*flags & ~CF) | carry;
	return r;
}

static bool condition(unsigned int code, uint64_t f)
{
	bool less = !(f & SF) != !(f & OF), r;

	switch (code >> 1) {
	case 0:
		r = f & OF;
		break;
	case 1:
		r = f & CF;
		break;
	case 2:
		r = f & ZF;
		break;
	case 3:
		r = f & (CF | ZF);
		break;
	case 4:
		r = f & SF;
		break;
	case 5:
		r = f & PF;
		break;
	case 6:
		r = less;
		break;
	default:
		r = less || (f & ZF);
		break;
	}
	return r != (code & 1);
}

bool ptwr_compute(const struct ptwr_insn *insn, uint64_t old, uint64_t src, uint64_t acc,
		  uint64_t *new, uint64_t *flags)
{
	unsigned int size = insn->size;

	switch (insn->op) {
	case PTWR_ADD:
	case PTWR_XADD:
		*new = add(old, src, 0, size, flags);
		break;
	case PTWR_ADC:
		*new = add(old, src, *flags & CF, size, flags);
		break;
	case PTWR_SUB:
		*new = sub(old, src, 0, size, flags);
		break;
	case PTWR_SBB:
		*new = sub(old, src, *flags & CF, size, flags);
		break;
	case PTWR_OR:
		*new = logic(old | src, size, flags);
		break;
	case PTWR_AND:
		*new = logic(old & src, size, flags);
		break;
	case PTWR_XOR:
		*new = logic(old ^ src, size, flags);
		break;
	case PTWR_BTS:
	case PTWR_BTR:
	case PTWR_BTC:
		*new = bit_op(insn->op, old, src, size, flags);
		break;
	case PTWR_INC:
	case PTWR_DEC:
		*new = step(insn->op == PTWR_INC, old, size, flags);
		break;
	case PTWR_NOT:
		*new = ~old;
		break;
	case PTWR_SETCC:
		*new = condition((unsigned int)src, *flags);
		break;
	case PTWR_NEG:
		*new = sub(0, old, 0, size, flags);
		break;
	case PTWR_CMPXCHG:
		sub(acc, old, 0, size, flags);
		*new = src;
		return *flags & ZF;
	default:
		*new = src;
		break;
	}
	return true;
}
