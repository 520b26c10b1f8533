/* SPDX-License-Identifier: BSD-2-Clause */
/* PV kernel images: bzImage payload, ELF64 headers, Xen notes, loading. PURE; every byte is hostile. */
#ifndef HV_XENELF_H
#define HV_XENELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XENELF_NONE (~0ULL) /* an address the image does not give */

enum xenelf_pae { XENELF_PAE_NO, XENELF_PAE_YES, XENELF_PAE_BIMODAL };
enum xenelf_notes { XENELF_NOTES_PHDR, XENELF_NOTES_SHDR, XENELF_NOTES_LEGACY };

/*
 * What a PV kernel says about itself. Virtual addresses unless said otherwise:
 *
 *   virt_base        virt_start                       virt_end
 *   |  (unused pfns) |  PT_LOADs  | bsd symbol table  |
 *   pfn 0            virt_start - virt_base
 *
 * A PT_LOAD with physical address p is loaded at p - paddr_offset + virt_base.
 */
struct xenelf {
	const uint8_t *image; /* the caller's buffer, must outlive this struct */
	size_t size; /* bytes */
	uint64_t entry;
	uint64_t virt_base; /* page aligned */
	uint64_t paddr_offset;
	uint64_t virt_start,
		virt_end; /* [start, end) of the loaded kernel with bss and symbol table */
	uint64_t hypercall_page; /* page aligned and inside the kernel, or XENELF_NONE */
	uint64_t init_p2m; /* page aligned, or XENELF_NONE: the list stands behind the kernel */
	bool mod_start_pfn; /* the initrd may be left out of the initial mapping */
	bool bsd_symtab; /* symbol table appended by xenelf_load() */
	bool suspend_cancel;
	enum xenelf_pae pae;
	enum xenelf_notes found_in;
	uint32_t features_supported, features_required; /* bit n: XENFEAT n */
	uint64_t l1_mfn_mask, l1_mfn_value; /* 0, 0 when not given */
	uint64_t hv_start_low; /* 0 when not given */
	char guest_os[32], guest_version[32], xen_version[16], loader[16];
	/* Private: where the symbol table goes (offset from virt_start) and comes from. */
	uint64_t sym_off, sym_size, str_size;
	uint64_t symtab_file, strtab_file;
};

/*
 * Parse and check an uncompressed ELF64 image of size bytes. On success NULL and *e is filled; what xenelf_load()
 * will touch is then known to be inside the image. Otherwise a static message that names the cause.
 */
const char *xenelf_parse(struct xenelf *e, const void *image, size_t size);

/* Bytes xenelf_load() produces, starting at virt_start. */
static inline uint64_t xenelf_load_size(const struct xenelf *e)
{
	return e->virt_end - e->virt_start;
}

/*
 * Where the kernel goes. copy and zero get an offset from virt_start and never reach beyond xenelf_load_size();
 * a non-zero return stops the load and is handed back. Ranges may come out of order and may overlap.
 */
struct xenelf_sink {
	int (*copy)(void *ctx, uint64_t off, const void *src, size_t n);
	int (*zero)(void *ctx, uint64_t off, uint64_t n);
	void *ctx;
};

/* Load through a sink. Everything between segments is left alone. Returns 0 or what the sink returned. */
int xenelf_load_sink(const struct xenelf *e, const struct xenelf_sink *sink);

/* Load into dst of at least xenelf_load_size() bytes, all of which are written (gaps with zero). */
void xenelf_load(const struct xenelf *e, void *dst);

enum xenelf_format {
	XENELF_FMT_ELF,
	XENELF_FMT_GZIP,
	XENELF_FMT_XZ,
	XENELF_FMT_ZSTD,
	XENELF_FMT_LZ4, /* legacy frame, as Linux makes it */
	XENELF_FMT_LZMA,
	XENELF_FMT_LZO,
	XENELF_FMT_BZIP2,
};

struct xenelf_payload {
	const uint8_t *data; /* inside the caller's buffer */
	size_t size; /* bytes, trailing size word of Linux included when there is one */
	enum xenelf_format format;
	uint32_t
		unpacked_size; /* a hint by the image's builder, bytes; 0 unknown. Not to be trusted. */
};

/*
 * Find what is to be decompressed: the payload of a bzImage (boot protocol 2.08 or later), or the whole file when
 * it is an ELF image or a compressed one itself. NULL, or a static message that names the cause.
 */
const char *xenelf_bzimage_payload(struct xenelf_payload *p, const void *file, size_t size);

/*
 * The blocks of an LZ4 payload, one by one: each is compressed for itself and unpacks to at most XENELF_LZ4_BLOCK bytes. *pos is 0
 * for the first. False: no more; *pos is then p->size if all is well, else the payload is cut short.
 */
#define XENELF_LZ4_BLOCK (8 << 20)
bool xenelf_lz4_block(const struct xenelf_payload *p, size_t *pos, const uint8_t **block,
		      uint32_t *len);

/* "gzip", "xz", ...; never NULL. */
const char *xenelf_format_name(enum xenelf_format f);

#endif
