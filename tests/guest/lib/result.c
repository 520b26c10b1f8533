// SPDX-License-Identifier: BSD-2-Clause
// The result protocol: check lines, one TEST line, power off. tests/guest/run.py reads it.

#include "guest.h"

static unsigned int checks, failures;

void check(const char *what, long got, long want)
{
	checks++;
	if (got == want) {
		say("ok   %s: %ld\n", what, got);
		return;
	}
	failures++;
	say("FAIL %s: %ld, expected %ld\n", what, got, want);
}

void check_true(const char *what, bool cond)
{
	checks++;
	if (cond) {
		say("ok   %s: yes\n", what);
		return;
	}
	failures++;
	say("FAIL %s: no, expected yes\n", what);
}

void info(const char *format, ...)
{
	char line[300];
	va_list ap;

	va_start(ap, format);
	vfmt(line, sizeof(line), format, ap);
	va_end(ap);
	say("info %s\n", line);
}

static void power_off(void) __attribute__((noreturn));
static void power_off(void)
{
	struct sched_shutdown s = { .reason = SHUTDOWN_poweroff };

	for (;;)
		hc_sched_op(SCHEDOP_shutdown, &s);
}

void test_done(void)
{
	if (!checks)
		say("TEST %s: error no check was made\n", test_name);
	else if (failures)
		say("TEST %s: failure %u of %u checks\n", test_name, failures, checks);
	else
		say("TEST %s: success %u checks\n", test_name, checks);
	power_off();
}

void test_skip(const char *why)
{
	say("TEST %s: skip %s\n", test_name, why);
	power_off();
}

void test_error(const char *format, ...)
{
	char line[300];
	va_list ap;

	va_start(ap, format);
	vfmt(line, sizeof(line), format, ap);
	va_end(ap);
	say("TEST %s: error %s\n", test_name, line);
	power_off();
}
