// SPDX-License-Identifier: BSD-2-Clause
// PV kernel images: bzImage payload, ELF64 headers, Xen notes (or the legacy string), loading.
#include <hv/xenelf.h>
#include <hv/string.h>
#include <elf.h>
#include <xen/elfnote.h>
#include <xen/features.h>

#define PAGE_MASK_LOW 0xfffULL
#define MAX_PHDRS     256
#define MAX_SHDRS     4096
#define MAX_SPAN      (1ULL << 32) /* a kernel of 4 GiB is a mistake */

/* State while parsing; what the image did not say stays XENELF_NONE. */
struct parse {
	struct xenelf *e;
	Elf64_Ehdr eh;
	uint64_t pstart, pend; /* physical range of the PT_LOADs */
	uint64_t hypercall_pfn; /* legacy: a page number relative to virt_base */
	unsigned int nr_notes;
	bool want_symtab;
	bool pae_mode_given;
};

static bool in_file(const struct xenelf *e, uint64_t off, uint64_t len)
{
	return off <= e->size && len <= e->size - off;
}

/* Headers may be misaligned in a hostile file, so they are copied out. */
static void get(const struct xenelf *e, void *dst, uint64_t off, size_t n)
{
	memcpy(dst, e->image + off, n);
}

static uint64_t round8(uint64_t v)
{
	return (v + 7) & ~7ULL;
}

static void get_phdr(const struct parse *p, unsigned int i, Elf64_Phdr *ph)
{
	get(p->e, ph, p->eh.e_phoff + (uint64_t)i * p->eh.e_phentsize, sizeof(*ph));
}

static void get_shdr(const struct parse *p, unsigned int i, Elf64_Shdr *sh)
{
	get(p->e, sh, p->eh.e_shoff + (uint64_t)i * p->eh.e_shentsize, sizeof(*sh));
}

static const char *check_header(struct parse *p)
{
	Elf64_Ehdr *eh = &p->eh;

	if (!in_file(p->e, 0, sizeof(*eh)))
		return "kernel image: shorter than an ELF header";
	get(p->e, eh, 0, sizeof(*eh));
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return "kernel image: no ELF magic";
	if (eh->e_ident[EI_CLASS] == ELFCLASS32)
		return "kernel image: 32-bit ELF; only 64-bit PV kernels are supported";
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return "kernel image: not a little-endian ELF64 file";
	if (eh->e_machine != EM_X86_64)
		return "kernel image: ELF file not for x86-64";
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return "kernel image: ELF file is no executable";
	if (!eh->e_phnum || eh->e_phnum > MAX_PHDRS || eh->e_phentsize < sizeof(Elf64_Phdr))
		return "kernel image: ELF program header table has a bad size";
	if (!in_file(p->e, eh->e_phoff, (uint64_t)eh->e_phnum * eh->e_phentsize))
		return "kernel image: ELF program headers lie outside the file";
	/* Sections are optional: an unusable table counts as none. */
	if (eh->e_shnum > MAX_SHDRS || eh->e_shentsize < sizeof(Elf64_Shdr) ||
	    !in_file(p->e, eh->e_shoff, (uint64_t)eh->e_shnum * eh->e_shentsize))
		eh->e_shnum = 0;
	return NULL;
}

static bool is_load(const Elf64_Phdr *ph)
{
	return ph->p_type == PT_LOAD && ph->p_memsz;
}

static const char *scan_loads(struct parse *p)
{
	Elf64_Phdr ph;
	bool any = false;

	for (unsigned int i = 0; i < p->eh.e_phnum; i++) {
		get_phdr(p, i, &ph);
		if (!is_load(&ph))
			continue;
		if (!in_file(p->e, ph.p_offset, ph.p_filesz))
			return "kernel image: a PT_LOAD lies outside the file (truncated image?)";
		if (ph.p_filesz > ph.p_memsz)
			return "kernel image: a PT_LOAD has more bytes in the file than in memory";
		if (ph.p_memsz > MAX_SPAN || ph.p_paddr + ph.p_memsz < ph.p_paddr)
			return "kernel image: a PT_LOAD is too large or wraps around";
		if (!any || ph.p_paddr < p->pstart)
			p->pstart = ph.p_paddr;
		if (!any || ph.p_paddr + ph.p_memsz > p->pend)
			p->pend = ph.p_paddr + ph.p_memsz;
		any = true;
	}
	if (!any)
		return "kernel image: no PT_LOAD segment";
	if (p->pend - p->pstart > MAX_SPAN)
		return "kernel image: PT_LOADs are spread over more than 4 GiB";
	return NULL;
}

