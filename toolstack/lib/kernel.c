// SPDX-License-Identifier: BSD-2-Clause
// Kernel files: reading, and unpacking to an ELF image.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <hv/xenelf.h>
#include "toolstack/lib/ts.h"

#define MAX_KERNEL (1UL << 30) /* bytes unpacked; a decompression bomb ends here */

int ts_read_file(struct ts *ts, const char *what, const char *path, size_t max, void **data,
		 size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *buf;
	size_t got = 0;

	if (fd < 0)
		return ts_fail_errno(ts, "%s %s: cannot open", what, path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > max || !st.st_size) {
		close(fd);
		return ts_fail(ts, "%s %s: not a regular file of 1 to %zu bytes", what, path, max);
	}
	buf = malloc((size_t)st.st_size);
	while (buf && got < (size_t)st.st_size) {
		ssize_t n = read(fd, buf + got, (size_t)st.st_size - got);

		if (n <= 0) {
			free(buf);
			close(fd);
			return ts_fail(ts, "%s %s: read error or file cut short meanwhile", what,
				       path);
		}
		got += (size_t)n;
	}
	close(fd);
	if (!buf)
		return ts_fail(ts, "%s %s: out of memory for %lld bytes", what, path,
			       (long long)st.st_size);
	*data = buf;
	*size = got;
	return 0;
}

/* Output that grows as it is needed, starting from the image builder's hint. */
struct out {
	uint8_t *buf;
	size_t room, used;
};

static bool grow(struct out *o)
{
	size_t room = o->room ? o->room * 2 : 16UL << 20;
	uint8_t *buf;

	if (o->room >= MAX_KERNEL)
		return false;
	buf = realloc(o->buf, room);
	if (!buf)
		return false;
	o->buf = buf;
	o->room = room;
	return true;
}

static const char *unpack_gzip(struct out *o, const uint8_t *in, size_t n)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)in, .avail_in = (uInt)n };
	int rc = Z_OK;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return "out of memory";
	while (rc == Z_OK) {
		if (o->used == o->room && !grow(o))
			break;
		z.next_out = o->buf + o->used;
		z.avail_out = (uInt)(o->room - o->used);
		rc = inflate(&z, Z_NO_FLUSH);
		o->used = o->room - z.avail_out;
		if (rc == Z_BUF_ERROR && z.avail_in)
			rc = Z_OK;
	}
	inflateEnd(&z);
	return rc == Z_STREAM_END ? NULL : "gzip data damaged, cut short or too large";
}

static const char *unpack_lzma(struct out *o, const uint8_t *in, size_t n, bool xz)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret rc = xz ? lzma_stream_decoder(&z, UINT64_MAX, 0)
			 : lzma_alone_decoder(&z, UINT64_MAX);

	if (rc != LZMA_OK)
		return "out of memory";
	z.next_in = in;
	z.avail_in = n;
	while (rc == LZMA_OK) {
		if (o->used == o->room && !grow(o))
			break;
		z.next_out = o->buf + o->used;
		z.avail_out = o->room - o->used;
		rc = lzma_code(&z, LZMA_RUN);
		o->used = o->room - z.avail_out;
		if (rc == LZMA_BUF_ERROR && z.avail_out == 0)
			rc = LZMA_OK;
	}
	lzma_end(&z);
	return rc == LZMA_STREAM_END ? NULL : "xz or lzma data damaged, cut short or too large";
}

static const char *unpack_zstd(struct out *o, const uint8_t *in, size_t n)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer src = { in, n, 0 };
	size_t rc = 1;

	if (!z)
		return "out of memory";
	while (rc != 0 && !ZSTD_isError(rc)) {
		ZSTD_outBuffer dst;
		size_t before = src.pos;

		if (o->used == o->room && !grow(o))
			break;
		dst = (ZSTD_outBuffer){ o->buf, o->room, o->used };
		rc = ZSTD_decompressStream(z, &dst, &src);
		if (dst.pos == o->used && src.pos == before && rc != 0)
			break;
		o->used = dst.pos;
	}
	ZSTD_freeDStream(z);
	return rc == 0 ? NULL : "zstd data damaged, cut short or too large";
}

static const char *unpack_lz4(struct out *o, const struct xenelf_payload *p)
{
	const uint8_t *block;
	size_t pos = 0;
	uint32_t len;

	while (xenelf_lz4_block(p, &pos, &block, &len)) {
		int got;

		while (o->room - o->used < XENELF_LZ4_BLOCK)
			if (!grow(o))
				return "lz4 data too large";
		got = LZ4_decompress_safe((const char *)block, (char *)o->buf + o->used, (int)len,
					  XENELF_LZ4_BLOCK);
		if (got < 0)
			return "lz4 data damaged";
		o->used += (size_t)got;
	}
	return o->used && pos == p->size ? NULL : "lz4 data damaged or cut short";
}

static const char *unpack(struct out *o, const struct xenelf_payload *p)
{
	switch (p->format) {
	case XENELF_FMT_GZIP:
		return unpack_gzip(o, p->data, p->size);
	case XENELF_FMT_XZ:
		return unpack_lzma(o, p->data, p->size, true);
	case XENELF_FMT_LZMA:
		return unpack_lzma(o, p->data, p->size, false);
	case XENELF_FMT_ZSTD:
		return unpack_zstd(o, p->data, p->size);
	case XENELF_FMT_LZ4:
		return unpack_lz4(o, p);
	default:
		return "compression format not supported; gzip, xz, lzma, zstd and lz4 are";
	}
}

int ts_unpack_kernel(struct ts *ts, const char *path, void **data, size_t *size)
{
	struct xenelf_payload p;
	struct out o = { 0 };
	const char *why = xenelf_bzimage_payload(&p, *data, *size);

	if (!why && p.format == XENELF_FMT_ELF && p.data == *data)
		return 0;
	if (why) {
		free(*data);
		*data = NULL;
		return ts_fail(ts, "kernel %s: %s", path, why);
	}
	if (p.format == XENELF_FMT_ELF) {
		o.buf = malloc(p.size);
		if (o.buf)
			memcpy(o.buf, p.data, p.size);
		o.used = p.size;
		why = o.buf ? NULL : "out of memory";
	} else {
		if (p.unpacked_size > 1UL << 20 && p.unpacked_size < MAX_KERNEL / 2) {
			o.room = p.unpacked_size + 4096UL;
			o.buf = malloc(o.room);
			o.room = o.buf ? o.room : 0;
		}
		why = unpack(&o, &p);
	}
	free(*data);
	*data = why ? NULL : o.buf;
	*size = o.used;
	if (!why)
		return 0;
	free(o.buf);
	return ts_fail(ts, "kernel %s: payload (%s): %s", path, xenelf_format_name(p.format), why);
}
