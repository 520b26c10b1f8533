// SPDX-License-Identifier: BSD-2-Clause
/*
 * x86/mm on a host: a hostile guest on a machine of 96 frames. It fills pages with entries, pins, unpins, hooks tables up, changes
 * base pointers, and never comes back to preempted calls; after every step the page-type checker recounts everything.
 */
#include "tests/unit/unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* The machine: user-space addresses in place of the hypervisor's, one CPU. */
#define HV_CONFIG_H
#define HV_CPUINFO_H
#define NR_CPUS	       64
#define PAGE_SHIFT     12
#define PAGE_SIZE      (1UL << PAGE_SHIFT)
#define PAGE_MASK      (~(PAGE_SIZE - 1))
#define STACK_SIZE     (8 * PAGE_SIZE)
#define HV_L4_FIRST    256
#define HV_L4_LAST     271
#define HV_VIRT_START  0xffff800000000000UL
#define HV_VIRT_END    0xffff880000000000UL
#define FRAMES_VIRT    0x200000000000UL
#define RW_M2P_VIRT    0x210000000000UL
#define DIRECTMAP_VIRT 0x220000000000UL

#include <xen/xen.h>
struct vcpu;
struct cpu_info {
	struct cpu_user_regs regs;
	uint64_t cpu;
	struct vcpu *curr;
	uint64_t exit_work;
};
static struct cpu_info the_cpu;
#define cpu_info() (&the_cpu)
#define current	   (the_cpu.curr)
#define smp_cpu()  0u

#include "hypervisor/x86/mm/frame.c"
#include "hypervisor/x86/mm/table.c"
#include "hypervisor/x86/mm/base.c"
#include "hypervisor/x86/mm/update.c"
#include "hypervisor/x86/mm/mmuext.c"
#include "hypervisor/x86/mm/relinquish.c"
#include "hypervisor/x86/mm/check.c"

#define FRAMES 96
#define OWN    80 /* the guest's frames; the rest is another domain's, and devices */
#define STEPS  30000

static uint64_t seed;

static unsigned int rnd(unsigned int n)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned int)(seed >> 33) % n;
}

/* ---- the rest of the hypervisor, as far as page tables need it */
uint64_t max_frame = FRAMES;
uint64_t idle_l4[512];
struct domain *domain_list, *dom_io, *dom_xen;
cpumask_t cpu_online = { 1 };
struct cpu_features cpu;
static struct domain guest, other, io, xen;
static struct vcpu vcpu, *vcpus[1] = { &vcpu };
static bool quiet = true;
static unsigned int freed, preemptions;

unsigned int smp_processor_id(void)
{
	return 0;
}
void get_domain(struct domain *d)
{
	d->refs++;
}
void put_domain(struct domain *d)
{
	ck_assert_uint_gt(d->refs, 0);
	d->refs--;
}
struct domain *get_domain_by_id(domid_t id)
{
	struct domain *d = id == guest.id ? &guest : id == other.id ? &other : NULL;

	if (d)
		get_domain(d);
	return d;
}
struct domain *get_pg_owner(domid_t id)
{
	return id == DOMID_SELF ? &guest : get_domain_by_id(id);
}
void put_pg_owner(struct domain *d)
{
	if (d && d != &guest)
		put_domain(d);
}
int l1_check_io(const struct domain *d, const struct domain *pg_owner, uint64_t *e)
{
	return pte_mfn(*e).v == FRAMES - 1 ? 0 : -XEN_EPERM;
}
bool rangeset_overlaps(const struct rangeset *r, uint64_t s, uint64_t e)
{
	return false;
}
bool descriptor_fix(uint64_t *desc)
{
	return true;
}
void ldt_invalidate(struct vcpu *v)
{
}
void ldt_load(struct vcpu *v)
{
}
uint32_t tlb_clock(void)
{
	return 7;
}
cpumask_t tlb_filter(cpumask_t set, uint32_t stamp)
{
	return set;
}
void tlb_flush_mask(cpumask_t set)
{
}
void tlb_flush_mask_va(cpumask_t set, uint64_t va)
{
}
void tlb_flush_local(void)
{
}
void tlb_flush_local_va(uint64_t va)
{
}
void tlb_write_cr3(uint64_t cr3)
{
	/* A CPU may load nothing but a valid L4. */
	const struct frame *f = frame_of(mfn(cr3 >> PAGE_SHIFT));

	ck_assert_uint_eq(frame_type(f), FT_L4);
	ck_assert(f->type & FT_VALIDATED);
}
void smp_call(cpumask_t set, void (*fn)(void *), void *arg, bool wait)
{
}
void guest_log(enum loglevel level, const char *fmt, ...)
{
}
void hv_log(enum loglevel level, const char *fmt, ...)
{
	va_list ap;

	if (quiet && level != LOG_ERR)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}
