// SPDX-License-Identifier: BSD-2-Clause
// Kernel image parser: notes of all three kinds, defaults, loading, hostile files.
#include <stdio.h>
#include <stdlib.h>
#include <hv/xenelf.h>
#include <xen/features.h>
#include "tests/unit/elf_image.h"
#include "tests/unit/unit.h"

static struct img m;
static struct xenelf e;

#define ck_parsed()                                               \
	do {                                                      \
		const char *w_ = xenelf_parse(&e, m.b, IMG_SIZE); \
		ck_assert_msg(!w_, "%s", w_);                     \
	} while (0)

#define ck_refused(word)                                                            \
	do {                                                                        \
		const char *w_ = xenelf_parse(&e, m.b, IMG_SIZE);                   \
		ck_assert_msg(w_ &&strstr(w_, (word)), "%s", w_ ? w_ : "no error"); \
	} while (0)

START_TEST(linux_notes)
{
	img_linux(&m);
	ck_parsed();
	ck_assert_uint_eq(e.virt_base, IMG_BASE);
	ck_assert_uint_eq(e.entry, IMG_BASE + IMG_PADDR + 0x40);
	ck_assert_uint_eq(e.virt_start, IMG_BASE + IMG_PADDR);
	ck_assert_uint_eq(e.virt_end, IMG_BASE + IMG_PADDR + 2 * IMG_TEXT_SIZE);
	ck_assert_uint_eq(e.hypercall_page, IMG_BASE + IMG_PADDR + 0x1000);
	ck_assert_uint_eq(e.init_p2m, 0x8000000000ULL);
	ck_assert(e.mod_start_pfn && !e.bsd_symtab);
	ck_assert_int_eq(e.pae, XENELF_PAE_YES);
	ck_assert_int_eq(e.found_in, XENELF_NOTES_PHDR);
	ck_assert_uint_eq(e.features_required, 1U << XENFEAT_writable_page_tables);
	ck_assert_uint_eq(e.features_supported, 0x8801U | 1U << XENFEAT_writable_page_tables |
							1U << XENFEAT_pae_pgdir_above_4gb);
	ck_assert_uint_eq(e.l1_mfn_mask, 1);
	ck_assert_uint_eq(e.l1_mfn_value, 1);
	ck_assert_str_eq(e.guest_os, "linux");
	ck_assert_str_eq(e.loader, "generic");
}
END_TEST

/* Only a marker: virt_base 0, the ELF header's entry, no p2m place. */
START_TEST(defaults_with_one_note)
{
	img_init(&m);
	img_eh(&m)->e_entry = IMG_PADDR + 8;
	img_text(&m, XEN_ELFNOTE_GUEST_OS, "tiny");
	ck_parsed();
	ck_assert_uint_eq(e.virt_base, 0);
	ck_assert_uint_eq(e.paddr_offset, 0);
	ck_assert_uint_eq(e.entry, IMG_PADDR + 8);
	ck_assert_uint_eq(e.virt_start, IMG_PADDR);
	ck_assert_uint_eq(e.init_p2m, XENELF_NONE);
	ck_assert_uint_eq(e.hypercall_page, XENELF_NONE);
	ck_assert(!e.mod_start_pfn);
}
END_TEST

START_TEST(notes_in_sections)
{
	img_linux(&m);
	img_ph(&m, 1)->p_type = PT_NULL;
	img_eh(&m)->e_shoff = IMG_SHDRS;
	img_eh(&m)->e_shentsize = sizeof(Elf64_Shdr);
	img_eh(&m)->e_shnum = 2;
	*img_sh(&m, 1) =
		(Elf64_Shdr){ .sh_type = SHT_NOTE, .sh_offset = IMG_NOTES, .sh_size = m.notes };
	ck_parsed();
	ck_assert_int_eq(e.found_in, XENELF_NOTES_SHDR);
	ck_assert_uint_eq(e.virt_base, IMG_BASE);
}
END_TEST

#define NETBSD                                                                                     \
	"GUEST_OS=netbsd,GUEST_VER=6,XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=0xffffffff80000000," \
	"ELF_PADDR_OFFSET=0xffffffff80000000,VIRT_ENTRY=0xffffffff81000010,HYPERCALL_PAGE=0x1001," \
	"BSD_SYMTAB=yes"

START_TEST(legacy_string)
{
	img_legacy(&m, NETBSD);
	img_ph(&m, 0)->p_paddr = IMG_BASE + IMG_PADDR;
	ck_parsed();
	ck_assert_int_eq(e.found_in, XENELF_NOTES_LEGACY);
	ck_assert_uint_eq(e.virt_start, IMG_BASE + IMG_PADDR);
	ck_assert_uint_eq(e.entry, 0xffffffff81000010ULL);
	ck_assert_uint_eq(e.hypercall_page, IMG_BASE + IMG_PADDR + 0x1000);
	ck_assert_str_eq(e.guest_os, "netbsd");
	ck_assert(e.bsd_symtab);
}
END_TEST

