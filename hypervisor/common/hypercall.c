// SPDX-License-Identifier: BSD-2-Clause
// The hypercall table, sub-operations, multicalls, and continuations.

#include <hv/domain.h>
#include <hv/hypercall.h>
#include <hv/lib.h>
#include <hv/softirq.h>

#define NR_HYPERCALLS 64

typedef long (*hypercall_fn)(unsigned long, unsigned long, unsigned long, unsigned long,
			     unsigned long);

static long hc_absent(void)
{
	return -XEN_ENOSYS;
}

/*
 * Handlers take fewer arguments than the caller passes, which the calling convention allows. The build checks by the
 * prototypes in hypercall.h that each has as many as its row says.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* rows fill in over the default */
#define HYPERCALL(nr, handler, nargs) [nr] = (const void *)handler,
#define SUBOP(table, cmd, handler, type, flags)
extern const void *const hypercall_table[NR_HYPERCALLS];
const void *const hypercall_table[NR_HYPERCALLS] = {
	[0 ... NR_HYPERCALLS - 1] = (const void *)hc_absent,
#include <hv/hypercalls.def>
};
#undef HYPERCALL
#undef SUBOP
#pragma GCC diagnostic pop

/* Largest argument of a sub-operation, bytes. */
#define SUBOP_MAX 128

long subop_call(const struct subop *table, unsigned int n, unsigned long cmd, guest_ptr_t arg)
{
	const struct subop *op = &table[cmd];
	uint64_t buf[SUBOP_MAX / 8];
	long rc;

	if (cmd >= n || !op->fn)
		return -XEN_ENOSYS;
	if ((op->flags & HC_PRIV) && !current_is_privileged())
		return -XEN_EPERM;
	if ((op->flags & HC_IN) && copy_from_guest(buf, arg, op->size))
		return -XEN_EFAULT;
	rc = op->fn(buf);
	if (((op->flags & HC_OUT) && rc >= 0) || (op->flags & HC_OUT_ALWAYS))
		if (copy_to_guest(arg, buf, op->size))
			return -XEN_EFAULT;
	return rc;
}

bool in_multicall(void)
{
	return current->mc_active;
}

long hypercall_continue(unsigned long op, unsigned int nargs, ...)
{
	struct vcpu *v = current;
	struct cpu_user_regs *r = guest_regs();
	uint64_t *reg[] = { &r->rdi, &r->rsi, &r->rdx, &r->r10, &r->r8 };
	va_list ap;

	va_start(ap, nargs);
	if (v->mc_active) {
		v->mc_preempted = true;
		v->mc_call.op = op;
		for (unsigned int i = 0; i < nargs; i++)
			v->mc_call.args[i] = va_arg(ap, unsigned long);
	} else {
		/* Execute the syscall instruction again; the dispatcher stores our result in rax. */
		r->rip -= 2;
		for (unsigned int i = 0; i < nargs; i++)
			*reg[i] = va_arg(ap, unsigned long);
	}
	va_end(ap);
	return (long)op;
}

/*
 * Entries run in order, each with its result stored. The current entry is copied to the vcpu, so that a continuation can
 * change it; a preempted entry is written back and the multicall continues with it.
 */
long hc_multicall(unsigned long list, unsigned long nr)
{
	struct vcpu *v = current;
	multicall_entry_t *call = &v->mc_call;
	guest_ptr_t p = guest_ptr(list);
	long rc = 0;

	if (unlikely(v->mc_active))
		return -XEN_EINVAL;
	v->mc_active = true;
	for (unsigned int i = 0; i < nr; i++, p.va += sizeof(*call)) {
		if (i && preempt_needed()) {
			v->mc_active = false;
			return hypercall_continue(__HYPERVISOR_multicall, 2, p.va, nr - i);
		}
		if (unlikely(copy_from_guest(call, p, sizeof(*call)))) {
			rc = -XEN_EFAULT;
			break;
		}
		v->mc_preempted = false;
		if (likely(call->op < NR_HYPERCALLS))
			call->result = (unsigned long)((hypercall_fn)hypercall_table[call->op])(
				call->args[0], call->args[1], call->args[2], call->args[3],
				call->args[4]);
		else
			call->result = (unsigned long)-XEN_ENOSYS;
		if (call->op == __HYPERVISOR_iret) {
			/* It has left for elsewhere: nobody waits for the rest. */
			rc = (long)call->result;
			break;
		}
		if (v->mc_preempted) {
			v->mc_active = false;
			if (copy_to_guest(p, call, sizeof(*call)))
				return -XEN_EFAULT;
			return hypercall_continue(__HYPERVISOR_multicall, 2, p.va, nr - i);
		}
		if (unlikely(put_guest_8_raw(p.va + offsetof(multicall_entry_t, result),
					     call->result))) {
			rc = -XEN_EFAULT;
			break;
		}
	}
	v->mc_active = false;
	return rc;
}

/* ---- physdev_op: nothing but its rows */
#define HYPERCALL(nr, handler, nargs)
#define SUBOP(table, ...) SUBOP_##table(__VA_ARGS__)
#define SUBOP_evtchn(...)
#define SUBOP_sched(...)
#define SUBOP_physdev(cmd, handler, type, flags) \
	[cmd] = { (long (*)(void *))(const void *)handler, sizeof(type), flags },
static const struct subop physdev_ops[] = {
#include <hv/hypercalls.def>
};

long hc_physdev_op(unsigned long cmd, unsigned long arg)
{
	return subop_call(physdev_ops, ARRAY_SIZE(physdev_ops), cmd, guest_ptr(arg));
}

/* The older call: the command stands in front of its argument in memory. */
long hc_physdev_op_compat(unsigned long arg)
{
	uint32_t cmd;

	if (copy_from_guest(&cmd, guest_ptr(arg), sizeof(cmd)))
		return -XEN_EFAULT;
	if (cmd < PHYSDEVOP_irq_status_query || cmd > PHYSDEVOP_alloc_irq_vector)
		return -XEN_ENOSYS;
	return subop_call(physdev_ops, ARRAY_SIZE(physdev_ops), cmd,
			  guest_ptr(arg + offsetof(struct physdev_op, u)));
}
