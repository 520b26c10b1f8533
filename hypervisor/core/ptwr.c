// SPDX-License-Identifier: BSD-2-Clause
// PURE decoder for trapped page-table writes; see hv/ptwr.h. Opcode numbers: the CPU manuals' opcode maps.

#include <hv/ptwr.h>

#define CF 0x001UL
#define PF 0x004UL
#define AF 0x010UL
#define ZF 0x040UL
#define SF 0x080UL
#define OF 0x800UL
#define ALL_FLAGS (CF | PF | AF | ZF | SF | OF)

/* What is left of the instruction, and the prefixes seen. */
struct cursor {
	const uint8_t *p, *end, *modrm;
	uint8_t rex;
	bool operand16, address32, lock, rep, bad;
};

static uint8_t byte(struct cursor *c)
{
	if (c->p == c->end) {
		c->bad = true;
		return 0;
	}
	return *c->p++;
}

static void skip(struct cursor *c, unsigned int n)
{
	if ((unsigned long)(c->end - c->p) < n)
		c->bad = true;
	else
		c->p += n;
}

/* Prefixes in any order; REX counts only right before the opcode, which is returned. */
static uint8_t opcode(struct cursor *c)
{
	for (;;) {
		uint8_t b = byte(c);

		if ((b & 0xf0) == 0x40) {
			c->rex = b;
			continue;
		}
		switch (b) {
		case 0x66:
			c->operand16 = true;
			break;
		case 0x67:
			c->address32 = true;
			break;
		case 0xf0:
			c->lock = true;
			break;
		case 0xf2:
		case 0xf3:
			c->rep = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
			break;
		default:
			return b;
		}
		c->rex = 0;
		if (c->bad)
			return 0;
	}
}

/* ModRM with whatever follows it; the operand must be memory. Returns the reg field with REX.R. */
static uint8_t modrm(struct cursor *c)
{
	uint8_t m = byte(c), mod = m >> 6, rm = m & 7;

	c->modrm = c->p - 1;
	if (mod == 3)
		c->bad = true;
	if (rm == 4) {
		uint8_t sib = byte(c);

		if (mod == 0 && (sib & 7) == 5)
			skip(c, 4);
	} else if (mod == 0 && rm == 5)
		skip(c, 4);
	if (mod == 1)
		skip(c, 1);
	else if (mod == 2)
		skip(c, 4);
	return (uint8_t)(((m >> 3) & 7) | ((c->rex & 4) << 1));
}

/* An immediate of n bytes, sign-extended. */
static uint64_t immediate(struct cursor *c, unsigned int n)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < n; i++)
		v |= (uint64_t)byte(c) << (8 * i);
	return n == 1 ? (uint64_t)(int8_t)v : n == 2 ? (uint64_t)(int16_t)v : (uint64_t)(int32_t)v;
}

static uint8_t operand_size(const struct cursor *c, bool is_byte)
{
	if (is_byte)
		return 1;
	return c->rex & 8 ? 8 : c->operand16 ? 2 : 4;
}

static void take_reg(struct cursor *c, struct ptwr_insn *in, uint8_t reg)
{
	in->reg = reg;
	if (in->size == 1 && !c->rex && reg >= 4) {
		in->reg = reg - 4;
		in->high_byte = true;
	}
}

static void take_imm(struct cursor *c, struct ptwr_insn *in, bool imm8)
{
	in->has_imm = true;
	in->imm = immediate(c, imm8 ? 1 : in->size == 8 ? 4 : in->size);
}

/* Opcodes after 0f. */
static bool decode_0f(struct cursor *c, struct ptwr_insn *in)
{
	uint8_t op = byte(c), field;

	in->size = operand_size(c, op == 0xb0 || op == 0xc0 || (op & 0xf0) == 0x90);
	if ((op & 0xf0) == 0x90) {
		modrm(c);
		in->op = PTWR_SETCC;
		in->has_imm = true;
		in->imm = op & 15;
		return true;
	}
	switch (op) {
	case 0xab:
		in->op = PTWR_BTS;
		break;
	case 0xb3:
		in->op = PTWR_BTR;
		break;
	case 0xbb:
		in->op = PTWR_BTC;
		break;
	case 0xb0:
	case 0xb1:
		in->op = PTWR_CMPXCHG;
		break;
	case 0xc0:
	case 0xc1:
		in->op = PTWR_XADD;
		break;
	case 0xc3: /* movnti */
		in->op = PTWR_MOV;
		break;
	case 0xba:
		field = modrm(c) & 7;
		if (field < 5)
			return false;
		in->op = (uint8_t)(PTWR_BTS + field - 5);
		take_imm(c, in, true);
		return true;
	default:
		return false;
	}
	take_reg(c, in, modrm(c));
	return true;
}

