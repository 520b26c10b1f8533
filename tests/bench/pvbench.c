// SPDX-License-Identifier: BSD-2-Clause
// Cost of single operations of a Linux kernel, in time-stamp ticks: the rows of the benchmark table.
/*
 * Run under QEMU with -icount shift=0,sleep=off on one CPU a tick is one executed instruction, and figures repeat. One line
 * per row, `ROW name median`, the median over many samples. As init it mounts what it needs, runs and powers off.
 * `pvbench ns` prints wall time in nanoseconds instead of ticks.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <xen/sched.h>
#include <xen/xen.h>

#define PAGE		    4096UL
#define BIG_PAGES	    16384UL /* 64 MiB */
#define MAX_SAMPLES	    4096
/* _IOC(NONE, type, nr, size) as <linux/xen/privcmd.h> and <linux/xen/evtchn.h> make them */
#define IOC(type, nr, size) (((unsigned long)(size) << 16) | ((unsigned long)(type) << 8) | (nr))

static double sample[MAX_SAMPLES];
static int nsample;
static double scale = 1; /* from ticks to what is printed */

static uint64_t ticks(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return ((uint64_t)hi << 32) | lo;
}

static long call(long nr, long a, long b, long c)
{
	long r;

	asm volatile("syscall"
		     : "=a"(r)
		     : "a"(nr), "D"(a), "S"(b), "d"(c)
		     : "rcx", "r11", "memory");
	return r;
}

