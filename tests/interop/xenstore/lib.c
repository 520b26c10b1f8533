// SPDX-License-Identifier: BSD-2-Clause
// A program that uses the daemon through Debian's libxenstore: every call that does not need a domain.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

static int failed;

#define check(name, cond)                                                                    \
	do {                                                                                 \
		bool good = (cond);                                                          \
		printf(good ? "PASS xenstore-lib-%s\n" : "FAIL xenstore-lib-%s: %s\n", name, \
		       strerror(errno));                                                     \
		failed |= !good;                                                             \
	} while (0)

static bool reads(struct xs_handle *h, xs_transaction_t t, const char *path, const char *want)
{
	unsigned int len;
	char *v = xs_read(h, t, path, &len);
	bool same = v && len == strlen(want) && !memcmp(v, want, len);

	free(v);
	return same;
}

static bool watch_gives(struct xs_handle *h, const char *path, const char *token)
{
	unsigned int num;
	char **v = xs_read_watch(h, &num);
	bool same = v && !strcmp(v[XS_WATCH_PATH], path) && !strcmp(v[XS_WATCH_TOKEN], token);

	free(v);
	return same;
}

static bool lists(struct xs_handle *h, const char *path, unsigned int want)
{
	unsigned int num = ~0u;
	char **v = xs_directory(h, XBT_NULL, path, &num);
	bool same = v && num == want;

	free(v);
	return same;
}

static bool perms(struct xs_handle *h)
{
	struct xs_permissions p[2] = { { .id = 0, .perms = XS_PERM_NONE },
				       { .id = 7, .perms = XS_PERM_READ } };
	struct xs_permissions *l;
	unsigned int num = 0;
	bool same;

	if (!xs_set_permissions(h, XBT_NULL, "/lib/a", p, 2))
		return false;
	l = xs_get_permissions(h, XBT_NULL, "/lib/a", &num);
	same = l && num == 2 && l[1].id == 7 && l[1].perms == XS_PERM_READ;
	free(l);
	return same;
}

static bool many(struct xs_handle *h)
{
	char path[64];
	int i;

	for (i = 0; i < 600; i++) {
		snprintf(path, sizeof(path), "/lib/many/name-%05d", i);
		if (!xs_mkdir(h, XBT_NULL, path))
			return false;
	}
	return lists(h, "/lib/many", 600);
}

static bool conflict(struct xs_handle *a, struct xs_handle *b)
{
	xs_transaction_t t = xs_transaction_start(a);

	return t && reads(a, t, "/lib/a", "1") && xs_write(b, XBT_NULL, "/lib/a", "2", 1) &&
	       xs_write(a, t, "/lib/a", "3", 1) && !xs_transaction_end(a, t, false) &&
	       errno == EAGAIN;
}

int main(void)
{
	struct xs_handle *h = xs_open(0), *o = xs_open(0);
	xs_transaction_t t;
	char *path;

	check("open", h && o);
	if (failed)
		return 1;
	check("write", xs_write(h, XBT_NULL, "/lib/a", "1", 1));
	check("read", reads(h, XBT_NULL, "/lib/a", "1"));
	check("missing", !xs_read(h, XBT_NULL, "/lib/none", NULL) && errno == ENOENT);
	check("mkdir", xs_mkdir(h, XBT_NULL, "/lib/d"));
	check("directory", lists(h, "/lib", 2));
	check("large-directory", many(h));
	check("permissions", perms(h));
	check("watch", xs_watch(h, "/lib", "tok") && watch_gives(h, "/lib", "tok"));
	check("event", xs_write(o, XBT_NULL, "/lib/e", "1", 1) && watch_gives(h, "/lib/e", "tok"));
	check("unwatch", xs_unwatch(h, "/lib", "tok"));
	t = xs_transaction_start(h);
	check("transaction", t && xs_write(h, t, "/lib/t", "1", 1) &&
				     xs_transaction_end(h, t, false) &&
				     reads(o, XBT_NULL, "/lib/t", "1"));
	check("conflict", conflict(h, o));
	path = xs_get_domain_path(h, 5);
	check("domain-path", path && !strcmp(path, "/local/domain/5"));
	free(path);
	check("introduced", !xs_is_domain_introduced(h, 5));
	check("rm", xs_rm(h, XBT_NULL, "/lib") && !xs_read(h, XBT_NULL, "/lib/a", NULL));
	path = xs_control_command(h, "check", NULL, 0);
	check("control", path && !strcmp(path, "OK"));
	free(path);
	xs_close(h);
	xs_close(o);
	return failed;
}