void *hv_alloc_pages(unsigned int order)
{
	return calloc(1, PAGE_SIZE << order);
}
void hv_free_pages(void *p, unsigned int order)
{
	free(p);
}
uint64_t copy_from_guest_raw(void *dst, uint64_t va, uint64_t bytes)
{
	memcpy(dst, (void *)va, bytes);
	return 0;
}
bool get_guest_16_raw(void *dst, uint64_t va)
{
	memcpy(dst, (void *)va, 16);
	return false;
}
uint64_t copy_to_guest_raw(uint64_t va, const void *src, uint64_t bytes)
{
	memcpy((void *)va, src, bytes);
	return 0;
}
/* The guest decides whether to come back. */
long hypercall_continue(unsigned long op, unsigned int nargs, ...)
{
	preemptions++;
	return -XEN_ERESTART;
}
void domain_release_page(struct frame *f)
{
	if (__atomic_fetch_and(&f->count, ~FC_ALLOCATED, __ATOMIC_SEQ_CST) & FC_ALLOCATED)
		frame_put(f);
}
void domain_free_page(struct frame *f)
{
	struct domain *d = f->owner == guest.id ? &guest : &other;

	ck_assert_uint_eq(f->count & (FC_COUNT | FC_ALLOCATED), 0);
	ck_assert_uint_eq(f->type & FT_COUNT, 0);
	if (f->prev == FRAME_NIL)
		d->page_list = f->next;
	else
		frame_of(mfn(f->prev))->next = f->next;
	if (f->next != FRAME_NIL)
		frame_of(mfn(f->next))->prev = f->prev;
	d->tot_pages--;
	freed++;
}

/* ---- the machine at start */
static void give(struct domain *d, unsigned int nr)
{
	struct frame *f = frame_of(mfn(nr));

	*f = (struct frame){
		.owner = d->id, .count = FC_ALLOCATED | 1, .next = d->page_list, .prev = FRAME_NIL
	};
	if (f->next != FRAME_NIL)
		frame_of(mfn(f->next))->prev = nr;
	d->page_list = nr;
	d->tot_pages++;
}

