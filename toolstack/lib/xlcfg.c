// SPDX-License-Identifier: BSD-2-Clause
// The text of domain configuration files: keys, strings, numbers, lists.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/lib/xlcfg.h"

/* Position in the text; line counts from 1 for messages. */
struct lexer {
	struct xlcfg *c;
	const char *p, *end;
	unsigned int line;
};

static int __attribute__((format(printf, 2, 3))) fail(struct lexer *l, const char *fmt, ...)
{
	int n = snprintf(l->c->err, sizeof(l->c->err), "%s:%u: ", l->c->source, l->line);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < sizeof(l->c->err))
		vsnprintf(l->c->err + n, sizeof(l->c->err) - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

static bool at_end(const struct lexer *l)
{
	return l->p >= l->end;
}

static void skip_comment(struct lexer *l)
{
	while (!at_end(l) && *l->p != '\n')
		l->p++;
}

/* Blanks and comments; newlines too where a statement or list may go on. */
static void skip_space(struct lexer *l, bool newlines)
{
	for (; !at_end(l); l->p++) {
		if (*l->p == '#') {
			skip_comment(l);
			if (at_end(l))
				return;
		}
		if (*l->p == '\n') {
			if (!newlines)
				return;
			l->line++;
		} else if (*l->p == '\\' && l->end - l->p > 1 && l->p[1] == '\n') {
			l->p++;
			l->line++;
		} else if (*l->p != ' ' && *l->p != '\t' && *l->p != '\r') {
			return;
		}
	}
}

static bool is_word(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
	       ch == '_' || ch == '-' || ch == '.';
}

static char *take(const char *s, size_t n)
{
	char *copy = malloc(n + 1);

	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

static int hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f')
		return (ch | 0x20) - 'a' + 10;
	return -1;
}

/* Escapes of a quoted string; the copy never gets longer. */
static int unescape(struct lexer *l, char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s != '\\') {
			*to++ = *s;
			continue;
		}
		s++;
		switch (*s) {
		case 'n':
			*to++ = '\n';
			break;
		case 't':
			*to++ = '\t';
			break;
		case 'r':
			*to++ = '\r';
			break;
		case 'x':
			if (hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
				return fail(l, "\\x in a string needs two hexadecimal digits");
			*to = (char)(hex_digit(s[1]) * 16 + hex_digit(s[2]));
			if (!*to++)
				return fail(l, "\\x00 in a string");
			s += 2;
			break;
		case '\\':
		case '\'':
		case '"':
			*to++ = *s;
			break;
		default:
			return fail(l,
				    "unknown escape \\%c in a string; write \\\\ for a backslash",
				    *s);
		}
	}
	*to = '\0';
	return 0;
}

static int quoted(struct lexer *l, char **out)
{
	char quote = *l->p++;
	const char *start = l->p;

	for (; !at_end(l) && *l->p != quote; l->p++) {
		if (*l->p == '\n')
			return fail(l, "string without a closing %c", quote);
		if (!*l->p)
			return fail(l, "NUL byte in a string");
		if (*l->p == '\\' && l->end - l->p > 1 && l->p[1] != '\n')
			l->p++;
	}
	if (at_end(l))
		return fail(l, "string without a closing %c", quote);
	*out = take(start, (size_t)(l->p++ - start));
	if (!*out)
		return fail(l, "out of memory");
	if (unescape(l, *out) == 0)
		return 0;
	free(*out);
	*out = NULL;
	return -1;
}

/* A quoted string, or a bare number. */
static int scalar(struct lexer *l, char **out)
{
	const char *start = l->p;

	if (at_end(l) || *l->p == '\n')
		return fail(l, "a value is missing");
	if (*l->p == '"' || *l->p == '\'')
		return quoted(l, out);
	while (!at_end(l) && is_word(*l->p))
		l->p++;
	if (l->p == start || *start < '0' || *start > '9')
		return fail(l, "expected a number or a quoted string");
	*out = take(start, (size_t)(l->p - start));
	return *out ? 0 : fail(l, "out of memory");
}

static void value_clear(struct xlcfg_value *v)
{
	for (size_t i = 0; i < v->nr; i++)
		free(v->item[i]);
	free(v->item);
	v->item = NULL;
	v->nr = 0;
}

/* s becomes the value's. */
static int value_add(struct lexer *l, struct xlcfg_value *v, char *s)
{
	char **item;

	if (v->nr >= 1024) {
		free(s);
		return fail(l, "list of more than 1024 items");
	}
	item = realloc(v->item, (v->nr + 1) * sizeof(*item));
	if (!item) {
		free(s);
		return fail(l, "out of memory");
	}
	v->item = item;
	v->item[v->nr++] = s;
	return 0;
}

