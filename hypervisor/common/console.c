// SPDX-License-Identifier: BSD-2-Clause
/*
 * Log lines, the log ring, and where the serial line's input goes.
 *
 * Ring indices count bytes since boot; the byte of index i lies at ring[i % RING]. A reader that
 * fell behind by more than RING goes on with the oldest byte kept.
 */
#include <hv/boot.h>
#include <hv/console.h>
#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/lock.h>
#include <hv/softirq.h>
#include <hv/time.h>

#define RING	   32768u
#define INPUT	   1024u
#define SWITCH_KEY 0x01 /* Ctrl-A, three times */

static char ring[RING];
static uint32_t ring_end; /* console_lock */
static uint32_t ring_start; /* first byte not cleared; console_lock */
static spinlock_t console_lock;
static char line[1024]; /* console_lock */
static bool in_line; /* the last text did not end its line; console_lock */

static char input[INPUT];
static uint32_t input_put, input_get; /* input_lock */
static spinlock_t input_lock;
static bool keys_mode;
static unsigned int switch_count;

/* Guests' messages: at most BURST in PERIOD, so that no guest fills the log. */
#define BURST  10
#define PERIOD 5000000000LL
static s_time_t burst_start;
static unsigned int burst_count, burst_lost;

void console_force_unlock(void)
{
	memset(&console_lock, 0, sizeof(console_lock));
}

static void ring_put(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ring[ring_end++ % RING] = s[i];
	if (ring_end - ring_start > RING)
		ring_start = ring_end - RING;
}

static void emit(const char *s, size_t n, bool show)
{
	ring_put(s, n);
	if (show)
		serial_write(s, n);
}

/* Each line gets the prefix; caller holds console_lock. */
static void emit_lines(const char *s, bool show)
{
	while (*s) {
		const char *nl = strchr(s, '\n');
		size_t n = nl ? (size_t)(nl - s) : strlen(s);

		if (!in_line)
			emit("(PV) ", 5, show);
		emit(s, n, show);
		in_line = !nl;
		if (!nl)
			return;
		emit("\n", 1, show);
		s = nl + 1;
	}
}

static void vlog(bool show, const char *prefix, const char *fmt, va_list ap)
{
	uint64_t flags = spin_lock_irqsave(&console_lock);
	int n = hv_snprintf(line, sizeof(line), "%s", prefix);

	hv_vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	emit_lines(line, show);
	spin_unlock_irqrestore(&console_lock, flags);
}

void hv_log(enum loglevel level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog((int)level <= opt.loglvl_low, "", fmt, ap);
	va_end(ap);
}

/* One more message of a guest? Races only miscount by a line. */
static bool guest_may_log(void)
{
	s_time_t t = now();
	unsigned int lost = burst_lost;

	if (t - burst_start > PERIOD) {
		burst_start = t;
		burst_count = 0;
		burst_lost = 0;
		if (lost)
			hv_log(LOG_WARN, "%u messages about guests left out\n", lost);
	}
	if (burst_count >= BURST) {
		burst_lost++;
		return false;
	}
	burst_count++;
	return true;
}

void guest_log(enum loglevel level, const char *fmt, ...)
{
	const struct vcpu *v = current;
	char prefix[24] = "";
	va_list ap;

	if ((int)level > opt.guest_loglvl_low || !guest_may_log())
		return;
	if (v && !v->is_idle)
		hv_snprintf(prefix, sizeof(prefix), "d%uv%u ", v->domain->id, v->id);
	va_start(ap, fmt);
	vlog(true, prefix, fmt, ap);
	va_end(ap);
}

uint32_t console_ring_read(char *dst, uint32_t n, uint32_t *idx, bool clear)
{
	uint64_t flags = spin_lock_irqsave(&console_lock);
	uint32_t i = *idx, done = 0;

	if (ring_end - i > ring_end - ring_start)
		i = ring_start; /* behind, cleared, or a number that never was */
	while (done < n && i != ring_end)
		dst[done++] = ring[i++ % RING];
	*idx = i;
	if (clear)
		ring_start = ring_end;
	spin_unlock_irqrestore(&console_lock, flags);
	return done;
}

uint32_t console_input_read(char *dst, uint32_t n)
{
	uint64_t flags = spin_lock_irqsave(&input_lock);
	uint32_t done = 0;

	while (done < n && input_get != input_put)
		dst[done++] = input[input_get++ % INPUT];
	spin_unlock_irqrestore(&input_lock, flags);
	return done;
}

static void input_add(char c)
{
	uint64_t flags = spin_lock_irqsave(&input_lock);

	if (input_put - input_get < INPUT)
		input[input_put++ % INPUT] = c;
	spin_unlock_irqrestore(&input_lock, flags);
	if (dom0)
		send_guest_global_virq(dom0, VIRQ_CONSOLE);
}

/* Keys run in softirq context: dumps are long and take locks. */
static char key_queue[16];
static uint32_t key_put, key_get;

static void run_keys(void *arg)
{
	while (key_get != READ_ONCE(key_put)) {
		char c = key_queue[key_get % sizeof(key_queue)];

		key_get++;
		keyhandler_run(c);
	}
}

static struct tasklet key_tasklet = { .fn = run_keys };

void console_rx(char c)
{
	if (c == SWITCH_KEY) {
		if (++switch_count < 3)
			return;
		switch_count = 0;
		keys_mode = !keys_mode;
		log_err("serial input goes to %s (three times Ctrl-A switches)\n",
			keys_mode ? "the hypervisor's debug keys, 'h' for help" : "domain 0");
		return;
	}
	for (; switch_count; switch_count--) /* it was not a switch after all */
		if (!keys_mode)
			input_add(SWITCH_KEY);
	if (!keys_mode) {
		input_add(c);
		return;
	}
	if (key_put - key_get >= sizeof(key_queue))
		return;
	key_queue[key_put % sizeof(key_queue)] = c;
	smp_wmb();
	key_put++;
	tasklet_schedule(&key_tasklet);
}

void console_init_early(void)
{
	serial_init();
	softirq_register(SOFTIRQ_TASKLET, tasklet_softirq);
	keyhandler_init();
	/* What was logged before the line was set up. */
	serial_write(ring, ring_end);
}

void console_init_irq(void)
{
	serial_init_irq();
}
