// SPDX-License-Identifier: BSD-2-Clause
// Further vcpus: context, bring-up, and which one is running.

#include "guest.h"

void vcpu_entry(void);
void vcpu_main(void (*fn)(void *), void *arg) __attribute__((noreturn));

unsigned int this_vcpu(void)
{
	unsigned long sp;

	asm volatile("movq %%rsp, %0" : "=r"(sp));
	/* A test that runs on a stack of its own does so on vcpu 0. */
	return sp - UL(guest_stacks) < STACK_SIZE * MAX_VCPUS
		       ? (unsigned int)((sp - UL(guest_stacks)) / STACK_SIZE)
		       : 0;
}

void vcpu_main(void (*fn)(void *), void *arg)
{
	fn(arg);
	for (;;)
		hc_vcpu_op(VCPUOP_down, this_vcpu(), NULL);
}

void vcpu_context(struct vcpu_guest_context *ctx, unsigned int vcpu, void (*fn)(void *), void *arg)
{
	char *stack = guest_stacks + STACK_SIZE * vcpu;

	memset(ctx, 0, sizeof(*ctx));
	/* Not VGCF_online: a vcpu that is up from its initialisation is not woken by VCPUOP_up. */
	ctx->flags = VGCF_in_kernel;
	ctx->user_regs.rip = UL(vcpu_entry);
	ctx->user_regs.rsp = UL(stack + STACK_SIZE);
	ctx->user_regs.rdi = UL(fn);
	ctx->user_regs.rsi = UL(arg);
	ctx->user_regs.rflags = 0x1000; /* IOPL 1: the guest kernel may use its own I/O rights */
	ctx->user_regs.cs = FLAT_KERNEL_CS;
	ctx->user_regs.ss = FLAT_KERNEL_SS;
	for (unsigned int i = 0; i < 32; i++) {
		ctx->trap_ctxt[i].vector = (uint8_t)i;
		ctx->trap_ctxt[i].flags = i == VEC_BP || i == VEC_OF ? 3 : 0;
		ctx->trap_ctxt[i].cs = FLAT_KERNEL_CS;
		ctx->trap_ctxt[i].address = UL(trap_stubs + i * 16);
	}
	ctx->kernel_ss = FLAT_KERNEL_SS;
	ctx->kernel_sp = UL(stack + STACK_SIZE / 2);
	ctx->ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn((void *)start_info->pt_base));
	ctx->ctrlreg[1] = ctx->ctrlreg[3];
	ctx->event_callback_eip = UL(event_entry);
	ctx->failsafe_callback_eip = UL(failsafe_entry);
	ctx->syscall_callback_eip = UL(syscall_entry);
}

long vcpu_start(unsigned int vcpu, void (*fn)(void *), void *arg)
{
	static struct vcpu_guest_context ctx;
	long ret;

	vcpu_context(&ctx, vcpu, fn, arg);
	ret = hc_vcpu_op(VCPUOP_initialise, vcpu, &ctx);
	if (ret)
		return ret;
	return hc_vcpu_op(VCPUOP_up, vcpu, NULL);
}

unsigned int vcpus_present(void)
{
	unsigned int n = 0;

	while (n < MAX_VCPUS && hc_vcpu_op(VCPUOP_is_up, n, NULL) >= 0)
		n++;
	return n;
}
