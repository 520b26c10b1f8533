// SPDX-License-Identifier: BSD-2-Clause
/*
 * Time: system time is nanoseconds since boot, from the TSC; wall clock from the RTC or domain 0.
 *
 * One scale and one origin for the whole machine, ns = ((tsc - origin) << shift) * mul >> 32, the very formula of the
 * guests' pvclock pages. So a page need not be refreshed to stay exact, and all vcpus of all guests agree.
 */
#include <hv/boot.h>
#include <hv/domain.h>
#include <hv/guest_access.h>
#include <hv/mm.h>
#include <hv/softirq.h>
#include <hv/time.h>
#include <hv/x86/apic.h>
#include <hv/x86/cpu.h>

#define MSR_TSC_DEADLINE 0x6e0
#define NS_PER_SEC	 1000000000UL
#define PVCLOCK_STABLE	 1 /* readers need not guard against steps between vcpus */

uint64_t tsc_khz;
static uint64_t tsc_origin;
static uint32_t tsc_mul;
static int8_t tsc_shift;
/* Wall clock at system time 0; wall_lock */
static uint64_t wall_sec;
static uint32_t wall_nsec;
static spinlock_t wall_lock;

#define PIT_HZ	     1193182UL
#define CALIBRATE_MS 20

/* TSC ticks per ms against channel 2 of the PIT, whose output can be read back. */
static __init uint64_t calibrate_pit(void)
{
	uint16_t count = (uint16_t)(PIT_HZ * CALIBRATE_MS / 1000);
	uint64_t t0, t1;

	outb((uint8_t)((inb(0x61) & ~2) | 1), 0x61); /* gate on, speaker off */
	outb(0xb0, 0x43); /* channel 2, both bytes, mode 0 */
	outb((uint8_t)count, 0x42);
	outb((uint8_t)(count >> 8), 0x42);
	t0 = rdtsc();
	for (unsigned int i = 0; !(inb(0x61) & 0x20); i++)
		if (i > 10000000)
			return 0;
	t1 = rdtsc();
	return (t1 - t0) / CALIBRATE_MS;
}

/* The same against the HPET's main counter; 0 when it does not run. */
static __init uint64_t calibrate_hpet(void)
{
	volatile uint32_t *h;
	uint64_t t0, t1, period_fs, ticks;
	uint32_t c0;

	if (!acpi.hpet_base)
		return 0;
	h = ioremap(acpi.hpet_base, 0x400, true);
	if (!h)
		return 0;
	period_fs = h[1];
	if (!period_fs || period_fs > 100000000)
		return 0;
	h[0x10 / 4] |= 1; /* run */
	ticks = CALIBRATE_MS * 1000000000000UL / period_fs;
	c0 = h[0xf0 / 4];
	t0 = rdtsc();
	for (unsigned int i = 0; h[0xf0 / 4] - c0 < ticks; i++)
		if (i > 10000000)
			return 0;
	ticks = h[0xf0 / 4] - c0;
	t1 = rdtsc();
	return (t1 - t0) * 1000 / (ticks * period_fs / 1000000000); /* us */
}

/* ticks * mul >> 32 after << shift gives ns */
static __init void set_scale(uint64_t khz)
{
	uint64_t hz = khz * 1000;

	tsc_shift = 0;
	while (hz > 2 * NS_PER_SEC) {
		hz >>= 1;
		tsc_shift--;
	}
	while (hz <= NS_PER_SEC) {
		hz <<= 1;
		tsc_shift++;
	}
	tsc_mul = (uint32_t)((NS_PER_SEC << 32) / hz);
}

static s_time_t ticks_to_ns(uint64_t ticks)
{
	if (tsc_shift < 0)
		ticks >>= -tsc_shift;
	else
		ticks <<= tsc_shift;
	return (s_time_t)(((unsigned __int128)ticks * tsc_mul) >> 32);
}

static uint64_t ns_to_ticks(uint64_t ns)
{
	return ns / 1000000 * tsc_khz + ns % 1000000 * tsc_khz / 1000000;
}

s_time_t now(void)
{
	return ticks_to_ns(rdtsc() - tsc_origin);
}

void udelay(unsigned int us)
{
	uint64_t end = rdtsc() + us * tsc_khz / 1000;

	while (rdtsc() < end)
		cpu_relax();
}

