// SPDX-License-Identifier: BSD-2-Clause
/* The 16550 serial port: output by polling, input by interrupt. */
#include <hv/boot.h>
#include <hv/console.h>
#include <hv/irq.h>
#include <hv/lock.h>
#include <hv/time.h>
#include <hv/x86/cpu.h>

#define DATA	  0
#define IER	  1
#define IIR	  2
#define FCR	  2
#define LCR	  3
#define MCR	  4
#define LSR	  5
#define LSR_DATA  BIT(0)
#define LSR_EMPTY BIT(5)
#define FIFO	  16
#define SPIN \
	200000 /* tries before a stuck line is given up, so that a missing clock stops nobody */

static spinlock_t serial_lock;
static bool present; /* serial_lock after start-up */
static unsigned int irq_line;

static uint8_t rd(unsigned int reg)
{
	return inb((uint16_t)(opt.com1_port + reg));
}

static void wr(unsigned int reg, uint8_t v)
{
	outb(v, (uint16_t)(opt.com1_port + reg));
}

void serial_init(void)
{
	uint16_t divisor = (uint16_t)(115200 / opt.com1_baud);

	if (!opt.console_com1)
		return;
	wr(IER, 0);
	wr(LCR, 0x80);
	wr(0, (uint8_t)divisor);
	wr(1, (uint8_t)(divisor >> 8));
	wr(LCR, 0x03); /* 8n1 */
	wr(FCR, 0xc7); /* FIFOs on and empty, interrupt at 14 bytes or a pause */
	wr(MCR, 0x0b); /* DTR, RTS, OUT2: the interrupt gets out */
	present = rd(LSR) != 0xff;
}

static bool wait_empty(void)
{
	for (unsigned int i = 0; i < SPIN; i++) {
		if (rd(LSR) & LSR_EMPTY)
			return true;
		cpu_relax();
	}
	return false;
}

void serial_write(const char *s, size_t n)
{
	uint64_t flags = spin_lock_irqsave(&serial_lock);
	unsigned int room = 0;

	for (size_t i = 0; present && i < n; i++) {
		if (room < 2) {
			if (!wait_empty())
				break;
			room = FIFO;
		}
		if (s[i] == '\n') {
			wr(DATA, '\r');
			room--;
		}
		wr(DATA, (uint8_t)s[i]);
		room--;
	}
	spin_unlock_irqrestore(&serial_lock, flags);
}

void serial_force_unlock(void)
{
	memset(&serial_lock, 0, sizeof(serial_lock));
}

void serial_poll(void)
{
	char c[64];
	unsigned int n = 0;
	uint64_t flags;

	if (!present)
		return;
	flags = spin_lock_irqsave(&serial_lock);
	while (n < sizeof(c) && (rd(LSR) & LSR_DATA))
		c[n++] = (char)rd(DATA);
	(void)rd(IIR);
	spin_unlock_irqrestore(&serial_lock, flags);
	for (unsigned int i = 0; i < n; i++)
		console_rx(c[i]);
}

static void serial_interrupt(void *arg)
{
	serial_poll();
}

void serial_init_irq(void)
{
	int rc;

	if (!present)
		return;
	irq_line = opt.com1_port == 0x2f8 || opt.com1_port == 0x2e8 ? 3 : 4;
	rc = irq_request(isa_to_gsi(irq_line), serial_interrupt, NULL);
	if (rc) {
		log_warn("serial line: no interrupt %u (error %d): output only\n", irq_line, rc);
		return;
	}
	wr(IER, 1);
}
