// SPDX-License-Identifier: BSD-2-Clause
// XS_CONTROL: what the core itself can answer; the rest goes to the host.
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "xs_alloc.h"
#include "xs_journal.h"
#include "xs_store.h"

static bool line(struct xs_buf *out, const char *name, uint64_t n)
{
	return xs_buf_str(out, name) && xs_buf_str(out, ": ") && xs_buf_num(out, n) &&
	       xs_buf_add(out, "\n", 1);
}

/* Every answer ends with a NUL. */
static int end(struct xs_buf *out, bool fit)
{
	return fit && xs_buf_add(out, "", 1) ? 0 : ENOMEM;
}

static int ctl_check(struct xs_store *s, struct xs_buf *out)
{
	const char *bad = xs_store_check(s);

	return end(out, xs_buf_str(out, bad ? bad : "OK"));
}

static int ctl_memreport(struct xs_store *s, struct xs_buf *out)
{
	uint64_t nodes = 0;
	int64_t bytes = 0;
	unsigned int i;
	bool fit;

	xs_tree_check(&s->tree, &nodes);
	for (i = 0; i < s->tree.acct.num; i++)
		bytes += s->tree.acct.u[i].bytes;
	fit = line(out, "nodes", nodes) && line(out, "bytes", (uint64_t)bytes) &&
	      line(out, "connections", s->nconn) && line(out, "watches", s->nwatch);
	return end(out, fit);
}

static int quota_list(const uint64_t *limit, bool all, struct xs_buf *out)
{
	bool fit = true;
	unsigned int i;

	for (i = 0; i < XS_Q_NUM && fit; i++)
		if (all || limit[i])
			fit = line(out, xs_quota_name[i], limit[i]);
	return end(out, fit);
}

static int quota_set(struct xs_store *s, bool soft, const char *name, const char *value,
		     struct xs_buf *out)
{
	enum xs_quota q = xs_quota_find(name);
	uint64_t n;

	if (q == XS_Q_NUM || !xs_num_parse(value, INT64_MAX, &n))
		return EINVAL;
	/* Soft limits are those of which a domain may hold more. */
	if (soft && q != XS_Q_NODES && q != XS_Q_MEMORY && q != XS_Q_WATCHES)
		return EINVAL;
	if (soft) {
		s->soft[q] = n;
		xs_j_soft(s, q);
	} else {
		s->quota[q] = n;
		s->rules++;
		xs_j_quota(s, q);
	}
	return end(out, xs_buf_str(out, "OK"));
}

static int quota_domain(struct xs_store *s, const char *who, struct xs_buf *out)
{
	struct xs_domain *d;
	struct xs_usage u;
	uint64_t domid;
	bool fit;

	if (!xs_num_parse(who, UINT16_MAX, &domid))
		return EINVAL;
	d = xs_domain_find(s, (uint16_t)domid);
	if (!d)
		return ENOENT;
	u = xs_acct_of(&s->tree.acct, (uint16_t)domid);
	fit = line(out, "nodes", (uint64_t)u.nodes) && line(out, "memory", (uint64_t)u.bytes) &&
	      line(out, "watches", d->conn->nwatch) && line(out, "transactions", d->conn->ntxn) &&
	      line(out, "output", d->conn->out.len) && line(out, "outstanding", d->conn->unread);
	return end(out, fit);
}

static int ctl_quota(struct xs_store *s, unsigned int argc, const char *const *argv,
		     struct xs_buf *out)
{
	bool soft = !strcmp(argv[0], "quota-soft");

	if (argc == 1)
		return quota_list(soft ? s->soft : s->quota, !soft, out);
	if (argc == 4 && !strcmp(argv[1], "set"))
		return quota_set(s, soft, argv[2], argv[3], out);
	if (argc == 2 && !soft)
		return quota_domain(s, argv[1], out);
	return EINVAL;
}

int xs_control(struct xs_conn *c, uint32_t req_id, unsigned int argc, const char *const *argv,
	       struct xs_buf *out)
{
	struct xs_store *s = c->store;

	if (!strcmp(argv[0], "check"))
		return ctl_check(s, out);
	if (!strcmp(argv[0], "memreport"))
		return ctl_memreport(s, out);
	if (!strcmp(argv[0], "quota") || !strcmp(argv[0], "quota-soft"))
		return ctl_quota(s, argc, argv, out);
	if (!strcmp(argv[0], "print")) {
		if (argc < 2)
			return EINVAL;
		if (s->host && s->host->log)
			s->host->log(s->ctx, argv[1]);
		return end(out, xs_buf_str(out, "OK"));
	}
	if (!strcmp(argv[0], "help"))
		return end(out,
			   xs_buf_str(out,
				      "check\nhelp\nlog on|off\nmemreport\nprint <text>\n"
				      "quota [<domid> | set <name> <value>]\nquota-soft "
				      "[set <name> <value>]\nlive-update [-f <program>] [-s]\n"));
	if (s->host && s->host->control)
		return s->host->control(s->ctx, c, req_id, argc, argv, out);
	return EINVAL;
}