/* Reckoned from now, not from boot: scales rounded differently drift apart over days. */
void hw_timer_set(s_time_t when)
{
	uint64_t tsc = rdtsc();
	s_time_t left = when - ticks_to_ns(tsc - tsc_origin);

	/* Too early an interrupt only has the timer programmed anew. */
	left = MIN(left, cpu.tsc_deadline ? 3600 * (s_time_t)NS_PER_SEC : (s_time_t)NS_PER_SEC);
	if (cpu.tsc_deadline) {
		/* A deadline that has passed fires at once; 0 disarms. */
		uint64_t deadline = left > 0 ? tsc + ns_to_ticks((uint64_t)left) + 1 : tsc + 1;

		wrmsr(MSR_TSC_DEADLINE, when ? deadline : 0);
		return;
	}
	if (!when) {
		apic_timer_oneshot(0);
		return;
	}
	left = MAX(left, 1000L);
	apic_timer_oneshot((uint32_t)((uint64_t)left * apic_timer_khz / 1000000) + 1);
}

static uint8_t cmos(uint8_t reg)
{
	outb(reg, 0x70);
	return inb(0x71);
}

static uint64_t days_from_civil(uint64_t y, unsigned int m, unsigned int d)
{
	/* days since 1970-01-01; the year starts in March, so that leap days come last */
	y -= m <= 2;
	m = (m + 9) % 12;
	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d - 1 - 719468;
}

static uint64_t read_rtc(void)
{
	uint8_t t[6], again[6], b;
	static const uint8_t regs[] = { 0, 2, 4, 7, 8, 9 };
	unsigned int hour;

	for (unsigned int tries = 0; tries < 4; tries++) {
		for (unsigned int i = 0; (cmos(10) & 0x80) && i < 100000; i++)
			cpu_relax();
		for (unsigned int i = 0; i < 6; i++)
			t[i] = cmos(regs[i]);
		for (unsigned int i = 0; i < 6; i++)
			again[i] = cmos(regs[i]);
		if (!memcmp(t, again, sizeof(t)))
			break;
	}
	b = cmos(11);
	hour = t[2] & 0x7f;
	if (!(b & 4)) { /* BCD */
		for (unsigned int i = 0; i < 6; i++)
			if (i != 2)
				t[i] = (uint8_t)((t[i] >> 4) * 10 + (t[i] & 15));
		hour = (hour >> 4) * 10 + (hour & 15);
	}
	if (!(b & 2)) /* 12 hours, bit 7 is PM */
		hour = hour % 12 + (t[2] & 0x80 ? 12 : 0);
	return ((days_from_civil(t[5] + (t[5] < 70 ? 2000U : 1900U), t[4], t[3]) * 24 + hour) * 60 +
		t[1]) * 60 +
	       t[0];
}

void time_init(void)
{
	uint64_t khz = calibrate_hpet();
	const char *how = "HPET";

	if (!khz) {
		khz = calibrate_pit();
		how = "PIT";
	}
	if (!khz)
		hv_panic("neither HPET nor PIT runs: the TSC cannot be calibrated\n");
	tsc_khz = khz;
	set_scale(khz);
	tsc_origin = rdtsc();
	wall_sec = read_rtc();
	apic_calibrate();
	log_info("TSC %lu.%03lu MHz (by %s), wall clock %lu\n", khz / 1000, khz % 1000, how,
		 wall_sec);
}

void time_init_cpu(void)
{
	hw_timer_set(0);
}

/*
 * Two CPUs take turns at a lock and read the TSC inside: each must see at least what the last one saw. What is seen in
 * these rounds stands for all time (limits.md).
 */
#define CHECK_ROUNDS 2000
#define MEET_US	     2000000
static spinlock_t check_lock;
static uint64_t check_last; /* check_lock */
static unsigned int check_met[NR_CPUS];
static bool tsc_steps; /* check_lock; guests must not trust the TSC across CPUs */

