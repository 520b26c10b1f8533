// SPDX-License-Identifier: BSD-2-Clause
/* hc_console_io: a guest's lines for the hypervisor's console, and dom0's input from it. */
#include <hv/console.h>
#include <hv/boot.h>
#include <hv/domain.h>
#include <hv/hypercall.h>
#include <hv/softirq.h>

#define CHUNK 128

/* Bytes of a guest that is not dom0: whole lines, each with the domain's name, rate-limited by guest_log(). */
static void log_lines(const struct domain *d, const char *s, size_t n)
{
	size_t start = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && s[i] != '\n')
			continue;
		if (i > start)
			guest_log(LOG_INFO, "(d%u) %.*s\n", d->id, (int)(i - start), s + start);
		start = i + 1;
	}
}

/* What a guest sends is printed as it is by dom0; others could fake lines or steer a terminal. */
static void make_printable(char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' && s[i] != '\n' && s[i] != '\t')
			s[i] = s[i] == '\r' ? ' ' : '.';
}

static long console_write(uint32_t count, guest_ptr_t src)
{
	const struct domain *d = current->domain;
	char buf[CHUNK];

	while (count) {
		uint32_t n = MIN(count, (uint32_t)sizeof(buf));

		if (copy_from_guest(buf, src, n))
			return -XEN_EFAULT;
		if (d->is_privileged) {
			serial_write(buf, n);
		} else {
			make_printable(buf, n);
			log_lines(d, buf, n);
		}
		count -= n;
		src.va += n;
		if (count && preempt_needed())
			return hypercall_continue(__HYPERVISOR_console_io, 3,
						  (unsigned long)CONSOLEIO_write,
						  (unsigned long)count, src.va);
	}
	return 0;
}

static long console_read(uint32_t count, guest_ptr_t dst)
{
	uint32_t done = 0;
	char buf[CHUNK];

	/* The answer is a count or an error: keep the two apart. */
	if (count > INT32_MAX)
		return -XEN_E2BIG;
	while (done < count) {
		uint32_t n = console_input_read(buf, MIN(count - done, (uint32_t)sizeof(buf)));

		if (!n)
			break;
		if (copy_array_to_guest(dst, done, buf, n))
			return -XEN_EFAULT;
		done += n;
	}
	return (long)done;
}

long hc_console_io(unsigned long cmd, unsigned long count, unsigned long buffer)
{
	/* Guests may write only where the administrator asked to see all that guests say (guest_loglvl=all). */
	if (!current_is_privileged() &&
	    ((uint32_t)cmd != CONSOLEIO_write || opt.guest_loglvl_low < LOG_DEBUG))
		return -XEN_EPERM;
	switch ((uint32_t)cmd) {
	case CONSOLEIO_write:
		return console_write((uint32_t)count, guest_ptr(buffer));
	case CONSOLEIO_read:
		return console_read((uint32_t)count, guest_ptr(buffer));
	default:
		return -XEN_ENOSYS;
	}
}
