// SPDX-License-Identifier: BSD-2-Clause
// One console: the shared ring on one side, a pty and a log file on the other. The guest is hostile.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>
#include "toolstack/consoled/consoled.h"
#include <xen/grant_table.h>

#define LINGER_MS 2000 /* for a reader of the last lines */
#define SETTLE_MS 100 /* until what was written to a pty counts as unread on its other side */

static void say(const struct cons *c, const char *what)
{
	fprintf(stderr, "domain %u (%s): console: %s\n", c->domid, c->name, what);
}

struct cons *cons_new(struct consoled *d, uint32_t domid)
{
	struct cons *c = calloc(1, sizeof(*c));
	char *name;

	if (!c)
		return NULL;
	c->d = d;
	c->domid = domid;
	c->master = c->slave = c->log = -1;
	name = ts_domain_name(d->ts, domid);
	snprintf(c->name, sizeof(c->name), "%s", name ? name : "");
	free(name);
	for (char *s = c->name; *s; s++)
		if (*s == '/')
			*s = '_';
	c->next = d->list;
	d->list = c;
	return c;
}

static int open_pty(struct cons *c)
{
	struct termios t;
	char path[64];

	c->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (c->master < 0 || grantpt(c->master) || unlockpt(c->master) ||
	    ptsname_r(c->master, path, sizeof(path)))
		return -1;
	c->slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0 || tcgetattr(c->slave, &t))
		return -1;
	cfmakeraw(&t);
	return tcsetattr(c->slave, TCSANOW, &t);
}

static void open_log(struct cons *c)
{
	char path[512];
	off_t end;

	if (!c->d->log_dir)
		return;
	snprintf(path, sizeof(path), "%s/%s.log", c->d->log_dir, c->name);
	c->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (c->log < 0) {
		say(c, "cannot open its log file");
		return;
	}
	end = lseek(c->log, 0, SEEK_END);
	c->log_size = end > 0 ? (size_t)end : 0;
}

static void write_log(struct cons *c, const char *p, size_t n)
{
	char path[512], old[520];

	if (c->log < 0)
		return;
	if (c->log_size > CONS_LOG_MAX) {
		snprintf(path, sizeof(path), "%s/%s.log", c->d->log_dir, c->name);
		snprintf(old, sizeof(old), "%s.1", path);
		close(c->log);
		c->log = -1;
		rename(path, old);
		open_log(c);
		if (c->log < 0)
			return;
	}
	/* A full disk loses log lines, not the console. */
	if (write(c->log, p, n) > 0)
		c->log_size += n;
}

static int map_ring(struct cons *c, uint64_t mfn)
{
	struct consoled *d = c->d;
	xen_pfn_t frame = mfn;

	if (d->gnttab)
		c->ring = xengnttab_map_grant_ref(d->gnttab, c->domid, GNTTAB_RESERVED_CONSOLE,
						  PROT_READ | PROT_WRITE);
	c->by_grant = c->ring != NULL;
	if (!c->ring)
		c->ring = xenforeignmemory_map(d->ts->fmem, c->domid, PROT_READ | PROT_WRITE, 1,
					       &frame, NULL);
	return c->ring ? 0 : -1;
}

static void unmap_ring(struct cons *c)
{
	if (c->ring && c->by_grant)
		xengnttab_unmap(c->d->gnttab, c->ring, 1);
	else if (c->ring)
		xenforeignmemory_unmap(c->d->ts->fmem, c->ring, 1);
	c->ring = NULL;
}

static int publish_tty(struct cons *c)
{
	char path[64], tty[64];

	if (ptsname_r(c->master, tty, sizeof(tty)))
		return -1;
	snprintf(path, sizeof(path), "/local/domain/%u/console/tty", c->domid);
	return xsc_write(c->d->ts->xs, XSC_NONE, path, tty, strlen(tty));
}

