// SPDX-License-Identifier: BSD-2-Clause
// xenstore: read, write, rm, ls, list, exists, chmod, watch, control; one binary under several names.
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xs_client.h"

struct opts {
	bool paths; /* -p: paths or permissions */
	bool full; /* -f */
	bool raw; /* -R */
	bool recurse; /* -r */
	bool tidy; /* -t */
	bool upto; /* -u */
	long count; /* -n */
};

struct command {
	const char *name;
	const char *options, *usage;
	int min_args;
	bool txn; /* all in one transaction, tried again on conflict */
	int (*run)(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv);
};

/* Where answers go: standard output, or memory while a transaction may still have to be tried again. */
static FILE *out;

static int fail(const char *path, const char *what)
{
	fprintf(stderr, "xenstore: cannot %s %s: %s\n", what, path, strerror(errno));
	return 1;
}

/* Print a value; bytes that are not printable as \ooo or the usual letters. Returns the columns used. */
static int put_value(const char *v, size_t len, bool raw)
{
	static const char from[] = "\t\n\r\\", to[] = "tnr\\";
	int cols = 0;
	size_t i;

	if (raw) {
		fwrite(v, 1, len, out);
		return 0;
	}
	for (i = 0; i < len; i++) {
		const char *p = v[i] ? strchr(from, v[i]) : NULL;

		if (p)
			cols += fprintf(out, "\\%c", to[p - from]);
		else if (isprint((unsigned char)v[i]))
			cols += putc(v[i], out) != EOF;
		else if (i + 1 < len && isdigit((unsigned char)v[i + 1]))
			cols += fprintf(out, "\\%03o", (unsigned char)v[i]);
		else
			cols += fprintf(out, "\\%o", (unsigned char)v[i]);
	}
	return cols;
}

static int do_read(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv)
{
	size_t len;
	char *v;
	int i;

	for (i = 0; i < argc; i++) {
		v = xsc_read(x, t, argv[i], &len);
		if (!v)
			return fail(argv[i], "read");
		if (o->paths)
			fprintf(out, "%s: ", argv[i]);
		put_value(v, len, o->raw);
		if (!o->raw)
			putc('\n', out);
		free(v);
	}
	return 0;
}

/* Undo put_value()'s notation in place; returns the length. */
static size_t unescape(char *s)
{
	static const char from[] = "tnr\\", to[] = "\t\n\r\\";
	char *in = s, *w = s;

	while (*in) {
		const char *p = NULL;
		int val = 0, digits = 0;

		if (*in != '\\' || !in[1]) {
			*w++ = *in++;
			continue;
		}
		in++;
		p = strchr(from, *in);
		if (p) {
			*w++ = to[p - from];
			in++;
			continue;
		}
		while (digits < 3 && *in >= '0' && *in <= '7') {
			val = val * 8 + *in++ - '0';
			digits++;
		}
		*w++ = digits ? (char)val : *in++;
	}
	*w = '\0';
	return (size_t)(w - s);
}

static int do_write(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv)
{
	int i;

	if (argc % 2) {
		fprintf(stderr, "xenstore: no value for %s\n", argv[argc - 1]);
		return 2;
	}
	for (i = 0; i < argc; i += 2) {
		char *v = strdup(argv[i + 1]);
		size_t len;
		int err;

		if (!v)
			return fail(argv[i], "write");
		len = o->raw ? strlen(v) : unescape(v);
		err = xsc_write(x, t, argv[i], v, len);
		free(v);
		if (err)
			return fail(argv[i], "write");
	}
	return 0;
}

/* Remove parents that have become empty. */
static void tidy(struct xsc *x, xsc_txn t, const char *path)
{
	char *p = strdup(path), *slash;
	unsigned int n;

	while (p && (slash = strrchr(p, '/')) && slash != p) {
		char **kids, *value;
		size_t len = 1;

		*slash = '\0';
		value = xsc_read(x, t, p, &len);
		free(value);
		kids = xsc_directory(x, t, p, &n);
		if (!kids)
			break;
		free(kids);
		if (n || len || xsc_rm(x, t, p))
			break;
	}
	free(p);
}

static int do_rm(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (xsc_rm(x, t, argv[i]))
			return fail(argv[i], "remove");
		if (o->tidy)
			tidy(x, t, argv[i]);
	}
	return 0;
}

static int do_exists(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		if (!xsc_exists(x, t, argv[i]))
			return 1;
	return 0;
}

static int do_list(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv)
{
	unsigned int n, k;
	char **kids;
	int i;

	for (i = 0; i < argc; i++) {
		kids = xsc_directory(x, t, argv[i], &n);
		if (!kids)
			return fail(argv[i], "list");
		for (k = 0; k < n; k++)
			if (o->paths)
				fprintf(out, "%s/%s\n", strcmp(argv[i], "/") ? argv[i] : "",
					kids[k]);
			else
				fprintf(out, "%s\n", kids[k]);
		free(kids);
	}
	return 0;
}

