// SPDX-License-Identifier: BSD-2-Clause
// Decompression of dom0's kernel: liblzma, zlib, libzstd, liblz4, and the few C library functions that they call.
/*
 * The libraries are Debian's static archives, built for programs: they use SSE registers, the red zone below the stack
 * pointer, and a stack-protector value at %fs:0x28. So they run on the boot CPU before any guest, with interrupts off and FS
 * pointing to a dummy block.
 */

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/lock.h>
#include <hv/mm.h>
#include <hv/x86/cpu.h>
#include <hv/x86/unpack.h>

#define UNPACK_MAX (512UL << 20)

static unsigned int order_for(uint64_t bytes)
{
	unsigned int order = 0;

	while ((PAGE_SIZE << order) < bytes)
		order++;
	return order;
}

/* ---- memory for the libraries: whole pages, the order in front of the block */
struct block {
	uint64_t order, pad[7];
};

/* Their contents are left as they are: clearing what is about to be written is a good part of the time. */
static void *pages_alloc(unsigned int order)
{
	mfn_t m = heap_alloc(order, HEAP_CLAIMED | HEAP_NO_SCRUB);

	return mfn_eq(m, MFN_NONE) ? NULL : mfn_to_virt(m);
}

static void *lib_alloc(void *opaque, size_t nmemb, size_t size)
{
	uint64_t bytes = (uint64_t)nmemb * size + sizeof(struct block);
	unsigned int order = order_for(bytes);
	struct block *b;

	if (size && bytes / size < nmemb)
		return NULL;
	b = pages_alloc(order);
	if (!b)
		return NULL;
	b->order = order;
	return b + 1;
}

static void lib_free(void *opaque, void *p)
{
	struct block *b = (struct block *)p - 1;

	if (p)
		hv_free_pages(b, (unsigned int)b->order);
}

static voidpf z_alloc(voidpf opaque, uInt n, uInt size)
{
	return lib_alloc(opaque, n, size);
}

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void free(void *p);
void __stack_chk_fail(void);
void *__memcpy_chk(void *dst, const void *src, size_t n, size_t room);
void *__memset_chk(void *dst, int c, size_t n, size_t room);
void *__memmove_chk(void *dst, const void *src, size_t n, size_t room);
unsigned long long ZSTD_trace_decompress_begin(const ZSTD_DCtx *ctx);
void ZSTD_trace_decompress_end(unsigned long long ctx, const void *trace);

void *malloc(size_t n)
{
	return lib_alloc(NULL, 1, n);
}
void *calloc(size_t n, size_t size)
{
	void *p = lib_alloc(NULL, n, size);

	return p ? memset(p, 0, n * size) : NULL;
}
void free(void *p)
{
	lib_free(NULL, p);
}
void __stack_chk_fail(void)
{
	hv_panic("stack overflow while unpacking the dom0 kernel\n");
}
void *__memcpy_chk(void *dst, const void *src, size_t n, size_t room)
{
	BUG_ON(n > room);
	return memcpy(dst, src, n);
}
void *__memset_chk(void *dst, int c, size_t n, size_t room)
{
	BUG_ON(n > room);
	return memset(dst, c, n);
}
void *__memmove_chk(void *dst, const void *src, size_t n, size_t room)
{
	BUG_ON(n > room);
	return memmove(dst, src, n);
}

/* Hooks that a program may leave undefined, but not one linked to so high an address. 0: nobody traces. */
unsigned long long ZSTD_trace_decompress_begin(const ZSTD_DCtx *ctx)
{
	return 0;
}
void ZSTD_trace_decompress_end(unsigned long long ctx, const void *trace)
{
}

/* ---- formats; each returns the bytes produced, 0 on error */
static size_t unpack_xz(const struct xenelf_payload *p, uint8_t *out, size_t room)
{
	static const lzma_allocator alloc = { .alloc = lib_alloc, .free = lib_free };
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret rc;

	s.allocator = &alloc;
	rc = p->format == XENELF_FMT_XZ ? lzma_stream_decoder(&s, UINT64_MAX, 0)
					: lzma_alone_decoder(&s, UINT64_MAX);
	if (rc != LZMA_OK)
		return 0;
	s.next_in = p->data;
	s.avail_in = p->size;
	s.next_out = out;
	s.avail_out = room;
	do
		rc = lzma_code(&s, LZMA_RUN);
	while (rc == LZMA_OK && s.avail_out);
	lzma_end(&s);
	return rc == LZMA_STREAM_END ? s.total_out : 0;
}

static size_t unpack_gzip(const struct xenelf_payload *p, uint8_t *out, size_t room)
{
	z_stream s = { .zalloc = z_alloc, .zfree = lib_free };
	int rc;

	s.next_in = (z_const Bytef *)(uintptr_t)p->data;
	s.avail_in = (uInt)p->size;
	s.next_out = out;
	s.avail_out = (uInt)room;
	if (inflateInit2(&s, 16 + MAX_WBITS) != Z_OK)
		return 0;
	rc = inflate(&s, Z_FINISH);
	inflateEnd(&s);
	return rc == Z_STREAM_END ? s.total_out : 0;
}

static size_t unpack_zstd(const struct xenelf_payload *p, uint8_t *out, size_t room)
{
	/* Linux puts the unpacked length behind the frame. */
	size_t n = ZSTD_findFrameCompressedSize(p->data, p->size);

	if (!ZSTD_isError(n))
		n = ZSTD_decompress(out, room, p->data, n);
	return ZSTD_isError(n) ? 0 : n;
}

static size_t unpack_lz4(const struct xenelf_payload *p, uint8_t *out, size_t room)
{
	size_t pos = 0, done = 0;
	const uint8_t *block;
	uint32_t len;

	while (xenelf_lz4_block(p, &pos, &block, &len)) {
		int n = LZ4_decompress_safe((const char *)block, (char *)out + done, (int)len,
					    (int)(room - done));

		if (n < 0)
			return 0;
		done += (size_t)n;
	}
	return pos == p->size ? done : 0;
}

static size_t unpack_as(const struct xenelf_payload *p, uint8_t *out, size_t room)
{
	switch (p->format) {
	case XENELF_FMT_GZIP:
		return unpack_gzip(p, out, room);
	case XENELF_FMT_ZSTD:
		return unpack_zstd(p, out, room);
	case XENELF_FMT_LZ4:
		return unpack_lz4(p, out, room);
	default:
		return unpack_xz(p, out, room);
	}
}

const char *unpack(const struct xenelf_payload *p, void **out, size_t *size, unsigned int *order)
{
	static uint64_t fs_block[16];
	uint64_t room = p->unpacked_size ? p->unpacked_size : p->size * 8, flags;

	if (p->format > XENELF_FMT_LZMA)
		return "is compressed in a format this build cannot unpack; xz, lzma, gzip, zstd "
		       "and lz4 are";
	if (room > UNPACK_MAX)
		return "claims to be larger than 512 MiB when unpacked";
	*order = order_for(room);
	*out = pages_alloc(*order);
	if (!*out)
		return "cannot be unpacked: not enough contiguous memory";
	room = PAGE_SIZE << *order;
	flags = irq_save();
	wrmsr(MSR_FS_BASE, (uint64_t)fs_block);
	*size = unpack_as(p, *out, room);
	wrmsr(MSR_FS_BASE, 0);
	irq_restore(flags);
	if (*size)
		return NULL;
	hv_free_pages(*out, *order);
	return "is damaged, or too large to unpack in the memory there is";
}
