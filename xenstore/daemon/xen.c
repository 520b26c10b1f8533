// SPDX-License-Identifier: BSD-2-Clause
// The hypervisor's side: event channels, ring pages, and which domains are alive.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/sysctl.h>
#include <xen/io/xs_wire.h>

#include <xencall.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>

#include "xsd.h"

/* Linux's ioctl on /dev/xen/xenbus_backend that returns dom0's xenstore port. */
#define XENBUS_BACKEND_EVTCHN _IO('B', 0)
/* Ring events handled in one turn of the loop. */
#define EVENTS_MAX	      64
#define DOMAINS_PER_CALL      64
#define RING_BYTES	      4096

struct xen {
	xenevtchn_handle *evtchn;
	xengnttab_handle *gnttab;
	xenforeignmemory_handle *fmem;
	xencall_handle *call;
	evtchn_port_t virq;
	struct ring *rings;
};

void xsd_xen_notify(struct xsd *d, struct ring *r)
{
	xenevtchn_notify(d->xen->evtchn, r->port);
}

void xsd_xen_unmask(struct xsd *d, struct ring *r)
{
	xenevtchn_unmask(d->xen->evtchn, r->port);
}

/* ---- rings ---- */

static struct ring *ring_by_port(struct xen *x, evtchn_port_t port)
{
	struct ring *r;

	for (r = x->rings; r; r = r->next)
		if (r->port == port)
			return r;
	return NULL;
}

static struct ring *ring_new(struct xsd *d, uint16_t domid)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->domid = domid;
	r->peer.src.fd = -1;
	r->peer.d = d;
	r->peer.ring = r;
	r->next = d->xen->rings;
	d->xen->rings = r;
	return r;
}

static void ring_unmap(struct xen *x, struct ring *r)
{
	if (!r->page)
		return;
	if (r->granted)
		xengnttab_unmap(x->gnttab, (void *)r->page, 1);
	else if (r->domid)
		xenforeignmemory_unmap(x->fmem, (void *)r->page, 1);
	else
		munmap((void *)r->page, RING_BYTES);
}

static void ring_free(struct xsd *d, struct ring *r)
{
	struct ring **p = &d->xen->rings;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	xsd_undirty(&r->peer);
	xsd_ring_forget(r);
	if (r->port)
		xenevtchn_unbind(d->xen->evtchn, r->port);
	ring_unmap(d->xen, r);
	free(r);
}

/* The domain's builder grants the page to us; older ones only tell its frame. */
static int ring_map(struct xen *x, struct ring *r, uint64_t mfn)
{
	xen_pfn_t frame = mfn;
	int err = 0;

	r->page = xengnttab_map_grant_ref(x->gnttab, r->domid, GNTTAB_RESERVED_XENSTORE,
					  PROT_READ | PROT_WRITE);
	r->granted = r->page != NULL;
	if (r->page)
		return 0;
	xsd_log(XSD_DEBUG, "domain %u: no grant for its xenstore page (%s); mapping frame %#llx",
		r->domid, strerror(errno), (unsigned long long)mfn);
	r->page = xenforeignmemory_map(x->fmem, r->domid, PROT_READ | PROT_WRITE, 1, &frame, &err);
	if (r->page && err) {
		xenforeignmemory_unmap(x->fmem, (void *)r->page, 1);
		r->page = NULL;
		errno = -err;
	}
	return r->page ? 0 : -1;
}

static int ring_bind(struct xen *x, struct ring *r, uint32_t remote)
{
	xenevtchn_port_or_error_t port = xenevtchn_bind_interdomain(x->evtchn, r->domid, remote);

	if (port < 0)
		return -1;
	if (r->port)
		xenevtchn_unbind(x->evtchn, r->port);
	r->port = (uint32_t)port;
	r->remote_port = remote;
	return 0;
}