static void map_at(uint64_t va, size_t bytes)
{
	void *p = mmap((void *)va, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	ck_assert_ptr_eq(p, (void *)va);
}

static void setup(void)
{
	map_at(FRAMES_VIRT, FRAMES * sizeof(struct frame));
	map_at(RW_M2P_VIRT, FRAMES * 8);
	map_at(DIRECTMAP_VIRT, FRAMES * PAGE_SIZE);
	guest = (struct domain){
		.id = 1, .page_list = FRAME_NIL, .max_vcpus = 1, .vcpu = vcpus, .next = &other
	};
	other = (struct domain){ .id = 2, .page_list = FRAME_NIL };
	io.id = DOMID_IO;
	xen.id = DOMID_XEN;
	dom_io = &io;
	dom_xen = &xen;
	domain_list = &guest;
	vcpu = (struct vcpu){ .domain = &guest, .vcpu_info_mfn = MFN_NONE };
	vcpu.pv.kernel_mode = 1;
	current = &vcpu;
	for (unsigned int i = 0; i < FRAMES; i++)
		if (i == FRAMES - 1)
			*frame_of(mfn(i)) = (struct frame){ .owner = DOMID_IO, .count = FC_BROKEN };
		else if (i) /* nobody gets frame 0 */
			give(i < OWN ? &guest : &other, i);
	for (unsigned int i = HV_L4_FIRST; i <= HV_L4_LAST; i++)
		idle_l4[i] = (uint64_t)i << 12 | 3;
	freed = 0;
	preemptions = 0;
}

static void consistent(int step, unsigned int what)
{
	unsigned int n = frame_check_all();

	ck_assert_msg(!n, "step %d, operation %u: %u errors", step, what, n);
}

/* ---- what the guest does */
static unsigned int any_slot(void)
{
	static const uint16_t slots[] = { 0, 1, 7, 8, 9, 255, 256, 271, 272, 400, 511 };

	return slots[rnd(sizeof(slots) / sizeof(slots[0]))];
}

static uint64_t any_entry(void)
{
	static const uint64_t odd[] = { PTE_W, PTE_NX, PTE_PS, PTE_G, PTE_PCD };
	uint64_t e = pte_make(mfn(rnd(FRAMES + 2)), PTE_P | (rnd(2) ? PTE_U : 0));

	if (rnd(8) == 0)
		return rnd(2) ? 0 : e & ~PTE_P;
	if (rnd(2))
		e |= PTE_W;
	if (rnd(8) == 0)
		e |= odd[rnd(5)];
	return e;
}

/* Plain stores: only where the guest could have a writable mapping. */
static void scribble(void)
{
	struct frame *f = frame_of(mfn(rnd(OWN)));
	unsigned int kind = rnd(6);

	if (!(f->count & FC_COUNT) || frame_get_type(f, FT_WRITABLE))
		return;
	if (kind == 0)
		memset(table_of(f), 0, PAGE_SIZE);
	for (unsigned int i = 0; kind && i < 3; i++)
		table_of(f)[any_slot()] = any_entry();
	frame_put_type(f);
}

/* A tree that is likely to be good: each level's table names the next one in a row of frames. */
static void plant(void)
{
	unsigned int at = rnd(OWN - 5);

	for (unsigned int level = 1; level <= 4; level++) {
		struct frame *f = frame_of(mfn(at + level));
		uint64_t *t = table_of(f);

		if (!(f->count & FC_COUNT) || frame_get_type(f, FT_WRITABLE))
			return;
		memset(t, 0, PAGE_SIZE);
		for (unsigned int i = 0; i < 1 + rnd(4); i++)
			t[any_slot()] = pte_make(mfn(at + level - 1),
						 PTE_P | PTE_U | (level == 1 ? 0 : PTE_W));
		frame_put_type(f);
	}
}

static void update(void)
{
	struct mmu_update u[4];
	uint32_t done;
	unsigned int n = 1 + rnd(4);

	for (unsigned int i = 0; i < n; i++) {
		u[i].ptr = (uint64_t)rnd(FRAMES) << PAGE_SHIFT | any_slot() * 8 |
			   (rnd(3) ? 0 : MMU_PT_UPDATE_PRESERVE_AD);
		u[i].val = any_entry();
	}
	hc_mmu_update((unsigned long)u, n, (unsigned long)&done, DOMID_SELF);
}

static void extended(void)
{
	static const unsigned int cmds[] = { MMUEXT_PIN_L1_TABLE,     MMUEXT_PIN_L2_TABLE,
					     MMUEXT_PIN_L3_TABLE,     MMUEXT_PIN_L4_TABLE,
					     MMUEXT_UNPIN_TABLE,      MMUEXT_NEW_BASEPTR,
					     MMUEXT_NEW_USER_BASEPTR, MMUEXT_PIN_L4_TABLE,
					     MMUEXT_UNPIN_TABLE,      MMUEXT_CLEAR_PAGE };
	struct mmuext_op op[2];
	unsigned int n = 1 + rnd(2);

	for (unsigned int i = 0; i < n; i++) {
		op[i].cmd = cmds[rnd(sizeof(cmds) / sizeof(cmds[0]))];
		op[i].arg1.mfn = rnd(FRAMES + 1);
	}
	hc_mmuext_op((unsigned long)op, n, 0, DOMID_SELF);
}

/* Let go of a frame, as a balloon does. */
static void balloon(void)
{
	struct frame *f = frame_of(mfn(rnd(OWN)));

	if (rnd(400) == 0 && frame_get(f, &guest)) {
		domain_release_page(f);
		frame_put(f);
	}
}

static void one_step(int step, unsigned int preempt_chance)
{
	unsigned int what = rnd(16);

	the_cpu.exit_work = preempt_chance && rnd(preempt_chance) == 0;
	if (what < 3)
		scribble();
	else if (what < 6)
		plant();
	else if (what < 10)
		update();
	else if (what < 15)
		extended();
	else
		balloon();
	the_cpu.exit_work = 0;
	consistent(step, what);
}

static void tear_down(void)
{
	int rc;

	guest.dying = DOM_DYING;
	for (int i = 0; (rc = vcpu_drop_cr3(&vcpu)) != 0; i++) {
		ck_assert_int_eq(rc, -XEN_ERESTART);
		ck_assert_int_lt(i, 1000);
	}
	consistent(-1, 0);
	for (int i = 0; (rc = domain_relinquish_memory(&guest)) != 0; i++) {
		ck_assert_int_eq(rc, -XEN_ERESTART);
		ck_assert_int_lt(i, 1000);
		consistent(-2, 0);
	}
	consistent(-3, 0);
	ck_assert_uint_eq(guest.tot_pages, 0);
	ck_assert_uint_eq(guest.refs, 0);
	for (unsigned int i = 0; i < OWN; i++) {
		ck_assert_msg(!(frame_of(mfn(i))->count & FC_COUNT), "frame %#x is held by nobody",
			      i);
		ck_assert_uint_eq(frame_of(mfn(i))->type & FT_COUNT, 0);
	}
}

/* Preempted in every place it can be, often, and never. */
START_TEST(hostile_guest)
{
	static const unsigned int chance[] = { 0, 1, 2, 10 };

	seed = (uint64_t)_i * 77 + 5;
	for (int round = 0; round < 10; round++) {
		setup();
		for (int i = 0; i < STEPS / 10; i++)
			one_step(i, chance[_i & 3]);
		tear_down();
		munmap((void *)FRAMES_VIRT, FRAMES * sizeof(struct frame));
		munmap((void *)RW_M2P_VIRT, FRAMES * 8);
		munmap((void *)DIRECTMAP_VIRT, FRAMES * PAGE_SIZE);
	}
	if (chance[_i & 3])
		ck_assert_uint_gt(preemptions, 0);
}
END_TEST

/* A tree of four levels, many entries: preempted again and again, a guest that does come back gets its pin. */
START_TEST(preempted_pin)
{
	struct mmuext_op op = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = 4 };
	unsigned int tries = 0;

	setup();
	for (unsigned int i = 0; i < 200; i++) {
		table_of(frame_of(mfn(4)))[i] = pte_make(mfn(3), PTE_P | PTE_W | PTE_U);
		table_of(frame_of(mfn(3)))[i * 2] = pte_make(mfn(2), PTE_P | PTE_W | PTE_U);
		table_of(frame_of(mfn(2)))[i] = pte_make(mfn(1), PTE_P | PTE_W | PTE_U);
		table_of(frame_of(mfn(1)))[i] = pte_make(mfn(10 + i % 60), PTE_P | PTE_W | PTE_U);
	}
	the_cpu.exit_work = 1;
	while (hc_mmuext_op((unsigned long)&op, 1, 0, DOMID_SELF) == -XEN_ERESTART) {
		consistent((int)tries, 0);
		ck_assert_uint_lt(++tries, 10000);
	}
	ck_assert_uint_gt(tries, 500);
	ck_assert(frame_of(mfn(4))->type & FT_PINNED);
	ck_assert_uint_eq(frame_of(mfn(10))->type & FT_COUNT, 4);
	op.cmd = MMUEXT_UNPIN_TABLE;
	hc_mmuext_op((unsigned long)&op, 1, 0, DOMID_SELF);
	for (tries = 0; finish_old_table(&vcpu); tries++)
		consistent((int)tries, 1);
	ck_assert_uint_gt(tries, 500);
	ck_assert_uint_eq(frame_of(mfn(10))->type & FT_COUNT, 0);
	the_cpu.exit_work = 0;
	tear_down();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mm");
	TCase *t = tcase_create("machine of 96 frames");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, hostile_guest, 0, 4);
	tcase_add_test(t, preempted_pin);
	suite_add_tcase(s, t);
	return unit_run(s);
}
