// SPDX-License-Identifier: BSD-2-Clause
/*
 * console_io: writing of every size and shape, reading when nothing was typed, bad arguments.
 *
 * What was written is looked for in the console itself by eye or by run.py's log; the checks here
 * are about return values.
 */

#include "guest.h"

const char test_name[] = "console";

static char text[3 * PAGE_SIZE] __attribute__((aligned(4096)));

static void check_write(void)
{
	check("write of nothing", hc_console_io(CONSOLEIO_write, 0, text), 0);
	check("write of one line", hc_console_io(CONSOLEIO_write, 10, "one line.\n"), 0);
	/* Longer than any buffer of the hypervisor, without a newline until its end. */
	memset(text, '.', 1000);
	text[999] = '\n';
	check("write of 1000 bytes", hc_console_io(CONSOLEIO_write, 1000, text), 0);
	/* Control bytes must neither end the write nor reach the hypervisor's own state. */
	check("write of control bytes", hc_console_io(CONSOLEIO_write, 6, "\001\002\0\007\t\n"), 0);
	memset(text + PAGE_SIZE - 4, 'x', 8);
	text[PAGE_SIZE + 3] = '\n';
	check("write across a page boundary",
	      hc_console_io(CONSOLEIO_write, 8, text + PAGE_SIZE - 4), 0);
}

static void check_bad(void)
{
	check("write from an unmapped page", hc_console_io(CONSOLEIO_write, 16, 0x1000),
	      -XEN_EFAULT);
	check("write from the hypervisor",
	      hc_console_io(CONSOLEIO_write, 16, HYPERVISOR_VIRT_START + 0x1000), -XEN_EFAULT);
	check("write from a non-canonical address",
	      hc_console_io(CONSOLEIO_write, 16, 0x8000000000000000UL), -XEN_EFAULT);
	/* The second page is absent: what comes before may be printed, the call must fail. */
	check("unmap a page", map_page(text + PAGE_SIZE, 0), 0);
	memset(text, '-', PAGE_SIZE);
	text[PAGE_SIZE - 1] = '\n';
	check("write that runs into an unmapped page",
	      hc_console_io(CONSOLEIO_write, 16, text + PAGE_SIZE - 8), -XEN_EFAULT);
	check("map it again", set_page_flags(text + PAGE_SIZE, PTE_RW), 0);
	check("an unknown sub-operation", hc_console_io(77, 1, text), -XEN_ENOSYS);
}

static void check_read(void)
{
	check("read when nothing was typed", hc_console_io(CONSOLEIO_read, 16, text), 0);
	check("read of nothing", hc_console_io(CONSOLEIO_read, 0, text), 0);
}

void test_main(void)
{
	check_write();
	check_bad();
	check_read();
}
