// SPDX-License-Identifier: BSD-2-Clause
// Unpacking kernel files: every format there and back, damaged and cut short ones refused.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include "toolstack/lib/ts.h"
#include "tests/unit/unit.h"

#define RAW  (3UL << 20)
#define ROOM (8UL << 20)

static struct ts ts;
static uint8_t *raw, *packed;

/* The library's own needs open handles; only the text matters here. */
int ts_fail(struct ts *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->err, sizeof(t->err), fmt, ap);
	va_end(ap);
	return -1;
}

int ts_fail_errno(struct ts *t, const char *fmt, ...)
{
	return ts_fail(t, "%s", fmt);
}

static size_t pack_none(uint8_t *to)
{
	memcpy(to, raw, RAW);
	return RAW;
}

static size_t pack_gzip(uint8_t *to)
{
	z_stream z = { .next_in = raw, .avail_in = RAW, .next_out = to, .avail_out = ROOM };

	deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t pack_xz(uint8_t *to)
{
	size_t n = 0;

	ck_assert_int_eq(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, raw, RAW, to, &n, ROOM),
			 LZMA_OK);
	return n;
}

static size_t pack_lzma(uint8_t *to)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma o;

	lzma_lzma_preset(&o, 1);
	ck_assert_int_eq(lzma_alone_encoder(&z, &o), LZMA_OK);
	z.next_in = raw;
	z.avail_in = RAW;
	z.next_out = to;
	z.avail_out = ROOM;
	ck_assert_int_eq(lzma_code(&z, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(&z);
	return ROOM - z.avail_out;
}

static size_t pack_zstd(uint8_t *to)
{
	return ZSTD_compress(to, ROOM, raw, RAW, 1);
}

/* One block less than 8 MiB, after the magic word and its length. */
static size_t pack_lz4(uint8_t *to)
{
	uint32_t magic = 0x184c2102, n;

	n = (uint32_t)LZ4_compress_default((char *)raw, (char *)to + 8, (int)RAW, (int)ROOM - 8);
	memcpy(to, &magic, 4);
	memcpy(to + 4, &n, 4);
	return n + 8;
}

static const struct {
	const char *name;
	size_t (*pack)(uint8_t *to);
} formats[] = { { "none", pack_none }, { "gzip", pack_gzip }, { "xz", pack_xz },
		{ "lzma", pack_lzma }, { "zstd", pack_zstd }, { "lz4", pack_lz4 } };

static void setup(void)
{
	raw = malloc(RAW);
	packed = malloc(ROOM);
	for (size_t i = 0; i < RAW; i++)
		raw[i] = (uint8_t)(i * i >> 9 ^ i);
	memcpy(raw, "\177ELF", 4);
}

static void teardown(void)
{
	free(raw);
	free(packed);
}

/* As Linux builds it: boot sector and setup of 4 sectors, the payload, its unpacked size as the last word. */
static void *bzimage(size_t n, uint32_t hint, size_t *size)
{
	static const uint32_t setup = 5 * 512;
	uint32_t zero = 0, len = (uint32_t)n + 4;
	uint8_t *f;

	*size = setup + n + 4;
	f = calloc(1, *size);
	f[0x1f1] = 4;
	f[0x1fe] = 0x55;
	f[0x1ff] = 0xaa;
	memcpy(f + 0x202, "HdrS\x0f\x02", 6);
	memcpy(f + 0x248, &zero, 4);
	memcpy(f + 0x24c, &len, 4);
	memcpy(f + setup, packed, n);
	memcpy(f + setup + n, &hint, 4);
	return f;
}

START_TEST(there_and_back)
{
	static const uint32_t hints[] = { (uint32_t)RAW, 0, 2U << 20, 0xffffffff };
	size_t n = formats[_i].pack(packed);

	for (size_t h = 0; h < 4; h++) {
		size_t size;
		void *data = bzimage(n, hints[h], &size);

		ck_assert_msg(ts_unpack_kernel(&ts, "k", &data, &size) == 0, "%s: %s",
			      formats[_i].name, ts.err);
		ck_assert_uint_ge(size, RAW);
		ck_assert_mem_eq(data, raw, RAW);
		free(data);
	}
}
END_TEST

START_TEST(damaged_is_refused)
{
	size_t n = formats[_i].pack(packed), size;
	void *data;

	if (_i == 0)
		return; /* nothing to find out about plain ELF */
	data = bzimage(n / 2, (uint32_t)RAW, &size);
	ck_assert_int_eq(ts_unpack_kernel(&ts, "k", &data, &size), -1);
	ck_assert_ptr_nonnull(strstr(ts.err, "kernel k"));
	ck_assert_ptr_null(data);
	memset(packed + n / 3, 0xa5, 4096);
	data = bzimage(n, (uint32_t)RAW, &size);
	if (ts_unpack_kernel(&ts, "k", &data, &size) == 0)
		ck_assert_int_ne(memcmp(data, raw, size < RAW ? size : RAW),
				 0); /* a format without a sum */
	free(data);
}
END_TEST

START_TEST(random_damage_is_survived)
{
	size_t n = formats[_i].pack(packed), size;

	srandom(99);
	for (int round = 0; round < 25; round++) {
		void *data = bzimage(n, (uint32_t)random(), &size);

		for (int k = 0; k < 8; k++)
			((uint8_t *)data)[2560 + random() % (long)(round & 1 ? n : 64)] ^=
				(uint8_t)random();
		ts_unpack_kernel(&ts, "k", &data, &size);
		free(data);
	}
}
END_TEST

START_TEST(unknown_formats_are_named)
{
	size_t size;
	void *data;

	memcpy(packed, "\211LZO", 4);
	data = bzimage(4096, 0, &size);
	ck_assert_int_eq(ts_unpack_kernel(&ts, "k", &data, &size), -1);
	ck_assert_ptr_nonnull(strstr(ts.err, "lzo"));
	data = calloc(1, 4096);
	size = 4096;
	ck_assert_int_eq(ts_unpack_kernel(&ts, "k", &data, &size), -1);
	ck_assert_ptr_nonnull(strstr(ts.err, "neither"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("unpack");
	TCase *t = tcase_create("unpack");
	int n = (int)(sizeof(formats) / sizeof(formats[0]));

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, there_and_back, 0, n);
	tcase_add_loop_test(t, damaged_is_refused, 0, n);
	tcase_add_loop_test(t, random_damage_is_survived, 0, n);
	tcase_add_test(t, unknown_formats_are_named);
	suite_add_tcase(s, t);
	return unit_run(s);
}
