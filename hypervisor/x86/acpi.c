// SPDX-License-Identifier: BSD-2-Clause
/* ACPI tables: what the hypervisor itself needs. Everything else is domain 0's business. */
#include <hv/boot.h>
#include <hv/lib.h>
#include <hv/mm.h>

struct acpi_info acpi;
char acpi_rsdp_copy[36];

struct rsdp {
	char sig[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
} __packed;
struct sdt {
	char sig[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_rev, creator, creator_rev;
} __packed;
struct gas {
	uint8_t space, width, offset, access;
	uint64_t address;
} __packed;
struct fadt {
	struct sdt h;
	uint32_t facs, dsdt;
	uint8_t rsvd0[20];
	uint32_t pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe[2];
	uint8_t rsvd2[24];
	uint32_t flags;
	struct gas reset;
	uint8_t reset_val;
} __packed;
_Static_assert(offsetof(struct fadt, pm1a_cnt) == 64 && offsetof(struct fadt, reset) == 116,
	       "FADT layout");
#define FADT_RESET_SUPPORTED BIT(10)
struct hpet_table {
	struct sdt h;
	uint32_t id;
	struct gas base;
} __packed;

#define MAX_TABLE 0x100000u

static __init bool sum_ok(const void *p, uint32_t n)
{
	const uint8_t *b = p;
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *b++);
	return !s;
}

/* The table at pa, mapped and checked; NULL when it is no table. Stays mapped: they are few and small. */
static __init const struct sdt *map_table(uint64_t pa)
{
	const struct sdt *t = ioremap(pa, sizeof(*t), false);
	uint32_t length;

	if (!t)
		return NULL;
	length = t->length;
	if (length < sizeof(*t) || length > MAX_TABLE)
		return NULL;
	t = ioremap(pa, length, false);
	if (!t || !sum_ok(t, length)) {
		log_warn("ACPI: table at %#lx has a wrong checksum, not used\n", pa);
		return NULL;
	}
	return t;
}

static __init const struct rsdp *check_rsdp(const void *p)
{
	const struct rsdp *r = p;

	return !memcmp(r->sig, "RSD PTR ", 8) && sum_ok(r, 20) ? r : NULL;
}

static __init const struct rsdp *find_rsdp(void)
{
	uint64_t ebda = (uint64_t) * (const uint16_t *)phys_to_virt(0x40e) << 4;
	const struct rsdp *r;

	r = check_rsdp(acpi_rsdp_copy);
	if (r)
		return r;
	if (ebda >= 0x80000 && ebda < 0xa0000)
		for (uint64_t pa = ebda; pa < ebda + 1024; pa += 16)
			if ((r = check_rsdp(phys_to_virt(pa))))
				return r;
	for (uint64_t pa = 0xe0000; pa < 0xfffe0; pa += 16)
		if ((r = check_rsdp(phys_to_virt(pa))))
			return r;
	return NULL;
}

/* The root pointer itself in one range; 0 when it is not there. UEFI does not align it to 16 bytes. */
static __init uint64_t scan_for_rsdp(uint64_t start, uint64_t end)
{
	const char *p = ioremap(start, end - start, false);

	for (uint64_t at = 0; p && at + sizeof(struct rsdp) <= end - start; at += 4)
		if (!memcmp(p + at, acpi_rsdp_copy, 20))
			return start + at;
	return 0;
}

/*
 * The boot loader gave a copy of the root pointer, not its address (UEFI), and domain 0 can only look in the BIOS area.
 * Find it where firmware keeps its tables, and say so on domain 0's command line, as Linux has it.
 */
#define MAX_SCAN 0x1000000UL
static __init void tell_rsdp(void)
{
	char *args = boot_info.module[0].cmdline;
	size_t n = strlen(args);

	for (unsigned int i = 0; i < boot_info.nr_e820 && !acpi.rsdp; i++) {
		const struct e820_entry *e = &boot_info.e820[i];

		if (e->type != E820_RAM && e->size <= MAX_SCAN && e->addr < 0x100000000UL)
			acpi.rsdp = scan_for_rsdp(ROUND_UP(e->addr, 4UL), e->addr + e->size);
	}
	if (!acpi.rsdp)
		log_warn("ACPI: the root pointer was not found in memory; domain 0 may do without "
			 "ACPI\n");
	else if (acpi.rsdp >= 0x100000 && boot_info.nr_modules && !strstr(args, "acpi_rsdp="))
		hv_snprintf(args + n, sizeof(boot_info.module[0].cmdline) - n, " acpi_rsdp=%#lx",
			    acpi.rsdp);
}

static __init void add_cpu(uint32_t apic_id, uint32_t flags)
{
	if (!(flags & 1))
		return;
	if (acpi.nr_cpus == NR_CPUS) {
		log_warn("ACPI: more than %u CPUs; CPU with APIC id %u is not used\n", NR_CPUS,
			 apic_id);
		return;
	}
	acpi.apic_id[acpi.nr_cpus] = apic_id;
	acpi.cpu_enabled[acpi.nr_cpus++] = true;
}

static __init uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static __init void parse_madt_entry(const uint8_t *p, uint8_t len)
{
	switch (p[0]) {
	case 0: /* local APIC */
		if (len >= 8)
			add_cpu(p[3], get32(p + 4));
		break;
	case 1: /* I/O APIC */
		if (len < 12 || acpi.nr_ioapics == ARRAY_SIZE(acpi.ioapic))
			break;
		acpi.ioapic[acpi.nr_ioapics].id = p[2];
		acpi.ioapic[acpi.nr_ioapics].addr = get32(p + 4);
		acpi.ioapic[acpi.nr_ioapics++].gsi_base = get32(p + 8);
		break;
	case 2: /* ISA line on another GSI, or of another kind */
		if (len < 10 || p[3] >= ARRAY_SIZE(acpi.isa_override))
			break;
		acpi.isa_override[p[3]].gsi = get32(p + 4);
		acpi.isa_override[p[3]].flags = (uint16_t)(p[8] | p[9] << 8);
		acpi.isa_override[p[3]].valid = true;
		break;
	case 9: /* local x2APIC */
		if (len >= 16)
			add_cpu(get32(p + 4), get32(p + 8));
		break;
	}
}

static __init void parse_madt(const struct sdt *t)
{
	const uint8_t *p = (const uint8_t *)t + 44, *end = (const uint8_t *)t + t->length;

	if (t->length < 44)
		return;
	acpi.lapic_base = get32((const uint8_t *)t + 36);
	while (p + 2 <= end && p[1] >= 2 && p + p[1] <= end) {
		parse_madt_entry(p, p[1]);
		p += p[1];
	}
}

static __init void parse_fadt(const struct sdt *t)
{
	const struct fadt *f = (const struct fadt *)t;

	if (t->length < offsetof(struct fadt, gpe))
		return;
	acpi.pm1a_cnt = (uint16_t)f->pm1a_cnt;
	acpi.pm1b_cnt = (uint16_t)f->pm1b_cnt;
	acpi.pm_tmr = (uint16_t)f->pm_tmr;
	if (t->length < sizeof(*f) || !(f->flags & FADT_RESET_SUPPORTED))
		return;
	acpi.reset_addr = f->reset.address;
	acpi.reset_space = f->reset.space;
	acpi.reset_val = f->reset_val;
}

static __init void table_at(uint64_t pa)
{
	const struct sdt *t = map_table(pa);

	if (!t)
		return;
	if (!memcmp(t->sig, "APIC", 4)) {
		acpi.madt = pa;
		parse_madt(t);
	} else if (!memcmp(t->sig, "FACP", 4)) {
		acpi.fadt = pa;
		parse_fadt(t);
	} else if (!memcmp(t->sig, "HPET", 4) && t->length >= sizeof(struct hpet_table)) {
		acpi.hpet = pa;
		acpi.hpet_base = ((const struct hpet_table *)t)->base.address;
	} else if (!memcmp(t->sig, "MCFG", 4)) {
		acpi.mcfg = pa;
	}
}

static __init void walk_tables(const struct rsdp *r)
{
	bool wide = r->revision >= 2 && r->xsdt;
	const struct sdt *root = map_table(wide ? r->xsdt : r->rsdt);
	const uint8_t *p, *end;

	if (!root)
		return;
	end = (const uint8_t *)root + root->length;
	for (p = (const uint8_t *)(root + 1); p + (wide ? 8 : 4) <= end; p += wide ? 8 : 4)
		table_at(wide ? get32(p) | (uint64_t)get32(p + 4) << 32 : get32(p));
}

__init void acpi_init(void)
{
	const struct rsdp *r = find_rsdp();

	if (r) {
		if ((const char *)r != acpi_rsdp_copy)
			acpi.rsdp = virt_to_phys(r);
		else
			tell_rsdp();
		walk_tables(r);
	}
	if (!acpi.madt)
		hv_panic("no ACPI MADT: the interrupt controllers are not known; enable ACPI in "
			 "the firmware\n");
	log_info("ACPI: %u CPUs, %u I/O APICs, HPET %#lx, PM1a %#x, reset %#lx\n", acpi.nr_cpus,
		 acpi.nr_ioapics, acpi.hpet_base, acpi.pm1a_cnt, acpi.reset_addr);
}
