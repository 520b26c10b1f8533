// SPDX-License-Identifier: BSD-2-Clause
// What a domain configuration says: names, memory, actions, disks, network cards.
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/lib/xlcfg.h"

static int __attribute__((format(printf, 2, 3))) fail(char *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, XLCFG_ERR, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- disks */

/* Letters a, b, ..., z, aa, ab, ... as a number from 0; -1 when there is none. */
static int disk_letters(const char **s)
{
	int n = 0;
	const char *start = *s;

	for (; **s >= 'a' && **s <= 'z'; (*s)++) {
		if (*s - start >= 3)
			return -1;
		n = n * 26 + (**s - 'a' + 1);
	}
	return n - 1;
}

int ts_vdev_number(const char *vdev, unsigned int *devid)
{
	unsigned int part = 0, kind;
	int disk;

	if (strncmp(vdev, "xvd", 3) == 0)
		kind = 'x';
	else if (strncmp(vdev, "hd", 2) == 0)
		kind = 'h';
	else if (strncmp(vdev, "sd", 2) == 0)
		kind = 's';
	else
		return -1;
	vdev += kind == 'x' ? 3 : 2;
	disk = disk_letters(&vdev);
	if (disk < 0)
		return -1;
	if (*vdev) {
		if (*vdev == '0')
			return -1;
		for (; *vdev; vdev++) {
			if (*vdev < '0' || *vdev > '9')
				return -1;
			part = part * 10 + (unsigned int)(*vdev - '0');
			if (part > 255)
				return -1;
		}
	}
	if (kind == 'x' && (disk > 15 || part > 15)) {
		*devid = 1U << 28 | (unsigned int)disk << 8 | part;
		return 0;
	}
	if (kind == 'x')
		*devid = 202U << 8 | (unsigned int)disk << 4 | part;
	else if (kind == 's' && disk <= 15 && part <= 15)
		*devid = 8U << 8 | (unsigned int)disk << 4 | part;
	else if (kind == 'h' && disk <= 3 && part <= 63)
		*devid = (disk < 2 ? 3U : 22U) << 8 | ((unsigned int)disk & 1) << 6 | part;
	else
		return -1;
	return 0;
}

void ts_disk_free(struct ts_disk *d)
{
	free(d->target);
	d->target = NULL;
}

static int disk_format(const char *v, char *err)
{
	if (strcmp(v, "raw") == 0 || strcmp(v, "phy") == 0 || !*v)
		return 0;
	return fail(err, "format %s is not supported; raw images and block devices are", v);
}

static int disk_access(struct ts_disk *d, const char *v, char *err)
{
	if (strcmp(v, "r") == 0 || strcmp(v, "ro") == 0)
		d->readonly = true;
	else if (strcmp(v, "w") != 0 && strcmp(v, "rw") != 0)
		return fail(err, "access \"%s\" is none of r, ro, w, rw", v);
	return 0;
}

static int disk_vdev(struct ts_disk *d, char *v, char *err)
{
	char *colon = strchr(v, ':');

	if (colon) {
		*colon++ = '\0';
		if (strcmp(colon, "cdrom") == 0)
			d->cdrom = d->readonly = true;
		else if (strcmp(colon, "disk") != 0)
			return fail(err, "device type \"%s\" is neither disk nor cdrom", colon);
	}
	if (strlen(v) >= sizeof(d->vdev) || ts_vdev_number(v, &d->devid))
		return fail(err, "\"%s\" is no virtual device; xvda, sda1, hdc, ... are", v);
	strcpy(d->vdev, v);
	return 0;
}

static int disk_target(struct ts_disk *d, const char *v, char *err)
{
	if (d->target)
		return fail(err, "two targets, %s and %s", d->target, v);
	d->target = strdup(v);
	return d->target ? 0 : fail(err, "out of memory");
}

static int disk_key(struct ts_disk *d, const char *key, char *v, char *err)
{
	if (strcmp(key, "target") == 0)
		return disk_target(d, v, err);
	if (strcmp(key, "format") == 0)
		return disk_format(v, err);
	if (strcmp(key, "vdev") == 0)
		return disk_vdev(d, v, err);
	if (strcmp(key, "access") == 0)
		return disk_access(d, v, err);
	if (strcmp(key, "devtype") == 0) {
		d->cdrom = strcmp(v, "cdrom") == 0;
		d->readonly |= d->cdrom;
		return d->cdrom || strcmp(v, "disk") == 0 ? 0
							  : fail(err, "devtype %s is unknown", v);
	}
	if (strcmp(key, "backendtype") == 0)
		return strcmp(v, "phy") == 0 ? 0
					     : fail(err, "backendtype %s: only phy is known", v);
	if (strcmp(key, "backend") == 0)
		return !strcmp(v, "0") || !strcmp(v, "Domain-0")
			       ? 0
			       : fail(err, "backend %s: only domain 0 serves disks", v);
	return fail(err, "unknown disk key %s", key);
}

/* phy:, file:, raw: and tap:aio: before the target say the format, so that none follows. */
static const char *strip_prefix(const char *spec, bool *had)
{
	static const char *const prefixes[] = { "phy:", "file:", "raw:", "tap:aio:", "aio:" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(spec, prefixes[i], strlen(prefixes[i])) == 0) {
			*had = true;
			return spec + strlen(prefixes[i]);
		}
	}
	return spec;
}

