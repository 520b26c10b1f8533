// SPDX-License-Identifier: BSD-2-Clause
/* Boot options, by Xen's names. A bad value is refused by name, with what is accepted; the default stays. */
#include <hv/boot.h>
#include <hv/lib.h>

struct boot_options opt = {
	.com1_baud = 115200,
	.com1_port = 0x3f8,
	.console_com1 = true,
	.loglvl_low = LOG_INFO,
	.guest_loglvl_low = LOG_WARN,
	.maxcpus = NR_CPUS,
};

/* Decimal, or hexadecimal after 0x; NULL when there is no digit, else the first character after. */
static const char *parse_u64(const char *s, uint64_t *v)
{
	unsigned int base = 10;
	const char *start;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	*v = 0;
	for (start = s;; s++) {
		unsigned int d = *s >= '0' && *s <= '9' ? (unsigned int)(*s - '0')
				 : (*s | 32) >= 'a' && (*s | 32) <= 'f'
					 ? (unsigned int)((*s | 32) - 'a') + 10
					 : 99;

		if (d >= base)
			return s == start ? NULL : s;
		*v = *v * base + d;
	}
}

/* A size: number and B, K, M, G or T; without a letter it counts KiB. Bytes. */
static const char *parse_size(const char *s, uint64_t *bytes)
{
	s = parse_u64(s, bytes);
	if (!s)
		return NULL;
	switch (*s | 32) {
	case 'b':
		return s + 1;
	case 'k':
		*bytes <<= 10;
		return s + 1;
	case 'm':
		*bytes <<= 20;
		return s + 1;
	case 'g':
		*bytes <<= 30;
		return s + 1;
	case 't':
		*bytes <<= 40;
		return s + 1;
	}
	*bytes <<= 10;
	return s;
}

static __init void refuse(const char *name, const char *value, const char *accepted)
{
	log_err("option %s=%s: not understood, default kept; accepted: %s\n", name, value,
		accepted);
}

static __init bool opt_dom0_mem(const char *v)
{
	struct boot_options o = opt;

	while (*v) {
		uint64_t *dst = &o.dom0_mem_pages, bytes;

		if (!strncmp(v, "min:", 4)) {
			dst = &o.dom0_mem_min;
			v += 4;
		} else if (!strncmp(v, "max:", 4)) {
			dst = &o.dom0_mem_max;
			v += 4;
		}
		if (*v == '-')
			return false;
		v = parse_size(v, &bytes);
		if (!v || (*v && *v != ','))
			return false;
		*dst = bytes >> PAGE_SHIFT;
		if (*v == ',')
			v++;
	}
	opt = o;
	return true;
}

static __init bool opt_uint(const char *v, unsigned int min, unsigned int max, unsigned int *out)
{
	uint64_t n;

	v = parse_u64(v, &n);
	if (!v || *v || n < min || n > max)
		return false;
	*out = (unsigned int)n;
	return true;
}

static __init bool opt_dom0_max_vcpus(const char *v)
{
	const char *dash = strchr(v, '-'); /* a range: its upper end */

	return opt_uint(dash ? dash + 1 : v, 1, MAX_VCPUS, &opt.dom0_max_vcpus);
}

static __init bool opt_maxcpus(const char *v)
{
	return opt_uint(v, 1, NR_CPUS, &opt.maxcpus);
}

/* com1=<baud>[/clock][,format[,port[,irq]]] */
static __init bool opt_com1(const char *v)
{
	uint64_t baud, port;

	if (!strncmp(v, "auto", 4)) {
		baud = 115200;
		v += 4;
	} else {
		v = parse_u64(v, &baud);
	}
	if (!v || !baud || baud > 115200 || 115200 % baud || (*v && *v != ',' && *v != '/'))
		return false;
	opt.com1_baud = (uint32_t)baud;
	v = strchr(v, ',');
	if (!v)
		return true;
	if (strncmp(v, ",8n1", 4) != 0)
		return false;
	v += 4;
	if (*v == ',' && v[1]) {
		v = parse_u64(v + 1, &port);
		if (!v || port > 0xfff8)
			return false;
		opt.com1_port = (uint16_t)port;
	}
	return true;
}

/* A VGA console there is not (setup.c says so); the serial line stays on then. */
static __init bool opt_console(const char *v)
{
	bool com1 = false, vga = false;

	while (*v) {
		const char *end = strchr(v, ',');
		size_t n = end ? (size_t)(end - v) : strlen(v);

		if (n >= 4 && !strncmp(v, "com1", 4))
			com1 = true;
		else if (n == 3 && !strncmp(v, "vga", 3))
			vga = true;
		else if (n && !(n == 4 && !strncmp(v, "none", 4)))
			return false;
		v += n + (end ? 1 : 0);
	}
	opt.console_com1 = com1 || vga;
	opt.console_vga = vga;
	return true;
}

