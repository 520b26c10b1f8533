// SPDX-License-Identifier: BSD-2-Clause
// Privileged instructions that a guest executed in ring 3: decoded and carried out on its virtual CPU.

#include <hv/boot.h>
#include <hv/domain.h>
#include <hv/guest_access.h>
#include <hv/hypercall.h>
#include <hv/mm.h>
#include <hv/rangeset.h>
#include <hv/softirq.h>
#include <hv/time.h>
#include <hv/x86/cpu.h>
#include <hv/x86/entry.h>
#include <hv/x86/pci.h>

struct insn {
	uint8_t byte[16];
	unsigned int len; /* bytes that could be fetched */
	unsigned int pos; /* next to look at */
	uint8_t rex;
	bool opsize, rep;
};

/* Register by its number in an instruction (REX included). */
static uint64_t *reg_ptr(struct cpu_user_regs *r, unsigned int n)
{
	switch (n & 15) {
	case 0:
		return &r->rax;
	case 1:
		return &r->rcx;
	case 2:
		return &r->rdx;
	case 3:
		return &r->rbx;
	case 4:
		return &r->rsp;
	case 5:
		return &r->rbp;
	case 6:
		return &r->rsi;
	case 7:
		return &r->rdi;
	case 8:
		return &r->r8;
	case 9:
		return &r->r9;
	case 10:
		return &r->r10;
	case 11:
		return &r->r11;
	case 12:
		return &r->r12;
	case 13:
		return &r->r13;
	case 14:
		return &r->r14;
	default:
		return &r->r15;
	}
}

static bool insn_fetch(struct insn *i, uint64_t rip)
{
	uint64_t in_page = PAGE_SIZE - (rip & (PAGE_SIZE - 1));

	i->len = (unsigned int)MIN(15UL, in_page);
	if (copy_from_guest(i->byte, guest_ptr(rip), i->len))
		return false;
	if (i->len < 15 && !copy_from_guest(i->byte + i->len, guest_ptr(rip + i->len), 15 - i->len))
		i->len = 15;
	return true;
}

/* Next byte; past the end a byte that no known instruction has. */
static uint8_t insn_next(struct insn *i)
{
	return i->pos < i->len ? i->byte[i->pos++] : 0xd6;
}

static uint8_t insn_prefixes(struct insn *i)
{
	for (;;) {
		uint8_t b = insn_next(i);

		switch (b) {
		case 0x66:
			i->opsize = true;
			break;
		case 0xf2:
		case 0xf3:
			i->rep = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0x67:
			break;
		default:
			if ((b & 0xf0) != 0x40)
				return b;
			i->rex = b;
			return insn_next(i);
		}
	}
}

/* The instruction is done: advance, and take the single-step trap the CPU would have taken. */
static void insn_done(struct cpu_user_regs *regs, const struct insn *i)
{
	regs->rip += i->pos;
	regs->rflags &= ~X86_EFLAGS_RF;
	if (regs->rflags & X86_EFLAGS_TF) {
		current->pv.dr[6] |= BIT(14);
		pv_inject_exception(1, -1);
	}
}

/* ---- I/O ports */
bool pv_iopl_ok(const struct vcpu *v)
{
	unsigned int kernel = v->domain->vm_assist & BIT(VMASST_TYPE_architectural_iopl) ? 0 : 1;

	return v->pv.iopl >= (v->pv.kernel_mode ? kernel : 3);
}

/* The guest's own bitmap (set_iobitmap) lets its user code at some ports. */
static bool iobitmap_ok(const struct vcpu *v, unsigned int port, unsigned int bytes)
{
	uint8_t b[2] = { 0xff, 0xff };

	if (port + bytes > v->pv.iobmp_limit)
		return false;
	if (copy_from_guest(b, guest_ptr((uint64_t)v->pv.iobmp + port / 8), 2))
		return false;
	return !((((unsigned int)b[0] | ((unsigned int)b[1] << 8)) >> (port & 7)) &
		 ((1u << bytes) - 1));
}

static bool port_allowed(const struct domain *d, unsigned int port, unsigned int bytes)
{
	return rangeset_contains(d->ioport_caps, port, port + bytes - 1);
}

static uint32_t port_in(struct domain *d, unsigned int port, unsigned int bytes)
{
	if ((port & ~3u) == 0xcfc && d->is_hardware) {
		if (!(d->pv.pci_cf8 & 0x80000000u))
			return ~0u;
		return pci_cf8_read(d->pv.pci_cf8, port & 3, bytes);
	}
	if (port == 0xcf8 && bytes == 4 && d->is_hardware)
		return d->pv.pci_cf8;
	if (!port_allowed(d, port, bytes))
		return ~0u;
	if (bytes == 1)
		return inb((uint16_t)port);
	if (bytes == 2)
		return inw((uint16_t)port);
	return inl((uint16_t)port);
}