static int host_introduce(void *ctx, uint16_t domid, uint64_t mfn, uint32_t port, void **ring)
{
	struct xsd *d = ctx;
	struct ring *r;

	if (!d->xen)
		return ENOSYS;
	if (*ring) {
		r = ((struct peer *)*ring)->ring;
		return r->remote_port == port || !ring_bind(d->xen, r, port) ? 0 : EINVAL;
	}
	r = ring_new(d, domid);
	if (!r)
		return ENOMEM;
	if (ring_map(d->xen, r, mfn)) {
		xsd_log(XSD_ERR, "domain %u: cannot map its xenstore page (frame %#llx): %s", domid,
			(unsigned long long)mfn, strerror(errno));
		goto free_ring;
	}
	if (ring_bind(d->xen, r, port)) {
		xsd_log(XSD_ERR, "domain %u: cannot bind its xenstore event channel %u: %s", domid,
			port, strerror(errno));
		goto free_ring;
	}
	*ring = &r->peer;
	return 0;

free_ring:
	ring_free(d, r);
	return EINVAL;
}

static void host_attached(void *ctx, void *ring, struct xs_conn *c)
{
	struct peer *p = ring;

	(void)ctx;
	p->conn = c;
	c->wake = xsd_wake;
	xsd_ring_start(p->ring);
	xsd_log(XSD_INFO, "domain %u connected", p->ring->domid);
	/* It may have put requests into the ring before we were there. */
	xsd_dirty(p);
}

static void host_release(void *ctx, uint16_t domid, void *ring)
{
	ring_free(ctx, ((struct peer *)ring)->ring);
	xsd_log(XSD_INFO, "domain %u disconnected", domid);
}

static void host_refused(void *ctx, uint16_t domid, enum xs_quota q, uint64_t limit,
			 const char *path, bool soft)
{
	(void)ctx;
	xsd_log_refused(domid, q, limit, path, soft);
}

static void host_log(void *ctx, const char *text)
{
	(void)ctx;
	xsd_log(XSD_INFO, "%s", text);
}

static int host_control(void *ctx, struct xs_conn *c, uint32_t req_id, unsigned int argc,
			const char *const *argv, struct xs_buf *out)
{
	if (!strcmp(argv[0], "live-update"))
		return xsd_update_control(ctx, c, req_id, argc, argv, out);
	if (!strcmp(argv[0], "log") && argc == 2 &&
	    (!strcmp(argv[1], "on") || !strcmp(argv[1], "off")) &&
	    !xsd_access_log(NULL, !strcmp(argv[1], "on")))
		return xs_buf_add(out, "OK", 3) ? 0 : ENOMEM;
	return EINVAL;
}

const struct xs_host xsd_host = {
	.introduce = host_introduce,
	.attached = host_attached,
	.release = host_release,
	.refused = host_refused,
	.log = host_log,
	.control = host_control,
};

/* ---- domains that shut down or die ---- */

/* Up to DOMAINS_PER_CALL domains from `first` on, in list. Returns their number, -1 on error. */
static int list_domains(struct xen *x, uint16_t first, xen_domctl_getdomaininfo_t *list)
{
	struct xen_sysctl *op = xencall_alloc_buffer(x->call, sizeof(*op));
	xen_domctl_getdomaininfo_t *info =
		xencall_alloc_buffer(x->call, sizeof(*info) * DOMAINS_PER_CALL);
	int num = -1;

	if (!op || !info)
		goto free_buffers;
	memset(op, 0, sizeof(*op));
	op->cmd = XEN_SYSCTL_getdomaininfolist;
	op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	op->u.getdomaininfolist.first_domain = first;
	op->u.getdomaininfolist.max_domains = DOMAINS_PER_CALL;
	set_xen_guest_handle(op->u.getdomaininfolist.buffer, info);
	if (xencall1(x->call, __HYPERVISOR_sysctl, (uint64_t)(uintptr_t)op) < 0)
		goto free_buffers;
	num = (int)op->u.getdomaininfolist.num_domains;
	memcpy(list, info, (size_t)num * sizeof(*info));
free_buffers:
	xencall_free_buffer(x->call, info);
	xencall_free_buffer(x->call, op);
	return num;
}

/* How the hypervisor sees one domain. */
enum life { LIFE_GONE, LIFE_SHUTDOWN, LIFE_RUNNING, LIFE_UNKNOWN };

static enum life domain_life(struct xen *x, uint16_t domid)
{
	static xen_domctl_getdomaininfo_t list[DOMAINS_PER_CALL];
	int num = list_domains(x, domid, list);

	if (num < 0)
		return LIFE_UNKNOWN;
	if (!num || list[0].domain != domid || list[0].flags & XEN_DOMINF_dying)
		return LIFE_GONE;
	return list[0].flags & XEN_DOMINF_shutdown ? LIFE_SHUTDOWN : LIFE_RUNNING;
}

