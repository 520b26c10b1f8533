// SPDX-License-Identifier: BSD-2-Clause
// Commands about existing domains: list, shutdown, reboot, destroy, pause, unpause, domid, domname.
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/cli/cli.h"
#include <xen/sched.h>

#define MAX_DOMAINS 1024

static void state_letters(const xen_domctl_getdomaininfo_t *i, char *s)
{
	bool down = i->flags & XEN_DOMINF_shutdown;
	unsigned int reason = i->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;

	s[0] = i->flags & XEN_DOMINF_running ? 'r' : '-';
	s[1] = i->flags & XEN_DOMINF_blocked ? 'b' : '-';
	s[2] = i->flags & XEN_DOMINF_paused ? 'p' : '-';
	s[3] = down ? 's' : '-';
	s[4] = down && reason == SHUTDOWN_crash ? 'c' : '-';
	s[5] = i->flags & XEN_DOMINF_dying ? 'd' : '-';
	s[6] = '\0';
}

static const char *state_word(const xen_domctl_getdomaininfo_t *i)
{
	unsigned int reason = i->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;

	if (i->flags & XEN_DOMINF_dying)
		return "dying";
	if (i->flags & XEN_DOMINF_shutdown)
		return reason == SHUTDOWN_crash ? "crashed" : "shutdown";
	if (i->flags & XEN_DOMINF_paused)
		return "paused";
	return i->flags & XEN_DOMINF_running ? "running" : "blocked";
}

static unsigned long long mib(const xen_domctl_getdomaininfo_t *i)
{
	return (unsigned long long)(i->tot_pages + i->outstanding_pages) >> 8;
}

static void put_line(struct ts *ts, const xen_domctl_getdomaininfo_t *i)
{
	char state[8], *name = ts_domain_name(ts, i->domain);

	state_letters(i, state);
	printf("%-40s %5u %5llu %5u     %s  %8.1f\n", name, i->domain, mib(i), i->nr_online_vcpus,
	       state, (double)i->cpu_time / 1e9);
	free(name);
}

static struct json_object *to_json(struct ts *ts, const xen_domctl_getdomaininfo_t *i)
{
	struct json_object *o = json_object_new_object();
	char state[8], uuid[37], *name = ts_domain_name(ts, i->domain);

	state_letters(i, state);
	ts_uuid_text(i->handle, uuid);
	json_object_object_add(o, "name", json_object_new_string(name ? name : ""));
	json_object_object_add(o, "domid", json_object_new_int(i->domain));
	json_object_object_add(o, "uuid", json_object_new_string(uuid));
	json_object_object_add(o, "memory_mib", json_object_new_int64((int64_t)mib(i)));
	json_object_object_add(o, "vcpus", json_object_new_int((int)i->nr_online_vcpus));
	json_object_object_add(o, "max_vcpus", json_object_new_int((int)(i->max_vcpu_id + 1)));
	json_object_object_add(o, "state", json_object_new_string(state_word(i)));
	json_object_object_add(o, "flags", json_object_new_string(state));
	json_object_object_add(o, "cpu_seconds", json_object_new_double((double)i->cpu_time / 1e9));
	free(name);
	return o;
}

static int collect(struct ts *ts, char **words, int nr, xen_domctl_getdomaininfo_t *info)
{
	uint32_t domid;
	int n;

	if (!nr) {
		n = ts_domain_list(ts, 0, info, MAX_DOMAINS);
		return n < 0 ? ts_fail_errno(ts, "the hypervisor does not list its domains") : n;
	}
	for (n = 0; n < nr && n < MAX_DOMAINS; n++) {
		if (ts_domain_find(ts, words[n], &domid))
			return -1;
		if (ts_domain_info(ts, domid, &info[n]))
			return ts_fail_errno(ts, "domain %s", words[n]);
	}
	return n;
}

int cmd_list(struct ts *ts, const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "json", 0, NULL, 'j' },
					       { "long", 0, NULL, 'j' },
					       { NULL, 0, NULL, 0 } };
	xen_domctl_getdomaininfo_t *info;
	struct json_object *all;
	bool json = false;
	int n, ch;

	while ((ch = getopt_long(argc, argv, "lvZc", longs, NULL)) != -1) {
		if (ch == '?')
			return usage(self, "see the line above");
		json |= ch == 'j' || ch == 'l';
	}
	info = calloc(MAX_DOMAINS, sizeof(*info));
	n = info ? collect(ts, argv + optind, argc - optind, info) : ts_fail(ts, "out of memory");
	if (n < 0) {
		free(info);
		return report(ts);
	}
	if (json) {
		all = json_object_new_array();
		for (int i = 0; i < n; i++)
			json_object_array_add(all, to_json(ts, &info[i]));
		puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
		json_object_put(all);
	} else {
		printf("Name                                        ID   Mem "
		       "VCPUs\tState\tTime(s)\n");
		for (int i = 0; i < n; i++)
			put_line(ts, &info[i]);
	}
	free(info);
	return EXIT_OK;
}

/* Apply to every domain named; goes on after a failure, which shows in the exit code. */
static int each(struct ts *ts, const struct command *self, int argc, char **argv,
		int (*what)(struct ts *ts, uint32_t domid))
{
	int rc = EXIT_OK;
	uint32_t domid;

	while (getopt(argc, argv, "f") != -1)
		;
	if (optind >= argc)
		return usage(self, "no domain given");
	for (int i = optind; i < argc; i++)
		if (ts_domain_find(ts, argv[i], &domid) || what(ts, domid))
			rc = report(ts);
	return rc;
}

