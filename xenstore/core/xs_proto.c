// SPDX-License-Identifier: BSD-2-Clause
// The wire protocol: one request in, one answer and any number of events out.
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "xs_alloc.h"
#include "xs_journal.h"
#include "xs_path.h"
#include "xs_store.h"

#define MAX_ARGS       24
/* Domain ids at and above this one are special (DOMID_FIRST_RESERVED). */
#define FIRST_RESERVED 0x7ff0
#define SELF	       0x7ff0
/* The names of so few children are collected each time they are asked for. */
#define FEW_NAMES      16

struct req {
	struct xs_conn *c;
	struct xs_store *s;
	const struct xsd_sockmsg *hdr;
	const char *body;
	struct xs_txn *txn;
	unsigned int argc; /* NUL-terminated strings at the start of the body, at most MAX_ARGS */
	const char *argv[MAX_ARGS];
	bool rest; /* something without a NUL, or more strings, follow */
	size_t rel;
	char path[XS_PATH_BUF];
};

struct handler {
	int (*fn)(struct req *r);
	uint8_t args; /* texts with a NUL at the start of the body, at least */
	bool exact; /* so many and nothing behind them */
	bool priv; /* dom0 only */
	bool no_txn; /* a transaction id is ignored */
	bool has_path; /* argv[0] is a path, made absolute in r->path */
};

static void reply(struct req *r, const void *a, size_t alen, const void *b, size_t blen)
{
	xs_conn_send(r->c, r->hdr->type, r->hdr->req_id, r->hdr->tx_id, a, alen, b, blen);
}

static int ok(struct req *r)
{
	reply(r, "OK", 3, NULL, 0);
	return 0;
}