static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* True and the value split off when the word starts with key=, key being letters only. */
static bool key_value(char *word, char **value)
{
	char *eq = word;

	while (isalpha((unsigned char)*eq) || *eq == '-' || *eq == '_')
		eq++;
	if (eq == word || *eq != '=')
		return false;
	*eq = '\0';
	*value = eq + 1;
	return true;
}

static int disk_words(struct ts_disk *d, char *text, bool had_prefix, char *err)
{
	enum { TARGET, FORMAT, VDEV, ACCESS, END } pos = TARGET;
	char *word, *value, *rest = text;
	int rc = 0;

	while (!rc && (word = strsep(&rest, ","))) {
		word = trim(word);
		if (key_value(word, &value)) {
			/* target= takes the rest, commas included */
			if (strcmp(word, "target") == 0 && rest) {
				rest[-1] = ',';
				rest = NULL;
			}
			rc = disk_key(d, word, value, err);
			continue;
		}
		if (!strcmp(word, "cdrom") && pos != TARGET) {
			d->cdrom = d->readonly = true;
			continue;
		}
		if (pos == TARGET) {
			rc = *word ? disk_target(d, word, err) : 0;
			pos = had_prefix ? VDEV : FORMAT;
		} else if (pos == FORMAT) {
			rc = disk_format(word, err);
			pos = VDEV;
		} else if (pos == VDEV) {
			rc = *word ? disk_vdev(d, word, err) : 0;
			pos = ACCESS;
		} else if (pos == ACCESS) {
			rc = *word ? disk_access(d, word, err) : 0;
			pos = END;
		} else {
			rc = fail(err, "unexpected \"%s\"", word);
		}
	}
	return rc;
}

int ts_disk_parse(struct ts_disk *d, const char *spec, char *err)
{
	char why[XLCFG_ERR];
	bool had_prefix = false;
	char *text = strdup(strip_prefix(spec, &had_prefix));
	int rc;

	memset(d, 0, sizeof(*d));
	if (!text)
		return fail(err, "out of memory");
	rc = disk_words(d, text, had_prefix, why);
	free(text);
	if (!rc && !d->target)
		rc = fail(why, "no target");
	if (!rc && !d->vdev[0])
		rc = fail(why, "no virtual device; write for example phy:/dev/vg/disk,xvda,w");
	if (rc) {
		ts_disk_free(d);
		return fail(err, "disk \"%.200s\": %.250s", spec, why);
	}
	return 0;
}