static void port_out(struct domain *d, unsigned int port, unsigned int bytes, uint32_t val)
{
	if ((port & ~3u) == 0xcfc && d->is_hardware) {
		if (d->pv.pci_cf8 & 0x80000000u)
			pci_cf8_write(d->pv.pci_cf8, port & 3, bytes, val);
		return;
	}
	if (port == 0xcf8 && bytes == 4 && d->is_hardware) {
		d->pv.pci_cf8 = val;
		return;
	}
	if (!port_allowed(d, port, bytes))
		return;
	if (bytes == 1)
		outb((uint8_t)val, (uint16_t)port);
	else if (bytes == 2)
		outw((uint16_t)val, (uint16_t)port);
	else
		outl(val, (uint16_t)port);
}

static void set_low(uint64_t *reg, unsigned int bytes, uint32_t val)
{
	if (bytes == 4)
		*reg = val;
	else if (bytes == 2)
		*reg = (*reg & ~0xffffUL) | (val & 0xffff);
	else
		*reg = (*reg & ~0xffUL) | (val & 0xff);
}

/* ins, outs; with rep until the count is 0 or other work waits (then the instruction is taken up again). */
static bool emulate_string_io(struct vcpu *v, struct cpu_user_regs *regs, struct insn *i,
			      uint8_t op)
{
	unsigned int bytes = !(op & 1) ? 1 : i->opsize ? 2 : 4, port = regs->rdx & 0xffff;
	uint64_t step = regs->rflags & X86_EFLAGS_DF ? -(uint64_t)bytes : bytes;
	bool in = op < 0x6e;

	if (!pv_iopl_ok(v) && !iobitmap_ok(v, port, bytes))
		return false;
	while (!i->rep || regs->rcx) {
		uint32_t val = 0;
		uint64_t va = in ? regs->rdi : regs->rsi;

		if (in) {
			val = port_in(v->domain, port, bytes);
			if (copy_to_guest(guest_ptr(va), &val, bytes)) {
				pv_inject_page_fault(va, 2 | (v->pv.kernel_mode ? 0 : 4));
				return true;
			}
			regs->rdi += step;
		} else {
			if (copy_from_guest(&val, guest_ptr(va), bytes)) {
				pv_inject_page_fault(va, v->pv.kernel_mode ? 0 : 4);
				return true;
			}
			port_out(v->domain, port, bytes, val);
			regs->rsi += step;
		}
		if (!i->rep)
			break;
		if (--regs->rcx && preempt_needed())
			return true;
	}
	insn_done(regs, i);
	return true;
}

static bool emulate_io(struct vcpu *v, struct cpu_user_regs *regs, struct insn *i, uint8_t op)
{
	unsigned int bytes = !(op & 1) ? 1 : i->opsize ? 2 : 4;
	unsigned int port = op & 8 ? regs->rdx & 0xffff : insn_next(i);

	if (!pv_iopl_ok(v) && !iobitmap_ok(v, port, bytes))
		return false;
	if (op & 2)
		port_out(v->domain, port, bytes, (uint32_t)regs->rax);
	else
		set_low(&regs->rax, bytes, port_in(v->domain, port, bytes));
	insn_done(regs, i);
	return true;
}

/* ---- control and debug registers */
static bool read_cr(const struct vcpu *v, unsigned int n, uint64_t *val)
{
	switch (n) {
	case 0:
		*val = (read_cr0() & ~CR0_TS) | (v->pv.cr0 & CR0_TS);
		return true;
	case 2:
		*val = v->pv.cr2;
		return true;
	case 3:
		*val = v->pv.cr3_kernel & PTE_MFN_MASK;
		return true;
	case 4:
		*val = v->pv.cr4;
		return true;
	default:
		return false;
	}
}

static bool write_cr(struct vcpu *v, unsigned int n, uint64_t val)
{
	switch (n) {
	case 0:
		if ((val ^ read_cr0()) & ~CR0_TS)
			return false;
		hc_fpu_taskswitch(!!(val & CR0_TS));
		return true;
	case 2:
		v->pv.cr2 = val;
		v->vcpu_info->arch.cr2 = val;
		return true;
	case 3:
		return vcpu_set_kernel_cr3(v, pte_mfn(val)) == 0;
	case 4:
		/* The bits that matter to ring 3 are on already, or never (PCE, TSD: no row needs them). */
		v->pv.cr4 = val;
		return true;
	default:
		return false;
	}
}

