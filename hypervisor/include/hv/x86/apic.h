/* SPDX-License-Identifier: BSD-2-Clause */
/* Local APIC and IO-APICs. */
#ifndef HV_X86_APIC_H
#define HV_X86_APIC_H

#include <hv/types.h>

void apic_init_boot(void);
void apic_init_cpu(void);
void apic_calibrate(void); /* boot CPU, once the TSC is calibrated */
uint32_t apic_read_id(void);
void apic_eoi(void);
void apic_send_ipi(unsigned int cpu, uint8_t vector);
void apic_send_nmi(unsigned int cpu);
void apic_send_init_sipi(uint32_t apic_id, uint8_t page);
void apic_timer_oneshot(uint32_t count); /* 0 stops */
extern uint64_t apic_timer_khz; /* ticks per ms after the divider */

void ioapic_init(void);
/* Program a line. masked, level, active-low as given. */
void ioapic_set(unsigned int gsi, uint8_t vector, unsigned int cpu, bool level, bool low,
		bool masked);
void ioapic_mask(unsigned int gsi, bool masked);
void ioapic_eoi(unsigned int gsi, uint8_t vector);
/* Register `reg` of the I/O APIC at pa, for PHYSDEVOP_apic_read. False: there is none. */
bool ioapic_reg_read(uint64_t pa, uint32_t reg, uint32_t *v);

#endif
