// SPDX-License-Identifier: BSD-2-Clause
// Disks: block devices as they are, files through loop devices, served by xen-blkback.
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "toolstack/lib/ts.h"
#include <xen/io/xenbus.h>

/*
 * A loop device for a file. It frees itself when its last user closes it: we hold it open until the back end does.
 * Somebody else may take the free number first, then the next one is tried.
 */
static int loop_attach(struct ts *ts, const struct ts_disk *k, int file)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd, n;
	struct loop_config cfg = { .fd = (uint32_t)file };
	char path[32];

	if (control < 0)
		return ts_fail_errno(ts, "disk %s: cannot open /dev/loop-control (modprobe loop)",
				     k->target);
	cfg.info.lo_flags = LO_FLAGS_AUTOCLEAR | (k->readonly ? LO_FLAGS_READ_ONLY : 0);
	snprintf((char *)cfg.info.lo_file_name, LO_NAME_SIZE, "%s", k->target);
	for (int tries = 0; tries < 64; tries++) {
		n = ioctl(control, LOOP_CTL_GET_FREE);
		if (n < 0)
			break;
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		fd = open(path, (k->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		if (fd < 0)
			break;
		if (ioctl(fd, LOOP_CONFIGURE, &cfg) == 0) {
			close(control);
			return fd;
		}
		close(fd);
		if (errno != EBUSY)
			break;
	}
	ts_fail_errno(ts, "disk %s: cannot get a loop device", k->target);
	close(control);
	return -1;
}

/* Major and minor of what blkback is to open. */
static int find_device(struct ts *ts, const struct ts_disk *k, int *loop_fd, dev_t *dev)
{
	int fd = open(k->target, (k->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return ts_fail_errno(ts, "disk %s: cannot open %s%s", k->vdev, k->target,
				     errno == ENXIO ? " (no such device)" : "");
	if (fstat(fd, &st)) {
		close(fd);
		return ts_fail_errno(ts, "disk %s: %s", k->vdev, k->target);
	}
	if (S_ISBLK(st.st_mode)) {
		close(fd);
		*dev = st.st_rdev;
		return 0;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return ts_fail(ts, "disk %s: %s changed its kind meanwhile", k->vdev, k->target);
	}
	*loop_fd = loop_attach(ts, k, fd);
	close(fd);
	if (*loop_fd < 0)
		return -1;
	if (fstat(*loop_fd, &st))
		return ts_fail_errno(ts, "disk %s: its loop device", k->vdev);
	*dev = st.st_rdev;
	return 0;
}

int ts_disk_check(struct ts *ts, const struct ts_disk *k)
{
	int fd = open(k->target, (k->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return ts_fail_errno(ts, "disk %s: cannot open %s", k->vdev, k->target);
	if (fstat(fd, &st))
		memset(&st, 0, sizeof(st));
	close(fd);
	if (S_ISBLK(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size >= 512))
		return 0;
	return ts_fail(
		ts, "disk %s: %s is neither a block device nor an image file of at least 512 bytes",
		k->vdev, k->target);
}

int ts_disk_attach(struct ts *ts, const struct ts_disk *k, uint32_t domid, int *loop_fd)
{
	char physical[32], devid[16];
	const char *type = k->cdrom ? "cdrom" : "disk";
	dev_t dev = 0;

	*loop_fd = -1;
	if (ts_need_driver(ts, "vbd", "xen-blkback") || find_device(ts, k, loop_fd, &dev))
		return -1;
	snprintf(physical, sizeof(physical), "%x:%x", major(dev), minor(dev));
	snprintf(devid, sizeof(devid), "%u", k->devid);

	const struct ts_pair back[] = {
		{ "removable", "0" },
		{ "bootable", "1" },
		{ "dev", k->vdev },
		{ "type", "phy" },
		{ "mode", k->readonly ? "r" : "w" },
		{ "device-type", type },
		{ "params", k->target },
		{ "discard-enable", "1" },
		{ "physical-device", physical },
		{ "hotplug-status", "connected" },
		{ "state", "1" },
		{ NULL, NULL },
	};
	const struct ts_pair front[] = {
		{ "virtual-device", devid },
		{ "device-type", type },
		{ "state", "1" },
		{ NULL, NULL },
	};

	if (ts_device_add(ts, "vbd", k->devid, domid, back, front))
		return -1;
	return ts_device_wait(ts, "vbd", k->devid, domid,
			      1U << XenbusStateInitWait | 1U << XenbusStateInitialised |
				      1U << XenbusStateConnected,
			      10000);
}
