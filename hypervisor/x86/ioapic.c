// SPDX-License-Identifier: BSD-2-Clause
/* I/O APICs: one redirection entry for each GSI. */
#include <hv/boot.h>
#include <hv/irq.h>
#include <hv/lib.h>
#include <hv/lock.h>
#include <hv/mm.h>
#include <hv/smp.h>
#include <hv/x86/apic.h>

#define VERSION	   1
#define REDIR(pin) (0x10 + 2 * (pin))
#define MASKED	   BIT(16)
#define LEVEL	   BIT(15)
#define LOW	   BIT(13)

static struct {
	volatile uint32_t *regs;
	unsigned int gsi_base, pins;
	uint32_t version;
} ioapic[ARRAY_SIZE(acpi.ioapic)];
static spinlock_t ioapic_lock; /* index and data register pairs */
unsigned int nr_gsis = 16;

static uint32_t rd(unsigned int i, uint32_t reg)
{
	ioapic[i].regs[0] = reg;
	return ioapic[i].regs[4];
}

static void wr(unsigned int i, uint32_t reg, uint32_t v)
{
	ioapic[i].regs[0] = reg;
	ioapic[i].regs[4] = v;
}

/* I/O APIC with this GSI and its pin; false: none. */
static bool find(unsigned int gsi, unsigned int *i, unsigned int *pin)
{
	for (*i = 0; *i < acpi.nr_ioapics; (*i)++) {
		*pin = gsi - ioapic[*i].gsi_base;
		if (gsi >= ioapic[*i].gsi_base && *pin < ioapic[*i].pins)
			return true;
	}
	return false;
}

void ioapic_init(void)
{
	for (unsigned int i = 0; i < acpi.nr_ioapics; i++) {
		ioapic[i].regs = ioremap(acpi.ioapic[i].addr, 0x44 + 0x10, true);
		if (!ioapic[i].regs)
			hv_panic("cannot map the I/O APIC at %#lx\n", acpi.ioapic[i].addr);
		ioapic[i].gsi_base = acpi.ioapic[i].gsi_base;
		ioapic[i].version = rd(i, VERSION);
		ioapic[i].pins = ((ioapic[i].version >> 16) & 0xff) + 1;
		for (unsigned int pin = 0; pin < ioapic[i].pins; pin++)
			wr(i, REDIR(pin), MASKED);
		nr_gsis = MAX(nr_gsis, ioapic[i].gsi_base + ioapic[i].pins);
	}
	log_info("%u interrupt lines on %u I/O APICs\n", nr_gsis, acpi.nr_ioapics);
}

void ioapic_set(unsigned int gsi, uint8_t vector, unsigned int c, bool level, bool low, bool masked)
{
	unsigned int i, pin;
	uint64_t flags;

	if (!find(gsi, &i, &pin))
		return;
	flags = spin_lock_irqsave(&ioapic_lock);
	wr(i, REDIR(pin), MASKED);
	wr(i, REDIR(pin) + 1, cpu_apic_id[c] << 24);
	wr(i, REDIR(pin),
	   (uint32_t)(vector | (level ? LEVEL : 0) | (low ? LOW : 0) | (masked ? MASKED : 0)));
	spin_unlock_irqrestore(&ioapic_lock, flags);
}

void ioapic_mask(unsigned int gsi, bool masked)
{
	unsigned int i, pin;
	uint64_t flags;
	uint32_t v;

	if (!find(gsi, &i, &pin))
		return;
	flags = spin_lock_irqsave(&ioapic_lock);
	v = rd(i, REDIR(pin)) & ~(uint32_t)MASKED;
	wr(i, REDIR(pin), masked ? v | (uint32_t)MASKED : v);
	spin_unlock_irqrestore(&ioapic_lock, flags);
}

/* Directed EOI where there is a register for it; else the local APIC's broadcast does. */
void ioapic_eoi(unsigned int gsi, uint8_t vector)
{
	unsigned int i, pin;

	if (find(gsi, &i, &pin) && (ioapic[i].version & 0xff) >= 0x20)
		ioapic[i].regs[0x10] = vector;
}

bool ioapic_reg_read(uint64_t pa, uint32_t reg, uint32_t *v)
{
	for (unsigned int i = 0; i < acpi.nr_ioapics; i++) {
		uint64_t flags;

		if (acpi.ioapic[i].addr != pa)
			continue;
		flags = spin_lock_irqsave(&ioapic_lock);
		*v = rd(i, reg & 0xff);
		spin_unlock_irqrestore(&ioapic_lock, flags);
		return true;
	}
	return false;
}
