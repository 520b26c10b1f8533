// SPDX-License-Identifier: BSD-2-Clause
// core/ptwr.c against the CPU: each instruction runs on real memory, and the decoder must come to the same result.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <hv/ptwr.h>

#include "tests/unit/unit.h"

#define FLAGS_ALL   0x8d5UL
#define FLAGS_LOGIC 0x8c5UL /* the auxiliary flag is undefined */
#define FLAG_CARRY  0x001UL
#define RUNS	    400

struct cpu_state {
	uint64_t rax, rdx, flags;
};

static uint64_t seed = 88172645463325252UL;

static uint64_t rnd(void)
{
	static const uint64_t edge[] = { 0,	     1,		 0x7f,	    0x80,
					 0xff,	     0x7fff,	 0x8000,    0x7fffffff,
					 0x80000000, 0xffffffff, 1UL << 63, ~0UL };

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % 3 ? seed : edge[(seed >> 8) % (sizeof(edge) / sizeof(edge[0]))];
}

/* Run the instruction with rdi at *mem, rax, rdx and flags from s. */
static void run(const uint8_t *insn, unsigned int len, uint64_t *mem, struct cpu_state *s)
{
	static const uint8_t head[] = { 0x48, 0x8b, 0x06, 0x48, 0x8b, 0x56,
					0x08, 0xff, 0x76, 0x10, 0x9d };
	static const uint8_t tail[] = { 0x9c, 0x8f, 0x46, 0x10, 0x48, 0x89,
					0x06, 0x48, 0x89, 0x56, 0x08, 0xc3 };
	static uint8_t *code;

	if (!code)
		code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(code != MAP_FAILED);
	memcpy(code, head, sizeof(head));
	memcpy(code + sizeof(head), insn, len);
	memcpy(code + sizeof(head) + len, tail, sizeof(tail));
	((void (*)(uint64_t *, struct cpu_state *))(void *)code)(mem, s);
}

/* The same by decoder and computation, as the hypervisor does it. */
static void model(const uint8_t *insn, unsigned int len, uint64_t *mem, struct cpu_state *s)
{
	struct ptwr_insn in;
	uint64_t m, old, src, new = 0;
	bool written;

	ck_assert_msg(ptwr_decode(insn, len, &in), "not decoded: %02x %02x %02x", insn[0], insn[1],
		      insn[2]);
	ck_assert_uint_eq(in.len, len);
	m = ptwr_mask(in.size);
	old = *mem & m;
	src = in.has_imm ? in.imm : (in.reg == 2 ? s->rdx : s->rax) >> (in.high_byte ? 8 : 0);
	written = ptwr_compute(&in, old, src, s->rax, &new, &s->flags);
	if (written)
		*mem = (*mem & ~m) | (new &m);
	if (in.op == PTWR_XCHG || in.op == PTWR_XADD || (in.op == PTWR_CMPXCHG && !written)) {
		uint64_t *r = in.op != PTWR_CMPXCHG && in.reg == 2 ? &s->rdx : &s->rax;

		if (in.high_byte)
			*r = (*r & ~0xff00UL) | (old & 0xff) << 8;
		else
			*r = in.size >= 4 ? old : (*r & ~m) | old;
	}
}

static void compare(const uint8_t *insn, unsigned int len, uint64_t flag_mask)
{
	for (int i = 0; i < RUNS; i++) {
		struct cpu_state a = { rnd(), rnd(), (rnd() & FLAGS_ALL) | 2 }, b = a;
		uint64_t ma = rnd(), mb, before;

		if (i & 1)
			a.rax = b.rax = ma; /* so that cmpxchg succeeds sometimes */
		before = mb = ma;
		run(insn, len, &ma, &a);
		model(insn, len, &mb, &b);
		ck_assert_msg(ma == mb && a.rax == b.rax && a.rdx == b.rdx &&
				      !((a.flags ^ b.flags) & flag_mask),
			      "%02x %02x %02x %02x on %#lx: memory %#lx/%#lx rax %#lx/%#lx rdx "
			      "%#lx/%#lx flags %#lx/%#lx",
			      insn[0], insn[1], insn[2], len > 3 ? insn[3] : 0, before, ma, mb,
			      a.rax, b.rax, a.rdx, b.rdx, a.flags & flag_mask, b.flags & flag_mask);
	}
}