static __init bool parse_level(const char *v, int *level)
{
	static const char *const names[] = { "none", "error", "warning", "info", "debug" };
	size_t n = 0;

	while (v[n] && v[n] != '/')
		n++;
	*level = LOG_DEBUG;
	if (n == 3 && !strncmp(v, "all", 3))
		return true;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (n == strlen(names[i]) && !strncmp(v, names[i], n)) {
			*level = (int)i - 1;
			return true;
		}
	return false;
}

static __init bool opt_loglvl(const char *v)
{
	return parse_level(v, &opt.loglvl_low);
}

static __init bool opt_guest_loglvl(const char *v)
{
	return parse_level(v, &opt.guest_loglvl_low);
}

static __init bool opt_sched(const char *v)
{
	if (strcmp(v, "credit") && strcmp(v, "credit2"))
		return false;
	memcpy(opt.sched, v, strlen(v) + 1);
	return true;
}

/* dom0=pv[,...]: the PV kind is the only one. */
static __init bool opt_dom0(const char *v)
{
	return !strstr(v, "pvh") && !strstr(v, "shadow");
}

static const struct {
	const char *name;
	bool (*fn)(const char *value);
	const char *accepted;
} valued[] = {
	{ "dom0_mem", opt_dom0_mem,
	  "SIZE, min:SIZE, max:SIZE, comma between; SIZE a number and K, M or G" },
	{ "dom0_max_vcpus", opt_dom0_max_vcpus, "1 to 64, or a range" },
	{ "maxcpus", opt_maxcpus, "1 to 64" },
	{ "com1", opt_com1, "BAUD[,8n1[,PORT]]" },
	{ "console", opt_console, "com1, vga, none, comma between" },
	{ "loglvl", opt_loglvl, "none, error, warning, info, debug, all" },
	{ "guest_loglvl", opt_guest_loglvl, "none, error, warning, info, debug, all" },
	{ "sched", opt_sched, "credit2, credit" },
	{ "dom0", opt_dom0, "pv" },
};

static const struct {
	const char *name;
	bool *flag;
} flags[] = {
	{ "dom0_vcpus_pin", &opt.dom0_vcpus_pin },
	{ "noreboot", &opt.noreboot },
	{ "nosmp", &opt.nosmp },
	{ "watchdog", &opt.watchdog },
	{ "sync_console", &opt.sync_console },
	{ "no-real-mode", &opt.no_real_mode },
};

/* Xen's, without a meaning here; no message. */
static const char *const ignored[] = {
	"spec-ctrl",
	"xpti",
	"pv-l1tf",
	"pcid",
	"smep",
	"smap",
	"iommu",
	"ucode",
	"cpufreq",
	"cpuidle",
	"edd",
	"edid",
	"vga",
	"conring_size",
	"conswitch",
	"crashkernel",
	"tsc",
	"clocksource",
	"cpuid",
	"mce",
	"ept",
	"hap",
	"gnttab",
	"gnttab_max_frames",
	"gnttab_max_maptrack_frames",
	"dom0-iommu",
	"ats",
	"console_timestamps",
	"console_to_ring",
	"placeholder",
	"bootscrub",
	"acpi",
	"apic_verbosity",
	"dom0_nodes",
	"timer_slop",
	"pv",
	"hpet",
};

static __init void parse_one(const char *name, const char *value)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(valued); i++)
		if (!strcmp(name, valued[i].name)) {
			if (!value || !valued[i].fn(value))
				refuse(name, value ? value : "", valued[i].accepted);
			return;
		}
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		bool no = !strncmp(name, "no-", 3) && !strcmp(name + 3, flags[i].name);

		if (!no && strcmp(name, flags[i].name))
			continue;
		*flags[i].flag = !no &&
				 (!value || (strcmp(value, "0") && strcmp(value, "no") &&
					     strcmp(value, "off") && strcmp(value, "false")));
		return;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(ignored); i++)
		if (!strcmp(name, ignored[i]) ||
		    (!strncmp(name, "no-", 3) && !strcmp(name + 3, ignored[i])))
			return;
	log_warn("option %s is not known, ignored\n", name);
}

__init void cmdline_parse(const char *cmdline)
{
	static __initdata char word[256];

	while (*cmdline) {
		size_t n = 0;
		char *eq;

		while (*cmdline == ' ' || *cmdline == '\t')
			cmdline++;
		while (cmdline[n] && cmdline[n] != ' ' && cmdline[n] != '\t')
			n++;
		if (!n)
			break;
		if (n < sizeof(word)) {
			memcpy(word, cmdline, n);
			word[n] = 0;
			eq = strchr(word, '=');
			if (eq)
				*eq = 0;
			parse_one(word, eq ? eq + 1 : NULL);
		} else {
			log_err("an option of %zu characters is ignored; at most %zu are taken\n",
				n, sizeof(word) - 1);
		}
		cmdline += n;
	}
}
