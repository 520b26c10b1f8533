// SPDX-License-Identifier: BSD-2-Clause
// Byte queue and number formatting.
#include <string.h>

#include "xs_alloc.h"
#include "xs_buf.h"

/* An empty buffer larger than this is freed rather than kept for the next answer. */
#define KEEP_MAX 16384

bool xs_buf_grow(struct xs_buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 512;
	char *d;

	if (b->head) {
		memmove(b->d, b->d + b->head, b->len);
		b->head = 0;
		if (b->len + n <= b->cap)
			return true;
	}
	while (cap < b->len + n)
		cap *= 2;
	d = xs_realloc(b->d, cap);
	if (!d)
		return false;
	b->d = d;
	b->cap = cap;
	return true;
}

bool xs_buf_str(struct xs_buf *b, const char *text)
{
	return xs_buf_add(b, text, strlen(text));
}

bool xs_buf_num(struct xs_buf *b, uint64_t n)
{
	char s[XS_NUM_MAX];

	return xs_buf_add(b, s, xs_num_fmt(s, n));
}

void xs_buf_take(struct xs_buf *b, size_t n)
{
	b->head += n;
	b->len -= n;
	if (b->len)
		return;
	b->head = 0;
	if (b->cap > KEEP_MAX)
		xs_buf_free(b);
}

void xs_buf_free(struct xs_buf *b)
{
	xs_free(b->d);
	memset(b, 0, sizeof(*b));
}

size_t xs_num_fmt(char *out, uint64_t n)
{
	char rev[XS_NUM_MAX];
	size_t len = 0, i;

	do {
		rev[len++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	for (i = 0; i < len; i++)
		out[i] = rev[len - 1 - i];
	out[len] = '\0';
	return len;
}

bool xs_num_parse(const char *text, uint64_t max, uint64_t *n)
{
	uint64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || v > (max - digit) / 10 || digit > max)
			return false;
		v = v * 10 + digit;
	}
	*n = v;
	return true;
}