static char *join(const char *dir, const char *name)
{
	char *p;

	if (asprintf(&p, "%s/%s", strcmp(dir, "/") ? dir : "", name) < 0)
		return NULL;
	return p;
}

/* "(n0,r5)" behind a gap that is dotted in the indented form. */
static void put_perms(struct xsc *x, xsc_txn t, const char *path, const struct opts *o, int col)
{
	const int right = 61;
	struct xsc_perm *l;
	unsigned int n, i;

	l = xsc_get_perms(x, t, path, &n);
	if (!l)
		return;
	if (o->full)
		fputs("  ", out);
	else
		for (i = 0; col < right || i < (col == right ? 2 : 1); col++, i++)
			putc(!i || (right - col) % 2 ? ' ' : '.', out);
	fputs(" (", out);
	for (i = 0; i < n; i++)
		fprintf(out, "%s%c%u", i ? "," : "", l[i].mode, l[i].domid);
	putc(')', out);
	free(l);
}

static int show(struct xsc *x, xsc_txn t, const struct opts *o, const char *path, const char *name,
		int depth)
{
	size_t len = 0;
	char *v = xsc_read(x, t, path, &len);
	int col = depth;

	if (!v && errno != EACCES && errno != ENOENT)
		return fail(path, "read");
	if (o->full)
		fputs(path, out);
	else
		col += fprintf(out, "%*s%s", depth, "", name) - depth;
	if (v) {
		fputs(" = \"", out);
		col += put_value(v, len, false) + 5;
		putc('"', out);
	} else {
		fputs(":", out);
		col++;
	}
	free(v);
	if (o->paths)
		put_perms(x, t, path, o, col);
	putc('\n', out);
	return 0;
}

static int walk(struct xsc *x, xsc_txn t, const struct opts *o, const char *path, int depth)
{
	unsigned int n, i;
	char **kids = xsc_directory(x, t, path, &n);
	int err = 0;

	if (!kids) {
		/* It may vanish, or be closed to us, while we look. */
		if (depth && (errno == ENOENT || errno == EACCES))
			return 0;
		return fail(path, "list");
	}
	for (i = 0; i < n && !err; i++) {
		char *p = join(path, kids[i]);

		if (!p) {
			err = fail(path, "list");
			break;
		}
		err = show(x, t, o, p, kids[i], depth);
		if (!err)
			err = walk(x, t, o, p, depth + 1);
		free(p);
	}
	free(kids);
	return err;
}

static int do_ls(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv)
{
	static char root[] = "/";
	static char *const whole[] = { root };
	int i, err = 0;

	if (!argc) {
		argc = 1;
		argv = (char **)whole;
	}
	for (i = 0; i < argc && !err; i++)
		err = walk(x, t, o, argv[i], 0);
	return err;
}

static int chmod_tree(struct xsc *x, xsc_txn t, const struct opts *o, const char *path,
		      const struct xsc_perm *perms, unsigned int num)
{
	unsigned int n, i;
	char **kids;
	int err = 0;

	if (xsc_set_perms(x, t, path, perms, num))
		return fail(path, "change permissions of");
	if (!o->recurse)
		return 0;
	kids = xsc_directory(x, t, path, &n);
	if (!kids)
		return fail(path, "list");
	for (i = 0; i < n && !err; i++) {
		char *p = join(path, kids[i]);

		err = p ? chmod_tree(x, t, o, p, perms, num) : fail(path, "list");
		free(p);
	}
	free(kids);
	return err;
}

static int do_chmod(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv)
{
	struct xsc_perm perms[16];
	struct opts single = *o;
	unsigned int n = 0;
	char *p, *slash;
	int err;

	for (; n < 16 && (int)n + 1 < argc; n++) {
		const char *a = argv[n + 1];
		char *stop;

		perms[n].mode = a[0];
		perms[n].domid = (unsigned int)strtoul(a[0] ? a + 1 : a, &stop, 10);
		if (!a[0] || !strchr("nrwb", a[0]) || !a[1] || *stop) {
			fprintf(stderr,
				"xenstore: '%s' is no permission; write n, r, w or b and a domain "
				"id, "
				"such as r5\n",
				a);
			return 2;
		}
	}
	err = chmod_tree(x, t, o, argv[0], perms, n);
	if (err || !o->upto)
		return err;
	single.recurse = false;
	p = strdup(argv[0]);
	while (!err && p && (slash = strrchr(p, '/')) && slash != p) {
		*slash = '\0';
		err = chmod_tree(x, t, &single, p, perms, n);
	}
	free(p);
	return err;
}

