// SPDX-License-Identifier: BSD-2-Clause
// Domains that shut down, crash or are resumed; what domain 0's end means for the machine; watchdogs.
#include <hv/domain.h>
#include <hv/boot.h>
#include <hv/evtchn.h>
#include <hv/sched.h>

/* Domain 0 has gone: so does the machine. The texts are those that test rigs for real hosts look for. */
static void __noreturn machine_end(int reason)
{
	switch (reason) {
	case SHUTDOWN_poweroff:
		log_err("Hardware Dom0 halted: halting machine\n");
		machine_poweroff();
	case SHUTDOWN_reboot:
		log_err("Hardware Dom0 shutdown: rebooting machine\n");
		machine_restart();
	case SHUTDOWN_watchdog:
		log_err("Hardware Dom0 shutdown: watchdog rebooting machine\n");
		machine_restart();
	case SHUTDOWN_crash:
		log_err("Hardware Dom0 crashed: %s\n",
			opt.noreboot ? "'noreboot' set - not rebooting" : "rebooting machine");
		break;
	default:
		log_err("Hardware Dom0 shutdown (unknown reason %d): %s\n", reason,
			opt.noreboot ? "'noreboot' set - not rebooting" : "rebooting machine");
		break;
	}
	if (opt.noreboot)
		machine_halt();
	machine_restart();
}

/* All vcpus are stopped for the shutdown: tell who waits for it. lock held. */
static void finish_shutdown(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v)
		if (!v->paused_for_shutdown)
			return;
	d->is_shut_down = true;
	if (d->shutdown_code == SHUTDOWN_suspend && d->suspend_port)
		(void)evtchn_send(
			d, (evtchn_port_t)d->suspend_port); /* closed meanwhile: nobody waits */
	else
		domain_report(d);
}

void domain_report(struct domain *d)
{
	(void)d;
	send_guest_global_virq(dom0, VIRQ_DOM_EXC);
}

void domain_shutdown(struct domain *d, int reason)
{
	struct vcpu *v;

	spin_lock(&d->lock);
	/* A reason set before (SCHEDOP_shutdown_code) wins. */
	if (d->shutdown_code == -1)
		d->shutdown_code = reason;
	else
		reason = d->shutdown_code;
	if (d->is_hardware) {
		spin_unlock(&d->lock);
		machine_end(reason);
	}
	if (!d->is_shutting_down) {
		d->is_shutting_down = true;
		for_each_vcpu(d, v) {
			if (v->paused_for_shutdown)
				continue;
			v->paused_for_shutdown = true;
			vcpu_pause_nosync(v);
		}
		finish_shutdown(d);
	}
	spin_unlock(&d->lock);
}

void domain_resume(struct domain *d)
{
	struct vcpu *v;

	/* Nothing of it runs while its state is put back. */
	domain_pause(d);
	spin_lock(&d->lock);
	d->is_shutting_down = d->is_shut_down = false;
	d->shutdown_code = -1;
	for_each_vcpu(d, v) {
		if (v->paused_for_shutdown)
			vcpu_unpause(v);
		v->paused_for_shutdown = false;
	}
	spin_unlock(&d->lock);
	domain_unpause(d);
}

static void dump_guest(const struct vcpu *v, const struct cpu_user_regs *r)
{
	log_err("d%uv%u: rip %04x:%016lx rsp %04x:%016lx rflags %08lx, %s\n", v->domain->id, v->id,
		r->cs, r->rip, r->ss, r->rsp, r->rflags, v->pv.kernel_mode ? "kernel" : "user");
	log_err("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	log_err("  rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
	log_err("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
	log_err("  r13 %016lx r14 %016lx r15 %016lx cr2 %016lx\n", r->r13, r->r14, r->r15,
		v->pv.cr2);
	log_err("  cr3 kernel %016lx user %016lx fs %016lx gs %016lx / %016lx\n", v->pv.cr3_kernel,
		v->pv.cr3_user, v->pv.fs_base, v->pv.gs_base_kernel, v->pv.gs_base_user);
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
	char why[160];
	va_list ap;

	va_start(ap, fmt);
	hv_vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (d->is_idle)
		hv_panic("crash of the hypervisor's own domain: %s", why);
	if (!READ_ONCE(d->is_shutting_down)) {
		size_t n = strlen(why);

		log_err("d%u: crashed: %s%s", d->id, why, n && why[n - 1] == '\n' ? "" : "\n");
		if (d == current->domain)
			dump_guest(current, guest_regs());
	}
	/* domain_shutdown() takes d->lock: not for callers that hold it; none does. */
	domain_shutdown(d, SHUTDOWN_crash);
}

long domain_watchdog(struct domain *d, uint32_t id, uint32_t timeout)
{
	s_time_t when = now() + (s_time_t)timeout * 1000000000;
	long rc = 0;

	if (id > ARRAY_SIZE(d->watchdog))
		return -XEN_EINVAL;
	spin_lock(&d->lock);
	if (id == 0) {
		while (id < ARRAY_SIZE(d->watchdog) && (d->watchdog_inuse & (1u << id)))
			id++;
		if (id == ARRAY_SIZE(d->watchdog)) {
			rc = -XEN_ENOSPC;
		} else {
			d->watchdog_inuse |= 1u << id;
			timer_set(&d->watchdog[id], when);
			rc = id + 1;
		}
	} else if (!(d->watchdog_inuse & (1u << (id - 1)))) {
		rc = -XEN_EINVAL;
	} else if (timeout == 0) {
		timer_stop(&d->watchdog[id - 1]);
		d->watchdog_inuse &= ~(1u << (id - 1));
	} else {
		timer_set(&d->watchdog[id - 1], when);
	}
	spin_unlock(&d->lock);
	return rc;
}