/* All operand sizes of an opcode with memory [rdi] and the reg field `reg`; imm bytes follow. */
static void sizes(bool lock, const uint8_t *op, unsigned int nop, unsigned int reg,
		  unsigned int imm_max, uint64_t flag_mask)
{
	static const uint8_t prefix[] = { 0, 0x66, 0x48 };

	for (unsigned int p = 0; p < 3; p++) {
		unsigned int n = 0, imm = imm_max;
		uint8_t b[15];

		if (imm_max == 4 && prefix[p] == 0x66)
			imm = 2;
		if (lock)
			b[n++] = 0xf0;
		if (prefix[p])
			b[n++] = prefix[p];
		memcpy(b + n, op, nop);
		n += nop;
		b[n++] = (uint8_t)(0x07 | reg << 3);
		for (unsigned int i = 0; i < imm; i++)
			b[n++] = (uint8_t)rnd();
		compare(b, n, flag_mask);
	}
}

START_TEST(arithmetic)
{
	for (unsigned int op = 0; op <= 6; op++) {
		uint64_t flags = op == 1 || op == 4 || op == 6 ? FLAGS_LOGIC : FLAGS_ALL;
		uint8_t b8 = (uint8_t)(op << 3), b64 = (uint8_t)(op << 3 | 1);

		sizes(true, &b64, 1, 2, 0, flags);
		sizes(false, &b8, 1, 2, 0, flags);
		compare((const uint8_t[]){ b8, 0x37 }, 2, flags); /* %dh */
		sizes(true, (const uint8_t[]){ 0x81 }, 1, op, 4, flags);
		sizes(true, (const uint8_t[]){ 0x83 }, 1, op, 1, flags);
		sizes(true, (const uint8_t[]){ 0x80 }, 1, op, 1, flags);
	}
}
END_TEST

START_TEST(moves)
{
	sizes(false, (const uint8_t[]){ 0x88 }, 1, 2, 0, FLAGS_ALL);
	sizes(false, (const uint8_t[]){ 0x89 }, 1, 2, 0, FLAGS_ALL);
	sizes(false, (const uint8_t[]){ 0xc6 }, 1, 0, 1, FLAGS_ALL);
	sizes(false, (const uint8_t[]){ 0xc7 }, 1, 0, 4, FLAGS_ALL);
	sizes(true, (const uint8_t[]){ 0x86 }, 1, 2, 0, FLAGS_ALL);
	sizes(false, (const uint8_t[]){ 0x87 }, 1, 2, 0, FLAGS_ALL);
	compare((const uint8_t[]){ 0x86, 0x37 }, 2, FLAGS_ALL); /* xchg %dh */
}
END_TEST

START_TEST(atomics)
{
	sizes(true, (const uint8_t[]){ 0x0f, 0xb0 }, 2, 2, 0, FLAGS_ALL);
	sizes(true, (const uint8_t[]){ 0x0f, 0xb1 }, 2, 2, 0, FLAGS_ALL);
	sizes(true, (const uint8_t[]){ 0x0f, 0xc0 }, 2, 2, 0, FLAGS_ALL);
	sizes(true, (const uint8_t[]){ 0x0f, 0xc1 }, 2, 2, 0, FLAGS_ALL);
}
END_TEST

START_TEST(bits)
{
	for (unsigned int field = 5; field <= 7; field++)
		sizes(true, (const uint8_t[]){ 0x0f, 0xba }, 2, field, 1, FLAG_CARRY);
}
END_TEST