static int list(struct lexer *l, struct xlcfg_value *v)
{
	char *s = NULL;

	v->is_list = true;
	l->p++;
	for (;;) {
		skip_space(l, true);
		if (at_end(l))
			return fail(l, "list without a closing ]");
		if (*l->p == ']')
			break;
		if (*l->p == '[')
			return fail(l, "a list inside a list is not supported");
		if (scalar(l, &s) || value_add(l, v, s))
			return -1;
		skip_space(l, true);
		if (!at_end(l) && *l->p == ',')
			l->p++;
		else if (at_end(l) || *l->p != ']')
			return fail(l, "expected , or ] in a list");
	}
	l->p++;
	return 0;
}

const struct xlcfg_value *xlcfg_find(const struct xlcfg *c, const char *key)
{
	for (size_t i = 0; i < c->nr; i++)
		if (strcmp(c->value[i].key, key) == 0)
			return &c->value[i];
	return NULL;
}

/* The value of a key, made empty when it is new. key becomes the value's or is freed. */
static struct xlcfg_value *get_value(struct lexer *l, char *key)
{
	struct xlcfg_value *v = (struct xlcfg_value *)(uintptr_t)xlcfg_find(l->c, key);

	if (v) {
		free(key);
		return v;
	}
	v = l->c->nr < 1024 ? realloc(l->c->value, (l->c->nr + 1) * sizeof(*v)) : NULL;
	if (!v) {
		free(key);
		fail(l, l->c->nr < 1024 ? "out of memory" : "more than 1024 keys");
		return NULL;
	}
	l->c->value = v;
	v += l->c->nr++;
	*v = (struct xlcfg_value){ .key = key };
	return v;
}

/* += puts strings end to end and lists one after the other. */
static int append(struct lexer *l, struct xlcfg_value *old, struct xlcfg_value *add)
{
	char *joined;

	if (old->is_list != add->is_list)
		return fail(l, "%s: += of a list to a string, or of a string to a list", old->key);
	if (!add->is_list) {
		if (asprintf(&joined, "%s%s", old->item[0], add->item[0]) < 0)
			return fail(l, "out of memory");
		free(old->item[0]);
		old->item[0] = joined;
		return 0;
	}
	while (add->nr) {
		char *s = add->item[0];

		memmove(add->item, add->item + 1, --add->nr * sizeof(*add->item));
		if (value_add(l, old, s))
			return -1;
	}
	return 0;
}

static int assign(struct lexer *l, char *key, bool add)
{
	struct xlcfg_value fresh = { .line = l->line }, *v;
	char *s = NULL;
	int rc;

	if (!at_end(l) && *l->p == '[')
		rc = list(l, &fresh);
	else
		rc = scalar(l, &s) || value_add(l, &fresh, s) ? -1 : 0;
	if (rc) {
		free(key);
		value_clear(&fresh);
		return -1;
	}
	v = get_value(l, key);
	if (!v) {
		rc = -1;
	} else if (add && v->nr) {
		rc = append(l, v, &fresh);
	} else {
		value_clear(v);
		fresh.key = v->key;
		*v = fresh;
		return 0;
	}
	value_clear(&fresh);
	return rc;
}

static int statement(struct lexer *l)
{
	const char *start = l->p;
	bool add = false;
	char *key;

	while (!at_end(l) && is_word(*l->p))
		l->p++;
	if (l->p == start)
		return fail(l, "expected KEY = VALUE");
	key = take(start, (size_t)(l->p - start));
	if (!key)
		return fail(l, "out of memory");
	skip_space(l, false);
	if (l->end - l->p > 1 && *l->p == '+' && l->p[1] == '=') {
		add = true;
		l->p++;
	}
	if (at_end(l) || *l->p != '=') {
		fail(l, "%s: expected = after the key", key);
		free(key);
		return -1;
	}
	l->p++;
	skip_space(l, false);
	if (assign(l, key, add))
		return -1;
	skip_space(l, false);
	if (!at_end(l) && *l->p != '\n' && *l->p != ';')
		return fail(l, "unexpected text after a value");
	return 0;
}

int xlcfg_parse(struct xlcfg *c, const char *source, const char *text, size_t len)
{
	struct lexer l = { .c = c, .p = text, .end = text + len, .line = 1 };

	free(c->source);
	c->source = strdup(source);
	if (!c->source) {
		snprintf(c->err, sizeof(c->err), "out of memory");
		return -1;
	}
	if (len > XLCFG_MAX_FILE)
		return fail(&l, "configuration larger than %u bytes", XLCFG_MAX_FILE);
	for (;;) {
		skip_space(&l, true);
		if (at_end(&l))
			return 0;
		if (*l.p == ';')
			l.p++;
		else if (statement(&l))
			return -1;
	}
}

void xlcfg_free(struct xlcfg *c)
{
	for (size_t i = 0; i < c->nr; i++) {
		value_clear(&c->value[i]);
		free(c->value[i].key);
	}
	free(c->value);
	free(c->source);
	memset(c, 0, sizeof(*c));
}