void tsc_check_with(unsigned int c)
{
	uint64_t end = rdtsc() + MEET_US * tsc_khz / 1000;

	atomic_inc(&check_met[c]);
	while (READ_ONCE(check_met[c]) < 2) {
		if (rdtsc() > end)
			return;
		cpu_relax();
	}
	for (unsigned int i = 0; i < CHECK_ROUNDS; i++) {
		uint64_t t;

		spin_lock(&check_lock);
		t = rdtsc();
		if (t < check_last && !tsc_steps) {
			tsc_steps = true;
			log_warn("CPU %u: its TSC is %lu ticks off; guests will guard against "
				 "steps\n",
				 c, check_last - t);
		}
		check_last = t;
		spin_unlock(&check_lock);
	}
}

static void fill(volatile vcpu_time_info_t *t, uint32_t version)
{
	t->version = version | 1; /* odd: being written */
	smp_wmb();
	t->tsc_timestamp = tsc_origin;
	t->system_time = 0;
	t->tsc_to_system_mul = tsc_mul;
	t->tsc_shift = tsc_shift;
	t->flags = tsc_steps ? 0 : PVCLOCK_STABLE;
	smp_wmb();
	t->version = (version | 1) + 1;
}

/* The secondary area is at a guest address: three copies, so that a reader never sees a mix as whole. */
static void publish_area(struct vcpu *v, const vcpu_time_info_t *t)
{
	guest_ptr_t at = v->time_area;
	uint32_t odd = t->version - 1;

	v->time_area_done = at.va;
	if (copy_to_guest(guest_ptr(at.va + offsetof(vcpu_time_info_t, version)), &odd,
			  sizeof(odd)))
		return;
	smp_wmb();
	if (copy_to_guest(guest_ptr(at.va + 4), (const char *)t + 4, sizeof(*t) - 4))
		return;
	smp_wmb();
	(void)copy_to_guest(at, &t->version,
			    sizeof(t->version)); /* as the first one, cannot fail alone */
}

void pvclock_update(struct vcpu *v)
{
	volatile vcpu_time_info_t *t;
	vcpu_time_info_t copy;

	if (!v->vcpu_info)
		return;
	t = (volatile vcpu_time_info_t *)&v->vcpu_info->time;
	if (t->tsc_timestamp != tsc_origin || t->tsc_to_system_mul != tsc_mul || (t->version & 1) ||
	    t->system_time || t->tsc_shift != tsc_shift)
		fill(t, t->version);
	if (v->time_area.va == v->time_area_done || v != current)
		return;
	copy = *(vcpu_time_info_t *)&v->vcpu_info->time;
	publish_area(v, &copy);
}

void wallclock_update(struct domain *d)
{
	volatile shared_info_t *s = d->shared_info;
	uint64_t flags;
	uint64_t sec;

	if (!s)
		return;
	flags = spin_lock_irqsave(&wall_lock);
	sec = wall_sec + (uint64_t)d->time_offset_seconds;
	s->wc_version = (s->wc_version | 1);
	smp_wmb();
	s->wc_sec = (uint32_t)sec;
	s->wc_sec_hi = (uint32_t)(sec >> 32);
	s->wc_nsec = wall_nsec;
	smp_wmb();
	s->wc_version++;
	spin_unlock_irqrestore(&wall_lock, flags);
}

void wallclock_set(uint64_t sec, uint32_t nsec, uint64_t system_time)
{
	/* May reach back before 1970 by a guest's fancy; it then wraps, and only its own clock is wrong. */
	__int128 ns = (__int128)sec * (int64_t)NS_PER_SEC + nsec - system_time;
	uint64_t flags = spin_lock_irqsave(&wall_lock);
	uint64_t whole = ns < 0 ? 0 : (uint64_t)sec - (system_time / NS_PER_SEC);
	int64_t rest = (int64_t)nsec - (int64_t)(system_time % NS_PER_SEC);

	while (rest < 0) {
		rest += (int64_t)NS_PER_SEC;
		whole--;
	}
	while (rest >= (int64_t)NS_PER_SEC) {
		rest -= (int64_t)NS_PER_SEC;
		whole++;
	}
	wall_sec = ns < 0 ? 0 : whole;
	wall_nsec = ns < 0 ? 0 : (uint32_t)rest;
	spin_unlock_irqrestore(&wall_lock, flags);

	flags = spin_lock_irqsave(&domain_list_lock);
	for (struct domain *d = domain_list; d; d = d->next)
		wallclock_update(d);
	spin_unlock_irqrestore(&domain_list_lock, flags);
}
