// SPDX-License-Identifier: BSD-2-Clause
// One console of the console daemon: ring, pty, log; and a guest that writes nonsense into the ring.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include "toolstack/consoled/consoled.h"
#include "tests/unit/unit.h"

/* ---- the world around ring.c: one page, one event channel, one store that knows two numbers */

static struct xencons_interface page;
static struct {
	int mapped, bound, notified, unmasked;
	bool store;
	char tty[64];
} w;
static struct consoled d;

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref, int prot)
{
	w.mapped++;
	return &page;
}

int xengnttab_unmap(xengnttab_handle *h, void *p, uint32_t n)
{
	w.mapped--;
	return 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *h, uint32_t dom, int prot, size_t n,
			   const xen_pfn_t *a, int *err)
{
	return NULL;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *h, void *p, size_t n)
{
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domid,
						     evtchn_port_t port)
{
	w.bound++;
	return 42;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
	w.bound--;
	return 0;
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
	w.notified++;
	return 0;
}

int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
	w.unmasked++;
	return 0;
}

int xsc_read_u64(struct xsc *x, xsc_txn t, const char *path, uint64_t *v)
{
	*v = 7;
	return w.store ? 0 : -1;
}

int xsc_write(struct xsc *x, xsc_txn t, const char *path, const void *data, size_t len)
{
	ck_assert_str_eq(path, "/local/domain/5/console/tty");
	ck_assert_uint_lt(len, sizeof(w.tty));
	memcpy(w.tty, data, len);
	w.tty[len] = '\0';
	return 0;
}

char *ts_domain_name(struct ts *ts, uint32_t domid)
{
	return strdup("a/guest");
}

/* ---- */

static char dir[64];
static struct cons *c;

static void setup(void)
{
	static struct ts ts;

	memset(&page, 0, sizeof(page));
	memset(&w, 0, sizeof(w));
	strcpy(dir, "/tmp/console-"
		    "X"
		    "X"
		    "X"
		    "X"
		    "X"
		    "X");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	d = (struct consoled){ .ts = &ts, .gnttab = (void *)&d, .log_dir = dir };
	w.store = true;
	c = cons_new(&d, 5);
}

static void attach(void)
{
	ck_assert_int_eq(cons_attach(c), 0);
	ck_assert_int_eq(c->state, CONS_SERVED);
}

static void teardown(void)
{
	char path[96];

	cons_free(c);
	ck_assert_int_eq(w.mapped, 0);
	ck_assert_int_eq(w.bound, 0);
	snprintf(path, sizeof(path), "%s/a_guest.log", dir);
	unlink(path);
	strcat(path, ".1");
	unlink(path);
	rmdir(dir);
}

static void guest_writes(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		page.out[MASK_XENCONS_IDX(page.out_prod + i, page.out)] = s[i];
	page.out_prod += (uint32_t)n;
	cons_event(c);
}

static size_t terminal_reads(char *buf, size_t room)
{
	int fd = open(w.tty, O_RDWR | O_NOCTTY | O_NONBLOCK);
	size_t n = 0;
	ssize_t got;

	ck_assert_int_ge(fd, 0);
	do {
		cons_terminal_out(c);
		got = read(fd, buf + n, room - n);
		n += got > 0 ? (size_t)got : 0;
	} while (got > 0 && n < room);
	close(fd);
	return n;
}

START_TEST(waits_for_the_store)
{
	w.store = false;
	ck_assert_int_eq(cons_attach(c), -1);
	ck_assert_int_eq(c->state, CONS_WAITING);
	w.store = true;
	attach();
}
END_TEST

START_TEST(output_reaches_terminal_and_log)
{
	char buf[64], path[96];
	struct stat st;

	attach();
	guest_writes("hello\r\n", 7);
	ck_assert_uint_eq(page.out_cons, 7);
	ck_assert_int_eq(w.notified, 1);
	ck_assert_uint_eq(terminal_reads(buf, sizeof(buf)), 7);
	ck_assert_mem_eq(buf, "hello\r\n", 7);
	snprintf(path, sizeof(path), "%s/a_guest.log", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 7);
}
END_TEST

START_TEST(input_reaches_the_ring)
{
	int fd;

	attach();
	page.in_cons = page.in_prod = c->in_prod = sizeof(page.in) - 2;
	fd = open(w.tty, O_RDWR | O_NOCTTY);
	ck_assert_int_eq(write(fd, "abcd", 4), 4);
	cons_terminal_in(c);
	close(fd);
	ck_assert_uint_eq(page.in_prod - page.in_cons, 4);
	ck_assert_int_eq(page.in[sizeof(page.in) - 1], 'b');
	ck_assert_int_eq(page.in[0], 'c');
}
END_TEST

START_TEST(full_input_ring_takes_nothing)
{
	attach();
	c->in_prod = page.in_cons + (uint32_t)sizeof(page.in);
	ck_assert_uint_eq(cons_room(c), 0);
	cons_terminal_in(c);
	ck_assert_int_eq(c->state, CONS_SERVED);
}
END_TEST

