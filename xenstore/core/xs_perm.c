// SPDX-License-Identifier: BSD-2-Clause
// Permission lists.
#include <errno.h>
#include <string.h>

#include "xs_alloc.h"
#include "xs_perm.h"

struct xs_perms *xs_perms_new(const struct xs_perm *p, unsigned int num)
{
	struct xs_perms *l = xs_alloc(sizeof(*l) + num * sizeof(*p));

	if (!l)
		return NULL;
	l->ref = 1;
	l->num = (uint16_t)num;
	memcpy(l->p, p, num * sizeof(*p));
	return l;
}

struct xs_perms *xs_perms_get(struct xs_perms *l)
{
	l->ref++;
	return l;
}

void xs_perms_put(struct xs_perms *l)
{
	if (l && --l->ref == 0)
		xs_free(l);
}

bool xs_perms_equal(const struct xs_perms *a, const struct xs_perms *b)
{
	unsigned int i;

	if (a == b)
		return true;
	if (a->num != b->num)
		return false;
	for (i = 0; i < a->num; i++)
		if (a->p[i].domid != b->p[i].domid || a->p[i].mode != b->p[i].mode)
			return false;
	return true;
}

struct xs_perms *xs_perms_with_owner(const struct xs_perms *l, uint16_t owner)
{
	struct xs_perms *n = xs_perms_new(l->p, l->num);

	if (n)
		n->p[0].domid = owner;
	return n;
}

struct xs_perms *xs_perms_without(const struct xs_perms *l, uint16_t domid)
{
	struct xs_perms *n = xs_perms_new(l->p, l->num);
	unsigned int i, k = 1;

	if (!n)
		return NULL;
	for (i = 1; i < l->num; i++)
		if (l->p[i].domid != domid)
			n->p[k++] = l->p[i];
	n->num = (uint16_t)k;
	return n;
}

bool xs_perms_lists(const struct xs_perms *l, uint16_t domid)
{
	unsigned int i;

	for (i = 1; i < l->num; i++)
		if (l->p[i].domid == domid)
			return true;
	return false;
}

unsigned int xs_perms_allow(const struct xs_perms *l, uint16_t domid, uint16_t target)
{
	unsigned int i;

	if (domid == 0 || l->p[0].domid == domid ||
	    (target != XS_NO_DOMID && l->p[0].domid == target))
		return XS_R | XS_W | XS_OWNER;
	for (i = 1; i < l->num; i++)
		if (l->p[i].domid == domid || (target != XS_NO_DOMID && l->p[i].domid == target))
			return l->p[i].mode;
	return l->p[0].mode;
}

int xs_perm_parse(const char *text, struct xs_perm *p)
{
	uint64_t id;

	switch (text[0]) {
	case 'n':
		p->mode = 0;
		break;
	case 'r':
		p->mode = XS_R;
		break;
	case 'w':
		p->mode = XS_W;
		break;
	case 'b':
		p->mode = XS_R | XS_W;
		break;
	default:
		return EINVAL;
	}
	if (!xs_num_parse(text + 1, UINT16_MAX, &id))
		return EINVAL;
	p->domid = (uint16_t)id;
	return 0;
}

bool xs_perms_print(const struct xs_perms *l, struct xs_buf *out)
{
	static const char letter[] = "nrwb";
	unsigned int i;

	for (i = 0; i < l->num; i++)
		if (!xs_buf_add(out, &letter[l->p[i].mode & 3], 1) ||
		    !xs_buf_num(out, l->p[i].domid) || !xs_buf_add(out, "", 1))
			return false;
	return true;
}
