// SPDX-License-Identifier: BSD-2-Clause
/* The local APIC, through memory or (x2APIC) MSRs. */
#include <hv/boot.h>
#include <hv/lib.h>
#include <hv/lock.h>
#include <hv/mm.h>
#include <hv/smp.h>
#include <hv/time.h>
#include <hv/x86/apic.h>
#include <hv/x86/cpu.h>

#define ID		 0x20
#define TPR		 0x80
#define EOI		 0xb0
#define SVR		 0xf0
#define ESR		 0x280
#define ICR		 0x300
#define ICR_HIGH	 0x310
#define LVT_TIMER	 0x320
#define LVT_LINT0	 0x350
#define LVT_LINT1	 0x360
#define LVT_ERROR	 0x370
#define TIMER_COUNT	 0x380
#define TIMER_NOW	 0x390
#define TIMER_DIVIDE	 0x3e0
#define LVT_MASKED	 BIT(16)
#define LVT_TSC_DEADLINE (2UL << 17)
#define ICR_BUSY	 BIT(12)
#define ICR_NMI		 0x400u
#define ICR_INIT	 0x4500u
#define ICR_STARTUP	 0x4600u

static bool x2apic;
static volatile uint32_t *regs;
uint64_t apic_timer_khz;

static uint32_t rd(uint32_t reg)
{
	return x2apic ? (uint32_t)rdmsr(0x800 + reg / 16) : regs[reg / 4];
}

static void wr(uint32_t reg, uint32_t v)
{
	if (x2apic)
		wrmsr(0x800 + reg / 16, v);
	else
		regs[reg / 4] = v;
}

uint32_t apic_read_id(void)
{
	return x2apic ? rd(ID) : rd(ID) >> 24;
}

void apic_eoi(void)
{
	wr(EOI, 0);
}

static void send(uint32_t apic_id, uint32_t icr)
{
	uint64_t flags;

	if (x2apic) {
		smp_mb(); /* the MSR write does not wait for earlier stores */
		wrmsr(0x800 + ICR / 16, (uint64_t)apic_id << 32 | icr);
		return;
	}
	flags = irq_save();
	for (unsigned int i = 0; (rd(ICR) & ICR_BUSY) && i < 1000000; i++)
		cpu_relax();
	wr(ICR_HIGH, apic_id << 24);
	wr(ICR, icr);
	irq_restore(flags);
}

void apic_send_ipi(unsigned int c, uint8_t vector)
{
	send(cpu_apic_id[c], vector);
}

void apic_send_nmi(unsigned int c)
{
	send(cpu_apic_id[c], ICR_NMI);
}

void apic_send_init_sipi(uint32_t apic_id, uint8_t page)
{
	send(apic_id, ICR_INIT);
	udelay(10000);
	send(apic_id, ICR_STARTUP | page);
	udelay(300);
	send(apic_id, ICR_STARTUP | page);
}

void apic_timer_oneshot(uint32_t count)
{
	wr(TIMER_COUNT, count);
}

/* With interrupts off: this CPU's registers, all lines masked but the error vector. */
void apic_init_cpu(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (x2apic)
		wrmsr(MSR_APIC_BASE, base | BIT(11) | BIT(10));
	else
		wrmsr(MSR_APIC_BASE, base | BIT(11));
	wr(SVR, 0x100 | VEC_SPURIOUS);
	wr(TPR, 0);
	wr(LVT_LINT0, LVT_MASKED);
	wr(LVT_LINT1, ICR_NMI); /* NMI pin */
	wr(LVT_ERROR, VEC_ERROR);
	wr(TIMER_DIVIDE, 0x3); /* by 16 */
	wr(LVT_TIMER, VEC_TIMER | (cpu.tsc_deadline ? LVT_TSC_DEADLINE : 0));
	wr(ESR, 0);
	apic_eoi();
}

/* Ticks of the timer in `us` microseconds; udelay() works already. */
static void calibrate(void)
{
	uint64_t t0, t1;
	uint32_t left;

	wr(LVT_TIMER, LVT_MASKED | VEC_TIMER);
	t0 = rdtsc();
	wr(TIMER_COUNT, 0xffffffff);
	udelay(10000);
	left = rd(TIMER_NOW);
	t1 = rdtsc();
	wr(TIMER_COUNT, 0);
	wr(LVT_TIMER, VEC_TIMER);
	apic_timer_khz = (0xffffffffu - left) * tsc_khz / (t1 - t0);
	if (!apic_timer_khz)
		hv_panic("the local APIC timer does not count\n");
}

void apic_init_boot(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	x2apic = base & BIT(10);
	for (unsigned int i = 0; cpu.x2apic && i < acpi.nr_cpus; i++)
		x2apic |= acpi.apic_id[i] > 254;
	if (!x2apic) {
		regs = ioremap(base & 0xffffff000UL, PAGE_SIZE, true);
		if (!regs)
			hv_panic("cannot map the local APIC at %#lx\n", base);
	}
	/* The two 8259 controllers: all lines masked, vectors out of the exceptions' way. */
	outb(0x11, 0x20);
	outb(0x11, 0xa0);
	outb(0x20, 0x21);
	outb(0x28, 0xa1);
	outb(4, 0x21);
	outb(2, 0xa1);
	outb(1, 0x21);
	outb(1, 0xa1);
	outb(0xff, 0x21);
	outb(0xff, 0xa1);
	apic_init_cpu();
	cpu_apic_id[0] = apic_read_id();
}

void apic_calibrate(void)
{
	if (!cpu.tsc_deadline)
		calibrate();
	log_info("local APIC%s, timer %s\n", x2apic ? " (x2APIC)" : "",
		 cpu.tsc_deadline ? "by TSC deadline" : "counting");
}