/* ---- network cards */

static int parse_mac(uint8_t *mac, const char *s)
{
	for (int i = 0; i < 6; i++) {
		char *end;
		unsigned long v;

		if (!isxdigit((unsigned char)*s))
			return -1;
		v = strtoul(s, &end, 16);
		if (end - s > 2 || (i < 5 ? *end != ':' : *end != '\0'))
			return -1;
		mac[i] = (uint8_t)v;
		s = end + 1;
	}
	return mac[0] & 1 ? -1 : 0; /* a group address is no card's */
}

static int copy_name(char *dst, size_t room, const char *v, const char *what, char *err)
{
	if (strlen(v) >= room || strchr(v, '/'))
		return fail(err, "%s \"%.64s\" is no interface name (at most 15 characters)", what,
			    v);
	strcpy(dst, v);
	return 0;
}

static int vif_key(struct ts_vif *f, const char *key, const char *v, char *err)
{
	if (strcmp(key, "mac") == 0) {
		f->mac_given = true;
		return parse_mac(f->mac, v) ? fail(err, "mac \"%.64s\" is no card address", v) : 0;
	}
	if (strcmp(key, "bridge") == 0)
		return copy_name(f->bridge, sizeof(f->bridge), v, "bridge", err);
	if (strcmp(key, "vifname") == 0)
		return copy_name(f->ifname, sizeof(f->ifname), v, "vifname", err);
	if (strcmp(key, "ip") == 0) {
		if (strlen(v) >= sizeof(f->ip))
			return fail(err, "ip is longer than %zu characters", sizeof(f->ip) - 1);
		strcpy(f->ip, v);
		return 0;
	}
	if (strcmp(key, "script") == 0) {
		f->no_setup = strcmp(v, "none") == 0;
		if (f->no_setup || strcmp(v, "vif-bridge") == 0)
			return 0;
		return fail(err, "script %.64s: only vif-bridge (built in) and none are known", v);
	}
	if (strcmp(key, "type") == 0)
		return strcmp(v, "vif") == 0 ? 0
					     : fail(err, "type %.64s: a PV domain has vif only", v);
	if (strcmp(key, "model") == 0)
		return 0;
	if (strcmp(key, "backend") == 0)
		return !strcmp(v, "0") || !strcmp(v, "Domain-0")
			       ? 0
			       : fail(err, "backend %.64s: only domain 0 serves network cards", v);
	return fail(err, "unknown key %.64s", key);
}

int ts_vif_parse(struct ts_vif *f, const char *spec, char *err)
{
	char why[XLCFG_ERR];
	char *text = strdup(spec), *rest = text, *word, *value;
	int rc = 0;

	memset(f, 0, sizeof(*f));
	if (!text)
		return fail(err, "out of memory");
	while (!rc && (word = strsep(&rest, ","))) {
		word = trim(word);
		if (!*word)
			continue;
		rc = key_value(word, &value) ? vif_key(f, word, value, why)
					     : fail(why, "\"%.64s\" is not KEY=VALUE", word);
	}
	free(text);
	return rc ? fail(err, "vif \"%.200s\": %.250s", spec, why) : 0;
}

/* ---- the rest */

static const char *const action_names[] = {
	[TS_ACT_DESTROY] = "destroy",
	[TS_ACT_RESTART] = "restart",
	[TS_ACT_RENAME_RESTART] = "rename-restart",
	[TS_ACT_PRESERVE] = "preserve",
};

const char *ts_action_name(enum ts_action a)
{
	return action_names[a];
}

