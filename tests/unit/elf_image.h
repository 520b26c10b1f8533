/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel images for tests: an ELF64 file with chosen segments and notes, put together in memory. */
#ifndef TEST_ELF_IMAGE_H
#define TEST_ELF_IMAGE_H

#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <xen/elfnote.h>

#define IMG_SIZE      0x8000
#define IMG_TEXT      0x1000 /* file offset of the PT_LOAD */
#define IMG_TEXT_SIZE 0x2000
#define IMG_NOTES     0x4000 /* file offset of the notes */
#define IMG_SHDRS     0x6000
#define IMG_STRTAB    0x7000
#define IMG_BASE      0xffffffff80000000ULL
#define IMG_PADDR     0x1000000ULL

struct img {
	uint8_t b[IMG_SIZE];
	size_t notes; /* bytes */
};

static inline Elf64_Ehdr *img_eh(struct img *m)
{
	return (Elf64_Ehdr *)(void *)m->b;
}

static inline Elf64_Phdr *img_ph(struct img *m, unsigned int i)
{
	return (Elf64_Phdr *)(void *)(m->b + sizeof(Elf64_Ehdr)) + i;
}

static inline Elf64_Shdr *img_sh(struct img *m, unsigned int i)
{
	return (Elf64_Shdr *)(void *)(m->b + IMG_SHDRS) + i;
}

static inline void img_note(struct img *m, uint32_t type, const void *desc, uint32_t n)
{
	Elf64_Nhdr nh = { 4, n, type };
	uint8_t *at = m->b + IMG_NOTES + m->notes;

	memcpy(at, &nh, sizeof(nh));
	memcpy(at + sizeof(nh), "Xen", 4);
	memcpy(at + sizeof(nh) + 4, desc, n);
	m->notes += sizeof(nh) + 4 + ((n + 3) & ~3U);
	img_ph(m, 1)->p_filesz = m->notes;
}

static inline void img_num(struct img *m, uint32_t type, uint64_t v)
{
	img_note(m, type, &v, sizeof(v));
}

static inline void img_text(struct img *m, uint32_t type, const char *s)
{
	img_note(m, type, s, (uint32_t)strlen(s) + 1);
}

/* One PT_LOAD of IMG_TEXT_SIZE bytes in the file and twice that in memory, and an empty PT_NOTE. */
static inline void img_init(struct img *m)
{
	Elf64_Ehdr *eh = img_eh(m);

	memset(m, 0, sizeof(*m));
	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_type = ET_EXEC;
	eh->e_machine = EM_X86_64;
	eh->e_entry = IMG_BASE + IMG_PADDR;
	eh->e_phoff = sizeof(*eh);
	eh->e_phentsize = sizeof(Elf64_Phdr);
	eh->e_phnum = 2;
	*img_ph(m, 0) = (Elf64_Phdr){ .p_type = PT_LOAD,
				      .p_flags = PF_R | PF_W | PF_X,
				      .p_offset = IMG_TEXT,
				      .p_vaddr = IMG_BASE + IMG_PADDR,
				      .p_paddr = IMG_PADDR,
				      .p_filesz = IMG_TEXT_SIZE,
				      .p_memsz = 2 * IMG_TEXT_SIZE };
	*img_ph(m, 1) = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = IMG_NOTES };
	memset(m->b + IMG_TEXT, 0xcc, IMG_TEXT_SIZE);
}

/* As Linux says it. */
static inline void img_linux(struct img *m)
{
	static const uint64_t valid[2] = { 1, 1 };

	img_init(m);
	img_text(m, XEN_ELFNOTE_GUEST_OS, "linux");
	img_text(m, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	img_num(m, XEN_ELFNOTE_VIRT_BASE, IMG_BASE);
	img_num(m, XEN_ELFNOTE_INIT_P2M, 0x8000000000ULL);
	img_num(m, XEN_ELFNOTE_ENTRY, IMG_BASE + IMG_PADDR + 0x40);
	img_text(m, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb|made_up");
	img_num(m, XEN_ELFNOTE_SUPPORTED_FEATURES, 0x8801);
	img_text(m, XEN_ELFNOTE_PAE_MODE, "yes");
	img_note(m, XEN_ELFNOTE_L1_MFN_VALID, valid, sizeof(valid));
	img_num(m, XEN_ELFNOTE_MOD_START_PFN, 1);
	img_num(m, XEN_ELFNOTE_PADDR_OFFSET, 0);
	img_num(m, XEN_ELFNOTE_HYPERCALL_PAGE, IMG_BASE + IMG_PADDR + 0x1000);
	img_text(m, XEN_ELFNOTE_LOADER, "generic");
}

/* Section headers: null, the legacy string, section names, and a symbol table with its strings. */
static inline void img_legacy(struct img *m, const char *guest)
{
	static const char names[] = "\0__xen_guest\0.shstrtab";
	Elf64_Ehdr *eh = img_eh(m);

	img_init(m);
	eh->e_phnum = 1;
	eh->e_shoff = IMG_SHDRS;
	eh->e_shentsize = sizeof(Elf64_Shdr);
	eh->e_shnum = 5;
	eh->e_shstrndx = 2;
	memcpy(m->b + IMG_STRTAB, names, sizeof(names));
	strcpy((char *)m->b + IMG_NOTES, guest);
	*img_sh(m, 1) = (Elf64_Shdr){ .sh_name = 1,
				      .sh_type = SHT_PROGBITS,
				      .sh_offset = IMG_NOTES,
				      .sh_size = strlen(guest) + 1 };
	*img_sh(m, 2) = (Elf64_Shdr){ .sh_name = 13,
				      .sh_type = SHT_STRTAB,
				      .sh_offset = IMG_STRTAB,
				      .sh_size = sizeof(names) };
	*img_sh(m, 3) = (Elf64_Shdr){
		.sh_type = SHT_SYMTAB, .sh_link = 4, .sh_offset = IMG_STRTAB + 0x100, .sh_size = 48
	};
	*img_sh(m, 4) = (Elf64_Shdr){ .sh_type = SHT_STRTAB,
				      .sh_offset = IMG_STRTAB + 0x200,
				      .sh_size = 21 };
	memset(m->b + IMG_STRTAB + 0x100, 's', 48);
	memset(m->b + IMG_STRTAB + 0x200, 't', 21);
}

#endif
