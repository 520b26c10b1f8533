// SPDX-License-Identifier: BSD-2-Clause
// The panic hook of PURE code under unit test: print the message and abort, unless a test brings its own.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void hv_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn, weak));

void hv_panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("panic: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}
