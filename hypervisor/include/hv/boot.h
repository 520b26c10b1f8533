/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot loader gave, boot options, and the order of start-up. */
#ifndef HV_BOOT_H
#define HV_BOOT_H

#include <hv/types.h>
#include <xen/xen.h>

#define MAX_BOOT_MODULES 8
#define MAX_E820 128

struct boot_module {
	uint64_t start, end; /* physical, bytes; reserved until boot_module_free() */
	char cmdline[2048];
};
struct e820_entry {
	uint64_t addr, size;
	uint32_t type;
} __packed;
#define E820_RAM 1
#define E820_RESERVED 2
#define E820_ACPI 3
#define E820_NVS 4
#define E820_UNUSABLE 5

struct boot_info {
	struct boot_module module[MAX_BOOT_MODULES]; /* 0: dom0 kernel, 1: initrd, ... */
	unsigned int nr_modules;
	char cmdline[2048];
	struct e820_entry e820[MAX_E820]; /* the machine's, sorted, not overlapping */
	unsigned int nr_e820;
	dom0_vga_console_info_t vga; /* video_type 0xff.. when none */
	uint32_t mb_flags;
};
extern struct boot_info boot_info;

/* Options, parsed from boot_info.cmdline (Xen's names); a bad value is logged by name with what is accepted. */
struct boot_options {
	uint64_t dom0_mem_pages, dom0_mem_min, dom0_mem_max; /* 0 = not given: most of the machine */
	unsigned int dom0_max_vcpus; /* 0 = all CPUs */
	bool dom0_vcpus_pin, noreboot, nosmp, watchdog, sync_console, no_real_mode;
	unsigned int maxcpus;
	uint32_t com1_baud;
	uint16_t com1_port;
	bool console_com1, console_vga;
	int loglvl_low, guest_loglvl_low; /* lines at or below this level number are shown */
	char sched[16];
};
extern struct boot_options opt;
void cmdline_parse(const char *cmdline);

/* x86/boot/setup.c: hv_main(): entered from head.S on the boot CPU, stack and image mapped. */
void hv_main(uint32_t mb_magic, uint64_t mb_info_pa) __noreturn;
/* x86/dom0_build.c: build domain 0 from modules 0 and 1; panics with the reason when that is not possible. */
void dom0_build(void);
/* The module's memory goes to the heap. */
void boot_module_free(unsigned int i);
/* ACPI: x86/acpi.c */
struct acpi_info {
	uint64_t rsdp, madt, fadt, hpet, mcfg, hpet_base, lapic_base;
	uint32_t nr_cpus, apic_id[NR_CPUS];
	bool cpu_enabled[NR_CPUS];
	uint32_t nr_ioapics;
	struct {
		uint32_t id, gsi_base;
		uint64_t addr;
	} ioapic[8];
	struct {
		uint32_t gsi;
		uint16_t flags;
		bool valid;
	} isa_override[16];
	uint16_t pm1a_cnt, pm1b_cnt, pm_tmr;
	uint64_t reset_addr;
	uint8_t reset_space, reset_val;
	uint16_t slp_typ_s5;
};
extern struct acpi_info acpi;
void acpi_init(void);

#endif
