// SPDX-License-Identifier: BSD-2-Clause
// Many receives and sends in one system call, by io_uring; one after the other where the kernel has none for us.
//
// In a PV domain a system call goes through the hypervisor and costs more than what the daemon does for a request. Nothing is ever
// left under way: an operation that would have to wait ends with EAGAIN, and buffers are the caller's again on return.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <liburing.h>

#include "xsd.h"

/* No socket gives this for a receive or a send. */
#define NOT_DONE (-EINPROGRESS)
#define FLAGS	 (MSG_DONTWAIT | MSG_NOSIGNAL)

static struct io_uring ring;
static enum { UNKNOWN, OPEN, NONE } state;

static bool have_ring(void)
{
	int err;

	if (state == UNKNOWN) {
		err = io_uring_queue_init(XSD_BATCH, &ring, 0);
		state = err ? NONE : OPEN;
		if (err)
			xsd_log(XSD_INFO,
				"no io_uring: %s; each receive and send is a system call, which is "
				"slower with many clients",
				strerror(-err));
	}
	return state == OPEN;
}

/* What the kernel has not taken yet would be taken the next time, with buffers that are no longer ours: end it all. */
static void give_up(int err)
{
	xsd_log(XSD_WARN, "io_uring failed: %s; each receive and send is a system call from now on",
		strerror(-err));
	io_uring_queue_exit(&ring);
	state = NONE;
}

static void prepare(struct xsd_io *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring); /* cannot fail: none waits there */

	if (io->send)
		io_uring_prep_send(sqe, io->fd, io->buf, io->len, FLAGS);
	else
		io_uring_prep_recv(sqe, io->fd, io->buf, io->len, FLAGS);
	io_uring_sqe_set_data(sqe, io);
}

/* Take the results that are there; returns how many. */
static unsigned int results(void)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	io_uring_for_each_cqe(&ring, head, cqe)
	{
		struct xsd_io *io = io_uring_cqe_get_data(cqe);

		io->result = cqe->res;
		n++;
	}
	io_uring_cq_advance(&ring, n);
	return n;
}

/* The queue of results is twice as long as that of operations: it cannot overflow. */
static void by_ring(struct xsd_io *io, unsigned int n)
{
	unsigned int i;
	int err;

	for (i = 0; i < n; i++)
		prepare(&io[i]);
	while (n) {
		err = io_uring_submit_and_wait(&ring, n);
		n -= results();
		if (n && err < 0 && err != -EINTR) {
			give_up(err);
			return;
		}
	}
}

static void by_call(struct xsd_io *io)
{
	ssize_t n = io->send ? send(io->fd, io->buf, io->len, FLAGS)
			     : recv(io->fd, io->buf, io->len, FLAGS);

	io->result = n < 0 ? -errno : n;
}

void xsd_batch(struct xsd_io *io, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		io[i].result = NOT_DONE;
	if (n > 1 && have_ring())
		by_ring(io, n);
	for (i = 0; i < n; i++)
		if (io[i].result == NOT_DONE)
			by_call(&io[i]);
}