void cons_publish(struct cons *c)
{
	if (c->state == CONS_SERVED && publish_tty(c))
		say(c, "cannot write the name of its terminal to the store");
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_all(struct cons *c)
{
	if (c->ring)
		xenevtchn_unbind(c->d->evtchn, c->port);
	unmap_ring(c);
	close_fd(&c->master);
	close_fd(&c->slave);
	close_fd(&c->log);
}

int cons_attach(struct cons *c)
{
	struct xsc *xs = c->d->ts->xs;
	uint64_t mfn, port;
	char path[96];
	int rc;

	snprintf(path, sizeof(path), "/local/domain/%u/console/ring-ref", c->domid);
	if (xsc_read_u64(xs, XSC_NONE, path, &mfn))
		return -1;
	snprintf(path, sizeof(path), "/local/domain/%u/console/port", c->domid);
	if (xsc_read_u64(xs, XSC_NONE, path, &port))
		return -1;
	if (map_ring(c, mfn)) {
		say(c, "cannot map its ring");
		return -1;
	}
	rc = xenevtchn_bind_interdomain(c->d->evtchn, c->domid, (evtchn_port_t)port);
	if (rc < 0) {
		say(c, "cannot bind its event channel (another console daemon?)");
		unmap_ring(c);
		return -1;
	}
	c->port = (evtchn_port_t)rc;
	if (open_pty(c) || publish_tty(c)) {
		say(c, "cannot make a pseudo terminal for it (is devpts mounted?)");
		close_all(c);
		return -1;
	}
	c->out_cons = __atomic_load_n(&c->ring->out_cons, __ATOMIC_ACQUIRE);
	c->in_prod = __atomic_load_n(&c->ring->in_prod, __ATOMIC_ACQUIRE);
	open_log(c);
	c->state = CONS_SERVED;
	cons_event(c);
	return 0;
}

/* Keep the newest bytes; when the terminal was not read for so long, what it still holds is stale too. */
static void keep(struct cons *c, const char *p, size_t n)
{
	if (c->len + n > CONS_BACKLOG) {
		size_t drop = c->len + n - CONS_BACKLOG;

		c->start = (c->start + drop) % CONS_BACKLOG;
		c->len -= drop;
		tcflush(c->slave, TCIFLUSH);
	}
	for (size_t i = 0; i < n; i++)
		c->backlog[(c->start + c->len++) % CONS_BACKLOG] = p[i];
}

static void broken(struct cons *c)
{
	say(c, "the guest's ring indices make no sense; not served any more");
	c->state = CONS_BROKEN;
}

/* Take all that is in the output ring: at most its size, whatever the guest does meanwhile. */
static void take_output(struct cons *c)
{
	struct xencons_interface *r = c->ring;
	uint32_t prod = __atomic_load_n(&r->out_prod, __ATOMIC_ACQUIRE), n = prod - c->out_cons;
	char buf[sizeof(r->out)];

	if (n > sizeof(r->out)) {
		broken(c);
		return;
	}
	if (!n)
		return;
	for (uint32_t i = 0; i < n; i++)
		buf[i] = r->out[MASK_XENCONS_IDX(c->out_cons + i, r->out)];
	c->out_cons = prod;
	__atomic_store_n(&r->out_cons, prod, __ATOMIC_RELEASE);
	xenevtchn_notify(c->d->evtchn, c->port);
	write_log(c, buf, n);
	keep(c, buf, n);
	cons_terminal_out(c);
}

void cons_event(struct cons *c)
{
	if (c->state == CONS_SERVED)
		take_output(c);
	if (++c->events > CONS_BURST)
		c->masked = true;
	else
		xenevtchn_unmask(c->d->evtchn, c->port);
}

void cons_tick(struct cons *c)
{
	c->events = 0;
	if (!c->masked)
		return;
	c->masked = false;
	if (c->state == CONS_SERVED || c->state == CONS_BROKEN)
		cons_event(c);
}

uint32_t cons_room(struct cons *c)
{
	uint32_t used;

	if (c->state != CONS_SERVED)
		return 0;
	used = c->in_prod - __atomic_load_n(&c->ring->in_cons, __ATOMIC_ACQUIRE);
	if (used > sizeof(c->ring->in)) {
		broken(c);
		return 0;
	}
	return (uint32_t)sizeof(c->ring->in) - used;
}

void cons_terminal_in(struct cons *c)
{
	uint32_t room = cons_room(c);
	char buf[sizeof(c->ring->in)];
	ssize_t n = room ? read(c->master, buf, room) : 0;

	if (n <= 0)
		return;
	for (ssize_t i = 0; i < n; i++)
		c->ring->in[MASK_XENCONS_IDX(c->in_prod + (uint32_t)i, c->ring->in)] = buf[i];
	c->in_prod += (uint32_t)n;
	__atomic_store_n(&c->ring->in_prod, c->in_prod, __ATOMIC_RELEASE);
	xenevtchn_notify(c->d->evtchn, c->port);
}

void cons_terminal_out(struct cons *c)
{
	while (c->len) {
		size_t n = CONS_BACKLOG - c->start < c->len ? CONS_BACKLOG - c->start : c->len;
		ssize_t done = write(c->master, c->backlog + c->start, n);

		if (done <= 0)
			return; /* full: the main loop waits for room */
		c->start = (c->start + (size_t)done) % CONS_BACKLOG;
		c->len -= (size_t)done;
	}
}

void cons_detach(struct cons *c, int64_t now)
{
	if (c->state == CONS_SERVED)
		take_output(c);
	if (c->ring)
		xenevtchn_unbind(c->d->evtchn, c->port);
	unmap_ring(c);
	c->masked = false;
	c->state = CONS_CLOSING;
	c->close_at = now + LINGER_MS;
}

bool cons_drained(struct cons *c, int64_t now)
{
	int unread = 0;

	if (c->state != CONS_CLOSING)
		return false;
	if (c->master < 0 || now >= c->close_at)
		return true;
	cons_terminal_out(c);
	if (c->len || now < c->close_at - LINGER_MS + SETTLE_MS)
		return false;
	return (ioctl(c->slave, FIONREAD, &unread) || !unread);
}

void cons_free(struct cons *c)
{
	close_all(c);
	free(c);
}