/* Behind the kernel: a length word, an ELF header, three section headers, then the two tables. */
START_TEST(bsd_symbol_table)
{
	Elf64_Shdr sh[3];
	Elf64_Ehdr eh;
	uint8_t *mem, *at;
	uint32_t size;

	img_legacy(&m, NETBSD);
	img_ph(&m, 0)->p_paddr = IMG_BASE + IMG_PADDR;
	ck_parsed();
	mem = malloc(xenelf_load_size(&e));
	xenelf_load(&e, mem);
	at = mem + 2 * IMG_TEXT_SIZE;
	memcpy(&size, at, 4);
	memcpy(&eh, at + 4, sizeof(eh));
	memcpy(sh, at + 4 + eh.e_shoff, sizeof(sh));
	ck_assert_uint_eq((uint64_t)(at - mem) + 4 + size, xenelf_load_size(&e));
	ck_assert_uint_eq(eh.e_shnum, 3);
	ck_assert_uint_eq(sh[1].sh_type, SHT_SYMTAB);
	ck_assert_uint_eq(sh[1].sh_size, 48);
	ck_assert_uint_eq(at[4 + sh[1].sh_offset + 47], 's');
	ck_assert_uint_eq(sh[2].sh_size, 21);
	ck_assert_uint_eq(at[4 + sh[2].sh_offset + 20], 't');
	ck_assert_uint_eq(at[4 + sh[2].sh_offset + 21], 0);
	free(mem);
}
END_TEST

START_TEST(loads_text_and_clears_bss)
{
	uint8_t *mem;

	img_linux(&m);
	ck_parsed();
	ck_assert_uint_eq(xenelf_load_size(&e), 2 * IMG_TEXT_SIZE);
	mem = malloc(xenelf_load_size(&e));
	memset(mem, 0x55, xenelf_load_size(&e));
	xenelf_load(&e, mem);
	ck_assert_uint_eq(mem[0], 0xcc);
	ck_assert_uint_eq(mem[IMG_TEXT_SIZE - 1], 0xcc);
	ck_assert_uint_eq(mem[IMG_TEXT_SIZE], 0);
	ck_assert_uint_eq(mem[2 * IMG_TEXT_SIZE - 1], 0);
	free(mem);
}
END_TEST

static int stop_copy(void *ctx, uint64_t off, const void *src, size_t n)
{
	return -7;
}

static int count_zero(void *ctx, uint64_t off, uint64_t n)
{
	++*(int *)ctx;
	return 0;
}

START_TEST(sink_stops_the_load)
{
	int zeroed = 0;
	struct xenelf_sink s = { stop_copy, count_zero, &zeroed };

	img_linux(&m);
	ck_parsed();
	ck_assert_int_eq(xenelf_load_sink(&e, &s), -7);
	ck_assert_int_eq(zeroed, 0);
}
END_TEST

START_TEST(refusals_name_the_cause)
{
	img_init(&m);
	ck_refused("not a PV kernel");
	img_linux(&m);
	m.b[EI_CLASS] = ELFCLASS32;
	ck_refused("32-bit");
	img_linux(&m);
	img_eh(&m)->e_machine = EM_386;
	ck_refused("x86-64");
	img_linux(&m);
	img_ph(&m, 0)->p_offset = IMG_SIZE;
	ck_refused("outside the file");
	img_linux(&m);
	img_ph(&m, 0)->p_offset = ~0ULL - 4;
	ck_refused("outside the file");
	img_linux(&m);
	img_ph(&m, 0)->p_memsz = 1;
	ck_refused("more bytes");
	img_linux(&m);
	img_ph(&m, 0)->p_paddr = ~0ULL - 0x1000;
	ck_refused("wraps");
	img_linux(&m);
	img_eh(&m)->e_phoff = ~0ULL - 8;
	ck_refused("program headers");
	img_linux(&m);
	img_num(&m, XEN_ELFNOTE_ENTRY, 0x1000);
	ck_refused("entry");
	img_linux(&m);
	img_num(&m, XEN_ELFNOTE_HYPERCALL_PAGE, IMG_BASE);
	ck_refused("HYPERCALL_PAGE");
	img_linux(&m);
	img_num(&m, XEN_ELFNOTE_VIRT_BASE, IMG_BASE + 1);
	ck_refused("VIRT_BASE");
	img_linux(&m);
	img_text(&m, XEN_ELFNOTE_FEATURES, "!levitation");
	ck_refused("feature");
	img_linux(&m);
	img_text(&m, XEN_ELFNOTE_XEN_VERSION, "xen-2.0");
	ck_refused("xen-3.0");
	img_linux(&m);
	((Elf64_Nhdr *)(void *)(m.b + IMG_NOTES))->n_descsz = ~0U;
	ck_refused("note");
	img_legacy(&m, "VIRT_BASE=zzz");
	ck_refused("no number");
	img_legacy(&m, "ELF_PADDR_OFFSET=0");
	ck_refused("PADDR_OFFSET");
}
END_TEST

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static size_t bzimage(uint8_t *f, const void *magic, size_t n)
{
	memset(f, 0, 0x2000);
	f[0x1f1] = 3;
	f[0x1fe] = 0x55;
	f[0x1ff] = 0xaa;
	memcpy(f + 0x202, "HdrS", 4);
	f[0x206] = 0x0c;
	f[0x207] = 0x02;
	put32(f + 0x248, 0x100);
	put32(f + 0x24c, 0x800);
	memcpy(f + 0x800 + 0x100, magic, n);
	put32(f + 0x800 + 0x100 + 0x800 - 4, 123456);
	return 0x2000;
}