static int bad(struct xlcfg *c, const struct xlcfg_value *v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int bad(struct xlcfg *c, const struct xlcfg_value *v, const char *fmt, ...)
{
	char why[XLCFG_ERR];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return fail(c->err, "%.200s:%u: %.64s: %.220s", c->source, v->line, v->key, why);
}

static int get_text(struct xlcfg *c, const char *key, char **out)
{
	const struct xlcfg_value *v = xlcfg_find(c, key);

	if (!v)
		return 0;
	if (v->is_list)
		return bad(c, v, "is a list; a string is accepted");
	free(*out);
	*out = strdup(v->item[0]);
	return *out ? 0 : fail(c->err, "out of memory");
}

static int get_number(struct xlcfg *c, const char *key, uint64_t min, uint64_t max, uint64_t *out)
{
	const struct xlcfg_value *v = xlcfg_find(c, key);
	unsigned long long n;
	char *end;

	if (!v)
		return 0;
	if (v->is_list || !isdigit((unsigned char)v->item[0][0]))
		return bad(c, v, "a number from %llu to %llu is accepted", (unsigned long long)min,
			   (unsigned long long)max);
	errno = 0;
	n = strtoull(v->item[0], &end, 0);
	if (*end || errno || n < min || n > max)
		return bad(c, v, "\"%.64s\": a number from %llu to %llu is accepted", v->item[0],
			   (unsigned long long)min, (unsigned long long)max);
	*out = n;
	return 0;
}

static int get_action(struct xlcfg *c, const char *key, enum ts_action *out)
{
	const struct xlcfg_value *v = xlcfg_find(c, key);

	if (!v)
		return 0;
	for (size_t i = 0; !v->is_list && i < sizeof(action_names) / sizeof(action_names[0]); i++) {
		if (strcmp(v->item[0], action_names[i]) == 0) {
			*out = (enum ts_action)i;
			return 0;
		}
	}
	return bad(c, v, "destroy, restart, rename-restart and preserve are accepted");
}

static int get_uuid(struct xlcfg *c, struct ts_config *d)
{
	const struct xlcfg_value *v = xlcfg_find(c, "uuid");
	unsigned int n = 0;

	if (!v)
		return 0;
	for (const char *s = v->is_list ? "" : v->item[0]; *s && n < 33; s++) {
		unsigned int digit;

		if (*s == '-')
			continue;
		if (!isxdigit((unsigned char)*s))
			break;
		digit = (unsigned int)(isdigit((unsigned char)*s) ? *s - '0'
								  : (*s | 0x20) - 'a' + 10);
		if (n < 32)
			d->uuid[n / 2] = (uint8_t)(d->uuid[n / 2] << 4 | digit);
		n++;
	}
	if (n != 32)
		return bad(c, v, "32 hexadecimal digits (with dashes or without) are accepted");
	d->uuid_given = true;
	return 0;
}

static int get_cmdline(struct xlcfg *c, struct ts_config *d)
{
	char *root = NULL, *extra = NULL;
	int rc = get_text(c, "cmdline", &d->cmdline);

	if (!rc && !d->cmdline) {
		rc = get_text(c, "root", &root);
		if (!rc)
			rc = get_text(c, "extra", &extra);
		if (!rc && asprintf(&d->cmdline, "%s%s%s%s", root ? "root=" : "", root ? root : "",
				    root && extra ? " " : "", extra ? extra : "") < 0) {
			d->cmdline = NULL;
			rc = fail(c->err, "out of memory");
		}
	}
	free(root);
	free(extra);
	return rc;
}

static int get_disks(struct xlcfg *c, struct ts_config *d)
{
	const struct xlcfg_value *v = xlcfg_find(c, "disk");
	char why[XLCFG_ERR];

	if (!v)
		return 0;
	if (!v->is_list || v->nr > XLCFG_MAX_LIST)
		return bad(c, v, "a list of at most %u disks is accepted", XLCFG_MAX_LIST);
	for (size_t i = 0; i < v->nr; i++) {
		if (ts_disk_parse(&d->disk[i], v->item[i], why))
			return bad(c, v, "%.250s", why);
		d->nr_disks++;
		for (size_t j = 0; j < i; j++)
			if (d->disk[j].devid == d->disk[i].devid)
				return bad(c, v, "%s is given twice", d->disk[i].vdev);
	}
	return 0;
}

static int get_vifs(struct xlcfg *c, struct ts_config *d)
{
	const struct xlcfg_value *v = xlcfg_find(c, "vif");
	char why[XLCFG_ERR];

	if (!v)
		return 0;
	if (!v->is_list || v->nr > XLCFG_MAX_LIST)
		return bad(c, v, "a list of at most %u network cards is accepted", XLCFG_MAX_LIST);
	for (size_t i = 0; i < v->nr; i++) {
		if (ts_vif_parse(&d->vif[i], v->item[i], why))
			return bad(c, v, "%.250s", why);
		d->nr_vifs++;
	}
	return 0;
}

static int get_type(struct xlcfg *c)
{
	const struct xlcfg_value *v = xlcfg_find(c, "type");

	if (v && (v->is_list || strcmp(v->item[0], "pv") != 0))
		return bad(c, v, "only \"pv\" is accepted");
	v = xlcfg_find(c, "builder");
	if (v && (v->is_list ||
		  (strcmp(v->item[0], "generic") != 0 && strcmp(v->item[0], "linux") != 0)))
		return bad(c, v, "only \"generic\" is accepted; use type = \"pv\"");
	return 0;
}

static int get_tsc_mode(struct xlcfg *c, struct ts_config *d)
{
	static const char *const modes[] = { "default", "always_emulate", "native" };
	const struct xlcfg_value *v = xlcfg_find(c, "tsc_mode");

	if (!v)
		return 0;
	for (uint32_t i = 0; !v->is_list && i < 3; i++) {
		if (strcmp(v->item[0], modes[i]) == 0) {
			d->tsc_mode = i;
			return 0;
		}
	}
	return bad(c, v, "default, always_emulate and native are accepted");
}

/* Keys that ask for hardware or a boot path we have not: going on without would surprise later. */
static const char *const refused[] = {
	"pci",	      "usbdev",	       "usbctrl",     "vtpm",  "p9",	  "vkb",   "channel",
	"bootloader", "driver_domain", "device_tree", "dtdev", "ioports", "iomem", "irqs",
};

static const char *const known[] = {
	"name",	       "kernel",    "ramdisk",	  "root",	 "extra",	"cmdline",
	"memory",      "maxmem",    "vcpus",	  "maxvcpus",	 "disk",	"vif",
	"on_poweroff", "on_reboot", "on_crash",	  "on_watchdog", "on_shutdown", "uuid",
	"type",	       "builder",   "cpu_weight", "cap",	 "tsc_mode",	"max_grant_frames",
};

static bool listed(const char *const *set, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(set[i], key) == 0)
			return true;
	return false;
}