/* Far more than anybody reads: what comes last is what is there. */
START_TEST(the_newest_is_kept)
{
	static char buf[CONS_BACKLOG * 2];
	char line[1001];
	size_t n;

	attach();
	for (int i = 0; i < 200; i++) {
		memset(line, 'a' + i % 26, 1000);
		snprintf(line, sizeof(line), "<%03d", i);
		line[4] = '>';
		guest_writes(line, 1000);
		cons_tick(c);
	}
	n = terminal_reads(buf, sizeof(buf));
	ck_assert_uint_ge(n, CONS_BACKLOG / 2);
	/* How much more the kernel's own buffer holds is its affair; the end is without a gap. */
	ck_assert_uint_lt(n, 200000);
	for (int i = 160; i < 200; i++) {
		snprintf(line, sizeof(line), "<%03d>", i);
		ck_assert_mem_eq(buf + n - 1000 * (size_t)(200 - i), line, 5);
	}
}
END_TEST

START_TEST(log_is_bounded)
{
	char line[2000], path[96];
	struct stat st;

	attach();
	memset(line, 'x', sizeof(line));
	for (size_t i = 0; i < 3 * CONS_LOG_MAX / sizeof(line); i++)
		guest_writes(line, sizeof(line));
	snprintf(path, sizeof(path), "%s/a_guest.log", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_le((size_t)st.st_size, CONS_LOG_MAX + sizeof(line));
	strcat(path, ".1");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_le((size_t)st.st_size, CONS_LOG_MAX + sizeof(line));
}
END_TEST

START_TEST(a_guest_that_rings_too_often_waits)
{
	attach();
	w.unmasked = 0;
	c->events = 0;
	for (unsigned int i = 0; i < 10 * CONS_BURST; i++)
		cons_event(c);
	ck_assert_int_eq(w.unmasked, CONS_BURST);
	ck_assert(c->masked);
	cons_tick(c);
	ck_assert_int_eq(w.unmasked, CONS_BURST + 1);
	ck_assert(!c->masked);
}
END_TEST

START_TEST(nonsense_output_index)
{
	attach();
	page.out_prod = (uint32_t)sizeof(page.out) + 1;
	cons_event(c);
	ck_assert_int_eq(c->state, CONS_BROKEN);
	page.out_prod = 3;
	cons_event(c);
	cons_tick(c);
	ck_assert_int_eq(c->state, CONS_BROKEN);
	ck_assert_uint_eq(page.out_cons, 0);
}
END_TEST

START_TEST(nonsense_input_index)
{
	attach();
	page.in_cons = 5;
	ck_assert_uint_eq(cons_room(c), 0);
	ck_assert_int_eq(c->state, CONS_BROKEN);
}
END_TEST

/* The consumer index in the page is for the guest's eyes: what it writes there changes nothing. */
START_TEST(our_indices_are_ours)
{
	attach();
	guest_writes("abc", 3);
	page.out_cons = 77;
	guest_writes("de", 2);
	ck_assert_int_eq(c->state, CONS_SERVED);
	ck_assert_uint_eq(page.out_cons, 5);
}
END_TEST

START_TEST(random_indices)
{
	attach();
	srandom(3);
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr)); /* it says so each time */
	for (int i = 0; i < 20000; i++) {
		page.out_prod = (uint32_t)random() % 6000;
		page.out_cons = (uint32_t)random();
		page.in_cons = c->in_prod - (uint32_t)random() % 2000;
		page.in_prod = (uint32_t)random();
		cons_event(c);
		cons_terminal_in(c);
		cons_tick(c);
		if (c->state == CONS_BROKEN) {
			c->state = CONS_SERVED;
			c->out_cons = page.out_prod;
		}
	}
}
END_TEST

START_TEST(last_lines_outlive_the_domain)
{
	char buf[32];

	attach();
	memcpy(page.out, "bye", 3);
	page.out_prod = 3;
	cons_detach(c, 1000);
	ck_assert_int_eq(c->state, CONS_CLOSING);
	ck_assert(!cons_drained(c, 1001));
	ck_assert_uint_eq(terminal_reads(buf, sizeof(buf)), 3);
	ck_assert(cons_drained(c, 1200));
	ck_assert(cons_drained(c, 100000));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { waits_for_the_store,
				       output_reaches_terminal_and_log,
				       input_reaches_the_ring,
				       full_input_ring_takes_nothing,
				       the_newest_is_kept,
				       log_is_bounded,
				       a_guest_that_rings_too_often_waits,
				       nonsense_output_index,
				       nonsense_input_index,
				       our_indices_are_ours,
				       random_indices,
				       last_lines_outlive_the_domain };
	Suite *s = suite_create("console_ring");
	TCase *t = tcase_create("console_ring");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	return unit_run(s);
}
