// SPDX-License-Identifier: BSD-2-Clause
/* Memory and string functions of the freestanding build. */
#include <hv/string.h>
#include <stdint.h>

/* Parts of memory that need not be aligned and may hold anything. */
typedef uint16_t any16 __attribute__((may_alias, aligned(1)));
typedef uint32_t any32 __attribute__((may_alias, aligned(1)));
typedef uint64_t any64 __attribute__((may_alias, aligned(1)));

/* The first and the last bytes of a short piece, which may overlap: all is read before anything is written. */
#define MOVE_ENDS(type, d, s, n)                                                      \
	do {                                                                          \
		type first_ = *(const type *)(s);                                     \
		type last_ = *(const type *)((const char *)(s) + (n) - sizeof(type)); \
		*(type *)(d) = first_;                                                \
		*(type *)((char *)(d) + (n) - sizeof(type)) = last_;                  \
	} while (0)

/*
 * Short pieces (most of what unpacking a kernel copies) without any loop; others by words, the last, incomplete one with
 * its neighbours. Right also for regions that overlap with dst below src.
 */
void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;

	if (n > 16) {
		any64 *tail = (any64 *)((char *)dst + n - 8);
		uint64_t last = *(const any64 *)((const char *)src + n - 8);

		n /= 8;
		asm volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(n)::"memory");
		*tail = last;
	} else if (n >= 8) {
		MOVE_ENDS(any64, dst, src, n);
	} else if (n >= 4) {
		MOVE_ENDS(any32, dst, src, n);
	} else if (n >= 2) {
		MOVE_ENDS(any16, dst, src, n);
	} else if (n) {
		*(char *)dst = *(const char *)src;
	}
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (n <= 16 || d <= s || d >= s + n)
		return memcpy(dst, src, n);
	while (n--)
		((volatile char *)d)[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	if (!((uintptr_t)dst & 7) && !(n & 7)) {
		uint64_t v = (uint8_t)c * 0x0101010101010101UL;

		n /= 8;
		asm volatile("rep stosq" : "+D"(d), "+c"(n) : "a"(v) : "memory");
	} else {
		asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strnlen(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && ((const volatile char *)s)[i])
		i++;
	return i;
}

size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return (uint8_t)a[i] - (uint8_t)b[i];
		if (!a[i])
			break;
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}

char *strstr(const char *s, const char *t)
{
	size_t n = strlen(t);

	for (;; s++) {
		if (!strncmp(s, t, n))
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}
