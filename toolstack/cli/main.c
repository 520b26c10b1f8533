// SPDX-License-Identifier: BSD-2-Clause
// The paravane command: the table of sub-commands, usage and dispatch.
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "toolstack/cli/cli.h"

const char *program = "paravane";

#define HELP_LINE "  -h, --help          this text\n"

const struct command commands[] = {
	{ .name = "create",
	  .run = cmd_create,
	  .arguments = "[-c] [-p] [-n] [-F] CONFIG [KEY=VALUE ...]",
	  .summary = "create a domain from a configuration file and start it",
	  .options = "  -c, --console       connect to its console\n"
		     "  -p, --pause         leave it paused\n"
		     "  -n, --dry-run       check the configuration only\n"
		     "  -F, --foreground    stay and watch over it instead of leaving a process "
		     "that does\n"
		     "  -q, --quiet         no line about the new domain\n" HELP_LINE
		     "KEY=VALUE lines are added to the configuration: 'memory=512' "
		     "'extra=\"quiet\"'.\n" },
	{ .name = "list",
	  .run = cmd_list,
	  .arguments = "[--json] [DOMAIN ...]",
	  .summary = "list domains",
	  .options = "      --json          as JSON\n" HELP_LINE
		     "States: r running, b blocked, p paused, s shut down, c crashed, d dying.\n" },
	{ .name = "console",
	  .run = cmd_console,
	  .arguments = "DOMAIN",
	  .summary = "connect to a domain's console; leave it with Ctrl-]",
	  .options = HELP_LINE },
	{ .name = "shutdown",
	  .run = cmd_shutdown,
	  .arguments = "[-w] [-r] [-t SECONDS] -a|DOMAIN ...",
	  .summary = "ask a domain to power off",
	  .options = "  -w, --wait          wait until it has ended\n"
		     "  -r, --reboot        ask for a reboot instead\n"
		     "  -t, --timeout N     with -w: give up after N seconds\n"
		     "  -a, --all           all domains but domain 0\n" HELP_LINE },
	{ .name = "reboot",
	  .run = cmd_reboot,
	  .arguments = "[-w] [-t SECONDS] -a|DOMAIN ...",
	  .summary = "ask a domain to reboot",
	  .options = "  -w, --wait          wait until it has ended (and is about to restart)\n"
		     "  -t, --timeout N     with -w: give up after N seconds\n"
		     "  -a, --all           all domains but domain 0\n" HELP_LINE },
	{ .name = "destroy",
	  .run = cmd_destroy,
	  .arguments = "DOMAIN ...",
	  .summary = "end a domain at once",
	  .options = HELP_LINE },
	{ .name = "pause",
	  .run = cmd_pause,
	  .arguments = "DOMAIN ...",
	  .summary = "stop a domain's vcpus",
	  .options = HELP_LINE },
	{ .name = "unpause",
	  .run = cmd_unpause,
	  .arguments = "DOMAIN ...",
	  .summary = "let a paused domain go on",
	  .options = HELP_LINE },
	{ .name = "domid",
	  .run = cmd_domid,
	  .arguments = "NAME",
	  .summary = "print the number of a domain",
	  .options = HELP_LINE },
	{ .name = "domname",
	  .run = cmd_domname,
	  .arguments = "DOMID",
	  .summary = "print the name of a domain",
	  .options = HELP_LINE },
	{ .name = "info",
	  .run = cmd_info,
	  .arguments = "[--json]",
	  .summary = "tell about the host and the hypervisor",
	  .options = "      --json          as JSON\n" HELP_LINE },
	{ .name = "dmesg",
	  .run = cmd_dmesg,
	  .arguments = "[-c]",
	  .summary = "print the hypervisor's log",
	  .options = "  -c, --clear         and clear it\n" HELP_LINE },
	{ .name = "debug-keys",
	  .run = cmd_debug_keys,
	  .arguments = "KEYS",
	  .summary = "have the hypervisor log about itself; key h lists the keys",
	  .options = HELP_LINE },
	{ .name = "init-dom0",
	  .run = cmd_init_dom0,
	  .arguments = "",
	  .summary = "write domain 0's own nodes to xenstore (once after each boot)",
	  .options = HELP_LINE },
	{ .name = "help",
	  .run = cmd_help,
	  .no_hypervisor = true,
	  .arguments = "[COMMAND]",
	  .summary = "this list, or the help of one command" },
};
const unsigned int nr_commands = sizeof(commands) / sizeof(commands[0]);

int usage(const struct command *c, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s %s: ", program, c->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: %s %s %s\n", program, c->name, c->arguments);
	return EXIT_USAGE;
}

int help(const struct command *c)
{
	printf("usage: %s %s %s\n\n%s\n", program, c->name, c->arguments, c->summary);
	if (c->options)
		printf("\n%s", c->options);
	return EXIT_OK;
}

int report(struct ts *ts)
{
	fprintf(stderr, "%s: %s\n", program, ts->err);
	return EXIT_FAIL;
}

static const struct command *find(const char *name)
{
	for (unsigned int i = 0; i < nr_commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void overview(FILE *to)
{
	fprintf(to, "usage: %s [-v] COMMAND [ARGUMENTS]\n\n", program);
	for (unsigned int i = 0; i < nr_commands; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\n'%s COMMAND --help' tells more.\n", program);
}

int cmd_help(struct ts *ts, const struct command *self, int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		overview(stdout);
		return EXIT_OK;
	}
	c = find(argv[1]);
	return c ? help(c) : usage(self, "there is no command \"%s\"", argv[1]);
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const struct command *c;
	struct ts *ts = NULL;
	bool verbose = false;
	char err[512];
	int rc;

	if (strcmp(slash ? slash + 1 : argv[0], "xl") == 0)
		program = "xl";
	signal(SIGPIPE, SIG_IGN);
	for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
		if (strcmp(argv[1], "-v") == 0) {
			verbose = true;
		} else if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
			overview(stdout);
			return EXIT_OK;
		} else if (strspn(argv[1], "-fNtT") !=
			   strlen(argv[1])) { /* xl's own, without meaning here */
			fprintf(stderr, "%s: unknown option %s\n", program, argv[1]);
			overview(stderr);
			return EXIT_USAGE;
		}
	}
	if (argc < 2) {
		overview(stderr);
		return EXIT_USAGE;
	}
	c = find(argv[1]);
	if (!c) {
		fprintf(stderr, "%s: there is no command \"%s\"\n", program, argv[1]);
		overview(stderr);
		return EXIT_USAGE;
	}
	if (wants_help(argc - 1, argv + 1))
		return help(c);
	if (!c->no_hypervisor) {
		ts = ts_open(err, sizeof(err));
		if (!ts) {
			fprintf(stderr, "%s: %s\n", program, err);
			return EXIT_FAIL;
		}
		ts->verbose = verbose;
	}
	rc = c->run(ts, c, argc - 1, argv + 1);
	ts_close(ts);
	return rc;
}
