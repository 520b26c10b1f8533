// SPDX-License-Identifier: BSD-2-Clause
/*
 * Four vcpus on one CPU: what belongs to a vcpu must survive that others run in between: x87 and SSE
 * state, segment bases, debug registers, the task-switched flag, general registers, CR2.
 *
 * run: cpus=1 options=dom0_max_vcpus=4 time=90
 */

#include "guest.h"

const char test_name[] = "switch";

#define VCPUS  4
#define ROUNDS 400

static volatile unsigned int done, mismatches[VCPUS];
static volatile unsigned int first_bad[VCPUS];

enum { BAD_SSE = 1, BAD_X87, BAD_FS, BAD_GS, BAD_DR, BAD_REGS, BAD_SEL, BAD_CR2 };

static void bad(unsigned int me, unsigned int what)
{
	if (!mismatches[me]++)
		first_bad[me] = what;
}

static void yield(void)
{
	hc_sched_op(SCHEDOP_yield, 0);
}

static void sse_round(unsigned int me, uint64_t tag)
{
	uint64_t out[2], x87 = 0;

	asm volatile("movq %0, %%xmm0; movq %1, %%xmm15; pushq %2; fninit; fildq (%%rsp); popq %2"
		     :
		     : "r"(tag), "r"(~tag), "r"(tag & 0xffffffff)
		     : "memory");
	yield();
	asm volatile("movq %%xmm0, %0; movq %%xmm15, %1; pushq $0; fistpq (%%rsp); popq %2"
		     : "=r"(out[0]), "=r"(out[1]), "=r"(x87)
		     :
		     : "memory");
	if (out[0] != tag || out[1] != ~tag)
		bad(me, BAD_SSE);
	if (x87 != (tag & 0xffffffff))
		bad(me, BAD_X87);
}

static void base_round(unsigned int me, uint64_t tag)
{
	static uint64_t slot[VCPUS][2];
	uint64_t fs, gs;

	slot[me][0] = tag;
	slot[me][1] = ~tag;
	hc_set_segment_base(SEGBASE_FS, &slot[me][0]);
	hc_set_segment_base(SEGBASE_GS_KERNEL, &slot[me][1]);
	yield();
	asm volatile("movq %%fs:0, %0; movq %%gs:0, %1" : "=r"(fs), "=r"(gs));
	if (fs != tag)
		bad(me, BAD_FS);
	if (gs != ~tag)
		bad(me, BAD_GS);
}

/* A selector with a base of 0 must not cost the other its 64-bit base, nor come back as another's. */
static void selector_round(unsigned int me)
{
	uint16_t sel = me & 1 ? FLAT_KERNEL_DS32 : 0, ds, es;

	asm volatile("mov %w0, %%ds; mov %w0, %%es" : : "r"(sel));
	yield();
	asm volatile("mov %%ds, %0; mov %%es, %1" : "=r"(ds), "=r"(es));
	if (ds != sel || es != sel)
		bad(me, BAD_SEL);
}

static void debug_round(unsigned int me, uint64_t tag)
{
	hc_set_debugreg(0, (me + 1) << 12);
	hc_set_debugreg(3, tag & 0xffff0000);
	yield();
	if (hc_get_debugreg(0) != (long)(me + 1) << 12 ||
	    hc_get_debugreg(3) != (long)(tag & 0xffff0000))
		bad(me, BAD_DR);
}

static void register_round(unsigned int me, uint64_t tag)
{
	uint64_t r12, r15, rbx, rbp, scratch = tag;

	asm volatile("push %%rbp; mov %4, %%rbx; mov %4, %%rbp; not %%rbp; lea 1(%4), %%r12;"
		     "lea 2(%4), %%r15; xor %%esi, %%esi; xor %%edi, %%edi; mov %5, %%eax; syscall;"
		     "mov %%rbp, %0; pop %%rbp; mov %%rbx, %1; mov %%r12, %2; mov %%r15, %3"
		     : "=&a"(rbp), "=&d"(rbx), "=&r"(r12), "=&r"(r15), "+S"(scratch)
		     : "i"(__HYPERVISOR_sched_op)
		     : "rbx", "r12", "r15", "rdi", "rcx", "r11", "memory");
	if (rbx != tag || rbp != ~tag || r12 != tag + 1 || r15 != tag + 2)
		bad(me, BAD_REGS);
}

static void cr2_round(unsigned int me, uint64_t tag)
{
	uint64_t cr2;

	asm volatile("mov %0, %%cr2" : : "r"(tag));
	yield();
	asm volatile("mov %%cr2, %0" : "=r"(cr2));
	if (cr2 != tag)
		bad(me, BAD_CR2);
}

static void rounds(void *arg)
{
	unsigned int me = this_vcpu();

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t tag = UL(me + 1) << 40 | UL(i) << 20 | (me + 1) * 0x111;

		sse_round(me, tag);
		base_round(me, tag);
		selector_round(me);
		debug_round(me, tag);
		register_round(me, tag);
		cr2_round(me, tag);
	}
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
}

void test_main(void)
{
	uint64_t end;

	if (vcpus_present() < VCPUS)
		test_skip("this needs four vcpus");
	for (unsigned int i = 1; i < VCPUS; i++) {
		hc_vcpu_op(VCPUOP_stop_periodic_timer, i, NULL);
		check("start a vcpu", vcpu_start(i, rounds, NULL), 0);
	}
	rounds(NULL);
	end = system_time() + 20000000000UL;
	while (done < VCPUS && system_time() < end)
		yield();
	check("vcpus that finished", done, VCPUS);
	for (unsigned int i = 0; i < VCPUS; i++) {
		check("mismatches", mismatches[i], 0);
		if (first_bad[i])
			info("vcpu %u: first mismatch of kind %u", i, first_bad[i]);
	}
}
