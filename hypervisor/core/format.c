// SPDX-License-Identifier: BSD-2-Clause
/* Formatting of text: the integer and string conversions of C99's printf, without memory of its own. */
#include <hv/lib.h>

struct out {
	char *buf;
	size_t size, len; /* len counts what would have been written */
};

struct spec {
	bool left, zero, alt, plus, space, upper, is_signed;
	int width, precision; /* precision -1: not given */
	unsigned int bytes; /* size of the integer argument */
	unsigned int base;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_string(struct out *o, const struct spec *s, const char *str)
{
	size_t n;

	if (!str)
		str = "(null)";
	n = s->precision >= 0 ? strnlen(str, (size_t)s->precision) : strlen(str);
	if (!s->left)
		pad(o, ' ', s->width - (int)n);
	for (size_t i = 0; i < n; i++)
		put(o, str[i]);
	if (s->left)
		pad(o, ' ', s->width - (int)n);
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, bool negative)
{
	const char *digits = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char tmp[24];
	char sign = negative ? '-' : s->plus ? '+' : s->space ? ' ' : 0;
	int n = 0, zeros, total;
	bool hex = s->alt && s->base == 16 && v;

	if (!s->is_signed)
		sign = 0;
	for (uint64_t x = v; x; x /= s->base)
		tmp[n++] = digits[x % s->base];
	if (!v && s->precision != 0)
		tmp[n++] = '0';
	zeros = s->precision > n ? s->precision - n : 0;
	if (s->alt && s->base == 8 && !zeros && (!n || tmp[n - 1] != '0'))
		zeros = 1;
	total = n + zeros + (sign ? 1 : 0) + (hex ? 2 : 0);
	if (s->zero && !s->left && s->precision < 0 && s->width > total) {
		zeros += s->width - total;
		total = s->width;
	}
	if (!s->left)
		pad(o, ' ', s->width - total);
	if (sign)
		put(o, sign);
	if (hex) {
		put(o, '0');
		put(o, s->upper ? 'X' : 'x');
	}
	pad(o, '0', zeros);
	while (n)
		put(o, tmp[--n]);
	if (s->left)
		pad(o, ' ', s->width - total);
}

static const char *parse_flags(const char *f, struct spec *s)
{
	for (;; f++) {
		if (*f == '-')
			s->left = true;
		else if (*f == '0')
			s->zero = true;
		else if (*f == '#')
			s->alt = true;
		else if (*f == '+')
			s->plus = true;
		else if (*f == ' ')
			s->space = true;
		else
			return f;
	}
}

static const char *parse_int(const char *f, int *v)
{
	*v = 0;
	while (*f >= '0' && *f <= '9')
		*v = *v < 10000 ? *v * 10 + (*f++ - '0') : (f++, *v);
	return f;
}

static const char *parse_length(const char *f, unsigned int *bytes)
{
	*bytes = sizeof(int);
	if (*f == 'l' || *f == 'z' || *f == 'j' || *f == 't') {
		*bytes = sizeof(long);
		f += f[0] == 'l' && f[1] == 'l' ? 2 : 1;
	} else if (*f == 'h') {
		*bytes = f[1] == 'h' ? 1 : 2;
		f += f[1] == 'h' ? 2 : 1;
	}
	return f;
}

static void put_integer(struct out *o, struct spec *s, uint64_t v)
{
	unsigned int shift = 64 - s->bytes * 8;
	int64_t sv = (int64_t)(v << shift) >> shift;

	v = v << shift >> shift;
	if (s->is_signed && sv < 0)
		put_number(o, s, 0 - (uint64_t)sv, true);
	else
		put_number(o, s, v, false);
}

int hv_vsnprintf(char *buf, size_t size, const char *f, va_list ap)
{
	struct out o = { buf, size, 0 };

	for (; *f; f++) {
		struct spec s = { .precision = -1, .base = 10 };

		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f = parse_flags(f + 1, &s);
		if (*f == '*') {
			s.width = va_arg(ap, int);
			if (s.width < 0) {
				s.left = true;
				s.width = -s.width;
			}
			f++;
		} else {
			f = parse_int(f, &s.width);
		}
		if (*f == '.') {
			if (*++f == '*') {
				s.precision = va_arg(ap, int);
				f++;
			} else {
				f = parse_int(f, &s.precision);
			}
		}
		f = parse_length(f, &s.bytes);
		switch (*f) {
		case 'd':
		case 'i':
			s.is_signed = true;
			break;
		case 'X':
			s.upper = true;
			s.base = 16;
			break;
		case 'x':
			s.base = 16;
			break;
		case 'o':
			s.base = 8;
			break;
		case 'u':
			break;
		case 'p':
			s.base = 16;
			s.bytes = sizeof(void *);
			if (s.precision < 0)
				s.precision = 16;
			break;
		case 'c':
			pad(&o, ' ', s.left ? 0 : s.width - 1);
			put(&o, (char)va_arg(ap, int));
			pad(&o, ' ', s.left ? s.width - 1 : 0);
			continue;
		case 's':
			put_string(&o, &s, va_arg(ap, const char *));
			continue;
		case '%':
			put(&o, '%');
			continue;
		case 0:
			f--;
			continue;
		default: /* not ours: show it as it is */
			put(&o, '%');
			put(&o, *f);
			continue;
		}
		put_integer(&o, &s, s.bytes == 8 ? va_arg(ap, uint64_t) : va_arg(ap, unsigned int));
	}
	if (size)
		buf[o.len < size ? o.len : size - 1] = 0;
	return (int)o.len;
}

int hv_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = hv_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
