// SPDX-License-Identifier: BSD-2-Clause
/* hv_main(): the order of start-up on the boot CPU. */
#include <hv/boot.h>
#include <hv/console.h>
#include <hv/domain.h>
#include <hv/heap.h>
#include <hv/irq.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/sched.h>
#include <hv/smp.h>
#include <hv/softirq.h>
#include <hv/time.h>
#include <hv/x86/apic.h>
#include <hv/x86/cpu.h>
#include <hv/x86/desc.h>
#include <hv/x86/entry.h>

extern char boot_stack[];

static __init void show_memory(void)
{
	uint64_t ram = 0;

	for (unsigned int i = 0; i < boot_info.nr_e820; i++) {
		const struct e820_entry *e = &boot_info.e820[i];

		log_debug(" memory %#014lx - %#014lx type %u\n", e->addr, e->addr + e->size,
			  e->type);
		if (e->type == E820_RAM)
			ram += e->size;
	}
	log_info("%lu MiB of memory, %u boot modules\n", ram >> 20, boot_info.nr_modules);
}

static __init void early_stages(uint32_t magic, uint64_t info_pa)
{
	multiboot_parse(magic, info_pa);
	cmdline_parse(
		boot_info.cmdline); /* what it says goes to the log ring until the console is up */
	console_init_early();
	log_info("Paravane, built for the ABI of Xen 4.17\n");
	log_info("command line: %s\n", boot_info.cmdline);
	if (opt.console_vga)
		log_info("console=vga: there is no VGA console, the serial line is used\n");
	cpu_init_boot();
	if (cpu.smap)
		smap_patch(); /* while the image can still be written */
	bootmem_init();
	paging_init();
	show_memory();
}

static __init void machine_stages(void)
{
	frames_init();
	mm_init();
	heap_init();
	bootmem_to_heap();
	paging_heap_ready();
	log_info("heap: %lu MiB free\n", heap_free_pages() >> 8);
	acpi_init();
	desc_init_cpu(0, boot_stack + STACK_SIZE);
	cpu_init_this();
	apic_init_boot();
	ioapic_init();
	irq_init();
	time_init();
	timers_init();
	domain_init();
	sched_init();
	sched_init_cpu(0);
	time_init_cpu();
	console_init_irq();
	smp_boot_all();
}

/* What is neither free nor a domain's: image, frame records, tables, stacks. */
static void show_overhead(void)
{
	uint64_t ram = 0, rest;

	for (unsigned int i = 0; i < boot_info.nr_e820; i++)
		if (boot_info.e820[i].type == E820_RAM)
			ram += boot_info.e820[i].size;
	rest = (heap_free_pages() + dom0->tot_pages) << PAGE_SHIFT;
	log_info("memory: the hypervisor keeps %lu KiB of %lu MiB\n", (ram - rest) >> 10,
		 ram >> 20);
}

/* Outside .init: that is gone when this returns. */
static void __noreturn finish(void)
{
	paging_free_init();
	show_overhead();
	domain_unpause(dom0);
	idle_loop();
}

void hv_main(uint32_t mb_magic, uint64_t mb_info_pa)
{
	cpu_infos[0] = cpu_info();
	cpu_online.bits = 1;
	early_stages(mb_magic, mb_info_pa);
	machine_stages();
	dom0_build();
	finish();
}