/* Opcodes with a second opcode in the reg field. */
static bool decode_group(struct cursor *c, struct ptwr_insn *in, uint8_t op)
{
	uint8_t field = modrm(c) & 7;

	if (op == 0xc6 || op == 0xc7) {
		in->op = PTWR_MOV;
		take_imm(c, in, op == 0xc6);
		return field == 0;
	}
	if (op >= 0xfe) {
		in->op = field ? PTWR_DEC : PTWR_INC;
		return field <= 1;
	}
	if (op == 0xf6 || op == 0xf7) {
		in->op = field == 2 ? PTWR_NOT : PTWR_NEG;
		return field == 2 || field == 3;
	}
	in->op = field; /* 80, 81, 83 */
	take_imm(c, in, op != 0x81);
	return field <= PTWR_XOR;
}

static bool decode_one(struct cursor *c, struct ptwr_insn *in)
{
	uint8_t op = opcode(c);

	if (op == 0x0f)
		return decode_0f(c, in);
	in->size = operand_size(c, !(op & 1));
	if (op < 0x38 && (op & 7) <= 1) {
		in->op = op >> 3; /* 00 add, 08 or, ... 30 xor: memory, register */
		take_reg(c, in, modrm(c));
		return true;
	}
	switch (op) {
	case 0x88:
	case 0x89:
		in->op = PTWR_MOV;
		take_reg(c, in, modrm(c));
		return true;
	case 0x86:
	case 0x87:
		in->op = PTWR_XCHG;
		take_reg(c, in, modrm(c));
		return true;
	case 0x8f:
		in->op = PTWR_POP;
		in->size = c->operand16 ? 2 : 8;
		return (modrm(c) & 7) == 0;
	case 0xa2:
	case 0xa3: /* accumulator to an absolute address */
		in->op = PTWR_MOV;
		skip(c, c->address32 ? 4 : 8);
		return true;
	case 0xa4:
	case 0xa5:
		in->op = PTWR_MOVS;
		in->rep = c->rep;
		return true;
	case 0xaa:
	case 0xab:
		in->op = PTWR_STOS;
		in->rep = c->rep;
		return true;
	case 0x83:
		in->size = operand_size(c, false);
		return decode_group(c, in, op);
	case 0x80:
	case 0x81:
	case 0xc6:
	case 0xc7:
	case 0xf6:
	case 0xf7:
	case 0xfe:
	case 0xff:
		return decode_group(c, in, op);
	default:
		return false;
	}
}

bool ptwr_decode(const uint8_t *buf, unsigned int n, struct ptwr_insn *insn)
{
	struct cursor c = { .p = buf, .end = buf + n };

	*insn = (struct ptwr_insn){ 0 };
	if (!decode_one(&c, insn) || c.bad)
		return false;
	/* The CPU refuses lock on these. */
	if (c.lock && (insn->op == PTWR_MOV || insn->op >= PTWR_SETCC))
		return false;
	insn->len = (uint8_t)(c.p - buf);
	insn->modrm = c.modrm ? (uint8_t)(c.modrm - buf) : 0;
	insn->rex = c.rex;
	return true;
}

static uint64_t sib_address(const uint8_t *p, uint8_t mod, uint8_t rex, const uint64_t gpr[16])
{
	unsigned int index = ((*p >> 3) & 7) | ((rex & 2) << 2), base = *p & 7;
	uint64_t a = index == 4 ? 0 : gpr[index] << (*p >> 6);

	if (base == 5 && mod == 0)
		return a;
	return a + gpr[base | ((rex & 1) << 3)];
}

/* Little-endian displacement of n bytes, sign-extended. */
static uint64_t displacement(const uint8_t *p, unsigned int n)
{
	struct cursor c = { .p = p, .end = p + n };

	return n ? immediate(&c, n) : 0;
}

uint64_t ptwr_operand(const uint8_t *buf, const struct ptwr_insn *insn, const uint64_t gpr[16], uint64_t rip)
{
	const uint8_t *p = buf + insn->modrm;
	uint8_t mod = *p >> 6, rm = *p & 7;
	unsigned int disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	uint64_t a;

	if (insn->op >= PTWR_STOS)
		return gpr[7];
	if (!insn->modrm) {
		/* An absolute address in the instruction's last bytes: its lower half will do. */
		return displacement(buf + insn->len - 8, 4);
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
	return a + displacement(p, disp);
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

static uint64_t bit_op(unsigned int op, uint64_t old, uint64_t src, unsigned int size, uint64_t *flags)
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

bool ptwr_compute(const struct ptwr_insn *insn, uint64_t old, uint64_t src, uint64_t acc, uint64_t *new,
		  uint64_t *flags)
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