/* What was set for a domain that ended before it was introduced must not hold for a later one of its number. */
static void check_features(struct xsd *d)
{
	struct xs_features *f, *next;

	for (f = d->store->features; f; f = next) {
		next = f->next;
		if (domain_life(d->xen, f->domid) == LIFE_GONE)
			xs_features_set(d->store, f->domid, XS_FEATURES); /* frees f */
	}
}

static void check_domains(struct xsd *d)
{
	struct xs_domain *dom = d->store->domains, *next;

	for (; dom; dom = next) {
		next = dom->next;
		if (!dom->domid)
			continue;
		switch (domain_life(d->xen, dom->domid)) {
		case LIFE_GONE:
			xs_domain_gone(d->store, dom->domid);
			break;
		case LIFE_SHUTDOWN:
			xs_domain_shutdown(d->store, dom->domid);
			break;
		case LIFE_UNKNOWN:
			xsd_log(XSD_ERR, "cannot ask the hypervisor about domain %u: %s",
				dom->domid, strerror(errno));
			return;
		case LIFE_RUNNING:
			break;
		}
	}
	check_features(d);
}

/* ---- events ---- */

static void evtchn_ready(struct xsd *d, struct src *s, uint32_t events)
{
	xenevtchn_port_or_error_t port;
	struct ring *r;
	int i;

	(void)s;
	(void)events;
	for (i = 0; i < EVENTS_MAX; i++) {
		port = xenevtchn_pending(d->xen->evtchn);
		if (port < 0)
			return;
		r = ring_by_port(d->xen, (evtchn_port_t)port);
		if (r) {
			xsd_ring_event(r);
			continue;
		}
		/* Unmask first: what comes from now on makes a new event. */
		xenevtchn_unmask(d->xen->evtchn, (evtchn_port_t)port);
		if ((evtchn_port_t)port == d->xen->virq)
			check_domains(d);
	}
}

/* ---- dom0's kernel ---- */

