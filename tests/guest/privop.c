// SPDX-License-Identifier: BSD-2-Clause
/*
 * Privileged instructions of the guest kernel that the hypervisor carries out or refuses:
 * cli and sti, MSRs, CPUID plain and forced, port I/O, control and debug registers, and the
 * exceptions for what is not offered. Linux runs every one of these on its way up.
 */

#include "guest.h"

const char test_name[] = "privop";

#define MSR_EFER	  0xc0000080
#define MSR_STAR	  0xc0000081
#define MSR_LSTAR	  0xc0000082
#define MSR_FS_BASE	  0xc0000100
#define MSR_GS_BASE	  0xc0000101
#define MSR_KERNEL_GS	  0xc0000102
#define MSR_APIC_BASE	  0x1b
#define MSR_PAT		  0x277
#define MSR_MISC_ENABLE	  0x1a0
#define MSR_MTRRCAP	  0xfe
#define MSR_SYSENTER_CS	  0x174
#define MSR_UCODE_REV	  0x8b
#define MSR_PLATFORM_INFO 0xce
#define MSR_SPEC_CTRL	  0x48
#define MSR_TSC		  0x10
#define MSR_NONE	  0x0000dead

static uint64_t msr_value;

static struct fault read_msr(uint32_t msr)
{
	static uint32_t lo, hi;
	struct fault f;

	lo = hi = 0;
	f = FAULT("mov %0, %%ecx; rdmsr; mov %%eax, %1; mov %%edx, %2", "r"(msr), "m"(lo), "m"(hi));
	msr_value = (uint64_t)hi << 32 | lo;
	return f;
}

static struct fault write_msr(uint32_t msr, uint64_t val)
{
	return FAULT("mov %0, %%ecx; mov %1, %%eax; mov %2, %%edx; wrmsr", "r"(msr),
		     "r"((uint32_t)val), "r"((uint32_t)(val >> 32)));
}

static long set_iopl(unsigned int level)
{
	struct physdev_set_iopl op = { .iopl = level };

	return hc_physdev_op(PHYSDEVOP_set_iopl, &op);
}

static void check_flags(void)
{
	struct fault f;
	unsigned long flags;

	/* Until the kernel has asked for an I/O privilege level of its own, it has none. */
	f = FAULT("cli");
	check_fault("cli at IOPL 0", &f, VEC_GP, 0);
	f = FAULT("sti");
	check_fault("sti at IOPL 0", &f, VEC_GP, 0);
	f = FAULT("out %%al, $0x80");
	check_fault("out at IOPL 0", &f, VEC_GP, 0);
	check("set_iopl 4", set_iopl(4), -XEN_EINVAL);
	check("set_iopl 1", set_iopl(1), 0);
	/* A PV kernel masks events through vcpu_info: cli and sti change nothing there. */
	f = FAULT("cli");
	check_fault("cli", &f, VEC_NONE, 0);
	check("event mask after cli", this_vcpu_info()->evtchn_upcall_mask, 1);
	f = FAULT("sti");
	check_fault("sti", &f, VEC_NONE, 0);
	check("event mask after sti", this_vcpu_info()->evtchn_upcall_mask, 1);
	asm volatile("pushfq; popq %0" : "=r"(flags));
	check("IOPL as pushf shows it", flags >> 12 & 3, 0);
	check("IF as pushf shows it", flags >> 9 & 1, 1);
	f = FAULT("pushfq; andl $~0x200, (%%rsp); popfq");
	check("popf that clears IF", f.vector, VEC_NONE);
	check("event mask after that", this_vcpu_info()->evtchn_upcall_mask, 1);
}

static void check_msr_read(const char *what, uint32_t msr, int vector)
{
	struct fault f = read_msr(msr);

	check_fault(what, &f, vector, 0);
	if (f.vector == VEC_NONE)
		info("%s %lx", what, msr_value);
}

static void check_msr_write(const char *what, uint32_t msr, uint64_t val, int vector)
{
	struct fault f = write_msr(msr, val);

	check_fault(what, &f, vector, 0);
}