START_TEST(one_operand)
{
	for (unsigned int field = 0; field <= 1; field++) {
		sizes(true, (const uint8_t[]){ 0xff }, 1, field, 0, FLAGS_ALL);
		sizes(true, (const uint8_t[]){ 0xfe }, 1, field, 0, FLAGS_ALL);
	}
	for (unsigned int field = 2; field <= 3; field++) {
		sizes(true, (const uint8_t[]){ 0xf7 }, 1, field, 0, FLAGS_ALL);
		sizes(true, (const uint8_t[]){ 0xf6 }, 1, field, 0, FLAGS_ALL);
	}
}
END_TEST

START_TEST(conditions)
{
	for (uint8_t cc = 0; cc < 16; cc++)
		compare((const uint8_t[]){ 0x0f, (uint8_t)(0x90 | cc), 0x07 }, 3, FLAGS_ALL);
}
END_TEST

/* Addresses as the CPU computes them: lea with the same ModRM bytes. */
START_TEST(operands)
{
	static const uint8_t bytes[][8] = { { 0x07 },
					    { 0x47, 0x85 },
					    { 0x87, 1, 2, 3, 0x84 },
					    { 0x04, 0x02 },
					    { 0x44, 0xc2, 9 },
					    { 0x84, 0x97, 1, 0, 0, 0 },
					    { 0x04, 0xd5, 4, 3, 2, 1 },
					    { 0x04, 0x27 },
					    { 0x44, 0x62, 7 } };
	static const uint8_t len[] = { 1, 2, 5, 2, 3, 6, 6, 2, 3 };

	for (unsigned int i = 0; i < sizeof(len); i++) {
		struct cpu_state s = { rnd(), rnd(), 2 };
		uint64_t mem = 0, gpr[16] = { [0] = s.rax, [2] = s.rdx, [7] = (uint64_t)&mem };
		uint8_t lea[12] = { 0x48, 0x8d }, mov[12] = { 0x48, 0x89 };
		struct ptwr_insn in;

		memcpy(lea + 2, bytes[i], len[i]); /* lea ..., %rax */
		memcpy(mov + 2, bytes[i], len[i]);
		run(lea, 2u + len[i], &mem, &s);
		ck_assert(ptwr_decode(mov, sizeof(mov), &in));
		ck_assert_uint_eq(ptwr_operand(mov, &in, gpr, 0), s.rax);
	}
}
END_TEST

static unsigned int length(const uint8_t *b, unsigned int n)
{
	struct ptwr_insn in;

	return ptwr_decode(b, n, &in) ? in.len : 0;
}

START_TEST(addressing)
{
	/* mov %rax to: (%rdi), 8(%rdi), 0x100(%rdi), (%rdi,%rax,8), x(,%rax,8), x(%rip), (%r12), (%r13) */
	ck_assert_uint_eq(length((const uint8_t[]){ 0x48, 0x89, 0x07 }, 3), 3);
	ck_assert_uint_eq(length((const uint8_t[]){ 0x48, 0x89, 0x47, 8 }, 4), 4);
	ck_assert_uint_eq(length((const uint8_t[]){ 0x48, 0x89, 0x87, 0, 1, 0, 0 }, 7), 7);
	ck_assert_uint_eq(length((const uint8_t[]){ 0x48, 0x89, 0x04, 0xc7 }, 4), 4);
	ck_assert_uint_eq(length((const uint8_t[]){ 0x48, 0x89, 0x04, 0xc5, 0, 0, 0, 0 }, 8), 8);
	ck_assert_uint_eq(length((const uint8_t[]){ 0x48, 0x89, 0x05, 0, 0, 0, 0 }, 7), 7);
	ck_assert_uint_eq(length((const uint8_t[]){ 0x49, 0x89, 0x04, 0x24 }, 4), 4);
	ck_assert_uint_eq(length((const uint8_t[]){ 0x49, 0x89, 0x45, 0 }, 4), 4);
	/* movq $1, 8(%rdi); movabs %rax; movnti */
	ck_assert_uint_eq(length((const uint8_t[]){ 0x48, 0xc7, 0x47, 8, 1, 0, 0, 0 }, 8), 8);
	ck_assert_uint_eq(length((const uint8_t[]){ 0x48, 0xa3, 1, 2, 3, 4, 5, 6, 7, 8 }, 10), 10);
	ck_assert_uint_eq(length((const uint8_t[]){ 0x48, 0x0f, 0xc3, 0x07 }, 4), 4);
	ck_assert_uint_eq(length((const uint8_t[]){ 0xf3, 0x48, 0xab }, 3), 3);
	ck_assert_uint_eq(length((const uint8_t[]){ 0xf3, 0x48, 0xa5 }, 3), 3);
}
END_TEST

