/* SPDX-License-Identifier: BSD-2-Clause */
/* The test framework: results, printing, traps, user mode, page tables, events, time, vcpus, grants. */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>

#include "hypercall.h"
#include "layout.h"

#define PAGE_SIZE     4096UL
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define barrier()     asm volatile("" ::: "memory")

/* ---- a test ------------------------------------------------------------------------------- */

/* What each test defines: its name as in the file name, and the function that runs it on vcpu 0. */
extern const char test_name[];
void test_main(void);

/**
 * check() - one expectation: prints "ok   WHAT: GOT" or "FAIL WHAT: GOT, expected WANT"
 * Both lines are compared between hypervisors, so @what and @got must not depend on the machine.
 */
void check(const char *what, long got, long want);

/** check_true() - like check() for a condition; prints yes or no. */
void check_true(const char *what, bool cond);

/** info() - print a line that is not compared between hypervisors. */
void info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* End the test early: nothing to test here, or the test itself (not the hypervisor) is broken. */
void test_skip(const char *why) __attribute__((noreturn));
void test_error(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** test_done() - print the result line and power off. Called when test_main() returns. */
void test_done(void) __attribute__((noreturn));

/* ---- printing and memory ------------------------------------------------------------------ */

/* Conversions: %d %u %x %lx %ld %lu %s %c %p %%, with field width and 0. Returns the length. */
int vfmt(char *buf, size_t size, const char *fmt, va_list ap);
int fmt(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void console_write(const char *s, size_t len);

void *memset(void *p, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strncmp(const char *a, const char *b, size_t n);

/** page_alloc() - a zeroed page of the image's own pool, mapped writable; never freed. */
void *page_alloc(void);

/* ---- start of day ------------------------------------------------------------------------- */

extern struct start_info *start_info;
extern struct shared_info shared_info;
extern char guest_stacks[];

/* ---- traps -------------------------------------------------------------------------------- */

/* The state at an exception, event, system call or failsafe entry; also what user_run() starts. */
struct regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* What came of an instruction or of user code: vector -1 when nothing was raised. */
struct fault {
	int vector;
	uint32_t error;
	uint64_t cr2;
	uint8_t masked; /* evtchn_upcall_mask at the entry */
	struct regs regs;
};

enum {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_BP = 3,
	VEC_OF = 4,
	VEC_UD = 6,
	VEC_NM = 7,
	VEC_TS = 10,
	VEC_NP = 11,
	VEC_SS = 12,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MF = 16,
	VEC_AC = 17,
	VEC_NONE = -1
};

void fault_arm(void);
struct fault fault_take(void);

extern uint64_t guard_rip, guard_rsp;

/*
 * FAULT(insn, operands...) - run one instruction (or a few) and catch what it raises. Extra
 * arguments are asm input operands. The instruction may change rax, rcx, rdx, rbx and flags.
 * Value: struct fault. Only for vcpu 0 and not nested.
 */
#define FAULT(insn, ...)                                                    \
	({                                                                  \
		fault_arm();                                                \
		asm volatile("movq $1f, guard_rip(%%rip)\n\t"               \
			     "movq %%rsp, guard_rsp(%%rip)\n\t" insn "\n"   \
			     "1:\n\t"                                       \
			     :                                              \
			     : __VA_ARGS__                                  \
			     : "memory", "cc", "rax", "rbx", "rcx", "rdx"); \
		fault_take();                                               \
	})

/** trap_set() - install a handler address for @vector; @flags as in struct trap_info. */
long trap_set(unsigned int vector, unsigned int flags, const void *entry, uint16_t cs);

/** trap_hook - called first for every entry; return true when the entry is dealt with. */
extern bool (*trap_hook)(struct regs *regs);

/** check_fault() - check vector, and for those that have one, the error code. */
void check_fault(const char *what, const struct fault *f, int vector, uint32_t error);

/* The first stub of 256, 16 bytes apart, and the entries that are not exceptions. */
extern char trap_stubs[], event_entry[], syscall_entry[], syscall32_entry[], sysenter_entry[],
	failsafe_entry[], nmi_entry[];
extern uint64_t failsafe_sel[4];

/** raw_iret() - the iret hypercall with any frame; what becomes of it is for FAULT-like hooks. */
void raw_iret(const struct iret_context *frame);
struct fault try_iret(const struct iret_context *frame);

/* ---- user mode ---------------------------------------------------------------------------- */

/**
 * user_run() - enter user mode with @regs and run until an exception or system call
 * Return: what brought us back; .vector is VEC_SYSCALL for a system call.
 * User mode uses the user page-table base, which guest start-up sets to the kernel's own.
 */
struct fault user_run(const struct regs *regs);

/** user_regs() - registers that start @code in user mode on a stack of the framework's. */
struct regs user_regs(const void *code);

/* ---- page tables -------------------------------------------------------------------------- */

#define PTE_P	  (1UL << 0)
#define PTE_W	  (1UL << 1)
#define PTE_U	  (1UL << 2)
#define PTE_PWT	  (1UL << 3)
#define PTE_PCD	  (1UL << 4)
#define PTE_A	  (1UL << 5)
#define PTE_D	  (1UL << 6)
#define PTE_PSE	  (1UL << 7)
#define PTE_G	  (1UL << 8)
#define PTE_NX	  (1UL << 63)
#define PTE_FRAME 0x000ffffffffff000UL
#define PTE_RO	  (PTE_P | PTE_U | PTE_A | PTE_D)
#define PTE_RW	  (PTE_RO | PTE_W)

unsigned long virt_to_pfn(const void *va);
unsigned long pfn_to_mfn(unsigned long pfn);
unsigned long mfn_to_pfn(unsigned long mfn);
unsigned long virt_to_mfn(const void *va);
void *mfn_to_virt(unsigned long mfn);
uint64_t mkpte(unsigned long mfn, uint64_t flags);

/** pte_ptr() - the level-@level entry that maps @va, seen through the initial mapping, or NULL. */
uint64_t *pte_ptr(unsigned long va, int level);
/** pte_maddr() - machine address of that entry, 0 when a table above it is absent. */
uint64_t pte_maddr(unsigned long va, int level);
/** table_maddr() - machine address of entry @index of the table at @table. */
uint64_t table_maddr(const void *table, unsigned int index);

long pt_update(uint64_t maddr, uint64_t val);
long pt_update_cmd(uint64_t maddr, uint64_t val, unsigned int cmd);
long mmuext1(unsigned int cmd, unsigned long arg1, unsigned long arg2);
long pin_table(int level, const void *table);
long unpin_table(const void *table);
/** map_page() - update_va_mapping of @va to @pte with INVLPG. */
long map_page(const void *va, uint64_t pte);
/** set_page_flags() - remap the page of our own at @va with @flags. */
long set_page_flags(const void *va, uint64_t flags);

/* ---- events ------------------------------------------------------------------------------- */

/* How often each port was seen pending by the upcall, and on which vcpu last. */
extern volatile unsigned int event_count[4096];
extern volatile unsigned int event_vcpu[4096];
extern void (*event_hook)(unsigned int port);
/* Upcalls taken, whatever they were for. */
extern volatile unsigned int upcall_count;
/* The vcpu that each port is delivered to; a test that moves a port sets it. */
extern uint8_t event_owner[4096];

struct vcpu_info *this_vcpu_info(void);
void events_on(void);
bool events_off(void);
void event_mask(unsigned int port);
void event_unmask_local(unsigned int port);
bool event_pending(unsigned int port);
void event_clear(unsigned int port);
/** event_wait() - block until event_count[port] reaches @count or @ns passed. */
bool event_wait(unsigned int port, unsigned int count, uint64_t ns);

/* Each returns the port, or a negative error. Ports come back unmasked. */
int evtchn_alloc_unbound(domid_t remote);
int evtchn_bind_interdomain(domid_t remote, unsigned int port);
int evtchn_bind_virq(unsigned int virq, unsigned int vcpu);
int evtchn_bind_ipi(unsigned int vcpu);
long evtchn_send(unsigned int port);
long evtchn_close(unsigned int port);
long evtchn_status(unsigned int port, struct evtchn_status *st);

/* ---- time --------------------------------------------------------------------------------- */

uint64_t rdtsc(void);
/** system_time() - nanoseconds of system time from this vcpu's pvclock page. */
uint64_t system_time(void);
void spin_ns(uint64_t ns);

/* ---- vcpus -------------------------------------------------------------------------------- */

unsigned int this_vcpu(void);
/** vcpu_start() - initialise and bring up @vcpu in @fn(@arg); the vcpu downs itself on return. */
long vcpu_start(unsigned int vcpu, void (*fn)(void *), void *arg);
/** vcpu_context() - the context that vcpu_start() would hand to VCPUOP_initialise. */
void vcpu_context(struct vcpu_guest_context *ctx, unsigned int vcpu, void (*fn)(void *), void *arg);
/** vcpus_present() - how many vcpus the domain was given. */
unsigned int vcpus_present(void);

/* ---- grants ------------------------------------------------------------------------------- */

/** grants_init() - map the grant table's first frame; Return: the v1 entries. */
struct grant_entry_v1 *grants_init(void);

#endif
