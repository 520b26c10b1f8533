// SPDX-License-Identifier: BSD-2-Clause
// Random requests, in and out of transactions, against a naive model of the store.
//
// The model keeps a flat list of paths. Its transactions are a copy of the list and a record of every request with its
// answer; committing asks the same requests again of the current list. The store may commit only when all answers
// are the same; and it must commit when they are and nothing that was read has changed since the beginning.
//
// XS_SEED and XS_STEPS in the environment repeat or lengthen a run.
#include "xs_test.h"

#define NPATH 64
#define NTXN  4
#define NLOG  256

struct model {
	int num;
	struct {
		char path[32];
		char value[16];
	} n[NPATH + 8];
};

struct logged {
	uint32_t type;
	char body[64];
	char answer[512];
};

struct model_txn {
	uint32_t id;
	bool wrote;
	struct model m, base;
	int nlog;
	struct logged log[NLOG];
};

static uint64_t seed_state;

static unsigned int rnd(unsigned int below)
{
	seed_state = seed_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed_state >> 33) % below;
}

static int m_find(const struct model *m, const char *path)
{
	int i;

	for (i = 0; i < m->num; i++)
		if (!strcmp(m->n[i].path, path))
			return i;
	return -1;
}

static void m_parent(char *out, const char *path)
{
	char *slash;

	strcpy(out, path);
	slash = strrchr(out, '/');
	*(slash == out ? slash + 1 : slash) = '\0';
}

static void m_make(struct model *m, const char *path)
{
	char up[32];

	if (m_find(m, path) >= 0)
		return;
	m_parent(up, path);
	m_make(m, up);
	strcpy(m->n[m->num].path, path);
	m->n[m->num++].value[0] = '\0';
}

static void m_rm(struct model *m, const char *path)
{
	size_t len = strlen(path);
	int i, k = 0;

	for (i = 0; i < m->num; i++)
		if (strncmp(m->n[i].path, path, len) ||
		    (m->n[i].path[len] && m->n[i].path[len] != '/'))
			m->n[k++] = m->n[i];
	m->num = k;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void m_dir(const struct model *m, const char *path, char *out)
{
	char kids[NPATH][32], up[32];
	int i, n = 0;

	for (i = 0; i < m->num; i++) {
		m_parent(up, m->n[i].path);
		if (strcmp(m->n[i].path, "/") && !strcmp(up, path))
			strcpy(kids[n++], strrchr(m->n[i].path, '/') + 1);
	}
	qsort(kids, (size_t)n, sizeof(kids[0]), by_text);
	*out = '\0';
	for (i = 0; i < n; i++)
		strcat(strcat(out, kids[i]), "|");
}

/* One request, body "path|" or "path|value". */
static void m_ask(struct model *m, uint32_t type, const char *body, char *out)
{
	char path[32], up[32];
	size_t len = strcspn(body, "|");
	int i;

	memcpy(path, body, len);
	path[len] = '\0';
	i = m_find(m, path);
	m_parent(up, path);
	strcpy(out, "OK|");
	switch (type) {
	case XS_READ:
		strcpy(out, i < 0 ? "!ENOENT" : m->n[i].value);
		break;
	case XS_DIRECTORY:
		if (i < 0)
			strcpy(out, "!ENOENT");
		else
			m_dir(m, path, out);
		break;
	case XS_WRITE:
		m_make(m, path);
		strcpy(m->n[m_find(m, path)].value, body + len + 1);
		break;
	case XS_MKDIR:
		m_make(m, path);
		break;
	case XS_RM:
		if (i < 0 && m_find(m, up) < 0)
			strcpy(out, "!ENOENT");
		m_rm(m, path);
		break;
	}
}

static uint32_t random_request(char *body)
{
	static const uint32_t types[] = { XS_READ,  XS_READ,  XS_DIRECTORY, XS_WRITE,
					  XS_WRITE, XS_MKDIR, XS_RM };
	static const char *const names[] = { "a", "b", "c" };
	uint32_t type = types[rnd(7)];
	unsigned int depth = 1 + rnd(3), i;

	*body = '\0';
	for (i = 0; i < depth; i++)
		strcat(strcat(body, "/"), names[rnd(3)]);
	strcat(body, "|");
	if (type == XS_WRITE)
		sprintf(body + strlen(body), "%u", rnd(3));
	return type;
}

static void model_init(struct model *m)
{
	static const char *const first[] = { "/", "/tool", "/tool/xenstored", "/local",
					     "/local/domain" };
	int i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < 5; i++)
		strcpy(m->n[m->num++].path, first[i]);
}