static void reply_error(struct req *r, int err)
{
	const char *text = xsd_errors[0].errstring; /* EINVAL */
	size_t i;

	for (i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (xsd_errors[i].errnum == err)
			text = xsd_errors[i].errstring;
	xs_conn_send(r->c, XS_ERROR, r->hdr->req_id, r->hdr->tx_id, text, strlen(text) + 1, NULL,
		     0);
}

/* Answer with what was collected in b, and free it. */
static int reply_buf(struct req *r, struct xs_buf *b, bool complete)
{
	int err = 0;

	if (!complete)
		err = ENOMEM;
	else if (b->len > XENSTORE_PAYLOAD_MAX)
		err = E2BIG;
	else
		reply(r, b->d, b->len, NULL, 0);
	xs_buf_free(b);
	return err;
}

static int arg_domid(const char *text, uint16_t *domid)
{
	uint64_t n;

	if (!xs_num_parse(text, FIRST_RESERVED - 1, &n))
		return EINVAL;
	*domid = (uint16_t)n;
	return 0;
}

/* ---- reading ---- */

static int do_read(struct req *r)
{
	struct xs_node *n;
	int err = xs_node_access(r->c, r->txn, r->path, XS_R, XS_SAW_VALUE, &n);

	if (err)
		return err;
	reply(r, n->value ? n->value->d : NULL, n->value ? n->value->len : 0, NULL, 0);
	return 0;
}

static int do_directory(struct req *r)
{
	char names[XENSTORE_PAYLOAD_MAX];
	const struct xs_blob *kept;
	struct xs_node *n;
	size_t len = 0;
	uint32_t i;
	int err = xs_node_access(r->c, r->txn, r->path, XS_R, XS_SAW_KIDS, &n);

	if (err)
		return err;
	if (xs_node_names_len(n) > sizeof(names))
		return E2BIG;
	kept = n->nchild > FEW_NAMES ? xs_node_names(n) : NULL;
	if (kept) {
		reply(r, kept->d, kept->len, NULL, 0);
		return 0;
	}
	for (i = 0; i < n->nchild; i++) {
		const struct xs_node *c = n->child[i];

		memcpy(names + len, c->name, c->name_len + 1u);
		len += c->name_len + 1u;
	}
	reply(r, names, len, NULL, 0);
	return 0;
}

/* Generation, then as many names from the given offset on as fit, then an empty name at the end. */
static int do_directory_part(struct req *r)
{
	struct xs_buf b = { 0 };
	struct xs_node *n;
	uint64_t off, at = 0;
	uint32_t i;
	bool fit;
	int err;

	if (!xs_num_parse(r->argv[1], UINT32_MAX, &off))
		return EINVAL;
	err = xs_node_access(r->c, r->txn, r->path, XS_R, XS_SAW_KIDS, &n);
	if (err)
		return err;
	fit = xs_buf_num(&b, n->gen) && xs_buf_add(&b, "", 1);
	for (i = 0; i < n->nchild && fit; i++) {
		size_t len = n->child[i]->name_len + 1u;

		if (at + len > off) {
			size_t skip = at < off ? off - at : 0;

			if (b.len + len - skip >= XENSTORE_PAYLOAD_MAX)
				break;
			fit = xs_buf_add(&b, n->child[i]->name + skip, len - skip);
		}
		at += len;
	}
	if (fit && i == n->nchild)
		fit = xs_buf_add(&b, "", 1);
	return reply_buf(r, &b, fit);
}

/* The list that belongs to a special watch, or NULL. */
static struct xs_perms **special_perms(struct req *r)
{
	if (!strcmp(r->argv[0], "@introduceDomain"))
		return &r->s->introduce_perms;
	if (!strcmp(r->argv[0], "@releaseDomain"))
		return &r->s->release_perms;
	return NULL;
}

static int do_get_perms(struct req *r)
{
	struct xs_perms **special = special_perms(r);
	struct xs_buf b = { 0 };
	struct xs_node *n;
	int err;

	if (special) {
		if (!xs_conn_priv(r->c))
			return EACCES;
		return reply_buf(r, &b, xs_perms_print(*special, &b));
	}
	err = xs_node_access(r->c, r->txn, r->path, XS_R, XS_SAW_PERMS, &n);
	return err ? err : reply_buf(r, &b, xs_perms_print(n->perms, &b));
}

/* ---- writing ---- */

static int do_write(struct req *r)
{
	size_t off = strlen(r->argv[0]) + 1;
	int err = xs_op_write(r->c, r->txn, r->path, r->body + off, r->hdr->len - off);

	if (err)
		return err;
	ok(r);
	if (!r->txn)
		xs_watch_fire(r->s, r->path, NULL);
	return 0;
}

static int do_mkdir(struct req *r)
{
	bool created;
	int err = xs_op_mkdir(r->c, r->txn, r->path, &created);

	if (err)
		return err;
	ok(r);
	if (created && !r->txn)
		xs_watch_fire(r->s, r->path, NULL);
	return 0;
}

static int do_rm(struct req *r)
{
	struct xs_node *old;
	int err = xs_op_rm(r->c, r->txn, r->path, &old);

	if (err)
		return err;
	ok(r);
	if (old) {
		xs_watch_fire_rm(r->s, r->path, old);
		xs_node_put(old);
	}
	return 0;
}

/* All strings of the body are counted here, not only the first MAX_ARGS: a list may be long. */
static int parse_perms(struct req *r, struct xs_perms **list)
{
	unsigned int num = 0, max = r->hdr->len / 3;
	const char *p = r->body + strlen(r->argv[0]) + 1, *end = r->body + r->hdr->len;
	struct xs_perm *tmp = xs_alloc((max + 1) * sizeof(*tmp));
	int err = 0;

	if (!tmp)
		return ENOMEM;
	while (p < end && !err) {
		if (!memchr(p, '\0', (size_t)(end - p)))
			err = EINVAL;
		else
			err = num > max ? EINVAL : xs_perm_parse(p, &tmp[num++]);
		if (!err)
			p += strlen(p) + 1;
	}
	if (!err && !num)
		err = EINVAL;
	*list = err ? NULL : xs_perms_new(tmp, num);
	xs_free(tmp);
	return err ? err : *list ? 0 : ENOMEM;
}

static int do_set_perms(struct req *r)
{
	struct xs_perms **special = special_perms(r), *list, *old;
	int err = parse_perms(r, &list);

	if (err)
		return err;
	if (special && !xs_conn_priv(r->c)) {
		err = EACCES;
	} else if (special) {
		xs_perms_put(*special);
		*special = xs_perms_get(list);
		xs_j_special(r->s, special == &r->s->release_perms);
		ok(r);
	} else {
		err = xs_op_set_perms(r->c, r->txn, r->path, list, &old);
		if (!err)
			ok(r);
		if (!err && old) {
			xs_watch_fire(r->s, r->path, old);
			xs_perms_put(old);
		}
	}
	xs_perms_put(list);
	return err;
}

/* ---- watches ---- */

/* The path of a watch request: a special name is kept as it is. */
static int watch_path(struct req *r)
{
	size_t len = strlen(r->argv[0]);

	if (r->argv[0][0] != '@')
		return xs_path_canon(r->path, r->c->domid, r->argv[0], &r->rel);
	if (len > XENSTORE_REL_PATH_MAX)
		return EINVAL;
	memcpy(r->path, r->argv[0], len + 1);
	r->rel = 0;
	return 0;
}

static int do_watch(struct req *r)
{
	struct xs_watch *w;
	uint64_t depth = 0;
	int err = watch_path(r);

	if (err)
		return err;
	if (r->argc > 3 || (r->argc == 3 && !xs_num_parse(r->argv[2], INT32_MAX, &depth)))
		return EINVAL;
	if (xs_watch_find(r->c, r->path, r->rel, r->argv[1]))
		return EEXIST;
	if (!xs_conn_priv(r->c) && r->c->nwatch >= xs_limit(r->c, XS_Q_WATCHES))
		return xs_refuse(r->c, XS_Q_WATCHES, r->path, E2BIG);
	if (!xs_conn_priv(r->c))
		xs_soft(r->c, XS_Q_WATCHES, r->c->nwatch + 1u, r->path);
	err = xs_watch_add(r->c, r->path, r->rel, r->argv[1], r->argc == 3 ? (int)depth : -1, &w);
	if (err)
		return err;
	ok(r);
	/* The first event comes at once: the client reads the state in one place only. */
	xs_watch_event(w, NULL);
	return 0;
}

static int do_unwatch(struct req *r)
{
	struct xs_watch *w;
	int err = watch_path(r);

	/* What cannot be watched is not watched. */
	if (err)
		return ENOENT;
	w = xs_watch_find(r->c, r->path, r->rel, r->argv[1]);
	if (!w)
		return ENOENT;
	xs_watch_del(w);
	return ok(r);
}

static int do_reset_watches(struct req *r)
{
	xs_conn_quiet(r->c);
	return ok(r);
}

/* ---- transactions ---- */

static int do_transaction_start(struct req *r)
{
	char text[XS_NUM_MAX];
	uint32_t id;
	int err;

	if (r->txn)
		return EBUSY;
	err = xs_txn_begin(r->c, &id);
	if (err)
		return err;
	reply(r, text, xs_num_fmt(text, id) + 1, NULL, 0);
	return 0;
}

static int do_transaction_end(struct req *r)
{
	bool commit = !strcmp(r->argv[0], "T");
	struct xs_txn *done;
	int err;

	if (!commit && strcmp(r->argv[0], "F"))
		return EINVAL;
	if (!r->txn)
		return ENOENT;
	err = xs_txn_end(r->txn, commit, &done);
	r->txn = NULL;
	if (err)
		return err;
	ok(r);
	if (done)
		xs_txn_fire(done);
	return 0;
}

/* ---- domains ---- */

static int do_introduce(struct req *r)
{
	struct xs_domain *d;
	struct xs_conn *c;
	uint64_t mfn, port;
	uint16_t domid;
	void *ring;
	int err = arg_domid(r->argv[0], &domid);

	if (err)
		return err;
	if (!domid || !xs_num_parse(r->argv[1], UINT64_MAX, &mfn) ||
	    !xs_num_parse(r->argv[2], UINT32_MAX, &port) || !port)
		return EINVAL;
	if (!r->s->host || !r->s->host->introduce)
		return ENOSYS;
	d = xs_domain_find(r->s, domid);
	ring = d ? d->conn->host : NULL;
	err = r->s->host->introduce(r->s->ctx, domid, mfn, (uint32_t)port, &ring);
	if (err)
		return err;
	if (d) {
		d->port = (uint32_t)port;
		xs_j_port(r->s, d);
		return ok(r);
	}
	err = xs_domain_add(r->s, domid, mfn, (uint32_t)port, ring, &c);
	if (err) {
		r->s->host->release(r->s->ctx, domid, ring);
		return err;
	}
	if (r->s->host->attached)
		r->s->host->attached(r->s->ctx, ring, c);
	ok(r);
	xs_watch_fire_special(r->s, "@introduceDomain", domid);
	return 0;
}

/* An introduced domain other than dom0. */
static int arg_domain(struct req *r, unsigned int arg, struct xs_domain **d)
{
	uint16_t domid;
	int err = arg_domid(r->argv[arg], &domid);

	if (err)
		return err;
	if (!domid)
		return EINVAL;
	*d = xs_domain_find(r->s, domid);
	return *d ? 0 : ENOENT;
}

static int do_release(struct req *r)
{
	struct xs_domain *d;
	int err = arg_domain(r, 0, &d);

	if (err)
		return err;
	ok(r);
	xs_domain_gone(r->s, d->domid);
	return 0;
}

static int do_resume(struct req *r)
{
	struct xs_domain *d;
	int err = arg_domain(r, 0, &d);

	if (err)
		return err;
	d->shutdown = false;
	xs_j_state(r->s, d);
	return ok(r);
}

static int do_set_target(struct req *r)
{
	struct xs_domain *d, *target;
	int err = arg_domain(r, 0, &d);

	if (!err)
		err = arg_domain(r, 1, &target);
	if (err)
		return err;
	d->conn->target = target->domid;
	r->s->rules++;
	xs_j_state(r->s, d);
	return ok(r);
}

static int do_get_domain_path(struct req *r)
{
	char path[32];
	uint16_t domid;
	int err = arg_domid(r->argv[0], &domid);

	if (err)
		return err;
	reply(r, path, xs_path_domain(path, domid) + 1, NULL, 0);
	return 0;
}

static int do_is_domain_introduced(struct req *r)
{
	uint64_t domid;
	bool yes;

	if (!xs_num_parse(r->argv[0], UINT16_MAX, &domid))
		return EINVAL;
	yes = domid == SELF || xs_domain_find(r->s, (uint16_t)domid);
	reply(r, yes ? "T" : "F", 2, NULL, 0);
	return 0;
}

/* ---- features and quotas, numbers 23 to 26: not in every version of the headers ---- */

#define GET_FEATURE 23
#define SET_FEATURE 24
#define GET_QUOTA   25
#define SET_QUOTA   26
#define NUM_TYPES   27

static int reply_num(struct req *r, uint64_t n)
{
	char text[XS_NUM_MAX];

	reply(r, text, xs_num_fmt(text, n) + 1, NULL, 0);
	return 0;
}

static int do_get_feature(struct req *r)
{
	uint16_t domid;

	if (!r->argc)
		return reply_num(r, XS_FEATURES);
	return arg_domid(r->argv[0], &domid) ? EINVAL : reply_num(r, xs_features(r->s, domid));
}

/* Features are shown to a domain when it is introduced, and then they stay. */
static int do_set_feature(struct req *r)
{
	uint64_t bits;
	uint16_t domid;
	int err;

	if (arg_domid(r->argv[0], &domid) || !domid ||
	    !xs_num_parse(r->argv[1], UINT32_MAX, &bits) || bits & ~(uint64_t)XS_FEATURES)
		return EINVAL;
	if (xs_domain_find(r->s, domid))
		return EBUSY;
	err = xs_features_set(r->s, domid, (uint32_t)bits);
	return err ? err : ok(r);
}

static int do_get_quota(struct req *r)
{
	struct xs_buf b = { 0 };
	struct xs_domain *d = NULL;
	enum xs_quota q;
	bool fit = true;
	unsigned int i;
	int err;

	if (!r->argc) {
		for (i = 0; i < XS_Q_NUM && fit; i++)
			fit = (!i || xs_buf_add(&b, " ", 1)) && xs_buf_str(&b, xs_quota_name[i]);
		return reply_buf(r, &b, fit && xs_buf_add(&b, "", 1));
	}
	err = r->argc > 1 ? arg_domain(r, 0, &d) : 0;
	if (err)
		return err;
	q = xs_quota_find(r->argv[r->argc - 1]);
	if (q == XS_Q_NUM)
		return EINVAL;
	return reply_num(r, d ? xs_limit(d->conn, q) : r->s->quota[q]);
}

static int do_set_quota(struct req *r)
{
	struct xs_domain *d = NULL;
	uint64_t limit;
	enum xs_quota q;
	int err = r->argc > 2 ? arg_domain(r, 0, &d) : 0;

	if (err)
		return err;
	q = xs_quota_find(r->argv[r->argc - 2]);
	if (q == XS_Q_NUM || !xs_num_parse(r->argv[r->argc - 1], INT64_MAX, &limit))
		return EINVAL;
	r->s->rules++;
	if (d) {
		d->own_quota |= 1u << q;
		d->quota[q] = limit;
		xs_j_own_quota(r->s, d, q);
	} else {
		r->s->quota[q] = limit;
		xs_j_quota(r->s, q);
	}
	return ok(r);
}

static int do_control(struct req *r)
{
	struct xs_buf out = { 0 };
	int err = xs_control(r->c, r->hdr->req_id, r->argc, r->argv, &out);

	if (err) {
		xs_buf_free(&out);
		return err;
	}
	return reply_buf(r, &out, true);
}

/* ---- dispatch ---- */

static const struct handler table[NUM_TYPES] = {
	/* clang-format off */
	/*				function	      args  exact  priv   no_txn path */
	[XS_CONTROL] =			{ do_control,		 1, false, true,  false, false },
	[XS_DIRECTORY] =		{ do_directory,		 1, true,  false, false, true },
	[XS_READ] =			{ do_read,		 1, true,  false, false, true },
	[XS_GET_PERMS] =		{ do_get_perms,		 1, true,  false, false, true },
	[XS_WATCH] =			{ do_watch,		 2, false, false, true,  false },
	[XS_UNWATCH] =			{ do_unwatch,		 2, true,  false, true,  false },
	[XS_TRANSACTION_START] =	{ do_transaction_start,	 0, false, false, false, false },
	[XS_TRANSACTION_END] =		{ do_transaction_end,	 1, true,  false, false, false },
	[XS_INTRODUCE] =		{ do_introduce,		 3, false, true,  false, false },
	[XS_RELEASE] =			{ do_release,		 1, true,  true,  false, false },
	[XS_GET_DOMAIN_PATH] =		{ do_get_domain_path,	 1, true,  false, false, false },
	[XS_WRITE] =			{ do_write,		 1, false, false, false, true },
	[XS_MKDIR] =			{ do_mkdir,		 1, true,  false, false, true },
	[XS_RM] =			{ do_rm,		 1, true,  false, false, true },
	[XS_SET_PERMS] =		{ do_set_perms,		 2, false, false, false, true },
	[XS_IS_DOMAIN_INTRODUCED] =	{ do_is_domain_introduced, 1, true, true, false, false },
	[XS_RESUME] =			{ do_resume,		 1, true,  true,  false, false },
	[XS_SET_TARGET] =		{ do_set_target,	 2, true,  true,  false, false },
	[XS_RESET_WATCHES] =		{ do_reset_watches,	 0, false, false, false, false },
	[GET_FEATURE] =			{ do_get_feature,	 0, false, true,  false, false },
	[SET_FEATURE] =			{ do_set_feature,	 2, true,  true,  false, false },
	[GET_QUOTA] =			{ do_get_quota,		 0, false, true,  false, false },
	[SET_QUOTA] =			{ do_set_quota,		 2, false, true,  false, false },
	[XS_DIRECTORY_PART] =		{ do_directory_part,	 2, true,  false, false, true },
	/* clang-format on */
};

static void split(struct req *r)
{
	const char *p = r->body, *end = p + r->hdr->len, *nul;

	while (p < end && r->argc < MAX_ARGS) {
		nul = memchr(p, '\0', (size_t)(end - p));
		if (!nul)
			break;
		r->argv[r->argc++] = p;
		p = nul + 1;
	}
	r->rest = p < end;
}

/* XS_Q_PATH counts from behind /local/domain/<domid>/. */
static int check_path_quota(struct req *r)
{
	static const char pre[] = "/local/domain/";
	const char *p = r->path;

	if (xs_conn_priv(r->c))
		return 0;
	if (!memcmp(p, pre, sizeof(pre) - 1 < strlen(p) ? sizeof(pre) - 1 : strlen(p)) &&
	    strlen(p) > sizeof(pre)) {
		p += sizeof(pre) - 1;
		while (*p && *p != '/')
			p++;
	}
	return strlen(p) > xs_limit(r->c, XS_Q_PATH) ? xs_refuse(r->c, XS_Q_PATH, r->path, EINVAL)
						     : 0;
}

static int get_path(struct req *r)
{
	int err;

	if (special_perms(r) && (r->hdr->type == XS_SET_PERMS || r->hdr->type == XS_GET_PERMS))
		return 0;
	/* Names that begin so are for watches only. */
	if (r->argv[0][0] == '@')
		return EINVAL;
	err = xs_path_canon(r->path, r->c->domid, r->argv[0], &r->rel);
	return err ? err : check_path_quota(r);
}

static int dispatch(struct req *r)
{
	const struct handler *h;
	int err;

	if (r->hdr->type >= NUM_TYPES || !table[r->hdr->type].fn)
		return ENOSYS;
	h = &table[r->hdr->type];
	if (h->priv && !xs_conn_priv(r->c))
		return EACCES;
	if (r->hdr->tx_id && !h->no_txn) {
		r->txn = xs_txn_find(r->c, r->hdr->tx_id);
		if (!r->txn)
			return ENOENT;
	}
	split(r);
	if (r->argc < h->args || (h->exact && (r->argc > h->args || r->rest)))
		return EINVAL;
	if (h->has_path) {
		err = get_path(r);
		if (err)
			return err;
	}
	return h->fn(r);
}

void xs_handle(struct xs_conn *c, const struct xsd_sockmsg *hdr, const char *body)
{
	struct req r;
	int err;

	r.c = c;
	r.s = c->store;
	r.hdr = hdr;
	r.body = body;
	r.txn = NULL;
	r.argc = 0;
	r.rel = 0;
	err = dispatch(&r);
	if (err > 0)
		reply_error(&r, err);
	if (c->store->tree.replaced >= c->store->next_doom)
		xs_txn_doom_old(c->store);
}