/* A key nobody knows has no effect: say so, as a misspelt one would else go unnoticed. */
static int check_keys(struct xlcfg *c, struct ts_config *d)
{
	for (size_t i = 0; i < c->nr; i++) {
		const struct xlcfg_value *v = &c->value[i];
		char *all;

		if (listed(refused, sizeof(refused) / sizeof(refused[0]), v->key) && v->nr)
			return bad(c, v, "is not supported; remove the line");
		if (listed(known, sizeof(known) / sizeof(known[0]), v->key))
			continue;
		if (asprintf(&all, "%s%.200s:%u: %.64s has no effect\n",
			     d->warnings ? d->warnings : "", c->source, v->line, v->key) < 0)
			return fail(c->err, "out of memory");
		free(d->warnings);
		d->warnings = all;
	}
	return 0;
}

static int get_sizes(struct xlcfg *c, struct ts_config *d)
{
	uint64_t mem = 0, maxmem = 0, vcpus = 1, maxvcpus = 0, weight = 0, cap = 0, frames = 0;

	if (get_number(c, "memory", 4, 1ULL << 28, &mem) ||
	    get_number(c, "maxmem", 4, 1ULL << 28, &maxmem) ||
	    get_number(c, "vcpus", 1, 512, &vcpus) ||
	    get_number(c, "maxvcpus", 1, 512, &maxvcpus) ||
	    get_number(c, "cpu_weight", 1, 65535, &weight) ||
	    get_number(c, "cap", 0, 51200, &cap) ||
	    get_number(c, "max_grant_frames", 1, 4096, &frames))
		return -1;
	if (!mem)
		return fail(c->err, "%.200s: memory is missing; write memory = MEGABYTES",
			    c->source);
	d->memory_kb = mem << 10;
	d->maxmem_kb = (maxmem ? maxmem : mem) << 10;
	if (d->maxmem_kb < d->memory_kb)
		return fail(c->err, "%.200s: maxmem is less than memory", c->source);
	d->vcpus = (unsigned int)vcpus;
	d->maxvcpus = (unsigned int)(maxvcpus ? maxvcpus : vcpus);
	if (d->maxvcpus < d->vcpus)
		return fail(c->err, "%.200s: maxvcpus is less than vcpus", c->source);
	d->weight = (unsigned int)weight;
	d->cap = (unsigned int)cap;
	d->max_grant_frames = (unsigned int)frames;
	return 0;
}

