// SPDX-License-Identifier: BSD-2-Clause
// xenstore-nohv.so: preloaded, it lets Debian's C xenstored serve its socket on a host without a hypervisor.
//
// Domain 0 is there, no event ever comes, and its ring is a page that nobody else has. What a request on the socket costs
// the daemon is the same as under Xen, but without a machine emulated around it.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static int handle, event_fd = -1, ports;

/* These take the places of libxenctrl's, libxenevtchn's and libxengnttab's: types matter only as far as they are used. */
void *xc_interface_open(void *log, void *dombuild, unsigned int flags);
int xc_interface_close(void *h);
int xc_domain_getinfo(void *h, uint32_t first, unsigned int max, uint32_t *info);
void *xenevtchn_open(void *log, unsigned int flags);
int xenevtchn_fd(void *h);
int xenevtchn_bind_interdomain(void *h, uint32_t domid, uint32_t port);
int xenevtchn_bind_virq(void *h, unsigned int virq);
int xenevtchn_notify(void *h, uint32_t port);
int xenevtchn_pending(void *h);
int xenevtchn_unbind(void *h, uint32_t port);
int xenevtchn_unmask(void *h, uint32_t port);
void *xengnttab_open(void *log, unsigned int flags);
int xengnttab_close(void *h);
void *xengnttab_map_grant_ref(void *h, uint32_t domid, uint32_t ref, int prot);
int xengnttab_set_max_grants(void *h, uint32_t n);
int xengnttab_unmap(void *h, void *page, uint32_t n);

void *xc_interface_open(void *log, void *dombuild, unsigned int flags)
{
	return &handle;
}

int xc_interface_close(void *h)
{
	return 0;
}

/* One domain that runs; its number comes first in the structure. */
int xc_domain_getinfo(void *h, uint32_t first, unsigned int max, uint32_t *info)
{
	memset(info, 0, 64);
	info[0] = first;
	return 1;
}

void *xenevtchn_open(void *log, unsigned int flags)
{
	event_fd = eventfd(0, EFD_NONBLOCK);
	return &handle;
}

int xenevtchn_fd(void *h)
{
	return event_fd;
}

int xenevtchn_bind_interdomain(void *h, uint32_t domid, uint32_t port)
{
	return ++ports;
}

int xenevtchn_bind_virq(void *h, unsigned int virq)
{
	return ++ports;
}

int xenevtchn_notify(void *h, uint32_t port)
{
	return 0;
}

int xenevtchn_pending(void *h)
{
	return -1;
}

int xenevtchn_unbind(void *h, uint32_t port)
{
	return 0;
}

int xenevtchn_unmask(void *h, uint32_t port)
{
	return 0;
}

void *xengnttab_open(void *log, unsigned int flags)
{
	return &handle;
}

int xengnttab_close(void *h)
{
	return 0;
}

void *xengnttab_map_grant_ref(void *h, uint32_t domid, uint32_t ref, int prot)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int xengnttab_set_max_grants(void *h, uint32_t n)
{
	return 0;
}

int xengnttab_unmap(void *h, void *page, uint32_t n)
{
	return munmap(page, 4096);
}

/* A file in memory with this text and length. */
static int memory_file(const char *text, off_t len)
{
	int fd = memfd_create("nohv", 0);

	if (fd < 0 || ftruncate(fd, len) || pwrite(fd, text, strlen(text), 0) < 0)
		return -1;
	return fd;
}

/* The daemon asks xenfs for the port and the page of domain 0. */
int open(const char *path, int flags, ...)
{
	int (*next)(const char *p, int f, ...) =
		(int (*)(const char *, int, ...))(uintptr_t)dlsym(RTLD_NEXT, "open");
	mode_t mode;
	va_list args;

	if (!strcmp(path, "/proc/xen/xsd_port"))
		return memory_file("1", 1);
	if (!strcmp(path, "/proc/xen/xsd_kva"))
		return memory_file("", 4096);
	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return next(path, flags, mode);
}
