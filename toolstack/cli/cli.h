/* SPDX-License-Identifier: BSD-2-Clause */
/* The paravane command: one struct per sub-command. */
#ifndef PARAVANE_CLI_H
#define PARAVANE_CLI_H

#include <stdbool.h>
#include "toolstack/lib/ts.h"

/* Exit codes. */
#define EXIT_OK	   0
#define EXIT_FAIL  1
#define EXIT_USAGE 2

struct command {
	const char *name;
	/* argv[0] is the sub-command. ts is NULL for commands that need no hypervisor. */
	int (*run)(struct ts *ts, const struct command *self, int argc, char **argv);
	bool no_hypervisor;
	const char *arguments; /* for the usage line */
	const char *summary; /* one line */
	const char *options; /* lines of help, or NULL */
};

extern const struct command commands[];
extern const unsigned int nr_commands;

/* Print usage to stderr after a message; returns EXIT_USAGE. */
int usage(const struct command *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Help to stdout; returns EXIT_OK. */
int help(const struct command *c);
/* Print ts->err; returns EXIT_FAIL. */
int report(struct ts *ts);
/* "xl" when called so, else "paravane". */
extern const char *program;

int cmd_create(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_list(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_console(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_shutdown(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_reboot(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_destroy(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_pause(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_unpause(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_domid(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_domname(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_info(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_dmesg(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_debug_keys(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_init_dom0(struct ts *ts, const struct command *self, int argc, char **argv);
int cmd_help(struct ts *ts, const struct command *self, int argc, char **argv);

/* Connect this terminal to a domain's console until Ctrl-] or the domain's end; an exit code. */
int console_attach(struct ts *ts, uint32_t domid);

#endif
