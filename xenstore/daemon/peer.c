// SPDX-License-Identifier: BSD-2-Clause
// What sockets and rings share: cutting the stream into requests, the list of peers with work to do.
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <xen/io/xs_wire.h>

#include "xsd.h"

ssize_t xsd_requests(struct peer *p, const char *data, size_t len)
{
	struct xsd_sockmsg h;
	size_t used = 0;

	while (len - used >= sizeof(h) && xs_conn_ready(p->conn)) {
		memcpy(&h, data + used, sizeof(h));
		if (h.len > XENSTORE_PAYLOAD_MAX)
			return -1;
		if (len - used < sizeof(h) + h.len)
			break;
		xsd_access(p->conn, &h, data + used + sizeof(h));
		xs_handle(p->conn, &h, data + used + sizeof(h));
		if (p->conn->broken)
			return -1;
		used += sizeof(h) + h.len;
	}
	return (ssize_t)used;
}

void xsd_dirty(struct peer *p)
{
	if (p->dirty || p->dead)
		return;
	p->dirty = true;
	p->next_dirty = NULL;
	*p->d->dirty_tail = p;
	p->d->dirty_tail = &p->next_dirty;
	p->d->ndirty++;
}

void xsd_undirty(struct peer *p)
{
	struct peer **q = &p->d->dirty;

	if (!p->dirty)
		return;
	while (*q != p)
		q = &(*q)->next_dirty;
	*q = p->next_dirty;
	if (!*q)
		p->d->dirty_tail = q;
	p->dirty = false;
	p->d->ndirty--;
}

/* Take sockets off the front of the list, max at most: up to the next ring. */
static uint32_t take_sockets(struct xsd *d, struct peer **p, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && d->dirty && !d->dirty->ring) {
		p[n] = d->dirty;
		xsd_undirty(p[n++]);
	}
	return n;
}

/* Those that become dirty again meanwhile have their turn later. */
void xsd_flush(struct xsd *d)
{
	struct peer *sock[XSD_BATCH], *p;
	uint32_t left = d->ndirty, n;

	xsd_journal_commit(d);
	for (; left && (p = d->dirty); left -= n) {
		n = take_sockets(d, sock, left < XSD_BATCH ? left : XSD_BATCH);
		if (n) {
			xsd_sock_flush(d, sock, n);
			continue;
		}
		xsd_undirty(p);
		xsd_ring_run(p->ring);
		n = 1;
	}
}

void xsd_wake(struct xs_conn *c)
{
	xsd_dirty(c->host);
}
