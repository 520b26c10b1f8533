/* SPDX-License-Identifier: BSD-2-Clause */
/* Serial console, log ring, console_io, debug keys. */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include <hv/lib.h>

/* console=, com1=, loglvl=, guest_loglvl= are parsed by cmdline; serial works from the first line on. */
void console_init_early(void);
void console_init_irq(void); /* input by interrupt or by polling timer */
/* Raw bytes to the serial line (console_io and log text); never blocks for ever. */
void serial_write(const char *s, size_t n);
/* Panic: break the console lock, write synchronously. */
void console_force_unlock(void);
/* Copy [offset of the oldest unread ...) of the log ring to dst: see sysctl readconsole. */
/* Bytes of the ring from index *idx on (incremental reading), at most n, to dst; advances *idx. Returns bytes. */
uint32_t console_ring_read(char *dst, uint32_t n, uint32_t *idx, bool clear);

/* Characters typed for dom0 (CONSOLEIO_read): at most n to dst. Returns how many. */
uint32_t console_input_read(char *dst, uint32_t n);
/* x86/serial.c: called by console_init_early and _irq. */
void serial_init(void);
void serial_init_irq(void);
void serial_force_unlock(void);
void serial_poll(void); /* fetch what was typed, for the time without interrupts */

/* Debug keys: from the serial line after three Ctrl-A, or sysctl debug_keys. */
typedef void (*keyfn_t)(void);
void keyhandler_register(char key, keyfn_t fn, const char *desc);
void keyhandler_run(char key);
void keyhandler_init(void);
/* common/console.c: a character from the serial line for dom0's VIRQ_CONSOLE ring or the key handlers. */
void console_rx(char c);

#endif