static void one_request(struct xs_conn *c, struct model *now, struct model_txn *t)
{
	char body[64], want[512];
	uint32_t type = random_request(body);

	m_ask(t ? &t->m : now, type, body, want);
	expect(ask(c, type, t ? t->id : 0, body), want);
	if (!t)
		return;
	t->log[t->nlog].type = type;
	strcpy(t->log[t->nlog].body, body);
	strcpy(t->log[t->nlog++].answer, want);
	t->wrote |= type != XS_READ && type != XS_DIRECTORY && want[0] != '!';
}

/* Commit; returns whether the store said OK. */
static bool commit(struct xs_conn *c, struct model *now, struct model_txn *t)
{
	struct model redo = *now;
	char answer[512], before[512];
	bool same = true, untouched = true, ok;
	int i;

	for (i = 0; i < t->nlog && same; i++) {
		m_ask(&redo, t->log[i].type, t->log[i].body, answer);
		same = !strcmp(answer, t->log[i].answer);
		if (t->log[i].type != XS_READ && t->log[i].type != XS_DIRECTORY)
			continue;
		m_ask(&t->base, t->log[i].type, t->log[i].body, before);
		m_ask(now, t->log[i].type, t->log[i].body, answer);
		untouched = untouched && !strcmp(before, answer);
	}
	ok = !strcmp(ask(c, XS_TRANSACTION_END, t->id, "T|"), "OK|");
	if (!t->wrote) {
		ck_assert(ok);
		return ok;
	}
	if ((ok ? !same : same && untouched) && getenv("XS_TRACE"))
		for (i = 0; i < t->nlog; i++)
			fprintf(stderr, "%u %s -> %s\n", t->log[i].type, t->log[i].body,
				t->log[i].answer);
	ck_assert_msg(!ok || same, "committed, though an answer has changed");
	ck_assert_msg(ok || !same || !untouched,
		      "EAGAIN, though nothing that was read has changed");
	if (ok)
		*now = redo;
	return ok;
}

static void dump_equal(struct xs_conn *c, const struct model *m)
{
	char body[64], want[512];
	int i;

	for (i = 0; i < m->num; i++) {
		sprintf(body, "%s|", m->n[i].path);
		expect(ask(c, XS_READ, 0, body), m->n[i].value);
		m_dir(m, m->n[i].path, want);
		expect(ask(c, XS_DIRECTORY, 0, body), want);
	}
}

START_TEST(random_walk)
{
	static struct model now;
	static struct model_txn txn[NTXN];
	const char *s = getenv("XS_SEED"), *n = getenv("XS_STEPS");
	uint64_t seed = s ? strtoull(s, NULL, 0) : 20261120;
	long steps = n ? strtol(n, NULL, 0) : 60000, i, ok = 0, again = 0;

	seed_state = seed;
	model_init(&now);
	for (i = 0; i < steps; i++) {
		struct model_txn *t = &txn[rnd(NTXN)];
		unsigned int what = rnd(20);

		if (what < 3) {
			one_request(dom0, &now, NULL);
		} else if (!t->id) {
			memset(t, 0, sizeof(*t));
			t->id = begin(dom0);
			t->m = t->base = now;
		} else if (what < 17 && t->nlog < NLOG) {
			one_request(dom0, &now, t);
		} else {
			if (commit(dom0, &now, t))
				ok++;
			else
				again++;
			t->id = 0;
		}
		if (i % 64 == 0) {
			dump_equal(dom0, &now);
			ck_assert_ptr_null(xs_store_check(store));
		}
	}
	printf("seed %llu: %ld steps, %ld commits, %ld conflicts\n", (unsigned long long)seed,
	       steps, ok, again);
	ck_assert_int_gt(ok, 0);
	ck_assert_int_gt(again, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { random_walk };

	return RUN("xs_model", tests);
}