static void add(double v)
{
	if (nsample < MAX_SAMPLES)
		sample[nsample++] = v;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(void)
{
	double m;

	qsort(sample, (size_t)nsample, sizeof(*sample), compare);
	m = nsample ? sample[nsample / 2] : 0;
	nsample = 0;
	return m;
}

static void row(const char *name, double v)
{
	printf("ROW %s %.2f\n", name, v * scale);
}

static double report(const char *name)
{
	double m = median();

	row(name, m);
	return m;
}

/* Nanoseconds per tick, over a fifth of a second. */
static double tick_length(void)
{
	struct timespec a, b;
	uint64_t from, to;
	double ns;

	clock_gettime(CLOCK_MONOTONIC, &a);
	from = ticks();
	do {
		clock_gettime(CLOCK_MONOTONIC, &b);
		to = ticks();
		ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	} while (ns < 2e8);
	return ns / (double)(to - from);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static char *pages(unsigned long n)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	madvise(p, n * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static void touch(char *p, unsigned long n, char v)
{
	for (unsigned long i = 0; i < n; i++)
		p[i * PAGE] = v;
}

/* ---- system calls and clocks */
static void rows_calls(void)
{
	struct timespec ts;
	uint64_t t;
	unsigned long gs = 0;

	for (int i = 0; i < 9; i++) {
		unsigned long n = 1000000;

		t = ticks();
		asm volatile("1: dec %0; jnz 1b" : "+r"(n));
		add((double)(ticks() - t));
	}
	report("calibrate_2M_instructions");
	for (int i = 0; i < 201; i++) {
		t = ticks();
		for (int j = 0; j < 100; j++)
			call(SYS_getppid, 0, 0, 0);
		add((double)(ticks() - t) / 100);
	}
	report("getppid");
	for (int i = 0; i < 51; i++) {
		t = ticks();
		for (int j = 0; j < 100; j++)
			clock_gettime(CLOCK_MONOTONIC, &ts);
		add((double)(ticks() - t) / 100);
	}
	report("clock_gettime");
	syscall(SYS_arch_prctl, 0x1004, &gs);
	for (int i = 0; i < 101; i++) {
		t = ticks();
		for (int j = 0; j < 100; j++)
			call(SYS_arch_prctl, 0x1001, (long)gs, 0);
		add((double)(ticks() - t) / 100);
	}
	report("arch_prctl_set_gs");
}

/* ---- memory */
static void rows_memory(void)
{
	static double unmap[64];
	uint64_t a, b, c;
	char *p;

	for (int i = 0; i < 31; i++) {
		p = pages(256);
		p[0] = 1;
		a = ticks();
		touch(p + PAGE, 255, 1);
		add((double)(ticks() - a) / 255);
		munmap(p, 256 * PAGE);
	}
	report("first_touch/page");
	for (int i = 0; i < 61; i++) {
		a = ticks();
		p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
		touch(p, 64, 1);
		b = ticks();
		munmap(p, 64 * PAGE);
		c = ticks();
		add((double)(c - a) / 64);
		unmap[i] = (double)(c - b) / 64;
	}
	report("mmap_touch_munmap_64/page");
	for (int i = 0; i < 61; i++)
		add(unmap[i]);
	report("munmap_64/page");
	for (int i = 0; i < 61; i++) {
		a = ticks();
		p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
		munmap(p, 64 * PAGE);
		add((double)(ticks() - a));
	}
	report("mmap_munmap_untouched");
}

static void rows_protect(void)
{
	char *p = pages(3), *q = pages(256);
	uint64_t a;

	mprotect(p, PAGE, PROT_NONE);
	mprotect(p + 2 * PAGE, PAGE, PROT_NONE);
	p[PAGE] = 1;
	for (int i = 0; i < 201; i++) {
		a = ticks();
		call(SYS_mprotect, (long)(p + PAGE), (long)PAGE, PROT_READ);
		call(SYS_mprotect, (long)(p + PAGE), (long)PAGE, PROT_READ | PROT_WRITE);
		add((double)(ticks() - a) / 2);
		p[PAGE]++;
	}
	report("mprotect_1");
	touch(q, 256, 1);
	for (int i = 0; i < 41; i++) {
		a = ticks();
		mprotect(q, 256 * PAGE, PROT_READ);
		mprotect(q, 256 * PAGE, PROT_READ | PROT_WRITE);
		add((double)(ticks() - a) / 512);
		touch(q, 256, 2);
	}
	report("mprotect_256/page");
	munmap(q, 256 * PAGE);
	munmap(p, 3 * PAGE);
}

/* Ageing: one trapped page-table write per page, when the kernel has no batch for it. */
static void rows_ageing(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);
	unsigned long n = 4096;
	char *p;

	if (fd < 0)
		return;
	p = pages(n);
	for (int i = 0; i < 9; i++) {
		uint64_t a, b, c;

		touch(p, n, (char)i);
		a = ticks();
		if (write(fd, "1", 1) != 1)
			die("clear_refs");
		b = ticks();
		if (write(fd, "1", 1) != 1)
			die("clear_refs");
		c = ticks();
		add(((double)(b - a) - (double)(c - b)) / (double)n);
	}
	report("clear_refs/page");
	munmap(p, n * PAGE);
	close(fd);
}

/* ---- processes */
static uint64_t fork_wait(uint64_t *in_parent)
{
	uint64_t a = ticks(), b;
	int status, pid = fork();

	if (!pid)
		_exit(0);
	b = ticks();
	waitpid(pid, &status, 0);
	if (in_parent)
		*in_parent = b - a;
	return ticks() - a;
}

static void rows_fork(void)
{
	static double total[16], parent[16], again[16], reuse[16];
	double small, small_parent;
	uint64_t in_parent;
	char *p;

	for (int i = 0; i < 41; i++)
		add((double)fork_wait(NULL));
	small = report("fork_exit_wait");
	for (int i = 0; i < 41; i++) {
		fork_wait(&in_parent);
		add((double)in_parent);
	}
	small_parent = median();

	p = pages(BIG_PAGES);
	touch(p, BIG_PAGES, 1);
	for (int i = 0; i < 9; i++) {
		uint64_t t;

		total[i] = (double)fork_wait(&in_parent);
		parent[i] = (double)in_parent;
		/* Now every page is read-only already. */
		fork_wait(&in_parent);
		again[i] = (double)in_parent;
		t = ticks();
		touch(p, BIG_PAGES, 2);
		reuse[i] = (double)(ticks() - t);
	}
	for (int i = 0; i < 9; i++)
		add((total[i] - small) / BIG_PAGES);
	report("fork_64M/page");
	for (int i = 0; i < 9; i++)
		add((parent[i] - again[i]) / BIG_PAGES);
	report("fork_64M_wrprotect/page");
	for (int i = 0; i < 9; i++)
		add((again[i] - small_parent) / BIG_PAGES);
	report("fork_64M_readonly_parent/page");
	for (int i = 0; i < 9; i++)
		add(reuse[i] / BIG_PAGES);
	report("cow_reuse_fault");
	munmap(p, BIG_PAGES * PAGE);
}

static void exec_row(const char *name, const char *program, int use_vfork)
{
	for (volatile int i = 0; i < 31; i++) { /* volatile: vfork shares our frame */
		uint64_t a = ticks();
		int status, pid = use_vfork ? vfork() : fork();

		if (!pid) {
			execl(program, program, "-", (char *)NULL);
			_exit(9);
		}
		waitpid(pid, &status, 0);
		add((double)(ticks() - a));
		if (status) {
			printf("cannot run %s: status %x\n", program, (unsigned int)status);
			exit(1);
		}
	}
	report(name);
}

static void *thread_body(void *arg)
{
	return arg;
}

static void rows_switch(void)
{
	volatile uint64_t *shared = (volatile uint64_t *)mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
							      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sched_param sp = { .sched_priority = 1 };
	int to[2], from[2], pid;
	char c = 0;

	if (pipe(to) || pipe(from))
		die("pipe");
	pid = fork();
	if (!pid) {
		close(to[1]);
		close(from[0]);
		while (read(to[0], &c, 1) == 1)
			if (write(from[1], &c, 1) != 1)
				break;
		_exit(0);
	}
	close(to[0]);
	for (int i = 0; i < 2001; i++) {
		uint64_t a = ticks();

		if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1)
			die("pipe");
		add((double)(ticks() - a) / 2);
	}
	report("pipe_one_way");
	close(to[1]);
	waitpid(pid, NULL, 0);

	for (int i = 0; i < 201; i++) {
		uint64_t a = ticks();
		pthread_t t;

		if (pthread_create(&t, NULL, thread_body, NULL))
			die("pthread_create");
		pthread_join(t, NULL);
		add((double)(ticks() - a));
	}
	report("thread_create_join");

	sched_setscheduler(0, SCHED_FIFO, &sp);
	pid = fork();
	if (!pid)
		for (;;) {
			call(SYS_sched_yield, 0, 0, 0);
			shared[0]++;
		}
	for (int i = 0; i < 50; i++)
		sched_yield();
	for (int i = 0; i < 201; i++) {
		uint64_t before = shared[0], a = ticks();

		for (int j = 0; j < 20; j++)
			call(SYS_sched_yield, 0, 0, 0);
		a = ticks() - a;
		add((double)a / (double)(20 + shared[0] - before));
	}
	report("sched_yield_two");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	sp.sched_priority = 0;
	sched_setscheduler(0, SCHED_OTHER, &sp);
}

/* ---- signals */
static void on_signal(int sig)
{
	(void)sig;
}

/* Steps over the two-byte instruction that faulted. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void rows_signal(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	int me = getpid();
	char *hole = pages(1);

	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 201; i++) {
		uint64_t a = ticks();

		for (int j = 0; j < 10; j++)
			call(SYS_kill, me, SIGUSR1, 0);
		add((double)(ticks() - a) / 10);
	}
	report("signal_self");
	sigaction(SIGSEGV, &sa, NULL);
	munmap(hole, PAGE);
	for (int i = 0; i < 201; i++) {
		uint64_t a = ticks();

		asm volatile("movb %%al, (%%rdi)" ::"D"(hole) : "memory"); /* two bytes */
		add((double)(ticks() - a));
	}
	report("sigsegv_return");
	signal(SIGSEGV, SIG_DFL);
}