static const struct {
	const char *name;
	unsigned int bit;
} feature_names[] = {
	{ "writable_page_tables", XENFEAT_writable_page_tables },
	{ "writable_descriptor_tables", XENFEAT_writable_descriptor_tables },
	{ "auto_translated_physmap", XENFEAT_auto_translated_physmap },
	{ "supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel },
	{ "pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb },
	{ "mmu_pt_update_preserve_ad", XENFEAT_mmu_pt_update_preserve_ad },
	{ "highmem_assist", XENFEAT_highmem_assist },
	{ "gnttab_map_avail_bits", XENFEAT_gnttab_map_avail_bits },
	{ "hvm_callback_vector", XENFEAT_hvm_callback_vector },
	{ "hvm_safe_pvclock", XENFEAT_hvm_safe_pvclock },
	{ "hvm_pirqs", XENFEAT_hvm_pirqs },
	{ "dom0", XENFEAT_dom0 },
	{ "memory_op_vnode_supported", XENFEAT_memory_op_vnode_supported },
};

static bool same(const char *s, size_t n, const char *name)
{
	return strlen(name) == n && memcmp(s, name, n) == 0;
}

/* name|!name|...: with ! the kernel cannot do without. */
static const char *parse_features(struct xenelf *e, const char *s, size_t n)
{
	size_t pos = 0;

	while (pos < n && s[pos]) {
		size_t start = pos, len;
		bool required = s[start] == '!';
		unsigned int i;

		while (pos < n && s[pos] && s[pos] != '|')
			pos++;
		start += required;
		len = pos - start;
		if (pos < n && s[pos] == '|')
			pos++;
		for (i = 0; i < sizeof(feature_names) / sizeof(feature_names[0]); i++)
			if (same(s + start, len, feature_names[i].name))
				break;
		if (i < sizeof(feature_names) / sizeof(feature_names[0])) {
			e->features_supported |= 1U << feature_names[i].bit;
			if (required)
				e->features_required |= 1U << feature_names[i].bit;
		} else if (required) {
			return "kernel image: it requires a feature nobody knows (FEATURES note)";
		}
	}
	return NULL;
}

static void copy_text(char *dst, size_t room, const char *s, size_t n)
{
	n = strnlen(s, n);
	if (n >= room)
		n = room - 1;
	memcpy(dst, s, n);
	dst[n] = '\0';
}

static bool starts(const char *s, size_t n, const char *prefix)
{
	return n >= strlen(prefix) && memcmp(s, prefix, strlen(prefix)) == 0;
}

static bool contains(const char *s, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (starts(s + i, n - i, word))
			return true;
	return false;
}

static enum xenelf_pae parse_pae(const char *s, size_t n)
{
	n = strnlen(s, n);
	if (contains(s, n, "bimodal"))
		return XENELF_PAE_BIMODAL;
	return starts(s, n, "yes") ? XENELF_PAE_YES : XENELF_PAE_NO;
}

/* A number of any size that occurs; 8 bytes unless the note is shorter. */
static uint64_t note_number(const char *desc, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, desc, n < sizeof(v) ? n : sizeof(v));
	return v;
}

static const char *take_note(struct parse *p, uint32_t type, const char *desc, size_t n)
{
	struct xenelf *e = p->e;

	p->nr_notes++;
	switch (type) {
	case XEN_ELFNOTE_ENTRY:
		e->entry = note_number(desc, n);
		break;
	case XEN_ELFNOTE_HYPERCALL_PAGE:
		e->hypercall_page = note_number(desc, n);
		break;
	case XEN_ELFNOTE_VIRT_BASE:
		e->virt_base = note_number(desc, n);
		break;
	case XEN_ELFNOTE_PADDR_OFFSET:
		e->paddr_offset = note_number(desc, n);
		break;
	case XEN_ELFNOTE_XEN_VERSION:
		copy_text(e->xen_version, sizeof(e->xen_version), desc, n);
		break;
	case XEN_ELFNOTE_GUEST_OS:
		copy_text(e->guest_os, sizeof(e->guest_os), desc, n);
		break;
	case XEN_ELFNOTE_GUEST_VERSION:
		copy_text(e->guest_version, sizeof(e->guest_version), desc, n);
		break;
	case XEN_ELFNOTE_LOADER:
		copy_text(e->loader, sizeof(e->loader), desc, n);
		break;
	case XEN_ELFNOTE_PAE_MODE:
		e->pae = parse_pae(desc, n);
		break;
	case XEN_ELFNOTE_FEATURES:
		return parse_features(e, desc, n);
	case XEN_ELFNOTE_SUPPORTED_FEATURES:
		e->features_supported |= (uint32_t)note_number(desc, n);
		break;
	case XEN_ELFNOTE_BSD_SYMTAB:
		p->want_symtab = starts(desc, n, "yes");
		break;
	case XEN_ELFNOTE_HV_START_LOW:
		e->hv_start_low = note_number(desc, n);
		break;
	case XEN_ELFNOTE_L1_MFN_VALID:
		if (n >= 16) { /* the first mask and value */
			e->l1_mfn_mask = note_number(desc, 8);
			e->l1_mfn_value = note_number(desc + 8, 8);
		}
		break;
	case XEN_ELFNOTE_SUSPEND_CANCEL:
		e->suspend_cancel = note_number(desc, n) != 0;
		break;
	case XEN_ELFNOTE_INIT_P2M:
		e->init_p2m = note_number(desc, n);
		break;
	case XEN_ELFNOTE_MOD_START_PFN:
		e->mod_start_pfn = note_number(desc, n) != 0;
		break;
	default: /* INFO, PHYS32_ENTRY and later ones say nothing about PV loading */
		break;
	}
	return NULL;
}

/* Walk one run of notes; names and descriptions are padded to 4 bytes. A broken tail ends the walk. */
static const char *walk_notes(struct parse *p, uint64_t off, uint64_t len)
{
	const char *err = NULL;

	while (!err && len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nh;
		uint64_t name, desc, next;

		get(p->e, &nh, off, sizeof(nh));
		name = sizeof(nh);
		desc = name + (((uint64_t)nh.n_namesz + 3) & ~3ULL);
		next = desc + (((uint64_t)nh.n_descsz + 3) & ~3ULL);
		if (desc + nh.n_descsz > len)
			return "kernel image: an ELF note is longer than its segment";
		if (nh.n_namesz == 4 && memcmp(p->e->image + off + name, "Xen", 4) == 0)
			err = take_note(p, nh.n_type, (const char *)p->e->image + off + desc,
					nh.n_descsz);
		if (next >= len)
			break;
		off += next;
		len -= next;
	}
	return err;
}

static const char *notes_from_phdrs(struct parse *p)
{
	Elf64_Phdr ph;
	const char *err;

	for (unsigned int i = 0; i < p->eh.e_phnum; i++) {
		get_phdr(p, i, &ph);
		if (ph.p_type != PT_NOTE)
			continue;
		if (!in_file(p->e, ph.p_offset, ph.p_filesz))
			return "kernel image: a PT_NOTE lies outside the file";
		err = walk_notes(p, ph.p_offset, ph.p_filesz);
		if (err)
			return err;
	}
	p->e->found_in = XENELF_NOTES_PHDR;
	return NULL;
}

static const char *notes_from_shdrs(struct parse *p)
{
	Elf64_Shdr sh;
	const char *err;

	for (unsigned int i = 0; i < p->eh.e_shnum; i++) {
		get_shdr(p, i, &sh);
		if (sh.sh_type != SHT_NOTE || !in_file(p->e, sh.sh_offset, sh.sh_size))
			continue;
		err = walk_notes(p, sh.sh_offset, sh.sh_size);
		if (err)
			return err;
	}
	p->e->found_in = XENELF_NOTES_SHDR;
	return NULL;
}

static bool legacy_number(const char *s, size_t n, uint64_t *v)
{
	unsigned int base = 10;

	if (n > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
		n -= 2;
	}
	*v = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned int d;

		if (s[i] >= '0' && s[i] <= '9')
			d = (unsigned int)(s[i] - '0');
		else if (base == 16 && (s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'f')
			d = (unsigned int)((s[i] | 0x20) - 'a') + 10;
		else
			return false;
		if (*v > (~0ULL - d) / base)
			return false;
		*v = *v * base + d;
	}
	return n > 0;
}

/* One KEY=VALUE of the legacy string; a key without a value counts as set. */
static const char *take_legacy(struct parse *p, const char *k, size_t kn, const char *v, size_t vn)
{
	struct xenelf *e = p->e;
	const struct {
		const char *name;
		uint64_t *to;
	} numbers[] = {
		{ "VIRT_BASE", &e->virt_base },
		{ "VIRT_ENTRY", &e->entry },
		{ "ELF_PADDR_OFFSET", &e->paddr_offset },
		{ "HYPERCALL_PAGE", &p->hypercall_pfn },
	};
	const struct {
		const char *name;
		char *to;
		size_t room;
	} texts[] = {
		{ "GUEST_OS", e->guest_os, sizeof(e->guest_os) },
		{ "GUEST_VER", e->guest_version, sizeof(e->guest_version) },
		{ "XEN_VER", e->xen_version, sizeof(e->xen_version) },
		{ "LOADER", e->loader, sizeof(e->loader) },
	};

	p->nr_notes++;
	for (unsigned int i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (same(k, kn, numbers[i].name) && !legacy_number(v, vn, numbers[i].to))
			return "kernel image: a value of the __xen_guest section is no number";
	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (same(k, kn, texts[i].name))
			copy_text(texts[i].to, texts[i].room, v, vn);
	if (same(k, kn, "BSD_SYMTAB"))
		p->want_symtab = true;
	if (same(k, kn, "PAE"))
		e->pae = parse_pae(v, vn);
	if (same(k, kn, "FEATURES"))
		return parse_features(e, v, vn);
	return NULL;
}

static const char *walk_legacy(struct parse *p, const char *s, size_t n)
{
	size_t pos = 0;
	const char *err;

	n = strnlen(s, n);
	while (pos < n) {
		size_t start = pos, eq;

		while (pos < n && s[pos] != ',')
			pos++;
		for (eq = start; eq < pos && s[eq] != '='; eq++)
			;
		err = take_legacy(p, s + start, eq - start, s + eq + (eq < pos),
				  pos - eq - (eq < pos));
		if (err)
			return err;
		pos++;
	}
	return NULL;
}

static const char *notes_from_legacy(struct parse *p)
{
	static const char name[] = "__xen_guest";
	Elf64_Shdr sh, names;

	if (p->eh.e_shstrndx >= p->eh.e_shnum)
		return NULL;
	get_shdr(p, p->eh.e_shstrndx, &names);
	if (!in_file(p->e, names.sh_offset, names.sh_size))
		return NULL;
	for (unsigned int i = 0; i < p->eh.e_shnum; i++) {
		get_shdr(p, i, &sh);
		if (sh.sh_name > names.sh_size || names.sh_size - sh.sh_name < sizeof(name) ||
		    memcmp(p->e->image + names.sh_offset + sh.sh_name, name, sizeof(name)) != 0)
			continue;
		if (sh.sh_type == SHT_NOBITS || !in_file(p->e, sh.sh_offset, sh.sh_size))
			return "kernel image: the __xen_guest section lies outside the file";
		p->e->found_in = XENELF_NOTES_LEGACY;
		return walk_legacy(p, (const char *)p->e->image + sh.sh_offset, sh.sh_size);
	}
	return NULL;
}

static const char *find_notes(struct parse *p)
{
	const char *err = notes_from_phdrs(p);

	if (!err && !p->nr_notes)
		err = notes_from_shdrs(p);
	if (!err && !p->nr_notes)
		err = notes_from_legacy(p);
	if (!err && !p->nr_notes)
		err = "kernel image: neither Xen notes nor a __xen_guest section: not a PV kernel "
		      "(Linux needs CONFIG_XEN_PV)";
	return err;
}

/* size word, ELF header, null + symtab + strtab section headers: see struct bsd_head in load_symtab(). */
#define BSD_SECTIONS 3
#define BSD_HEAD     (4 + sizeof(Elf64_Ehdr) + BSD_SECTIONS * sizeof(Elf64_Shdr))

/* Room for the symbol table behind the kernel; an image without one gets none. */
static void plan_symtab(struct parse *p)
{
	struct xenelf *e = p->e;
	Elf64_Shdr sym, str;

	for (unsigned int i = 0; i < p->eh.e_shnum; i++) {
		get_shdr(p, i, &sym);
		if (sym.sh_type != SHT_SYMTAB || sym.sh_link >= p->eh.e_shnum)
			continue;
		get_shdr(p, sym.sh_link, &str);
		if (str.sh_type != SHT_STRTAB || !in_file(e, sym.sh_offset, sym.sh_size) ||
		    !in_file(e, str.sh_offset, str.sh_size))
			continue;
		e->bsd_symtab = true;
		e->symtab_file = sym.sh_offset;
		e->strtab_file = str.sh_offset;
		e->sym_size = sym.sh_size;
		e->str_size = str.sh_size;
		e->sym_off = round8(p->pend) - p->pstart;
		e->virt_end = e->virt_start + e->sym_off + round8(BSD_HEAD) + round8(e->sym_size) +
			      round8(e->str_size);
		return;
	}
}

static const char *place(struct parse *p)
{
	struct xenelf *e = p->e;
	uint64_t offset;

	if (e->paddr_offset != XENELF_NONE && e->virt_base == XENELF_NONE)
		return "kernel image: it gives PADDR_OFFSET but no VIRT_BASE";
	if (e->virt_base == XENELF_NONE)
		e->virt_base = 0;
	if (e->paddr_offset == XENELF_NONE)
		e->paddr_offset = e->found_in == XENELF_NOTES_LEGACY ? e->virt_base : 0;
	if (e->virt_base & PAGE_MASK_LOW)
		return "kernel image: VIRT_BASE is not page aligned";
	if (e->entry == XENELF_NONE)
		e->entry = p->eh.e_entry;
	if (p->hypercall_pfn != XENELF_NONE) {
		if (p->hypercall_pfn >> 40)
			return "kernel image: HYPERCALL_PAGE is no page number";
		e->hypercall_page = e->virt_base + (p->hypercall_pfn << 12);
	}

	/* Unsigned wrap is meant: only the sum has to come out in range. */
	offset = e->virt_base - e->paddr_offset;
	e->virt_start = p->pstart + offset;
	e->virt_end = e->virt_start + (p->pend - p->pstart);
	if (p->want_symtab)
		plan_symtab(p);
	if (e->virt_end <= e->virt_start || e->virt_start < e->virt_base ||
	    e->virt_start - e->virt_base > MAX_SPAN)
		return "kernel image: load addresses do not fit VIRT_BASE and PADDR_OFFSET";
	if (e->entry < e->virt_start || e->entry >= e->virt_end)
		return "kernel image: the entry point lies outside the loaded kernel";
	if (e->hypercall_page != XENELF_NONE &&
	    ((e->hypercall_page & PAGE_MASK_LOW) || e->hypercall_page < e->virt_start ||
	     e->hypercall_page >= e->virt_end))
		return "kernel image: HYPERCALL_PAGE is misaligned or outside the loaded kernel";
	if (e->init_p2m != XENELF_NONE && (e->init_p2m & PAGE_MASK_LOW))
		return "kernel image: INIT_P2M is not page aligned";
	return NULL;
}

static const char *check_identity(const struct xenelf *e)
{
	if (e->xen_version[0] && strcmp(e->xen_version, "xen-3.0") != 0)
		return "kernel image: made for an interface other than xen-3.0 (XEN_VERSION note)";
	if (e->loader[0] && strcmp(e->loader, "generic") != 0 && strcmp(e->guest_os, "linux") != 0)
		return "kernel image: made for a loader other than \"generic\" (LOADER note)";
	return NULL;
}

const char *xenelf_parse(struct xenelf *e, const void *image, size_t size)
{
	struct parse p = { .e = e, .hypercall_pfn = XENELF_NONE };
	const char *err;

	memset(e, 0, sizeof(*e));
	e->image = image;
	e->size = size;
	e->entry = XENELF_NONE;
	e->virt_base = XENELF_NONE;
	e->paddr_offset = XENELF_NONE;
	e->hypercall_page = XENELF_NONE;
	e->init_p2m = XENELF_NONE;

	err = check_header(&p);
	if (!err)
		err = scan_loads(&p);
	if (!err)
		err = find_notes(&p);
	if (!err)
		err = check_identity(e);
	if (!err)
		err = place(&p);
	return err;
}

/*
 * What a BSD kernel finds at its end: a length word, then an ELF file of nothing but a symbol and a string table, whose
 * section offsets count from that ELF header.
 */
static int load_symtab(const struct xenelf *e, const struct xenelf_sink *s)
{
	struct {
		uint32_t size;
		Elf64_Ehdr eh;
		Elf64_Shdr sh[BSD_SECTIONS];
	} __attribute__((packed)) h;
	uint64_t sym = e->sym_off + round8(BSD_HEAD), str = sym + round8(e->sym_size);
	int rc;

	memset(&h, 0, sizeof(h));
	h.size = (uint32_t)(str + round8(e->str_size) - e->sym_off - sizeof(h.size));
	get(e, &h.eh, 0, sizeof(h.eh));
	h.eh.e_phoff = 0;
	h.eh.e_phnum = 0;
	h.eh.e_phentsize = 0;
	h.eh.e_shoff = sizeof(h.eh);
	h.eh.e_shentsize = sizeof(Elf64_Shdr);
	h.eh.e_shnum = BSD_SECTIONS;
	h.eh.e_shstrndx = 0;
	h.sh[1].sh_type = SHT_SYMTAB;
	h.sh[1].sh_offset = sym - e->sym_off - sizeof(h.size);
	h.sh[1].sh_size = e->sym_size;
	h.sh[1].sh_link = 2;
	h.sh[1].sh_entsize = sizeof(Elf64_Sym);
	h.sh[1].sh_addralign = 8;
	h.sh[2].sh_type = SHT_STRTAB;
	h.sh[2].sh_offset = str - e->sym_off - sizeof(h.size);
	h.sh[2].sh_size = e->str_size;
	h.sh[2].sh_addralign = 1;

	rc = s->copy(s->ctx, e->sym_off, &h, sizeof(h));
	if (!rc && e->sym_size)
		rc = s->copy(s->ctx, sym, e->image + e->symtab_file, e->sym_size);
	if (!rc && e->str_size)
		rc = s->copy(s->ctx, str, e->image + e->strtab_file, e->str_size);
	return rc;
}

int xenelf_load_sink(const struct xenelf *e, const struct xenelf_sink *s)
{
	struct parse p = { .e = (struct xenelf *)(uintptr_t)e };
	uint64_t base = e->virt_start - e->virt_base + e->paddr_offset;
	Elf64_Phdr ph;
	int rc = 0;

	get(e, &p.eh, 0, sizeof(p.eh));
	for (unsigned int i = 0; !rc && i < p.eh.e_phnum; i++) {
		get_phdr(&p, i, &ph);
		if (!is_load(&ph))
			continue;
		if (ph.p_filesz)
			rc = s->copy(s->ctx, ph.p_paddr - base, e->image + ph.p_offset,
				     ph.p_filesz);
		if (!rc && ph.p_memsz > ph.p_filesz)
			rc = s->zero(s->ctx, ph.p_paddr - base + ph.p_filesz,
				     ph.p_memsz - ph.p_filesz);
	}
	if (!rc && e->bsd_symtab)
		rc = load_symtab(e, s);
	return rc;
}

static int flat_copy(void *ctx, uint64_t off, const void *src, size_t n)
{
	memcpy((uint8_t *)ctx + off, src, n);
	return 0;
}

static int flat_zero(void *ctx, uint64_t off, uint64_t n)
{
	memset((uint8_t *)ctx + off, 0, n);
	return 0;
}

void xenelf_load(const struct xenelf *e, void *dst)
{
	const struct xenelf_sink s = { flat_copy, flat_zero, dst };

	memset(dst, 0, xenelf_load_size(e));
	(void)xenelf_load_sink(e, &s); /* cannot fail because the flat sink does not */
}

/* ---- bzImage: the header of Linux's x86 boot protocol */

#define BZ_SETUP_SECTS	  0x1f1
#define BZ_BOOT_FLAG	  0x1fe
#define BZ_MAGIC	  0x202
#define BZ_VERSION	  0x206
#define BZ_PAYLOAD_OFFSET 0x248
#define BZ_PAYLOAD_LENGTH 0x24c
#define BZ_HEADER_END	  0x250

static uint32_t le(const uint8_t *b, unsigned int n)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < n; i++)
		v |= (uint32_t)b[i] << (8 * i);
	return v;
}