int cmd_destroy(struct ts *ts, const struct command *self, int argc, char **argv)
{
	return each(ts, self, argc, argv, ts_destroy);
}

static int pause_one(struct ts *ts, uint32_t domid)
{
	if (ts_domctl_simple(ts, domid, XEN_DOMCTL_pausedomain))
		return ts_fail_errno(ts, "domain %u cannot be paused", domid);
	return 0;
}

int cmd_pause(struct ts *ts, const struct command *self, int argc, char **argv)
{
	return each(ts, self, argc, argv, pause_one);
}

static int unpause_one(struct ts *ts, uint32_t domid)
{
	if (ts_domctl_simple(ts, domid, XEN_DOMCTL_unpausedomain))
		return ts_fail_errno(ts, "domain %u cannot be unpaused", domid);
	return 0;
}

int cmd_unpause(struct ts *ts, const struct command *self, int argc, char **argv)
{
	return each(ts, self, argc, argv, unpause_one);
}

int cmd_domid(struct ts *ts, const struct command *self, int argc, char **argv)
{
	uint32_t domid;

	if (argc != 2)
		return usage(self, "one name is needed");
	if (ts_domain_find(ts, argv[1], &domid))
		return report(ts);
	printf("%u\n", domid);
	return EXIT_OK;
}

int cmd_domname(struct ts *ts, const struct command *self, int argc, char **argv)
{
	uint32_t domid;
	char *name;

	if (argc != 2)
		return usage(self, "one number is needed");
	if (ts_domain_find(ts, argv[1], &domid))
		return report(ts);
	name = ts_domain_name(ts, domid);
	puts(name);
	free(name);
	return EXIT_OK;
}

struct shutdown_options {
	bool wait, all;
	const char *how;
	int timeout_ms;
};

static int wait_all(struct ts *ts, const struct shutdown_options *o, const uint32_t *domid, int n)
{
	int rc = EXIT_OK;

	for (int i = 0; i < n; i++) {
		int r = ts_wait_end(ts, domid[i], o->timeout_ms);

		if (r == 0)
			ts_fail(ts, "domain %u has not ended after %d s", domid[i],
				o->timeout_ms / 1000);
		if (r <= 0)
			rc = report(ts);
	}
	return rc;
}

static int all_guests(struct ts *ts, uint32_t *domid)
{
	xen_domctl_getdomaininfo_t *info = calloc(MAX_DOMAINS, sizeof(*info));
	int n = info ? ts_domain_list(ts, 1, info, MAX_DOMAINS) : -1;

	for (int i = 0; i < n; i++)
		domid[i] = info[i].domain;
	free(info);
	return n;
}

static int ask(struct ts *ts, const struct command *self, const struct shutdown_options *o, int nr,
	       char **words)
{
	uint32_t domid[MAX_DOMAINS];
	int n = 0, asked = 0, rc = EXIT_OK;

	if (o->all) {
		n = all_guests(ts, domid);
		if (n < 0) {
			ts_fail_errno(ts, "the hypervisor does not list its domains");
			return report(ts);
		}
	} else if (!nr) {
		return usage(self, "no domain given");
	}
	for (int i = 0; i < nr && n < MAX_DOMAINS; i++) {
		if (ts_domain_find(ts, words[i], &domid[n]))
			rc = report(ts);
		else
			n++;
	}
	for (int i = 0; i < n; i++) {
		if (ts_shutdown_request(ts, domid[i], o->how))
			rc = report(ts);
		else
			domid[asked++] = domid[i];
	}
	if (o->wait && wait_all(ts, o, domid, asked))
		rc = EXIT_FAIL;
	return rc;
}

static int shutdown_or_reboot(struct ts *ts, const struct command *self, int argc, char **argv,
			      const char *how)
{
	static const struct option longs[] = { { "wait", 0, NULL, 'w' },
					       { "reboot", 0, NULL, 'r' },
					       { "timeout", 1, NULL, 't' },
					       { "all", 0, NULL, 'a' },
					       { NULL, 0, NULL, 0 } };
	struct shutdown_options o = { .how = how, .timeout_ms = -1 };
	char *end;
	int ch;

	while ((ch = getopt_long(argc, argv, "wrt:aF", longs, NULL)) != -1) {
		switch (ch) {
		case 'w':
			o.wait = true;
			break;
		case 'r':
			o.how = "reboot";
			break;
		case 'a':
			o.all = true;
			break;
		case 't':
			o.timeout_ms = (int)strtoul(optarg, &end, 10) * 1000;
			if (*end || o.timeout_ms <= 0)
				return usage(self, "\"%s\" is no number of seconds", optarg);
			break;
		case 'F':
			break;
		default:
			return usage(self, "see the line above");
		}
	}
	return ask(ts, self, &o, argc - optind, argv + optind);
}

int cmd_shutdown(struct ts *ts, const struct command *self, int argc, char **argv)
{
	return shutdown_or_reboot(ts, self, argc, argv, "poweroff");
}

int cmd_reboot(struct ts *ts, const struct command *self, int argc, char **argv)
{
	return shutdown_or_reboot(ts, self, argc, argv, "reboot");
}
