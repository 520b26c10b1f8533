// SPDX-License-Identifier: BSD-2-Clause
/*
 * Trapped page-table writes: a store to a read-only L1 entry is carried out by the hypervisor when
 * the new entry is valid, and is a page fault of the guest when it is not.
 *
 * Every instruction form that kernels use on page tables, in each operand size: the entry's new
 * value, the register it returns and the flags must be those of the instruction on plain memory.
 */

#include "guest.h"

const char test_name[] = "ptwr";

#define HOLE (GUEST_VIRT_BASE + (512UL << 20))

static char data[2][PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t *l1; /* the live table, mapped read-only here; HOLE is what it maps */
static uint64_t va, vb; /* two valid entries */
static uint64_t cur; /* the entry under test as the table shows it */

/* Bits that the hypervisor may set in a present entry. */
#define ITS_BITS (PTE_G | PTE_U | 1UL << 52)

/* What an instruction left behind, on the table and on a plain copy. */
struct outcome {
	uint64_t value, rax, rcx, flags;
	int vector;
};

static struct outcome kept;

/* Flags that instructions define: CF, PF, AF, ZF, SF, OF. */
#define FLAGS_MASK 0x8d5

/*
 * Run @insn with rdi = @slot, rax, rcx and rdx as given. The form under test may change rax and rcx.
 */
#define RUN(insn, slot, a, c)                                                                    \
	({                                                                                       \
		struct fault f_;                                                                 \
		f_ = FAULT("mov %1, %%rax; mov %2, %%rcx; mov %2, %%rdx; cmp %%edi, %%edi;" insn \
			   "; mov %%rax, 8(%3); mov %%rcx, 16(%3); pushfq; popq 24(%3)",         \
			   "D"(slot), "S"((uint64_t)(a)), "r"((uint64_t)(c)), "r"(&kept));       \
		kept.value = *(volatile uint64_t *)(UL(slot) & ~7UL);                            \
		kept.flags &= FLAGS_MASK;                                                        \
		kept.vector = f_.vector;                                                         \
		kept;                                                                            \
	})

static void reset(uint64_t val)
{
	if (pt_update(table_maddr(l1, 1), val))
		test_error("cannot set the entry under test");
	cur = l1[1];
}

static void compare(const char *what, struct outcome table, struct outcome plain)
{
	char line[80];

	fmt(line, sizeof(line), "%s: no fault", what);
	check(line, table.vector, VEC_NONE);
	fmt(line, sizeof(line), "%s: entry", what);
	/* The frame differs from machine to machine: compare, do not print. */
	check_true(line, !((table.value ^ plain.value) & ~ITS_BITS));
	fmt(line, sizeof(line), "%s: registers", what);
	check_true(line, table.rax == plain.rax && table.rcx == plain.rcx);
	fmt(line, sizeof(line), "%s: flags", what);
	check(line, (long)(table.flags ^ plain.flags), 0);
}

/*
 * The same instruction on plain memory and on the live table. The hypervisor may add bits of its own
 * to a present entry (global, user, bit 52), so the plain copy starts from what the table holds.
 */
#define FORM(what, insn, start, off, a, c)                         \
	do {                                                       \
		static uint64_t plain_slot;                        \
		struct outcome p_, t_;                             \
		reset(start);                                      \
		plain_slot = cur;                                  \
		p_ = RUN(insn, (char *)&plain_slot + (off), a, c); \
		t_ = RUN(insn, (char *)&l1[1] + (off), a, c);      \
		compare(what, t_, p_);                             \
	} while (0)

static void check_forms(void)
{
	FORM("mov 8", "movq %%rax, (%%rdi)", va, 0, vb, 0);
	FORM("mov 8 of zero", "movq $0, (%%rdi)", va, 0, 0, 0);
	FORM("mov 8 into an empty entry", "movq %%rax, (%%rdi)", 0, 0, vb, 0);
	FORM("mov 4, low half", "movl %%eax, (%%rdi)", va, 0, vb & 0xffffffff, 0);
	FORM("mov 4, high half", "movl %%eax, 4(%%rdi)", va, 0, 0x80000000, 0);
	FORM("mov 2", "movw %%ax, (%%rdi)", va, 0, va & 0xffff & ~PTE_W, 0);
	FORM("mov 1", "movb %%al, (%%rdi)", va, 0, va & 0xff & ~PTE_W, 0);
	FORM("mov 1 in the middle", "movb %%al, 7(%%rdi)", va, 0, 0x80, 0);
	FORM("mov 4 imm", "movl $0, 4(%%rdi)", va, 0, 0, 0);
	FORM("movnti 8", "movnti %%rax, (%%rdi)", va, 0, vb, 0);
	FORM("xchg 8", "xchgq %%rax, (%%rdi)", va, 0, vb, 0);
	FORM("xchg 8 with zero", "xchgq %%rax, (%%rdi)", va, 0, 0, 0);
	FORM("xchg 4", "xchgl %%eax, (%%rdi)", va, 0, (va & 0xffffffff) & ~PTE_W, 0);
	FORM("cmpxchg 8 that matches", "lock cmpxchgq %%rcx, (%%rdi)", va, 0, cur, vb);
	FORM("cmpxchg 8 that does not", "lock cmpxchgq %%rcx, (%%rdi)", va, 0, vb, 0);
	FORM("cmpxchg 8 without lock", "cmpxchgq %%rcx, (%%rdi)", va, 0, cur, vb);
	FORM("cmpxchg 4 that matches", "lock cmpxchgl %%ecx, (%%rdi)", va, 0, cur & 0xffffffff,
	     cur & ~PTE_W);
	FORM("and 8", "lock andq %%rax, (%%rdi)", va, 0, ~PTE_W, 0);
	FORM("and 8 imm", "lock andq $-3, (%%rdi)", va, 0, 0, 0);
	FORM("and 8 imm without lock", "andq $-3, (%%rdi)", va, 0, 0, 0);
	FORM("and 4", "lock andl $-3, (%%rdi)", va, 0, 0, 0);
	FORM("and 1", "lock andb $-3, (%%rdi)", va, 0, 0, 0);
	FORM("and 1 without lock", "andb $0xfd, (%%rdi)", va, 0, 0, 0);
	FORM("or 8", "lock orq %%rax, (%%rdi)", va, 0, 0x200, 0);
	FORM("or 8 imm", "orq $0x200, (%%rdi)", va, 0, 0, 0);
	FORM("or 1", "lock orb $0x40, (%%rdi)", va, 0, 0, 0);
	FORM("xor 8", "lock xorq %%rax, (%%rdi)", va, 0, PTE_W, 0);
	FORM("add 8", "lock addq %%rax, (%%rdi)", va, 0, 0x200, 0);
	FORM("sub 8", "lock subq %%rax, (%%rdi)", va | 0x200, 0, 0x200, 0);
	FORM("inc 1", "incb 1(%%rdi)", va & ~0x200UL, 0, 0, 0);
	FORM("bts imm", "lock btsq $9, (%%rdi)", va, 0, 0, 0);
	FORM("bts imm, already set", "lock btsq $9, (%%rdi)", va | 0x200, 0, 0, 0);
	FORM("btr imm", "lock btrq $1, (%%rdi)", va, 0, 0, 0);
	FORM("btr imm without lock", "btrq $1, (%%rdi)", va, 0, 0, 0);
	FORM("btr reg 8", "lock btrq %%rcx, (%%rdi)", va, 0, 0, 1);
	FORM("btr reg 4", "lock btrl %%ecx, (%%rdi)", va, 0, 0, 5);
	FORM("btr reg from the entry before", "lock btrq %%rcx, -8(%%rdi)", va, 0, 0, 65);
	FORM("btc imm", "lock btcq $1, (%%rdi)", va, 0, 0, 0);
	FORM("xadd 8", "lock xaddq %%rax, (%%rdi)", va, 0, 0x200, 0);
	FORM("not high byte", "notb 7(%%rdi)", va, 0, 0, 0);
	FORM("stos", "push %%rdi; stosq; pop %%rdi", va, 0, vb, 0);
	FORM("rep stos", "push %%rdi; mov $1, %%ecx; rep stosq; pop %%rdi", va, 0, 0, 0);
	FORM("scaled address", "movq %%rax, (%%rdi, %%rcx, 8)", va, 0, vb, 0);
	FORM("pop", "push %%rax; pop (%%rdi)", va, 0, vb, 0);
	FORM("setcc", "sete 7(%%rdi)", va, 0, 0, 0);
}

/* cmpxchg16b across two entries. */
static void check_wide(void)
{
	struct fault f;

	reset(va);
	f = FAULT("mov %1, %%rax; xor %%edx, %%edx; mov %%rax, %%rbx; xor %%ecx, %%ecx;"
		  "lock cmpxchg16b (%0)",
		  "D"(l1 + 2), "S"(l1[2]));
	check("cmpxchg16b", f.vector, VEC_PF);
	f = FAULT("movups %%xmm0, (%0)", "D"(l1 + 2));
	check("SSE store", f.vector, VEC_PF);
	f = FAULT("movq $0, 4(%0)", "D"(l1 + 2));
	check("store across two entries", f.vector, VEC_PF);
	f = FAULT("movl $0, 2(%0)", "D"(l1 + 2));
	check("misaligned store inside one entry", f.vector, VEC_PF);
	f = FAULT("movq $0, -4(%0)", "D"(l1));
	check("store across the page's start", f.vector, VEC_PF);
}

static unsigned long boot_table(int level)
{
	return (*pte_ptr(UL(test_name), level + 1) & PTE_FRAME) / PAGE_SIZE;
}

static void check_one_refusal(const char *what, uint64_t val)
{
	struct fault f;
	char line[100];

	reset(va);
	f = FAULT("movq %0, (%1)", "r"(val), "r"(l1 + 1));
	fmt(line, sizeof(line), "refused: %s", what);
	check_fault(line, &f, VEC_PF, 3);
	fmt(line, sizeof(line), "refused: %s: cr2", what);
	check(line, (long)(f.cr2 - UL(l1)), 8);
	fmt(line, sizeof(line), "refused: %s: entry unchanged", what);
	check_true(line, !((l1[1] ^ va) & ~(PTE_A | PTE_D | ITS_BITS)));
}

static void check_refusals(void)
{
	uint64_t *upper = (uint64_t *)start_info->pt_base;
	struct fault f;

	check_one_refusal("a writable page table", mkpte(boot_table(1), PTE_RW));
	check_one_refusal("the table itself writable", mkpte(virt_to_mfn(l1), PTE_RW));
	check_one_refusal("a frame beyond all memory", mkpte(0xfffffffffUL, PTE_RW));
	check_one_refusal("the L4 writable", mkpte(virt_to_mfn(upper), PTE_RW));
	/* Only L1 entries may be written this way. */
	f = FAULT("movq $0, (%0)", "r"(upper + 300));
	check_fault("write to an L4 entry", &f, VEC_PF, 3);
	f = FAULT("movq $0, (%0)", "r"(mfn_to_virt(boot_table(3))));
	check_fault("write to an L3 entry", &f, VEC_PF, 3);
	f = FAULT("movq $0, (%0)", "r"((uint64_t *)mfn_to_virt(boot_table(2)) + 256));
	check_fault("write to an L2 entry", &f, VEC_PF, 3);
	f = FAULT("movq $0, (%0)", "r"(HYPERVISOR_VIRT_START + 8 * virt_to_mfn(data)));
	check_fault("write to the machine-to-physical table", &f, VEC_PF, 3);
}

/* The mapping changes at once: what was absent is there, what was writable is not. */
static void check_effect(void)
{
	volatile uint64_t *window = (void *)(HOLE + PAGE_SIZE);
	struct fault f;

	reset(0);
	check("before: absent", FAULT("movb (%0), %%al", "r"(window)).vector, VEC_PF);
	f = FAULT("movq %0, (%1)", "r"(va), "r"(l1 + 1));
	check("write the entry", f.vector, VEC_NONE);
	window[3] = 33;
	check("after: it is the page", ((volatile uint64_t *)data[0])[3], 33);
	f = FAULT("lock btrq $1, (%0)", "r"(l1 + 1));
	asm volatile("" ::: "memory");
	mmuext1(MMUEXT_INVLPG_LOCAL, UL(window), 0);
	check("write-protected", FAULT("movb $1, (%0)", "r"(window)).vector, VEC_PF);
	/* The user bit is not for the guest to clear. */
	f = FAULT("movq %0, (%1)", "r"(va & ~PTE_U), "r"(l1 + 1));
	check("an entry without the user bit", f.vector, VEC_NONE);
	check("gets it", !!(l1[1] & PTE_U), 1);
}

static void check_assist(void)
{
	struct fault f;

	check("assist off", hc_vm_assist(VMASST_CMD_disable, VMASST_TYPE_writable_pagetables), 0);
	f = FAULT("movq $0, (%0)", "r"(l1 + 1));
	check("write without the assist", f.vector, VEC_NONE);
	check("assist on", hc_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
	f = FAULT("movq $0, (%0)", "r"(l1 + 1));
	check("write with the assist", f.vector, VEC_NONE);
}

/* User mode never gets its page-table writes carried out. */
asm(".pushsection .text\n"
    "user_store:	movq %rsi, (%rdi); syscall\n"
    ".popsection\n");
extern char user_store[];

static void check_user(void)
{
	struct regs r = user_regs(user_store);
	struct fault f;

	reset(va);
	r.rdi = UL(l1 + 1);
	f = user_run(&r);
	check_fault("write from user mode", &f, VEC_PF, 7);
	check_true("it changed nothing", !!l1[1]);
}

void test_main(void)
{
	l1 = page_alloc();
	va = mkpte(virt_to_mfn(data[0]), PTE_RW);
	vb = mkpte(virt_to_mfn(data[1]), PTE_RW);
	if (set_page_flags(l1, PTE_RO) ||
	    pt_update(pte_maddr(HOLE, 2), mkpte(virt_to_mfn(l1), PTE_RW)))
		test_error("cannot hook up a table");
	check_assist();
	check_forms();
	check_wide();
	check_refusals();
	check_effect();
	check_user();
}
