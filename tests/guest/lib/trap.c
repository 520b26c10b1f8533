// SPDX-License-Identifier: BSD-2-Clause
// Exceptions: recoverable ones for FAULT(), those of user mode for user_run(), fatal ones.

#include "guest.h"

uint64_t guard_rip, guard_rsp;
bool (*trap_hook)(struct regs *regs);

static struct fault caught;
static bool armed, in_user;

void user_enter(struct regs *regs);
void user_leave(void) __attribute__((noreturn));
void event_upcall(void);
void trap_entry(struct regs *regs);

void fault_arm(void)
{
	memset(&caught, 0, sizeof(caught));
	caught.vector = VEC_NONE;
	armed = true;
	barrier();
}

struct fault fault_take(void)
{
	barrier();
	armed = false;
	return caught;
}

static void record(const struct regs *regs)
{
	caught.vector = (int)regs->vector;
	caught.error = (uint32_t)regs->error;
	caught.cr2 = regs->vector == VEC_PF ? this_vcpu_info()->arch.cr2 : 0;
	caught.masked = this_vcpu_info()->evtchn_upcall_mask;
	caught.regs = *regs;
}

static void fatal(const struct regs *regs)
{
	static bool again;

	if (again)
		test_error("exception while reporting one");
	again = true;
	say("  rip %016lx cs %lx rflags %lx rsp %016lx ss %lx\n", regs->rip, regs->cs, regs->rflags,
	    regs->rsp, regs->ss);
	say("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", regs->rax, regs->rbx, regs->rcx,
	    regs->rdx);
	say("  rsi %016lx rdi %016lx rbp %016lx r8 %016lx\n", regs->rsi, regs->rdi, regs->rbp,
	    regs->r8);
	test_error("unexpected vector %lu, error code %lx, address %lx, at %lx on vcpu %u",
		   regs->vector, regs->error, this_vcpu_info()->arch.cr2, regs->rip, this_vcpu());
}

void trap_entry(struct regs *regs)
{
	if (trap_hook && trap_hook(regs))
		return;
	if (regs->vector == VEC_EVENT) {
		event_upcall();
		return;
	}
	if (in_user && (regs->cs & 3) == 3) {
		in_user = false;
		record(regs);
		/* The entry may have masked events; the caller of user_run() had them as it likes. */
		user_leave();
	}
	if (!armed)
		fatal(regs);
	armed = false;
	record(regs);
	regs->rip = guard_rip;
	regs->rsp = guard_rsp;
	regs->cs = FLAT_KERNEL_CS & ~3;
	regs->ss = FLAT_KERNEL_SS;
	regs->rflags &= ~0x40500UL; /* a test may have left AC, TF or DF set */
}

struct fault user_run(const struct regs *regs)
{
	uint8_t mask = this_vcpu_info()->evtchn_upcall_mask;
	struct regs r = *regs;

	caught.vector = VEC_NONE;
	in_user = true;
	user_enter(&r);
	this_vcpu_info()->evtchn_upcall_mask = mask;
	return caught;
}

struct regs user_regs(const void *code)
{
	static char stack[4096] __attribute__((aligned(4096)));
	struct regs r;

	memset(&r, 0, sizeof(r));
	r.rip = UL(code);
	r.cs = FLAT_USER_CS;
	r.rflags = 0x202;
	r.rsp = UL(stack + sizeof(stack));
	r.ss = FLAT_USER_SS;
	return r;
}

struct fault try_iret(const struct iret_context *frame)
{
	/* An armed guard catches entries from user mode too and resumes here in kernel mode. */
	return FAULT("call raw_iret", "D"(frame));
}

long trap_set(unsigned int vector, unsigned int flags, const void *entry, uint16_t cs)
{
	struct trap_info t[2];

	memset(t, 0, sizeof(t));
	t[0].vector = (uint8_t)vector;
	t[0].flags = (uint8_t)flags;
	t[0].cs = cs;
	t[0].address = UL(entry);
	return hc_set_trap_table(t);
}

static bool has_error_code(int vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

void check_fault(const char *what, const struct fault *f, int vector, uint32_t error)
{
	char line[120];

	fmt(line, sizeof(line), "%s vector", what);
	check(line, f->vector, vector);
	if (!has_error_code(vector))
		return;
	fmt(line, sizeof(line), "%s error code", what);
	check(line, f->error, error);
}