static int do_watch(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv)
{
	struct xsc_event *e;
	long left = o->count;
	int i;

	for (i = 0; i < argc; i++)
		if (xsc_watch(x, argv[i], argv[i]))
			return fail(argv[i], "watch");
	for (;;) {
		e = xsc_next_event(x, true);
		if (!e)
			return fail("the connection", "watch");
		fprintf(out, "%s\n", e->path);
		fflush(out);
		free(e);
		if (left > 0 && !--left)
			return 0;
	}
}

static int do_control(struct xsc *x, xsc_txn t, const struct opts *o, int argc, char **argv)
{
	char *answer = xsc_control(x, (unsigned int)argc, argv);

	if (!answer)
		return fail(argv[0], "execute control command");
	fputs(answer, out);
	if (!*answer || answer[strlen(answer) - 1] != '\n')
		putc('\n', out);
	free(answer);
	return 0;
}

static const struct command commands[] = {
	{ "read", "pRsh", "[-p] [-R] PATH...", 1, true, do_read },
	{ "write", "Rsh", "[-R] PATH VALUE [PATH VALUE]...", 2, true, do_write },
	{ "rm", "tsh", "[-t] PATH...", 1, true, do_rm },
	{ "ls", "fpsh", "[-f] [-p] [PATH...]", 0, false, do_ls },
	{ "list", "psh", "[-p] PATH...", 1, true, do_list },
	{ "exists", "sh", "PATH...", 1, false, do_exists },
	{ "chmod", "rush", "[-u] [-r] PATH MODE...", 2, true, do_chmod },
	{ "watch", "n:sh", "[-n COUNT] PATH...", 1, false, do_watch },
	{ "control", "+sh", "COMMAND [ARGUMENT...]", 1, false, do_control },
	{ NULL },
};

static int usage(const struct command *c, FILE *to)
{
	if (c) {
		fprintf(to, "usage: xenstore-%s %s\n", c->name, c->usage);
	} else {
		fputs("usage: xenstore COMMAND ...\n", to);
		for (c = commands; c->name; c++)
			fprintf(to, "  %-8s %s\n", c->name, c->usage);
	}
	return to == stdout ? 0 : 2;
}

static int parse(const struct command *c, int argc, char **argv, struct opts *o)
{
	int ch;

	while ((ch = getopt(argc, argv, c->options)) != -1) {
		switch (ch) {
		case 'p':
			o->paths = true;
			break;
		case 'f':
			o->full = true;
			break;
		case 'R':
			o->raw = true;
			break;
		case 'r':
			o->recurse = true;
			break;
		case 't':
			o->tidy = true;
			break;
		case 'u':
			o->upto = true;
			break;
		case 'n':
			o->count = strtol(optarg, NULL, 10);
			break;
		case 's':
			break; /* socket only: accepted, as the default finds the socket first */
		case 'h':
			exit(usage(c, stdout));
		default:
			return usage(c, stderr);
		}
	}
	return argc - optind < c->min_args ? usage(c, stderr) : 0;
}

/* Run; a transaction that met a conflict starts again. */
static int run(const struct command *c, struct xsc *x, const struct opts *o, int argc, char **argv)
{
	xsc_txn t = XSC_NONE;
	char *text = NULL;
	size_t len;
	int err, end;

	out = stdout;
	if (!c->txn || argc <= c->min_args)
		return c->run(x, XSC_NONE, o, argc, argv);
	do {
		free(text);
		text = NULL;
		if (xsc_begin(x, &t))
			return fail("a transaction", "start");
		out = open_memstream(&text, &len);
		if (!out)
			return fail("an answer", "keep");
		err = c->run(x, t, o, argc, argv);
		fclose(out);
		end = xsc_end(x, t, !err);
	} while (end && errno == EAGAIN);
	fwrite(text, 1, len, stdout);
	free(text);
	return end ? fail("the transaction", "commit") : err;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	const struct command *c;
	struct opts o = { 0 };
	struct xsc *x;
	int err;

	if (!strncmp(name, "xenstore-", 9)) {
		name += 9;
	} else {
		if (argc < 2)
			return usage(NULL, stderr);
		name = argv[1];
		if (!strcmp(name, "-h") || !strcmp(name, "--help"))
			return usage(NULL, stdout);
		argv++;
		argc--;
	}
	for (c = commands; c->name && strcmp(c->name, name); c++)
		;
	if (!c->name) {
		fprintf(stderr, "xenstore: unknown command '%s'\n", name);
		return usage(NULL, stderr);
	}
	err = parse(c, argc, argv, &o);
	if (err)
		return err;
	x = xsc_open(NULL);
	if (!x) {
		fprintf(stderr,
			"xenstore: cannot connect to the store: %s; is xenstored running?\n",
			strerror(errno));
		return 1;
	}
	err = run(c, x, &o, argc - optind, argv + optind);
	xsc_close(x);
	return err;
}
