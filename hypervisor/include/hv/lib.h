/* SPDX-License-Identifier: BSD-2-Clause */
/* Logging, panic, assertions, memory and string functions. */
#ifndef HV_LIB_H
#define HV_LIB_H

#include <stdarg.h>
#include <hv/types.h>
#include <hv/string.h>
#include <xen/errno.h>

/* Xen's error numbers: XEN_EINVAL and so on come from <xen/errno.h>. */
#define XEN_ERESTART \
	85 /* the same list, for internal use: to be called again; never shown to a guest */

enum loglevel { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/*
 * Log one line to the console ring and, if loglvl= admits the level, to the serial line.
 * Context: any, also with interrupts off. The text ends with a newline.
 */
void hv_log(enum loglevel level, const char *fmt, ...) __printf(2, 3);
/* The same about a domain's doings, filtered by guest_loglvl= and rate-limited. */
void guest_log(enum loglevel level, const char *fmt, ...) __printf(2, 3);

#define log_err(...)   hv_log(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  hv_log(LOG_WARN, __VA_ARGS__)
#define log_info(...)  hv_log(LOG_INFO, __VA_ARGS__)
#define log_debug(...) hv_log(LOG_DEBUG, __VA_ARGS__)

/*
 * Trace why a guest's request is refused: file, line and cause, at LOG_DEBUG for the current vcpu.
 * Compiles to nothing on hot paths' success side.
 */
#define guest_trace(fmt, ...) \
	guest_log(LOG_DEBUG, "%s:%d: " fmt "\n", __FILE__, __LINE__, ##__VA_ARGS__)

/* Print registers and a stack trace, stop all CPUs, then reboot or halt. For broken invariants of ours. */
void hv_panic(const char *fmt, ...) __printf(1, 2) __noreturn;

/* The same for an exception of our own code: shows the registers saved in regs. */
struct cpu_user_regs;
void hv_panic_regs(const struct cpu_user_regs *regs, const char *fmt, ...)
	__printf(2, 3) __noreturn;
/* Addresses on the stack from sp up that lie in our code; at most `n` lines. */
void stack_trace(uint64_t sp, unsigned int n);

#define BUG_ON(c)                                                                          \
	do {                                                                               \
		if (unlikely(c))                                                           \
			hv_panic("%s:%d: invariant broken: %s\n", __FILE__, __LINE__, #c); \
	} while (0)
#define ASSERT(c) BUG_ON(!(c))

/* Formatting as in C99: d i u x X o c s p and %, flags 0 - # + space, width, precision, l ll z h. */
int hv_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int hv_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);

#endif
