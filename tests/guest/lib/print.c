// SPDX-License-Identifier: BSD-2-Clause
// Formatting and printing through the emergency console, and the mem and str functions gcc calls.

#include "guest.h"

void *memset(void *p, int c, size_t n)
{
	void *start = p;

	asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
	return start;
}

void *memcpy(void *d, const void *s, size_t n)
{
	void *start = d;

	asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; n--)
		a++, b++;
	return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

struct out {
	char *buf;
	size_t size, len;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len++] = c;
}

static void put_padded(struct out *o, const char *s, size_t len, int width, char fill)
{
	for (int i = (int)len; i < width; i++)
		put(o, fill);
	while (len--)
		put(o, *s++);
}

static void put_number(struct out *o, unsigned long v, unsigned int base, bool neg, int width,
		       char fill)
{
	char tmp[24];
	size_t i = sizeof(tmp);

	do {
		tmp[--i] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (neg)
		tmp[--i] = '-';
	put_padded(o, tmp + i, sizeof(tmp) - i, width, fill);
}

static void put_conversion(struct out *o, char conv, bool is_long, int width, char fill,
			   va_list *ap)
{
	const char *s;
	long v;

	switch (conv) {
	case 'd':
		v = is_long ? va_arg(*ap, long) : va_arg(*ap, int);
		put_number(o, v < 0 ? -(unsigned long)v : (unsigned long)v, 10, v < 0, width, fill);
		break;
	case 'u':
	case 'x':
		put_number(o, is_long ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned int),
			   conv == 'x' ? 16 : 10, false, width, fill);
		break;
	case 'p':
		put_number(o, (unsigned long)va_arg(*ap, void *), 16, false, 16, '0');
		break;
	case 's':
		s = va_arg(*ap, const char *);
		put_padded(o, s, strlen(s), width, ' ');
		break;
	case 'c':
		put(o, (char)va_arg(*ap, int));
		break;
	default:
		put(o, conv);
	}
}

int vfmt(char *buf, size_t size, const char *format, va_list args)
{
	struct out o = { buf, size, 0 };
	va_list ap;

	va_copy(ap, args);
	for (; *format; format++) {
		bool is_long = false;
		char fill = ' ';
		int width = 0;

		if (*format != '%') {
			put(&o, *format);
			continue;
		}
		if (*++format == '0')
			fill = *format++;
		while (*format >= '0' && *format <= '9')
			width = width * 10 + *format++ - '0';
		while (*format == 'l')
			is_long = true, format++;
		put_conversion(&o, *format, is_long, width, fill, &ap);
	}
	va_end(ap);
	buf[o.len] = 0;
	return (int)o.len;
}

int fmt(char *buf, size_t size, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = vfmt(buf, size, format, ap);
	va_end(ap);
	return len;
}

void console_write(const char *s, size_t len)
{
	hc_console_io(CONSOLEIO_write, len, s);
}

void say(const char *format, ...)
{
	char line[400];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vfmt(line, sizeof(line), format, ap);
	va_end(ap);
	console_write(line, (size_t)len);
}