static void check_msrs(void)
{
	uint64_t efer, apic, value;

	check_msr_read("rdmsr EFER", MSR_EFER, VEC_NONE);
	efer = msr_value;
	check("EFER as the kernel sees it", (long)(efer & 0xd01), 0xd01);
	check_msr_write("wrmsr EFER unchanged", MSR_EFER, efer, VEC_NONE);
	check_msr_read("rdmsr STAR", MSR_STAR, VEC_GP);
	check_msr_write("wrmsr STAR", MSR_STAR, 0, VEC_GP);
	check_msr_read("rdmsr LSTAR", MSR_LSTAR, VEC_GP);
	check_msr_write("wrmsr LSTAR", MSR_LSTAR, 0x1000, VEC_GP);
	check_msr_read("rdmsr SYSENTER_CS", MSR_SYSENTER_CS, VEC_GP);
	check_msr_read("rdmsr APIC_BASE", MSR_APIC_BASE, VEC_NONE);
	apic = msr_value;
	check_msr_write("wrmsr APIC_BASE unchanged", MSR_APIC_BASE, apic, VEC_GP);
	check_msr_read("rdmsr PAT", MSR_PAT, VEC_NONE);
	value = msr_value;
	check_true("PAT is the hypervisor's", value == 0x050100070406UL);
	check_msr_write("wrmsr PAT unchanged", MSR_PAT, value, VEC_GP);
	check_msr_write("wrmsr PAT changed", MSR_PAT, 0x0007040600070406UL, VEC_GP);
	check_msr_read("rdmsr PAT again", MSR_PAT, VEC_NONE);
	check_true("PAT did not change", value == msr_value);
	check_msr_read("rdmsr MISC_ENABLE", MSR_MISC_ENABLE, VEC_NONE);
	check_msr_read("rdmsr MTRRCAP", MSR_MTRRCAP, VEC_GP);
	check_msr_read("rdmsr UCODE_REV", MSR_UCODE_REV, VEC_NONE);
	check_msr_read("rdmsr PLATFORM_INFO", MSR_PLATFORM_INFO, VEC_NONE);
	check_msr_read("rdmsr SPEC_CTRL", MSR_SPEC_CTRL, VEC_GP);
	check_msr_read("rdmsr TSC", MSR_TSC, VEC_NONE);
	check_msr_write("wrmsr TSC", MSR_TSC, 0, VEC_GP);
	check_msr_read("rdmsr of one that does not exist", MSR_NONE, VEC_GP);
	check_msr_write("wrmsr of one that does not exist", MSR_NONE, 1, VEC_GP);
}

