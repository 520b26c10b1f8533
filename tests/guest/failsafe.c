// SPDX-License-Identifier: BSD-2-Clause
/*
 * The failsafe callback: a vcpu was away, and a data selector that it held cannot be loaded when it comes back.
 *
 * run: options=dom0_max_vcpus=2
 */

#include "guest.h"

const char test_name[] = "failsafe";

#define DATA_DPL3 0x00cff3000000ffffUL
#define SEL_GOOD  (1 * 8 | 3)
#define SEL_GOES  (2 * 8 | 3)

extern char virt_base[], image_end[]; /* from the linker script */

static uint64_t gdt[512] __attribute__((aligned(4096)));
static volatile bool stop, other_runs;
static volatile unsigned int calls;
static struct regs seen;
static uint64_t sel[4];

/* Something else for the CPU to do, so that vcpu 0 leaves it. */
static void other(void *unused)
{
	(void)unused;
	while (!stop) {
		other_runs = true;
		hc_sched_op(SCHEDOP_yield, 0);
	}
}

static bool hook(struct regs *regs)
{
	if (regs->vector != VEC_FAILSAFE)
		return false;
	calls++;
	seen = *regs;
	memcpy(sel, failsafe_sel, sizeof(sel));
	return true;
}

/* Away and back: until the other vcpu ran in between, or the callback came. */
static void go_away(void)
{
	for (unsigned int i = 0; i < 200; i++) {
		other_runs = false;
		for (unsigned int j = 0; j < 10000 && !other_runs && !calls; j++)
			hc_sched_op(SCHEDOP_yield, 0);
	}
}

static void set_sel(unsigned int es, unsigned int fs)
{
	asm volatile("mov %0, %%ds; mov %1, %%es; mov %2, %%fs" ::"r"(SEL_GOOD), "r"(es), "r"(fs));
}

void test_main(void)
{
	unsigned long frames[1] = { virt_to_mfn(gdt) };
	uint16_t es, ds;

	gdt[1] = gdt[2] = DATA_DPL3;
	set_page_flags(gdt, PTE_RO);
	check("own GDT", hc_set_gdt(frames, 512), 0);
	check("start a vcpu", vcpu_start(1, other, NULL), 0);
	trap_hook = hook;
	set_sel(SEL_GOES, 0);
	go_away();
	check("calls while all selectors are good", calls, 0);
	set_sel(SEL_GOES, SEL_GOOD);
	check("take the descriptor away", hc_update_descriptor(table_maddr(gdt, 2), 0), 0);
	go_away();
	asm volatile("mov %%ds, %0; mov %%es, %1" : "=r"(ds), "=r"(es));
	check("calls", calls, 1);
	check("frame: ds", (long)sel[0], SEL_GOOD);
	check("frame: es", (long)sel[1], SEL_GOES);
	check("frame: fs", (long)sel[2], SEL_GOOD);
	check("frame: gs", (long)sel[3], 0);
	check("frame: cs", seen.cs & 0xffff, FLAT_KERNEL_CS & ~3);
	check("frame: ss", seen.ss & 0xffff, FLAT_KERNEL_SS);
	/* Anywhere in the kernel: a vcpu is also left when its time is over, in a hypercall or not. */
	check_true("frame: rip is in the kernel",
		   seen.rip >= UL(virt_base) && seen.rip < UL(image_end));
	check("es afterwards", es, 0);
	check("ds afterwards", ds, SEL_GOOD);
	go_away();
	check("no more calls", calls, 1);
	stop = true;
	set_sel(0, 0);
	asm volatile("mov %0, %%ds" ::"r"(0));
}