static bool emulate_0f(struct vcpu *v, struct cpu_user_regs *regs, struct insn *i)
{
	uint8_t op = insn_next(i), modrm;
	uint64_t val;
	struct cpuid c;

	switch (op) {
	case 0x01:
		modrm = insn_next(i);
		if (modrm == 0xd1 && (uint32_t)regs->rcx == 0) { /* xsetbv */
			val = (uint32_t)regs->rax | (regs->rdx << 32);
			if ((val & ~cpu.xcr0_mask) || !xsetbv_safe(val))
				return false;
			v->pv.xcr0 = val;
			break;
		}
		return false;
	case 0x06: /* clts */
		hc_fpu_taskswitch(0);
		break;
	case 0x08: /* invd, wbinvd: memory is coherent for a guest without devices */
	case 0x09:
		if (v->domain->is_hardware)
			asm volatile("wbinvd" ::: "memory");
		break;
	case 0x20:
	case 0x22:
		modrm = insn_next(i);
		if (op == 0x20) {
			if (!read_cr(v, ((modrm >> 3) & 7) | (i->rex & 4 ? 8 : 0), &val))
				return false;
			*reg_ptr(regs, (modrm & 7) | (i->rex & 1 ? 8 : 0)) = val;
		} else if (!write_cr(v, ((modrm >> 3) & 7) | (i->rex & 4 ? 8 : 0),
				     *reg_ptr(regs, (modrm & 7) | (i->rex & 1 ? 8 : 0))))
			return false;
		break;
	case 0x21:
	case 0x23:
		modrm = insn_next(i);
		if (op == 0x21)
			*reg_ptr(regs, (modrm & 7) | (i->rex & 1 ? 8 : 0)) =
				(uint64_t)hc_get_debugreg((modrm >> 3) & 7);
		else if (hc_set_debugreg((modrm >> 3) & 7,
					 *reg_ptr(regs, (modrm & 7) | (i->rex & 1 ? 8 : 0))))
			return false;
		break;
	case 0x30:
		if (!pv_wrmsr(v, (uint32_t)regs->rcx, (uint32_t)regs->rax | (regs->rdx << 32)))
			return false;
		break;
	case 0x32:
		if (!pv_rdmsr(v, (uint32_t)regs->rcx, &val))
			return false;
		regs->rax = (uint32_t)val;
		regs->rdx = val >> 32;
		break;
	case 0xa2:
		c = pv_cpuid(v, (uint32_t)regs->rax, (uint32_t)regs->rcx);
		regs->rax = c.a;
		regs->rbx = c.b;
		regs->rcx = c.c;
		regs->rdx = c.d;
		break;
	default:
		return false;
	}
	insn_done(regs, i);
	return true;
}

bool pv_emulate_privileged(struct vcpu *v, struct cpu_user_regs *regs)
{
	struct insn i = { .pos = 0 };
	uint8_t op;

	if (!insn_fetch(&i, regs->rip))
		return false;
	op = insn_prefixes(&i);
	switch (op) {
	case 0x6c ... 0x6f:
		return emulate_string_io(v, regs, &i, op);
	case 0xe4 ... 0xe7:
	case 0xec ... 0xef:
		return emulate_io(v, regs, &i, op);
	case 0xfa: /* cli, sti: with I/O rights they do nothing; events are masked in vcpu_info */
	case 0xfb:
		if (!pv_iopl_ok(v))
			return false;
		insn_done(regs, &i);
		return true;
	case 0x0f:
		if (!v->pv.kernel_mode)
			return false;
		return emulate_0f(v, regs, &i);
	default:
		return false;
	}
}

/* ud2; .ascii "xen"; cpuid: the filtered CPUID for a kernel whose plain cpuid does not trap. */
bool pv_emulate_forced(struct vcpu *v, struct cpu_user_regs *regs)
{
	uint8_t b[7];
	struct cpuid c;

	if (copy_from_guest(b, guest_ptr(regs->rip), 5) || memcmp(b, "\x0f\x0bxen", 5))
		return false;
	if (copy_from_guest(b + 5, guest_ptr(regs->rip + 5), 2)) {
		pv_inject_page_fault(regs->rip + 5, 0);
		return true;
	}
	if (b[5] != 0x0f || b[6] != 0xa2)
		return false;
	c = pv_cpuid(v, (uint32_t)regs->rax, (uint32_t)regs->rcx);
	regs->rax = c.a;
	regs->rbx = c.b;
	regs->rcx = c.c;
	regs->rdx = c.d;
	regs->rip += 7;
	regs->rflags &= ~X86_EFLAGS_RF;
	return true;
}
