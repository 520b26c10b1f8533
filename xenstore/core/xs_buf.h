/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Byte queue and number formatting.
 *
 *        head        head + len        cap
 *   | taken | data to send | free       |
 */
#ifndef XS_BUF_H
#define XS_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct xs_buf {
	char *d;
	size_t head, len, cap;
};

/* Bytes of a formatted uint64_t with its NUL. */
#define XS_NUM_MAX 21

/* The slow part of xs_buf_reserve(). */
bool xs_buf_grow(struct xs_buf *b, size_t n);

/* Make room for n bytes behind the data; false when out of memory (the data stay). */
static inline bool xs_buf_reserve(struct xs_buf *b, size_t n)
{
	return b->head + b->len + n <= b->cap || xs_buf_grow(b, n);
}

/* The first byte; "" for a buffer that never held any. */
static inline const char *xs_buf_at(const struct xs_buf *b)
{
	return b->d ? b->d + b->head : "";
}

/* Append n bytes; false when out of memory (nothing is appended). */
static inline bool xs_buf_add(struct xs_buf *b, const void *data, size_t n)
{
	if (!xs_buf_reserve(b, n))
		return false;
	if (n)
		memcpy(b->d + b->head + b->len, data, n);
	b->len += n;
	return true;
}

/* Append a text without its NUL. */
bool xs_buf_str(struct xs_buf *b, const char *text);

/* Append a number in decimal. */
bool xs_buf_num(struct xs_buf *b, uint64_t n);

/* Drop n <= b->len bytes from the front. An emptied large buffer is given back. */
void xs_buf_take(struct xs_buf *b, size_t n);

void xs_buf_free(struct xs_buf *b);

/* Write n in decimal with NUL to out (XS_NUM_MAX bytes); returns its length without NUL. */
size_t xs_num_fmt(char *out, uint64_t n);

/* Parse decimal digits only, the whole text, value <= max; false otherwise. */
bool xs_num_parse(const char *text, uint64_t max, uint64_t *n);

#endif