static const struct {
	const char *name;
	const char *magic;
	unsigned int len;
} formats[] = {
	[XENELF_FMT_ELF] = { "ELF", "\177ELF", 4 },
	[XENELF_FMT_GZIP] = { "gzip", "\037\213", 2 },
	[XENELF_FMT_XZ] = { "xz", "\3757zXZ", 6 }, /* with the final NUL */
	[XENELF_FMT_ZSTD] = { "zstd", "\050\265\057\375", 4 },
	[XENELF_FMT_LZ4] = { "lz4", "\002\041\114\030", 4 },
	[XENELF_FMT_LZMA] = { "lzma", "\135\000\000", 3 },
	[XENELF_FMT_LZO] = { "lzo", "\211LZO", 4 },
	[XENELF_FMT_BZIP2] = { "bzip2", "BZh", 3 },
};
#define NR_FORMATS (sizeof(formats) / sizeof(formats[0]))

const char *xenelf_format_name(enum xenelf_format f)
{
	return (unsigned int)f < NR_FORMATS ? formats[f].name : "unknown";
}

static bool detect(struct xenelf_payload *p)
{
	for (unsigned int i = 0; i < NR_FORMATS; i++) {
		if (p->size < formats[i].len || memcmp(p->data, formats[i].magic, formats[i].len))
			continue;
		p->format = (enum xenelf_format)i;
		return true;
	}
	return false;
}

