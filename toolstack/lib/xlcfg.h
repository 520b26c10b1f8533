/* SPDX-License-Identifier: BSD-2-Clause */
/* Domain configuration files in xl.cfg syntax: the text, and what it says about a PV domain. */
#ifndef TS_XLCFG_H
#define TS_XLCFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XLCFG_MAX_FILE (1U << 20) /* bytes */
#define XLCFG_MAX_LIST 64 /* disks, vifs */
#define XLCFG_ERR      512

/* ---- the text: KEY = "string" | number | [ list ] */

struct xlcfg_value {
	char *key;
	bool is_list;
	char **item; /* item[0] when no list */
	size_t nr;
	unsigned int line;
};

struct xlcfg {
	struct xlcfg_value *value;
	size_t nr;
	char *source; /* file name for messages */
	char err[XLCFG_ERR];
};

/*
 * Parse text of len bytes, add to *c (start with all zero); a key given again replaces the former value, += adds to
 * it. source names the file in messages. 0, or -1 with the place and the cause in c->err. Nothing is left half
 * parsed that xlcfg_free() would not free.
 */
int xlcfg_parse(struct xlcfg *c, const char *source, const char *text, size_t len);
void xlcfg_free(struct xlcfg *c);
const struct xlcfg_value *xlcfg_find(const struct xlcfg *c, const char *key);

/* ---- what it says */

enum ts_action {
	TS_ACT_DESTROY,
	TS_ACT_RESTART,
	TS_ACT_RENAME_RESTART,
	TS_ACT_PRESERVE,
};

struct ts_disk {
	char *target; /* path in dom0 */
	char vdev[16]; /* xvda, ... */
	unsigned int devid; /* the virtual device number of vdev */
	bool readonly;
	bool cdrom;
};

struct ts_vif {
	uint8_t mac[6];
	bool mac_given;
	char bridge[16]; /* empty: none */
	char ip[64];
	char ifname[16]; /* name of the dom0 side; empty: vif<domid>.<n> */
	bool no_setup; /* script=none: the interface is left alone */
};

struct ts_config {
	char *name, *kernel, *ramdisk, *cmdline;
	uint8_t uuid[16];
	bool uuid_given;
	uint64_t memory_kb, maxmem_kb;
	unsigned int vcpus, maxvcpus;
	unsigned int weight, cap; /* 0: the scheduler's default */
	uint32_t tsc_mode;
	unsigned int max_grant_frames; /* 0: default */
	enum ts_action on_poweroff, on_reboot, on_crash, on_watchdog;
	struct ts_disk disk[XLCFG_MAX_LIST];
	unsigned int nr_disks;
	struct ts_vif vif[XLCFG_MAX_LIST];
	unsigned int nr_vifs;
	char *warnings; /* one line per key that has no effect; NULL for none */
};

/* Build a ts_config. 0, or -1 with the key, the value and what is accepted in c->err; *d is then empty. */
int ts_config_from(struct xlcfg *c, struct ts_config *d);
void ts_config_free(struct ts_config *d);

/* One disk or vif specification as it stands in a list; err has room for XLCFG_ERR bytes. */
int ts_disk_parse(struct ts_disk *d, const char *spec, char *err);
int ts_vif_parse(struct ts_vif *v, const char *spec, char *err);
void ts_disk_free(struct ts_disk *d);

/* Virtual device number of xvda5, hdc, sda, ... 0 and *devid, or -1. */
int ts_vdev_number(const char *vdev, unsigned int *devid);

/* "destroy", "restart", ... */
const char *ts_action_name(enum ts_action a);

#endif