START_TEST(bzimage_payloads)
{
	static const struct {
		const char *magic;
		size_t n;
		enum xenelf_format f;
	} all[] = {
		{ "\037\213", 2, XENELF_FMT_GZIP },
		{ "\3757zXZ\0", 6, XENELF_FMT_XZ },
		{ "\050\265\057\375", 4, XENELF_FMT_ZSTD },
		{ "\002!L\030", 4, XENELF_FMT_LZ4 },
		{ "\135\0\0", 3, XENELF_FMT_LZMA },
		{ "\211LZO", 4, XENELF_FMT_LZO },
		{ "BZh", 3, XENELF_FMT_BZIP2 },
		{ "\177ELF", 4, XENELF_FMT_ELF },
	};
	static uint8_t f[0x2000];
	struct xenelf_payload p;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t n = bzimage(f, all[i].magic, all[i].n);

		ck_assert_ptr_null(xenelf_bzimage_payload(&p, f, n));
		ck_assert_int_eq(p.format, all[i].f);
		ck_assert_ptr_eq(p.data, f + 0x900);
		ck_assert_uint_eq(p.size, 0x800);
		ck_assert_uint_eq(p.unpacked_size, 123456);
	}
}
END_TEST

START_TEST(bzimage_refusals)
{
	static uint8_t f[0x2000];
	struct xenelf_payload p;
	size_t n = bzimage(f, "\037\213", 2);

	put32(f + 0x248, 0xfffffff0);
	ck_assert_ptr_nonnull(xenelf_bzimage_payload(&p, f, n));
	n = bzimage(f, "\037\213", 2);
	put32(f + 0x24c, 0x1701);
	ck_assert_ptr_nonnull(xenelf_bzimage_payload(&p, f, n));
	n = bzimage(f, "\037\213", 2);
	f[0x206] = 0x07;
	ck_assert_ptr_nonnull(xenelf_bzimage_payload(&p, f, n));
	n = bzimage(f, "what", 4);
	ck_assert_ptr_nonnull(xenelf_bzimage_payload(&p, f, n));
	ck_assert_ptr_nonnull(xenelf_bzimage_payload(&p, f, 0));
}
END_TEST

/* Whatever is accepted must load without touching a byte outside: the sanitizers watch. */
static void survive(const uint8_t *b, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1), *mem;
	struct xenelf_payload p;

	memcpy(copy, b, n);
	xenelf_bzimage_payload(&p, copy, n);
	if (!xenelf_parse(&e, copy, n) && xenelf_load_size(&e) < 1UL << 24) {
		mem = malloc(xenelf_load_size(&e));
		xenelf_load(&e, mem);
		free(mem);
	}
	free(copy);
}

START_TEST(damaged_images)
{
	const char *seed = getenv("SEED");
	unsigned int s = seed ? (unsigned int)atoi(seed) : 4711;

	printf("damaged_images: SEED=%u\n", s);
	srandom(s);
	for (int round = 0; round < 20000; round++) {
		if (round & 1)
			img_linux(&m);
		else
			img_legacy(&m, NETBSD);
		img_ph(&m, 0)->p_paddr += round & 1 ? 0 : IMG_BASE;
		for (long i = random() % 6; i >= 0; i--) {
			static const unsigned int areas[] = { 0, IMG_NOTES, IMG_SHDRS, IMG_STRTAB };
			size_t at = areas[random() % 4] + (size_t)random() % 0x180;

			m.b[at] = random() & 1 ? (uint8_t)random() : 0xff;
		}
		survive(m.b, random() & 3 ? IMG_SIZE : (size_t)random() % IMG_SIZE);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		linux_notes,	     defaults_with_one_note,  notes_in_sections,
		legacy_string,	     bsd_symbol_table,	      loads_text_and_clears_bss,
		sink_stops_the_load, refusals_name_the_cause, bzimage_payloads,
		bzimage_refusals,    damaged_images,
	};
	Suite *s = suite_create("xenelf");
	TCase *t = tcase_create("xenelf");

	tcase_set_timeout(t, 30);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	return unit_run(s);
}
