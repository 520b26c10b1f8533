// SPDX-License-Identifier: BSD-2-Clause
// Log lines with a time and a level.
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <xen/io/xs_wire.h>

#include "xsd.h"

static FILE *log_file;
static enum xsd_level log_max = XSD_INFO;

int xsd_log_open(const char *file, bool verbose)
{
	log_file = file ? fopen(file, "ae") : stderr;
	if (verbose)
		log_max = XSD_DEBUG;
	if (!log_file)
		return -1;
	setvbuf(log_file, NULL, _IOLBF, 0);
	return 0;
}

void xsd_log(enum xsd_level level, const char *fmt, ...)
{
	static const char *const name[] = { "error", "warning", "info", "debug" };
	struct timespec now;
	struct tm tm;
	char when[32];
	va_list ap;

	if (level > log_max || !log_file)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(log_file, "%s.%03ldZ xenstored %s: ", when, now.tv_nsec / 1000000, name[level]);
	va_start(ap, fmt);
	vfprintf(log_file, fmt, ap);
	va_end(ap);
	fputc('\n', log_file);
}

static FILE *access_file;
static bool access_on;

int xsd_access_log(const char *file, bool on)
{
	access_on = on;
	if (!file)
		return 0;
	access_file = fopen(file, "ae");
	if (!access_file)
		return -1;
	setvbuf(access_file, NULL, _IOLBF, 0);
	return 0;
}

/* Texts of the body up to what fits a line; NUL shows as a space, what cannot be printed as a dot. */
static void access_line(FILE *to, const struct xs_conn *c, const char *name,
			const struct xsd_sockmsg *h, const char *body)
{
	char text[128];
	uint32_t i;

	for (i = 0; i < h->len && i + 1 < sizeof(text); i++)
		text[i] = !body[i] ? ' ' : body[i] > ' ' && body[i] < 127 ? body[i] : '.';
	text[i] = '\0';
	fprintf(to, "%s %u tx %u %s %s\n", c->ring ? "domain" : "socket", c->domid, h->tx_id, name,
		text);
}

void xsd_access(const struct xs_conn *c, const struct xsd_sockmsg *h, const char *body)
{
	static const char *const names[] = {
		"control",
		"directory",
		"read",
		"get_perms",
		"watch",
		"unwatch",
		"start",
		"end",
		"introduce",
		"release",
		"domain_path",
		"write",
		"mkdir",
		"rm",
		"set_perms",
		"watch_event",
		"error",
		"introduced",
		"resume",
		"set_target",
		"20",
		"reset_watches",
		"directory_part",
	};
	const size_t num = sizeof(names) / sizeof(names[0]);

	if (!access_on)
		return;
	access_line(access_file ? access_file : log_file, c,
		    h->type < num ? names[h->type] : "unknown", h, body);
}

/* A small table of what was logged when; a collision only costs or adds a line. */
void xsd_log_refused(uint16_t domid, enum xs_quota q, uint64_t limit, const char *path, bool soft)
{
	static struct {
		uint16_t domid;
		uint16_t q;
		time_t when;
	} seen[256];
	unsigned int i = ((domid * XS_Q_NUM + q) * 2u + soft) % 256;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (seen[i].when && seen[i].domid == domid && seen[i].q == q &&
	    now.tv_sec - seen[i].when < 60)
		return;
	seen[i].domid = domid;
	seen[i].q = (uint16_t)q;
	seen[i].when = now.tv_sec + 1;
	if (soft)
		xsd_log(XSD_WARN, "domain %u is beyond its soft quota '%s' of %llu at '%s'", domid,
			xs_quota_name[q], (unsigned long long)limit, path);
	else
		xsd_log(XSD_WARN,
			"domain %u reached its quota '%s' of %llu at '%s'; raise it with "
			"'xenstore-control "
			"quota set %s N' if that is legitimate",
			domid, xs_quota_name[q], (unsigned long long)limit, path, xs_quota_name[q]);
}
