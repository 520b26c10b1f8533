// SPDX-License-Identifier: BSD-2-Clause
/* Debug keys: one character starts one dump. */
#include <hv/console.h>
#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/gnttab.h>
#include <hv/heap.h>
#include <hv/sched.h>
#include <hv/time.h>

static struct {
	keyfn_t fn;
	const char *desc;
} keys[128];

void keyhandler_register(char key, keyfn_t fn, const char *desc)
{
	unsigned int k = (unsigned char)key;

	if (k >= ARRAY_SIZE(keys))
		return;
	keys[k].fn = fn;
	keys[k].desc = desc;
}

void keyhandler_run(char key)
{
	unsigned int k = (unsigned char)key;

	if (k >= ARRAY_SIZE(keys) || !keys[k].fn) {
		log_info("key '%c' has no use; 'h' lists the keys\n",
			 k >= 32 && k < 127 ? key : '?');
		return;
	}
	log_info("'%c' pressed: %s\n", key, keys[k].desc);
	keys[k].fn();
}

static void key_help(void)
{
	for (unsigned int k = 0; k < ARRAY_SIZE(keys); k++)
		if (keys[k].fn)
			log_info(" %c: %s\n", (char)k, keys[k].desc);
}

static void key_time(void)
{
	log_info("system time %ld ns, TSC %lu kHz\n", now(), tsc_khz);
}

static void key_panic(void)
{
	hv_panic("asked for with key 'C'\n");
}

void keyhandler_init(void)
{
	keyhandler_register('h', key_help, "this list");
	keyhandler_register('s', key_time, "system time");
	keyhandler_register('q', domain_dump, "domains and their vcpus");
	keyhandler_register('r', sched_dump, "scheduler");
	keyhandler_register('e', evtchn_dump, "event channels");
	keyhandler_register('g', gnttab_dump, "grants in use");
	keyhandler_register('m', heap_dump, "memory");
	keyhandler_register('H', heap_dump, "memory");
	keyhandler_register('R', machine_restart, "reboot the machine");
	keyhandler_register('C', key_panic, "stop with a dump");
}