static int dom0_from_proc(evtchn_port_t *port, void **page)
{
	FILE *f = fopen("/proc/xen/xsd_port", "re");
	int fd, n;

	if (!f)
		return -1;
	n = fscanf(f, "%u", port);
	fclose(f);
	fd = n == 1 ? open("/proc/xen/xsd_kva", O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return -1;
	*page = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return *page == MAP_FAILED ? -1 : 0;
}

static int dom0_from_dev(evtchn_port_t *port, void **page)
{
	int fd = open("/dev/xen/xenbus_backend", O_RDWR | O_CLOEXEC), n;

	if (fd < 0)
		return -1;
	n = ioctl(fd, XENBUS_BACKEND_EVTCHN, 0);
	*page = n > 0 ? mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
		      : MAP_FAILED;
	close(fd);
	*port = (evtchn_port_t)n;
	return *page == MAP_FAILED ? -1 : 0;
}

/* The page and port of dom0's kernel. 0 or -1 (logged). */
static int dom0_ring(struct xsd *d, struct ring *r)
{
	evtchn_port_t port = 0;
	void *page = MAP_FAILED;

	if (dom0_from_proc(&port, &page) && dom0_from_dev(&port, &page)) {
		xsd_log(XSD_ERR,
			"cannot reach dom0's xenstore page by /proc/xen/xsd_kva or "
			"/dev/xen/xenbus_backend: "
			"%s; mount xenfs on /proc/xen, or use --no-domains",
			strerror(errno));
		return -1;
	}
	r->page = page;
	if (r->port || !ring_bind(d->xen, r, port))
		return 0;
	xsd_log(XSD_ERR, "cannot bind dom0's xenstore event channel %u: %s", port, strerror(errno));
	return -1;
}

static int attach_dom0(struct xsd *d)
{
	struct ring *r = ring_new(d, 0);

	if (!r)
		return -1;
	if (dom0_ring(d, r) ||
	    xs_domain_add(d->store, 0, 0, r->remote_port, &r->peer, &r->peer.conn)) {
		ring_free(d, r);
		return -1;
	}
	r->peer.conn->wake = xsd_wake;
	xsd_ring_start(r);
	/* The kernel waits for this event before it uses the store. */
	xsd_xen_notify(d, r);
	xsd_dirty(&r->peer);
	return 0;
}

/* Take up a domain that the journal knows, or whose port was handed over. 0 or -1. */
static int resume_domain(struct xsd *d, struct xs_domain *dom)
{
	struct peer *p = dom->conn->host;
	struct ring *r = p ? p->ring : ring_new(d, dom->domid);
	int err;

	if (!r)
		return -1;
	if (dom->domid)
		err = ring_map(d->xen, r, dom->mfn) ||
		      (!r->port && ring_bind(d->xen, r, dom->port));
	else
		err = dom0_ring(d, r);
	if (err) {
		if (!p)
			ring_free(d, r);
		return -1;
	}
	r->remote_port = dom->port;
	r->peer.conn = dom->conn;
	dom->conn->host = &r->peer;
	dom->conn->wake = xsd_wake;
	xsd_ring_resume(r);
	/* The program before us may have left it masked. */
	xsd_xen_unmask(d, r);
	xsd_xen_notify(d, r);
	xsd_dirty(&r->peer);
	xsd_log(XSD_INFO, "domain %u connected again", dom->domid);
	return 0;
}

int xsd_xen_adopt(struct xsd *d, struct xs_domain *dom, uint32_t port)
{
	struct ring *r;

	if (!d->xen)
		d->xen = calloc(1, sizeof(*d->xen));
	r = d->xen ? ring_new(d, dom->domid) : NULL;
	if (!r)
		return ENOMEM;
	r->port = port;
	r->peer.conn = dom->conn;
	dom->conn->host = &r->peer;
	return 0;
}

int xsd_xen_handover(struct xsd *d, uint32_t *virq)
{
	*virq = d->xen ? d->xen->virq : 0;
	return d->xen ? xenevtchn_fd(d->xen->evtchn) : -1;
}

/* Attach all rings; domains that have gone meanwhile are told to be gone. */
static int attach_all(struct xsd *d)
{
	struct xs_domain *dom, *next;

	for (dom = d->store->domains; dom; dom = next) {
		next = dom->next;
		if (!resume_domain(d, dom))
			continue;
		xsd_log(XSD_WARN, "domain %u cannot be connected again: %s; taken for dead",
			dom->domid, strerror(errno));
		xs_domain_gone(d->store, dom->domid);
	}
	check_domains(d);
	return xs_domain_find(d->store, 0) ? 0 : attach_dom0(d);
}

static int bind_virq(struct xen *x)
{
	xenevtchn_port_or_error_t virq = xenevtchn_bind_virq(x->evtchn, VIRQ_DOM_EXC);

	if (virq < 0) {
		xsd_log(XSD_ERR, "cannot bind VIRQ_DOM_EXC: %s; is another xenstored running?",
			strerror(errno));
		return -1;
	}
	x->virq = (evtchn_port_t)virq;
	return 0;
}

int xsd_xen_open(struct xsd *d, int evtchn_fd, uint32_t virq)
{
	struct xen *x = d->xen ? d->xen : calloc(1, sizeof(*x));

	if (!x)
		return -1;
	d->xen = x;
	x->evtchn = evtchn_fd < 0 ? xenevtchn_open(NULL, 0) : xenevtchn_fdopen(NULL, evtchn_fd, 0);
	x->gnttab = xengnttab_open(NULL, 0);
	x->fmem = xenforeignmemory_open(NULL, 0);
	x->call = xencall_open(NULL, 0);
	if (!x->evtchn || !x->gnttab || !x->fmem || !x->call) {
		xsd_log(XSD_ERR,
			"cannot open the Xen devices below /dev/xen: %s; load xen-evtchn, "
			"xen-gntdev and "
			"xen-privcmd, or use --no-domains",
			strerror(errno));
		return -1;
	}
	x->virq = virq;
	if (!virq && bind_virq(x))
		return -1;
	d->evtchn.fd = xenevtchn_fd(x->evtchn);
	d->evtchn.ready = evtchn_ready;
	fcntl(d->evtchn.fd, F_SETFL, fcntl(d->evtchn.fd, F_GETFL) | O_NONBLOCK);
	if (xsd_poll(d, &d->evtchn, EPOLLIN, true))
		return -1;
	return attach_all(d);
}
