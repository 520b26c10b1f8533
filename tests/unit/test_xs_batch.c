// SPDX-License-Identifier: BSD-2-Clause
// Receives and sends in batches: the same results by io_uring, without it, and when it fails on the way.
//
// A filter makes system calls fail for the rest of a test, so that each way is known to be the one that was taken.
#include <check.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit.h"

/* Part of the daemon, not PURE, so it is no part of the library of the unit tests. */
#include "xenstore/daemon/batch.c"

enum way { BY_RING, BY_CALL, BREAKS, WAYS };

static unsigned int told[XSD_DEBUG + 1];
static int pair[XSD_BATCH][2];
static char text[XSD_BATCH][256];
static struct xsd_io io[XSD_BATCH];

void xsd_log(enum xsd_level level, const char *fmt, ...)
{
	told[level]++;
}

static void deny(int call)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog all = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all), 0);
}

static bool kernel_has_it(void)
{
	return syscall(__NR_io_uring_setup, 0, NULL) < 0 && errno == EFAULT;
}

static void one(unsigned int i, bool send, int fd, size_t len)
{
	io[i] = (struct xsd_io){ .fd = fd, .send = send, .buf = text[i], .len = len };
}

static void receive_nothing(void)
{
	one(0, false, pair[0][0], 1);
	one(1, false, pair[1][0], 1);
	xsd_batch(io, 2);
	ck_assert_int_eq(io[0].result, -EAGAIN);
	ck_assert_int_eq(io[1].result, -EAGAIN);
}

static void begin(enum way way)
{
	unsigned int i;

	for (i = 0; i < XSD_BATCH; i++)
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]), 0);
	if (way == BY_CALL)
		deny(__NR_io_uring_setup);
	receive_nothing();
	if (way == BREAKS)
		deny(__NR_io_uring_enter);
	if (way == BY_RING) {
		deny(__NR_recvfrom);
		deny(__NR_sendto);
	}
}

/* What the log must have been told, after the last batch. */
static void end(enum way way)
{
	ck_assert_uint_eq(told[XSD_INFO], way == BY_CALL);
	ck_assert_uint_eq(told[XSD_WARN], way == BREAKS);
	ck_assert_int_eq(state, way == BY_RING ? OPEN : NONE);
}

START_TEST(bytes_arrive)
{
	unsigned int i;

	begin(_i);
	for (i = 0; i < XSD_BATCH; i++) {
		memset(text[i], (int)i, i + 1);
		one(i, true, pair[i][1], i + 1);
	}
	xsd_batch(io, XSD_BATCH);
	memset(text, 0xff, sizeof(text));
	for (i = 0; i < XSD_BATCH; i++) {
		ck_assert_int_eq(io[i].result, i + 1);
		one(i, false, pair[i][0], sizeof(text[i]));
	}
	xsd_batch(io, XSD_BATCH);
	for (i = 0; i < XSD_BATCH; i++) {
		ck_assert_int_eq(io[i].result, i + 1);
		ck_assert_int_eq(text[i][0], i);
		ck_assert_int_eq(text[i][i], i);
		ck_assert_int_eq(text[i][i + 1], (char)0xff);
	}
	end(_i);
}
END_TEST

START_TEST(errors_are_told_apart)
{
	static char large[4 << 20];

	begin(_i);
	close(pair[0][1]);
	close(pair[1][1]);
	one(0, false, pair[0][0], 1);
	one(1, true, pair[1][0], 1);
	one(2, false, -1, 1);
	one(3, true, pair[3][0], 1);
	one(4, false, pair[4][0], 1);
	one(5, true, pair[5][0], 0);
	io[5].buf = large;
	io[5].len = sizeof(large);
	xsd_batch(io, 6);
	ck_assert_int_eq(io[0].result, 0);
	ck_assert_int_eq(io[1].result, -EPIPE);
	ck_assert_int_eq(io[2].result, -EBADF);
	ck_assert_int_eq(io[3].result, 1);
	ck_assert_int_eq(io[4].result, -EAGAIN);
	ck_assert_int_gt(io[5].result, 0);
	ck_assert_int_lt(io[5].result, (int)sizeof(large));
	xsd_batch(io + 4, 2);
	ck_assert_int_eq(io[5].result, -EAGAIN);
	end(_i);
}
END_TEST

START_TEST(nothing_is_left_under_way)
{
	begin(_i);
	text[0][0] = 'a';
	receive_nothing();
	ck_assert_int_eq(write(pair[0][1], "b", 1), 1);
	ck_assert_int_eq(text[0][0], 'a');
	one(0, false, pair[0][0], 1);
	one(1, false, pair[1][0], 1);
	xsd_batch(io, 2);
	ck_assert_int_eq(io[0].result, 1);
	ck_assert_int_eq(text[0][0], 'b');
	end(_i);
}
END_TEST

START_TEST(not_kept_over_exec)
{
	begin(BY_RING);
	ck_assert(fcntl(ring.ring_fd, F_GETFD) & FD_CLOEXEC);
}
END_TEST

int main(void)
{
	int first = kernel_has_it() ? BY_RING : BY_CALL, last = kernel_has_it() ? WAYS : BREAKS;
	Suite *s = suite_create("xs_batch");
	TCase *t = tcase_create("xs_batch");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, bytes_arrive, first, last);
	tcase_add_loop_test(t, errors_are_told_apart, first, last);
	tcase_add_loop_test(t, nothing_is_left_under_way, first, last);
	if (first == BY_RING)
		tcase_add_test(t, not_kept_over_exec);
	else
		printf("SKIP: this kernel has no io_uring for us\n");
	suite_add_tcase(s, t);
	return unit_run(s);
}
