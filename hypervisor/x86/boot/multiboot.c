// SPDX-License-Identifier: BSD-2-Clause
/* What the boot loader left: command line, modules, memory map; Multiboot 1 and 2 into boot_info. */
#include <hv/boot.h>
#include <hv/frame.h>
#include <hv/lib.h>

struct boot_info boot_info;

#define MB1_MAGIC   0x2badb002
#define MB2_MAGIC   0x36d76289
#define MB1_CMDLINE BIT(2)
#define MB1_MODS    BIT(3)
#define MB1_MMAP    BIT(6)
#define MB1_LOADER  BIT(9)

struct mb1_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t syms[4], mmap_length, mmap_addr, drives[2], config, loader_name;
};
struct mb1_module {
	uint32_t start, end, cmdline, pad;
};
struct mb1_mmap {
	uint32_t size; /* of what follows */
	uint64_t addr, len;
	uint32_t type;
} __packed;
struct mb2_tag {
	uint32_t type, size;
};
struct mb2_module {
	struct mb2_tag tag;
	uint32_t start, end;
	char cmdline[];
};
struct mb2_mmap {
	struct mb2_tag tag;
	uint32_t entry_size, entry_version;
};

/* Loaders other than GRUB 2 put the image's name first. */
static __initdata bool skip_name;

static __init void copy_cmdline(char *dst, size_t size, const char *src)
{
	size_t n;

	while (*src == ' ')
		src++;
	if (skip_name) {
		while (*src && *src != ' ')
			src++;
		while (*src == ' ')
			src++;
	}
	n = strnlen(src, size - 1);
	memcpy(dst, src, n);
	dst[n] = 0;
}

static __init void add_module(uint64_t start, uint64_t end, const char *cmdline)
{
	struct boot_module *m = &boot_info.module[boot_info.nr_modules];

	if (boot_info.nr_modules == MAX_BOOT_MODULES || end <= start)
		return;
	m->start = start;
	m->end = end;
	copy_cmdline(m->cmdline, sizeof(m->cmdline), cmdline);
	boot_info.nr_modules++;
}

static __init void add_e820(uint64_t addr, uint64_t size, uint32_t type)
{
	if (!size || addr + size < addr || boot_info.nr_e820 == MAX_E820)
		return;
	boot_info.e820[boot_info.nr_e820++] = (struct e820_entry){ addr, size, type };
}

static __init void parse_mb1(const struct mb1_info *mb)
{
	boot_info.mb_flags = mb->flags;
	skip_name = !(mb->flags & MB1_LOADER) ||
		    strncmp(phys_to_virt(mb->loader_name), "GRUB", 4) != 0;
	if (mb->flags & MB1_CMDLINE)
		copy_cmdline(boot_info.cmdline, sizeof(boot_info.cmdline),
			     phys_to_virt(mb->cmdline));
	if (mb->flags & MB1_MODS) {
		const struct mb1_module *m = phys_to_virt(mb->mods_addr);

		for (uint32_t i = 0; i < mb->mods_count; i++)
			add_module(m[i].start, m[i].end,
				   m[i].cmdline ? phys_to_virt(m[i].cmdline) : "");
	}
	if (mb->flags & MB1_MMAP) {
		uint32_t at = mb->mmap_addr, end = at + mb->mmap_length;

		while (at + sizeof(struct mb1_mmap) <= end) {
			const struct mb1_mmap *e = phys_to_virt(at);

			add_e820(e->addr, e->len, e->type);
			at += e->size + 4;
		}
	} else {
		add_e820(0, (uint64_t)mb->mem_lower * 1024, E820_RAM);
		add_e820(0x100000, (uint64_t)mb->mem_upper * 1024, E820_RAM);
	}
}

static __init void parse_mb2_mmap(const struct mb2_mmap *m)
{
	const char *p = (const char *)(m + 1), *end = (const char *)m + m->tag.size;

	if (m->entry_size < 20)
		return;
	for (; p + 20 <= end; p += m->entry_size) {
		const struct e820_entry *e = (const struct e820_entry *)p;

		add_e820(e->addr, e->size, e->type);
	}
}

static __init void parse_mb2(const char *info)
{
	const char *end = info + *(const uint32_t *)info;

	for (const char *p = info + 8; p + 8 <= end;) {
		const struct mb2_tag *t = (const struct mb2_tag *)p;

		if (!t->type || t->size < 8)
			break;
		if (t->type == 1)
			copy_cmdline(boot_info.cmdline, sizeof(boot_info.cmdline), p + 8);
		else if (t->type == 3)
			add_module(((const struct mb2_module *)t)->start,
				   ((const struct mb2_module *)t)->end,
				   ((const struct mb2_module *)t)->cmdline);
		else if (t->type == 6)
			parse_mb2_mmap((const struct mb2_mmap *)t);
		else if (t->type == 15 || (t->type == 14 && !acpi_rsdp_copy[0]))
			/* a copy of the ACPI root pointer; the newer kind is preferred */
			memcpy(acpi_rsdp_copy, p + 8, MIN(t->size - 8, sizeof(acpi_rsdp_copy)));
		p += ROUND_UP(t->size, 8U);
	}
}

/* Sort by address; where two entries overlap, the type with the higher number (less usable) stays. */
static __init void e820_clean(void)
{
	struct e820_entry *e = boot_info.e820;

	for (unsigned int i = 1; i < boot_info.nr_e820; i++)
		for (unsigned int j = i; j && e[j].addr < e[j - 1].addr; j--) {
			struct e820_entry t = e[j];

			e[j] = e[j - 1];
			e[j - 1] = t;
		}
	for (unsigned int i = 0; i + 1 < boot_info.nr_e820; i++) {
		struct e820_entry *a = &e[i], *b = &e[i + 1];
		uint64_t a_end = a->addr + a->size, over;

		if (a_end <= b->addr)
			continue;
		over = MIN(a_end, b->addr + b->size) - b->addr;
		if (b->type > a->type) {
			a->size = b->addr - a->addr;
		} else {
			b->addr += over;
			b->size -= over;
		}
	}
}

__init void multiboot_parse(uint32_t magic, uint64_t info_pa)
{
	memset(&boot_info.vga, 0, sizeof(boot_info.vga));
	boot_info.vga.video_type = 0xff;
	if (magic == MB1_MAGIC)
		parse_mb1(phys_to_virt(info_pa));
	else if (magic == MB2_MAGIC)
		parse_mb2(phys_to_virt(info_pa));
	else
		hv_panic("not started by a Multiboot loader (magic %#x)\n", magic);
	e820_clean();
}