const char *xenelf_bzimage_payload(struct xenelf_payload *p, const void *file, size_t size)
{
	const uint8_t *f = file;
	uint64_t setup, off, len;

	memset(p, 0, sizeof(*p));
	p->data = f;
	p->size = size;
	if (size < BZ_HEADER_END || le(f + BZ_BOOT_FLAG, 2) != 0xaa55 ||
	    memcmp(f + BZ_MAGIC, "HdrS", 4) != 0)
		return detect(p) ? NULL
				 : "kernel image: neither ELF nor bzImage nor compressed ELF";
	if (le(f + BZ_VERSION, 2) < 0x208)
		return "kernel image: bzImage boot protocol older than 2.08 (no payload field)";

	setup = f[BZ_SETUP_SECTS] ? f[BZ_SETUP_SECTS] : 4;
	off = (setup + 1) * 512 + le(f + BZ_PAYLOAD_OFFSET, 4);
	len = le(f + BZ_PAYLOAD_LENGTH, 4);
	if (off > size || len > size - off || len < 8)
		return "kernel image: the bzImage payload lies outside the file (truncated image?)";
	p->data = f + off;
	p->size = len;
	p->unpacked_size = le(p->data + len - 4, 4);
	return detect(p) ? NULL : "kernel image: bzImage payload in an unknown compression format";
}

/* A magic word, then each block after its length; Linux puts the unpacked length behind the last one. */
bool xenelf_lz4_block(const struct xenelf_payload *p, size_t *pos, const uint8_t **block,
		      uint32_t *len)
{
	size_t at = *pos ? *pos : 4, left = p->size > at ? p->size - at : 0;

	if (left == 4)
		*pos = p->size;
	if (left <= 4 || le(p->data + at, 4) > left - 4)
		return false;
	*len = le(p->data + at, 4);
	*block = p->data + at + 4;
	*pos = at + 4 + *len;
	return true;
}
