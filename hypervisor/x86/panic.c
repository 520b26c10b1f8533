// SPDX-License-Identifier: BSD-2-Clause
/* The end, when an invariant of ours is broken: say all we know, then reboot or stop. */
#include <hv/boot.h>
#include <hv/console.h>
#include <hv/cpuinfo.h>
#include <hv/domain.h>
#include <hv/lib.h>
#include <hv/smp.h>
#include <hv/time.h>
#include <hv/x86/cpu.h>

static bool panicking;

void stack_trace(uint64_t sp, unsigned int n)
{
	uint64_t end = (sp | (STACK_SIZE - 1)) + 1 - sizeof(struct cpu_info);

	log_err("code addresses on the stack (addr2line -e paravane.elf):\n");
	for (sp &= ~7UL; sp < end && n; sp += 8) {
		uint64_t v = *(const uint64_t *)sp;

		if (v >= (uint64_t)image_start && v < (uint64_t)text_end) {
			log_err("  %#lx\n", v);
			n--;
		}
	}
}

static void show_registers(const struct cpu_user_regs *r)
{
	log_err("rip %04x:%016lx rsp %04x:%016lx flags %08lx vector %#x error %#x\n", r->cs, r->rip,
		r->ss, r->rsp, r->rflags, r->entry_vector, r->error_code);
	log_err("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	log_err("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
	log_err("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
	log_err("r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
}

static void __noreturn end(const struct cpu_user_regs *r, const char *text)
{
	const struct vcpu *v = current;

	irq_disable();
	if (atomic_xchg(&panicking, true)) /* another CPU is at it, or this one again */
		for (;;)
			asm volatile("hlt");
	smp_stop_others();
	console_force_unlock();
	serial_force_unlock();
	opt.loglvl_low = LOG_DEBUG;
	log_err("\n");
	log_err("**** PANIC on CPU %u: %s", smp_cpu(), text);
	if (v && v->domain)
		log_err("running: d%uv%u\n", v->domain->id, v->id);
	if (r)
		show_registers(r);
	log_err("cr0 %016lx cr2 %016lx cr3 %016lx cr4 %08lx\n", read_cr0(), read_cr2(), read_cr3(),
		read_cr4());
	/* Of an exception in our own code, the stack where it happened. */
	stack_trace(r && !(r->cs & 3) ? r->rsp : (uint64_t)__builtin_frame_address(0), 24);
	if (opt.noreboot) {
		log_err("stopped (option noreboot)\n");
		for (;;)
			asm volatile("cli; hlt");
	}
	log_err("reboot in five seconds\n");
	for (int i = 0; i < 5000; i++)
		udelay(1000);
	machine_restart();
}

static char text[512];

void hv_panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	hv_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	end(NULL, text);
}

void hv_panic_regs(const struct cpu_user_regs *regs, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	hv_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	end(regs, text);
}
