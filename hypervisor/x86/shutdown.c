// SPDX-License-Identifier: BSD-2-Clause
/* Ends of the machine: reset, power off, halt. */
#include <hv/boot.h>
#include <hv/domain.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/smp.h>
#include <hv/time.h>
#include <hv/x86/cpu.h>

static void stop(const char *what)
{
	log_err("%s\n", what);
	irq_disable();
	smp_stop_others();
}

static void acpi_reset(void)
{
	if (!acpi.reset_addr)
		return;
	if (acpi.reset_space == 1)
		outb(acpi.reset_val, (uint16_t)acpi.reset_addr);
	udelay(50000);
}

/* Each way in turn, the kindest first; a triple fault always works. */
void machine_restart(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __packed none = { 0, 0 };

	stop("the machine restarts");
	acpi_reset();
	outb((uint8_t)((inb(0xcf9) & ~6) | 2), 0xcf9);
	udelay(50);
	outb(6, 0xcf9);
	udelay(50000);
	for (unsigned int i = 0; (inb(0x64) & 2) && i < 10000; i++)
		udelay(10);
	outb(0xfe, 0x64);
	udelay(50000);
	asm volatile("lidt %0; int3" ::"m"(none));
	for (;;)
		asm volatile("hlt");
}

void machine_halt(void)
{
	stop("the machine is halted");
	for (;;)
		asm volatile("cli; hlt");
}

/* SLP_EN with the sleep type; domain 0 gives the values (XENPF_enter_acpi_sleep), read from its \_S5 object. */
void acpi_enter_sleep(uint16_t pm1a, uint16_t pm1b)
{
	if (acpi.pm1a_cnt)
		outw(pm1a | BIT(13), acpi.pm1a_cnt);
	if (acpi.pm1b_cnt)
		outw(pm1b | BIT(13), acpi.pm1b_cnt);
}

/* Without domain 0's values the sleep type is not known (it is AML): the usual one is tried, then the CPU halts. */
void machine_poweroff(void)
{
	stop("the machine is off");
	acpi_enter_sleep((uint16_t)(acpi.slp_typ_s5 << 10), (uint16_t)(acpi.slp_typ_s5 << 10));
	udelay(100000);
	acpi_enter_sleep(5 << 10, 5 << 10);
	for (;;)
		asm volatile("cli; hlt");
}
