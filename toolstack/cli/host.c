// SPDX-License-Identifier: BSD-2-Clause
// Commands about the host: info, dmesg, init-dom0.
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "toolstack/cli/cli.h"
#include <xen/version.h>

/* One line of text, or one member of the JSON object. */
struct out {
	struct json_object *json; /* NULL for text */
};

static void put_text(struct out *o, const char *key, const char *value)
{
	if (o->json)
		json_object_object_add(o->json, key, json_object_new_string(value));
	else
		printf("%-23s: %s\n", key, value);
}

static void put_number(struct out *o, const char *key, unsigned long long v)
{
	if (o->json)
		json_object_object_add(o->json, key, json_object_new_int64((int64_t)v));
	else
		printf("%-23s: %llu\n", key, v);
}

static void put_host(struct out *o)
{
	struct utsname u;

	uname(&u);
	put_text(o, "host", u.nodename);
	put_text(o, "release", u.release);
	put_text(o, "version", u.version);
	put_text(o, "machine", u.machine);
}

static int put_hardware(struct ts *ts, struct out *o)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
	const struct xen_sysctl_physinfo *p = &op.u.physinfo;
	char caps[128] = "";

	if (ts_sysctl(ts, &op))
		return ts_fail_errno(ts, "the hypervisor does not tell about the machine");
	put_number(o, "nr_cpus", p->nr_cpus);
	put_number(o, "max_cpu_id", p->max_cpu_id);
	put_number(o, "nr_nodes", p->nr_nodes);
	put_number(o, "cores_per_socket", p->cores_per_socket);
	put_number(o, "threads_per_core", p->threads_per_core);
	put_number(o, "cpu_mhz", p->cpu_khz / 1000);
	snprintf(caps, sizeof(caps), "%s%s%s", p->capabilities & XEN_SYSCTL_PHYSCAP_pv ? "pv" : "",
		 p->capabilities & XEN_SYSCTL_PHYSCAP_hvm ? " hvm" : "",
		 p->capabilities & XEN_SYSCTL_PHYSCAP_directio ? " hvm_directio" : "");
	put_text(o, "virt_caps", caps);
	put_number(o, "total_memory", (unsigned long long)p->total_pages >> 8);
	put_number(o, "free_memory", (unsigned long long)(p->free_pages + p->scrub_pages) >> 8);
	if (o->json)
		put_number(o, "free_pages", p->free_pages + p->scrub_pages);
	return 0;
}

static void put_changeset_and_build(struct ts *ts, struct out *o)
{
	union {
		xen_changeset_info_t changeset;
		xen_commandline_t cmdline;
		xen_compile_info_t build;
	} u;

	memset(&u, 0, sizeof(u));
	if (ts_xen_version(ts, XENVER_changeset, &u, sizeof(u.changeset)) >= 0)
		put_text(o, "xen_changeset", u.changeset);
	memset(&u, 0, sizeof(u));
	if (ts_xen_version(ts, XENVER_commandline, &u, sizeof(u.cmdline)) >= 0)
		put_text(o, "xen_commandline", u.cmdline);
	memset(&u, 0, sizeof(u));
	if (ts_xen_version(ts, XENVER_compile_info, &u, sizeof(u.build)) < 0)
		return;
	put_text(o, "cc_compiler", u.build.compiler);
	put_text(o, "cc_compile_by", u.build.compile_by);
	put_text(o, "cc_compile_domain", u.build.compile_domain);
	put_text(o, "cc_compile_date", u.build.compile_date);
}

static void put_version(struct ts *ts, struct out *o)
{
	unsigned int v = (unsigned int)ts_xen_version(ts, XENVER_version, NULL, 0);
	xen_extraversion_t extra = "";
	xen_capabilities_info_t caps = "";
	xen_platform_parameters_t pp = { 0 };
	char text[64];

	put_number(o, "xen_major", v >> 16);
	put_number(o, "xen_minor", v & 0xffff);
	ts_xen_version(ts, XENVER_extraversion, extra, sizeof(extra));
	put_text(o, "xen_extra", extra);
	snprintf(text, sizeof(text), "%u.%u%s", v >> 16, v & 0xffff, extra);
	put_text(o, "xen_version", text);
	ts_xen_version(ts, XENVER_capabilities, caps, sizeof(caps));
	put_text(o, "xen_caps", caps);
	put_number(o, "xen_pagesize", (unsigned int)ts_xen_version(ts, XENVER_pagesize, NULL, 0));
	ts_xen_version(ts, XENVER_platform_parameters, &pp, sizeof(pp));
	snprintf(text, sizeof(text), "virt_start=0x%llx", (unsigned long long)pp.virt_start);
	put_text(o, "platform_params", text);
	put_changeset_and_build(ts, o);
}

int cmd_info(struct ts *ts, const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "json", 0, NULL, 'j' }, { NULL, 0, NULL, 0 } };
	struct out o = { NULL };
	int ch, rc = EXIT_OK;

	while ((ch = getopt_long(argc, argv, "n", longs, NULL)) != -1) {
		if (ch == '?')
			return usage(self, "see the line above");
		if (ch == 'j' && !o.json)
			o.json = json_object_new_object();
	}
	put_host(&o);
	if (put_hardware(ts, &o))
		rc = report(ts);
	put_version(ts, &o);
	if (o.json) {
		puts(json_object_to_json_string_ext(o.json, JSON_C_TO_STRING_PRETTY));
		json_object_put(o.json);
	}
	return rc;
}

int cmd_dmesg(struct ts *ts, const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "clear", 0, NULL, 'c' }, { NULL, 0, NULL, 0 } };
	static char buf[16384];
	uint32_t index = 0;
	bool clear = false, more = false;
	int ch, n;

	while ((ch = getopt_long(argc, argv, "c", longs, NULL)) != -1) {
		if (ch == '?')
			return usage(self, "see the line above");
		clear |= ch == 'c';
	}
	do {
		n = ts_read_console(ts, buf, sizeof(buf), false, more, &index);
		if (n < 0) {
			ts_fail_errno(ts, "the hypervisor does not give its log");
			return report(ts);
		}
		fwrite(buf, 1, (size_t)n, stdout);
		more = true;
	} while (n == sizeof(buf));
	if (clear)
		ts_read_console(ts, buf, sizeof(buf), true, false, &index);
	return EXIT_OK;
}

int cmd_debug_keys(struct ts *ts, const struct command *self, int argc, char **argv)
{
	if (argc != 2 || !*argv[1])
		return usage(self, "give the keys, as one word");
	if (!ts_debug_keys(ts, argv[1], (uint32_t)strlen(argv[1])))
		return EXIT_OK;
	ts_fail_errno(ts, "debug keys '%s'", argv[1]);
	return report(ts);
}

int cmd_init_dom0(struct ts *ts, const struct command *self, int argc, char **argv)
{
	if (argc > 1)
		return usage(self, "no arguments are known");
	return ts_init_dom0(ts) ? report(ts) : EXIT_OK;
}
