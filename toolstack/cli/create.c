// SPDX-License-Identifier: BSD-2-Clause
// paravane create: configuration, domain, watcher in the background.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "toolstack/cli/cli.h"

#define LOG_DIR "/var/log/paravane"

struct create_options {
	bool console, pause, dry_run, foreground, quiet;
	const char *file;
};

/* The file, then KEY=VALUE words as if they were its last lines. */
static int read_config(struct ts *ts, const char *file, char **words, struct xlcfg *c)
{
	void *text = NULL;
	size_t len = 0;
	int rc = 0;

	if (strcmp(file, "/dev/null") != 0) {
		rc = ts_read_file(ts, "configuration", file, XLCFG_MAX_FILE, &text, &len);
		if (rc)
			return rc;
		rc = xlcfg_parse(c, file, text, len);
		free(text);
	}
	for (; !rc && *words; words++)
		rc = xlcfg_parse(c, "command line", *words, strlen(*words));
	if (rc)
		return ts_fail(ts, "%s", c->err);
	free(c->source);
	c->source = strdup(file);
	return 0;
}

static void open_log(const char *name)
{
	char path[400];
	int fd;

	mkdir(LOG_DIR, 0755);
	snprintf(path, sizeof(path), LOG_DIR "/watch-%s.log", name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(fd, STDIN_FILENO);
	if (fd > STDIN_FILENO)
		close(fd);
}

/* Handles cannot be shared over fork(): the watcher opens its own. */
static void watch(const struct ts_config *d, struct ts_domain *dom)
{
	char err[512];
	struct ts *ts = ts_open(err, sizeof(err));

	if (!ts) {
		fprintf(stderr, "domain %s: nobody watches over it: %s\n", d->name, err);
		return;
	}
	ts_watch_domain(ts, d, dom);
	ts_domain_close(dom);
	ts_close(ts);
}

static int spawn_watcher(struct ts *ts, const struct ts_config *d, struct ts_domain *dom)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return ts_fail_errno(ts, "domain %s: no process to watch over it", d->name);
	if (pid)
		return 0;
	if (setsid() < 0 || chdir("/"))
		_exit(EXIT_FAIL);
	ts_guard_drop(dom);
	open_log(d->name);
	watch(d, dom);
	_exit(EXIT_OK);
}

static void on_signal(int sig)
{
	ts_interrupted = 1;
}

/* While a domain is being made a signal ends the making, not the program, so that all can be undone. */
static void catch_signals(void (*handler)(int))
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction a = { .sa_handler = handler };

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &a, NULL);
}

static int start(struct ts *ts, const struct create_options *o, const struct ts_config *d)
{
	struct ts_domain dom;
	int rc;

	catch_signals(on_signal);
	if (ts_create(ts, d, &dom))
		return report(ts);
	if (ts_interrupted) {
		ts_fail(ts, "domain %s: interrupted", d->name);
		goto undo_domain;
	}
	catch_signals(SIG_DFL);
	if (!o->foreground && spawn_watcher(ts, d, &dom))
		goto undo_domain;
	if (!o->pause && ts_domctl_simple(ts, dom.domid, XEN_DOMCTL_unpausedomain)) {
		ts_fail_errno(ts, "domain %s: cannot be started", d->name);
		goto undo_domain;
	}
	ts_guard_end(&dom);
	if (!o->quiet)
		printf("domain %s (id %u) %s\n", d->name, dom.domid,
		       o->pause ? "created, paused" : "started");
	fflush(stdout);
	rc = o->console ? console_attach(ts, dom.domid) : EXIT_OK;
	if (o->foreground)
		watch(d, &dom);
	ts_domain_close(&dom);
	return rc;

undo_domain:
	report(ts);
	ts_destroy(ts, dom.domid);
	ts_domain_close(&dom);
	return EXIT_FAIL;
}

static int parse(const struct command *self, int argc, char **argv, struct create_options *o)
{
	static const struct option longs[] = {
		{ "console", 0, NULL, 'c' },	{ "pause", 0, NULL, 'p' },
		{ "dry-run", 0, NULL, 'n' },	{ "dryrun", 0, NULL, 'n' },
		{ "foreground", 0, NULL, 'F' }, { "quiet", 0, NULL, 'q' },
		{ "defconfig", 1, NULL, 'f' },	{ NULL, 0, NULL, 0 },
	};
	int ch;

	while ((ch = getopt_long(argc, argv, "+cpnFqf:", longs, NULL)) != -1) {
		switch (ch) {
		case 'c':
			o->console = true;
			break;
		case 'p':
			o->pause = true;
			break;
		case 'n':
			o->dry_run = true;
			break;
		case 'F':
			o->foreground = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'f':
			o->file = optarg;
			break;
		default:
			return usage(self, "see the line above");
		}
	}
	return EXIT_OK;
}

int cmd_create(struct ts *ts, const struct command *self, int argc, char **argv)
{
	struct create_options o = { 0 };
	struct xlcfg c = { 0 };
	struct ts_config d;
	int rc = parse(self, argc, argv, &o);

	if (rc)
		return rc;
	/* Options may follow the file too, as in 'create guest.cfg -c'. */
	if (!o.file && optind < argc)
		o.file = argv[optind++];
	rc = parse(self, argc, argv, &o);
	if (rc)
		return rc;
	if (!o.file)
		return usage(self, "no configuration file given");
	if (read_config(ts, o.file, argv + optind, &c)) {
		xlcfg_free(&c);
		return report(ts);
	}
	if (ts_config_from(&c, &d)) {
		fprintf(stderr, "%s: %s\n", program, c.err);
		xlcfg_free(&c);
		return EXIT_FAIL;
	}
	if (d.warnings)
		fprintf(stderr, "%s", d.warnings);
	if (o.dry_run)
		printf("%s: configuration of domain %s is good\n", o.file, d.name);
	else
		rc = start(ts, &o, &d);
	ts_config_free(&d);
	xlcfg_free(&c);
	return rc;
}
