/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot loader gave, boot options, and the order of start-up. */
#ifndef HV_BOOT_H
#define HV_BOOT_H

#include <hv/types.h>
#include <xen/xen.h>

#define MAX_BOOT_MODULES 8
#define MAX_E820	 128

struct boot_module {
	uint64_t start, end; /* physical, bytes; reserved until boot_module_free() */
	char cmdline[2048];
};
struct e820_entry {
	uint64_t addr, size;
	uint32_t type;
} __packed;
#define E820_RAM      1
#define E820_RESERVED 2
#define E820_ACPI     3
#define E820_NVS      4
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
	uint64_t dom0_mem_pages, dom0_mem_min,
		dom0_mem_max; /* 0 = not given: most of the machine */
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
/*
 * Memory before the heap is there (x86/boot/bootmem.c): `bytes` of zeroed RAM, aligned to `align` (a power of two, at
 * least a page), for ever. A direct-map pointer; panics when there is none. Until heap_add() has been called.
 */
void *boot_alloc(uint64_t bytes, uint64_t align);
/* Start and hand-over, called by hv_main() only. */
void bootmem_init(void); /* free ranges from boot_info.e820 without image, modules, first MiB */
void bootmem_allow_high(void); /* the direct map is complete: RAM above 4 GiB may be given out */
void bootmem_to_heap(void);
void multiboot_parse(uint32_t magic, uint64_t info_pa);
void paging_init(void);
void frames_init(
	void); /* records and machine-to-physical tables, zeroed, for all frames below max_frame */
void paging_heap_ready(void); /* page tables now come from the heap */
void paging_free_init(void); /* .init to the heap */
extern char image_start[], image_end[], text_end[], rodata_end[], init_start[], init_text_end[],
	init_end[];
#define TRAMPOLINE_PHYS 0x70000UL /* one page of the first MiB, for starting the other CPUs */

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
extern char
	acpi_rsdp_copy[36]; /* the root pointer, when the boot loader handed a copy over (UEFI) */
void acpi_init(void);

#endif