static void check_bases(void)
{
	static const uint64_t bad = 0x8000000000000000UL;
	uint64_t value;

	check_msr_write("wrmsr FS_BASE", MSR_FS_BASE, 0x12345000, VEC_NONE);
	check_msr_read("rdmsr FS_BASE", MSR_FS_BASE, VEC_NONE);
	check("FS_BASE", (long)msr_value, 0x12345000);
	check_msr_write("wrmsr GS_BASE", MSR_GS_BASE, UL(&value), VEC_NONE);
	value = 0x5ca1ab1e;
	asm volatile("movq %%gs:0, %0" : "=r"(msr_value));
	check("load through GS", (long)msr_value, 0x5ca1ab1e);
	check_msr_write("wrmsr KERNEL_GS_BASE", MSR_KERNEL_GS, 0x77777000, VEC_NONE);
	check_msr_read("rdmsr KERNEL_GS_BASE", MSR_KERNEL_GS, VEC_NONE);
	check("KERNEL_GS_BASE", (long)msr_value, 0x77777000);
	check_msr_read("rdmsr GS_BASE", MSR_GS_BASE, VEC_NONE);
	check_true("GS_BASE is kept", msr_value == UL(&value));
	check_msr_write("wrmsr FS_BASE non-canonical", MSR_FS_BASE, bad, VEC_GP);
	check_msr_write("wrmsr GS_BASE non-canonical", MSR_GS_BASE, bad, VEC_GP);
	check_msr_write("wrmsr KERNEL_GS_BASE non-canonical", MSR_KERNEL_GS, bad, VEC_GP);
	check("set_segment_base FS", hc_set_segment_base(SEGBASE_FS, 0x23456000), 0);
	check_msr_read("rdmsr FS_BASE", MSR_FS_BASE, VEC_NONE);
	check("FS_BASE from the hypercall", (long)msr_value, 0x23456000);
	check("set_segment_base GS user", hc_set_segment_base(SEGBASE_GS_USER, 0x34567000), 0);
	check_msr_read("rdmsr KERNEL_GS_BASE", MSR_KERNEL_GS, VEC_NONE);
	check("user GS base from the hypercall", (long)msr_value, 0x34567000);
	check("set_segment_base GS kernel", hc_set_segment_base(SEGBASE_GS_KERNEL, 0), 0);
	check("set_segment_base GS selector", hc_set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
	check("set_segment_base bad selector", hc_set_segment_base(SEGBASE_GS_USER_SEL, 0xe010), 0);
	check("set_segment_base non-canonical", hc_set_segment_base(SEGBASE_FS, bad), -XEN_EINVAL);
	check("set_segment_base unknown", hc_set_segment_base(9, 0), -XEN_EINVAL);
	hc_set_segment_base(SEGBASE_FS, 0);
}

struct leaf {
	uint32_t a, b, c, d;
};

static struct leaf cpuid(uint32_t leaf, uint32_t sub)
{
	struct leaf l;

	asm volatile("cpuid" : "=a"(l.a), "=b"(l.b), "=c"(l.c), "=d"(l.d) : "0"(leaf), "2"(sub));
	return l;
}

static struct leaf xen_cpuid(uint32_t leaf, uint32_t sub)
{
	struct leaf l;

	asm volatile(XEN_CPUID : "=a"(l.a), "=b"(l.b), "=c"(l.c), "=d"(l.d) : "0"(leaf), "2"(sub));
	return l;
}

static void check_cpuid(void)
{
	struct leaf l = xen_cpuid(0x40000000, 0);
	struct fault f;

	check_true("forced CPUID 0x40000000 is XenVMMXenVMM",
		   l.b == 0x566e6558 && l.c == 0x65584d4d && l.d == 0x4d4d566e);
	check_true("it names at least 4 leaves", l.a >= 0x40000003);
	l = xen_cpuid(0x40000001, 0);
	check("forced CPUID 0x40000001 is the version", l.a, 4 << 16 | 17);
	l = xen_cpuid(0x40000002, 0);
	check("forced CPUID 0x40000002 hypercall pages", l.a, 1);
	check("forced CPUID 0x40000002 feature: MMU_PT_UPDATE_PRESERVE_AD", l.c & 1, 1);
	l = xen_cpuid(1, 0);
	check("forced CPUID 1: hypervisor bit", l.c >> 31, 1);
	check("forced CPUID 1: APIC for domain 0", l.d >> 9 & 1, 1);
	check("forced CPUID 1: no PSE", l.d >> 3 & 1, 0);
	check("forced CPUID 1: no PGE", l.d >> 13 & 1, 0);
	check("forced CPUID 1: no VME", l.d >> 1 & 1, 0);
	check("forced CPUID 1: FPU", l.d & 1, 1);
	check("forced CPUID 1: PAE", l.d >> 6 & 1, 1);
	check("forced CPUID 1: MTRR for domain 0", l.d >> 12 & 1, 1);
	check("forced CPUID 1: no MONITOR", l.c >> 3 & 1, 0);
	check("forced CPUID 1: no PCID", l.c >> 17 & 1, 0);
	l = xen_cpuid(7, 0);
	check("forced CPUID 7: no SMEP", l.b >> 7 & 1, 0);
	check("forced CPUID 7: no SMAP", l.b >> 20 & 1, 0);
	check("forced CPUID 7: no INVPCID", l.b >> 10 & 1, 0);
	check("forced CPUID 7: no PKU", l.c >> 3 & 1, 0);
	check("forced CPUID 7: no LA57", l.c >> 16 & 1, 0);
	check("forced CPUID 7: no UMIP", l.c >> 2 & 1, 0);
	info("leaf 7 ebx %x", l.b);
	l = xen_cpuid(0x80000001, 0);
	check("forced CPUID 0x80000001: NX", l.d >> 20 & 1, 1);
	check("forced CPUID 0x80000001: long mode", l.d >> 29 & 1, 1);
	check("forced CPUID 0x80000001: SYSCALL", l.d >> 11 & 1, 1);
	check("forced CPUID 0x80000001: no 1 GiB pages", l.d >> 26 & 1, 0);
	check("forced CPUID 0x80000001: no SVM", l.c >> 2 & 1, 0);
	/* Without CPUID faulting a plain one runs on the CPU and shows the CPU's own words. */
	f = FAULT("xor %%eax, %%eax; cpuid");
	check("plain CPUID", f.vector, VEC_NONE);
	l = cpuid(0, 0);
	check_true("plain CPUID 0 has leaves", l.a >= 7);
	f = FAULT(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6d; nop");
	check_fault("a prefix that is not quite it", &f, VEC_UD, 0);
	f = FAULT(XEN_EMULATE_PREFIX "nop");
	check_fault("the prefix before another instruction", &f, VEC_UD, 0);
}

static long in8(uint16_t port)
{
	static long value;
	struct fault f = FAULT("xor %%eax, %%eax; mov %w0, %%dx; in %%dx, %%al; mov %%rax, %1",
			       "r"(port), "m"(value));

	return f.vector == VEC_NONE ? value : -1 - f.vector;
}

static void check_ports(void)
{
	static volatile unsigned char sink[16] = { 0x55 };
	struct fault f;

	f = FAULT("mov $0x80, %%dx; xor %%eax, %%eax; out %%al, %%dx");
	check("out to the POST port", f.vector, VEC_NONE);
	f = FAULT("out %%al, $0x80");
	check("out imm to the POST port", f.vector, VEC_NONE);
	f = FAULT("mov $0x64, %%dx; in %%dx, %%al");
	check("in from the keyboard controller", f.vector, VEC_NONE);
	f = FAULT("mov $0x71, %%dx; in %%dx, %%al");
	check("in from the RTC", f.vector, VEC_NONE);
	f = FAULT("mov $0xcf8, %%dx; mov $0x80000000, %%eax; out %%eax, %%dx; "
		  "mov $0xcfc, %%dx; in %%dx, %%eax");
	check("PCI configuration by ports", f.vector, VEC_NONE);
	/*
	 * The hypervisor's own devices: UART (the console), both PICs, the timer. With the I/O
	 * privilege level granted these do not fault: reads are all ones, writes go nowhere.
	 */
	check("in from the hypervisor's UART", in8(0x3fd), 0xff);
	check("in from the first PIC's mask", in8(0x21), 0xff);
	check("in from the second PIC's mask", in8(0xa1), 0xff);
	f = FAULT("mov $0x3f8, %%dx; mov $'!', %%al; out %%al, %%dx");
	check("out to the hypervisor's UART", f.vector, VEC_NONE);
	f = FAULT("mov $0xa1, %%dx; out %%al, %%dx");
	check("out to the second PIC", f.vector, VEC_NONE);
	f = FAULT("mov $0x43, %%dx; out %%al, %%dx");
	check("out to the timer's command port", f.vector, VEC_NONE);
	f = FAULT("mov $0x71, %%dx; push %%rdi; insb; pop %%rdi", "D"(sink));
	check("insb from the RTC", f.vector, VEC_NONE);
	check_true("insb stored a byte", sink[0] != 0x55);
	sink[0] = 0x55;
	f = FAULT("mov $0x80, %%dx; push %%rsi; mov $3, %%ecx; rep outsb; pop %%rsi", "S"(sink));
	check("rep outsb to the POST port", f.vector, VEC_NONE);
}

static void check_control(void)
{
	static uint64_t value;
	struct fault f;

	f = FAULT("mov %%cr0, %%rax; mov %%rax, %0", "m"(value));
	check("read of cr0", f.vector, VEC_NONE);
	check("cr0 PE, WP and PG", (long)(value & 0x80010001), 0x80010001);
	check("cr0 TS", value >> 3 & 1, 0);
	f = FAULT("mov %0, %%cr0", "r"(value));
	check("write of cr0 unchanged", f.vector, VEC_NONE);
	f = FAULT("mov %0, %%cr0", "r"(value & ~0x10000UL));
	check_fault("write of cr0 without WP", &f, VEC_GP, 0);
	f = FAULT("mov %0, %%cr0", "r"(value | 8));
	check("write of cr0 with TS", f.vector, VEC_NONE);
	f = FAULT("fnop");
	check("x87 after that", f.vector, VEC_NM);
	f = FAULT("clts");
	check("clts", f.vector, VEC_NONE);
	f = FAULT("mov %0, %%cr2; mov %%cr2, %%rax; mov %%rax, %1", "r"(0x1234000UL), "m"(value));
	check("write and read of cr2", f.vector, VEC_NONE);
	check("cr2", (long)value, 0x1234000);
	f = FAULT("mov %%cr3, %%rax; mov %%rax, %0", "m"(value));
	check("read of cr3", f.vector, VEC_NONE);
	check_true("cr3 names the L4", value == virt_to_mfn((void *)start_info->pt_base) << 12);
	f = FAULT("mov %0, %%cr3", "r"(value));
	check("write of cr3 unchanged", f.vector, VEC_NONE);
	f = FAULT("mov %0, %%cr3", "r"(virt_to_mfn(&value) << 12));
	check_fault("write of cr3 to a data page", &f, VEC_GP, 0);
	f = FAULT("mov %%cr4, %%rax; mov %%rax, %0", "m"(value));
	check("read of cr4", f.vector, VEC_NONE);
	info("cr4 %lx", value);
	check("cr4 PAE", value >> 5 & 1, 1);
	check("cr4 hides PSE, PGE, SMEP and SMAP from the kernel", (long)(value & 0x300090), 0);
	f = FAULT("mov %0, %%cr4", "r"(value));
	check("write of cr4 unchanged", f.vector, VEC_NONE);
	f = FAULT("mov %0, %%cr4", "r"(value ^ 0x20));
	check("write of cr4 without PAE is ignored", f.vector, VEC_NONE);
	f = FAULT("mov %%cr8, %%rax");
	check_fault("read of cr8", &f, VEC_GP, 0);
	f = FAULT("wbinvd");
	check("wbinvd", f.vector, VEC_NONE);
	f = FAULT("invlpg (%0)", "r"(test_name));
	check_fault("invlpg", &f, VEC_GP, 0);
	f = FAULT("smsw %%ax");
	check("smsw", f.vector, VEC_NONE);
	f = FAULT("swapgs");
	check_fault("swapgs", &f, VEC_GP, 0);
	f = FAULT("sgdt -16(%%rsp)");
	check("sgdt", f.vector, VEC_NONE);
	f = FAULT("vmcall");
	check_fault("vmcall", &f, VEC_UD, 0);
	f = FAULT("xor %%ecx, %%ecx; xgetbv");
	info("xgetbv vector %d", f.vector);
}

static void check_debugregs(void)
{
	static uint64_t value;
	struct fault f;

	check("set_debugreg 0", hc_set_debugreg(0, 0x4000), 0);
	check("get_debugreg 0", hc_get_debugreg(0), 0x4000);
	f = FAULT("mov %%dr0, %%rax; mov %%rax, %0", "m"(value));
	check("read of dr0", f.vector, VEC_NONE);
	check("dr0", (long)value, 0x4000);
	f = FAULT("mov %0, %%dr1", "r"(0x5000UL));
	check("write of dr1", f.vector, VEC_NONE);
	check("get_debugreg 1", hc_get_debugreg(1), 0x5000);
	check("set_debugreg 0 into the hypervisor", hc_set_debugreg(0, HYPERVISOR_VIRT_START),
	      -XEN_EPERM);
	check("set_debugreg 0 non-canonical", hc_set_debugreg(0, 0x8000000000000000UL), -XEN_EPERM);
	check("set_debugreg 8", hc_set_debugreg(8, 0), -XEN_ENODEV);
	check("get_debugreg 8", hc_get_debugreg(8), -XEN_ENODEV);
	check("get_debugreg 7", hc_get_debugreg(7), 0x400);
	check("set_debugreg 7 with an I/O breakpoint", hc_set_debugreg(7, 0x20402), -XEN_EPERM);
	/* A write breakpoint on our own variable. */
	check("set_debugreg 0 on a variable", hc_set_debugreg(0, &value), 0);
	check("set_debugreg 7 write breakpoint", hc_set_debugreg(7, 0x90403), 0);
	f = FAULT("movq $1, %0; nop", "m"(value));
	check_fault("breakpoint on a write", &f, VEC_DB, 0);
	check("its dr6", hc_get_debugreg(6) & 0xf, 1);
	check("set_debugreg 7 off", hc_set_debugreg(7, 0), 0);
	check("set_debugreg 6", hc_set_debugreg(6, 0), 0);
	f = FAULT("movq $1, %0; nop", "m"(value));
	check("no breakpoint any more", f.vector, VEC_NONE);
}

void test_main(void)
{
	check_flags();
	check_msrs();
	check_bases();
	check_cpuid();
	check_ports();
	check_control();
	check_debugregs();
}