/* ---- hypercalls, through dom0's privcmd and evtchn devices; the device call itself is subtracted */
struct hypercall {
	uint64_t op, arg[5];
};

static double ioctl_cost(int fd, unsigned long request, void *arg)
{
	for (int i = 0; i < 201; i++) {
		uint64_t a = ticks();

		for (int j = 0; j < 50; j++)
			call(SYS_ioctl, fd, (long)request, (long)arg);
		add((double)(ticks() - a) / 50);
	}
	return median();
}

static void rows_hypercall(void)
{
	struct hypercall version = { .op = __HYPERVISOR_xen_version }, absent = { .op = 63 };
	struct hypercall yield = { .op = __HYPERVISOR_sched_op, .arg = { SCHEDOP_yield } };
	unsigned long request = IOC('P', 0, sizeof(version));
	int fd = open("/dev/xen/privcmd", O_RDWR);
	double base;

	if (fd < 0)
		return;
	base = ioctl_cost(fd, 0x12345, NULL);
	row("hypercall_xen_version", ioctl_cost(fd, request, &version) - base);
	row("hypercall_unknown", ioctl_cost(fd, request, &absent) - base);
	row("hypercall_yield", ioctl_cost(fd, request, &yield) - base);
	close(fd);
}

static void rows_event(void)
{
	unsigned int unbound[1] = { 0 }, pair[2] = { 0 }, port, got;
	int fd = open("/dev/xen/evtchn", O_RDWR | O_NONBLOCK);
	int local, remote;
	double base;

	if (fd < 0)
		return;
	local = ioctl(fd, IOC('E', 2, sizeof(unbound)), unbound);
	pair[1] = (unsigned int)local;
	remote = local > 0 ? ioctl(fd, IOC('E', 1, sizeof(pair)), pair) : -1;
	if (remote <= 0) {
		/* Not domain 0: binding to oneself needs one's own number. */
		close(fd);
		return;
	}
	port = (unsigned int)remote;
	while (read(fd, &got, sizeof(got)) == sizeof(got))
		if (write(fd, &got, sizeof(got)) != sizeof(got))
			break;
	base = ioctl_cost(fd, 0x12345, NULL);
	for (int i = 0; i < 201; i++) {
		uint64_t a = ticks();

		call(SYS_ioctl, fd, (long)IOC('E', 4, sizeof(port)), (long)&port);
		if (call(SYS_read, fd, (long)&got, sizeof(got)) == sizeof(got))
			call(SYS_write, fd, (long)&got, sizeof(got));
		add((double)(ticks() - a));
	}
	report("event_round");
	call(SYS_ioctl, fd, (long)IOC('E', 4, sizeof(port)), (long)&port);
	row("event_send_pending", ioctl_cost(fd, IOC('E', 4, sizeof(port)), &port) - base);
	close(fd);
}

int main(int argc, char **argv)
{
	int as_init = getpid() == 1;

	if (argc > 1 && !strcmp(argv[1], "-"))
		return 0; /* the program that the exec rows run */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "ns"))
		scale = tick_length();
	if (as_init) {
		int fd;

		mount("proc", "/proc", "proc", 0, NULL);
		mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
		fd = open("/dev/console", O_RDWR);
		dup2(fd, 1);
		dup2(fd, 2);
	}
	rows_calls();
	rows_memory();
	rows_protect();
	rows_ageing();
	rows_fork();
	exec_row("fork_exec_wait", as_init ? "/true" : "/job/true", 0);
	exec_row("vfork_exec_wait", as_init ? "/true" : "/job/true", 1);
	rows_switch();
	rows_signal();
	rows_hypercall();
	rows_event();
	printf("ROWS-DONE\n");
	fflush(stdout);
	if (as_init) {
		sync();
		sleep(1);
		reboot(RB_POWER_OFF);
	}
	return 0;
}