static int get_names(struct xlcfg *c, struct ts_config *d)
{
	if (get_text(c, "name", &d->name) || get_text(c, "kernel", &d->kernel) ||
	    get_text(c, "ramdisk", &d->ramdisk) || get_cmdline(c, d))
		return -1;
	if (!d->name || !*d->name)
		return fail(c->err, "%.200s: name is missing; write name = \"...\"", c->source);
	if (strlen(d->name) > 255 || strpbrk(d->name, "/ \t\n"))
		return fail(c->err, "%.200s: name: no blanks and slashes, at most 255 characters",
			    c->source);
	if (isdigit((unsigned char)d->name[0]) && strspn(d->name, "0123456789") == strlen(d->name))
		return fail(c->err, "%.200s: name: digits only would be taken for a domain number",
			    c->source);
	if (!d->kernel || !*d->kernel)
		return fail(c->err, "%.200s: kernel is missing; write kernel = \"PATH\"",
			    c->source);
	if (strlen(d->cmdline) >= 1024)
		return fail(c->err,
			    "%.200s: the kernel command line (root, extra, cmdline) is longer "
			    "than 1023 characters",
			    c->source);
	if (d->ramdisk && !*d->ramdisk) {
		free(d->ramdisk);
		d->ramdisk = NULL;
	}
	return 0;
}

int ts_config_from(struct xlcfg *c, struct ts_config *d)
{
	memset(d, 0, sizeof(*d));
	d->on_poweroff = TS_ACT_DESTROY;
	d->on_reboot = TS_ACT_RESTART;
	d->on_crash = TS_ACT_DESTROY;
	d->on_watchdog = TS_ACT_DESTROY;
	if (get_type(c) || check_keys(c, d) || get_names(c, d) || get_uuid(c, d) ||
	    get_sizes(c, d) || get_tsc_mode(c, d) ||
	    get_action(c, "on_shutdown", &d->on_poweroff) ||
	    get_action(c, "on_poweroff", &d->on_poweroff) ||
	    get_action(c, "on_reboot", &d->on_reboot) || get_action(c, "on_crash", &d->on_crash) ||
	    get_action(c, "on_watchdog", &d->on_watchdog) || get_disks(c, d) || get_vifs(c, d)) {
		ts_config_free(d);
		return -1;
	}
	return 0;
}

void ts_config_free(struct ts_config *d)
{
	for (unsigned int i = 0; i < d->nr_disks; i++)
		ts_disk_free(&d->disk[i]);
	free(d->name);
	free(d->kernel);
	free(d->ramdisk);
	free(d->cmdline);
	free(d->warnings);
	memset(d, 0, sizeof(*d));
}