START_TEST(registers)
{
	struct ptwr_insn in;

	ck_assert(ptwr_decode((const uint8_t[]){ 0x4c, 0x89, 0x07 }, 3, &in)); /* mov %r8 */
	ck_assert_uint_eq(in.reg, 8);
	ck_assert(ptwr_decode((const uint8_t[]){ 0x40, 0x88, 0x37 }, 3, &in)); /* mov %sil */
	ck_assert_uint_eq(in.reg, 6);
	ck_assert(!in.high_byte);
	ck_assert(ptwr_decode((const uint8_t[]){ 0x88, 0x37 }, 2, &in)); /* mov %dh */
	ck_assert_uint_eq(in.reg, 2);
	ck_assert(in.high_byte);
}
END_TEST

START_TEST(refused)
{
	static const uint8_t cases[][8] = {
		{ 0x48, 0x89, 0xc7 }, /* register operand */
		{ 0x48, 0x8b, 0x07 }, /* load */
		{ 0x48, 0x39, 0x07 }, /* cmp */
		{ 0x48, 0x83, 0x3f, 1 }, /* cmp $1 */
		{ 0xf0, 0x48, 0x89, 0x07 }, /* lock mov */
		{ 0x48, 0xff, 0x17 }, /* call */
		{ 0x0f, 0x11, 0x07 }, /* movups */
		{ 0x0f, 0xba, 0x27, 1 }, /* bt */
		{ 0x0f, 0xc7, 0x0f }, /* cmpxchg8b */
		{ 0xc7, 0x4f, 1 }, /* c7 /1 */
		{ 0x90 },
	};
	static const uint8_t whole[] = { 0x66, 0xc7, 0x84, 0xc7, 1, 2, 3, 4, 5, 6 };

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(!length(cases[i], 8), "case %u", i);
	/* Cut short anywhere, it is no instruction. */
	ck_assert_uint_eq(length(whole, sizeof(whole)), sizeof(whole));
	for (unsigned int n = 0; n < sizeof(whole); n++)
		ck_assert(!length(whole, n));
}
END_TEST

/* No input reads beyond its end (the sanitizer watches) or claims to be longer than it is. */
START_TEST(noise)
{
	for (int i = 0; i < 200000; i++) {
		unsigned int n = (unsigned int)(rnd() >> 7) % 17, len;
		uint8_t *b = malloc(n ? n : 1);

		for (unsigned int k = 0; k < n; k++)
			b[k] = (uint8_t)(rnd() >> 11);
		len = length(b, n);
		ck_assert_uint_le(len, n);
		free(b);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ptwr");
	TCase *t = tcase_create("against the CPU"), *u = tcase_create("decoder");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, arithmetic);
	tcase_add_test(t, moves);
	tcase_add_test(t, atomics);
	tcase_add_test(t, bits);
	tcase_add_test(t, one_operand);
	tcase_add_test(t, conditions);
	tcase_add_test(t, operands);
	suite_add_tcase(s, t);
	tcase_set_timeout(u, 60);
	tcase_add_test(u, addressing);
	tcase_add_test(u, registers);
	tcase_add_test(u, refused);
	tcase_add_test(u, noise);
	suite_add_tcase(s, u);
	return unit_run(s);
}
