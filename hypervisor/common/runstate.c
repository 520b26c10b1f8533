// SPDX-License-Identifier: BSD-2-Clause
// Runstates: how long a vcpu ran, waited, was blocked or offline; and the guest's copy of it.
#include <hv/domain.h>
#include <hv/guest_access.h>
#include <hv/mm.h>
#include <hv/sched.h>

void vcpu_runstate_change(struct vcpu *v, int new_state, s_time_t time)
{
	int64_t spent = time - (int64_t)v->runstate.state_entry_time;

	if (v->runstate.state == new_state)
		return;
	if (spent > 0) {
		v->runstate.time[v->runstate.state] += (uint64_t)spent;
		v->runstate.state_entry_time = (uint64_t)time;
	}
	v->runstate.state = new_state;
}

/*
 * Write part of the area through the kernel's tables though the user's are loaded: look the page up, hold it as writable
 * meanwhile. An area that is not there, or not writable, is not written; the guest's loss.
 */
static bool write_by_walk(struct vcpu *v, uint64_t va, const void *src, uint64_t bytes)
{
	while (bytes) {
		uint64_t n = MIN(bytes, PAGE_SIZE - (va & ~PAGE_MASK));
		uint64_t *l1e = guest_l1e_ptr(mfn(v->pv.cr3_kernel >> PAGE_SHIFT), va);
		uint64_t e = l1e ? READ_ONCE(*l1e) : 0;
		struct frame *f;

		if ((e & (PTE_P | PTE_W | PTE_U)) != (PTE_P | PTE_W | PTE_U) ||
		    !mfn_valid(pte_mfn(e)))
			return false;
		f = frame_of(pte_mfn(e));
		if (!frame_get_and_type(f, v->domain, FT_WRITABLE))
			return false;
		memcpy((char *)mfn_to_virt(pte_mfn(e)) + (va & ~PAGE_MASK), src, n);
		frame_put_and_type(f);
		va += n;
		src = (const char *)src + n;
		bytes -= n;
	}
	return true;
}

static bool area_write(struct vcpu *v, uint64_t offset, const void *src, uint64_t bytes)
{
	uint64_t va = v->runstate_area.va + offset;

	if (likely(v->pv.kernel_mode))
		return copy_to_guest(guest_ptr(va), src, bytes) == 0;
	return guest_range_ok(va, bytes) && write_by_walk(v, va, src, bytes);
}

/* The area's field that says when the state was entered; its top bit marks an update under way. */
#define ENTRY_TIME offsetof(vcpu_runstate_info_t, state_entry_time)

void vcpu_runstate_publish(struct vcpu *v)
{
	vcpu_runstate_info_t copy;

	if (!v->runstate_area.va)
		return;
	copy = v->runstate;
	if (!(v->domain->vm_assist & BIT(VMASST_TYPE_runstate_update_flag))) {
		(void)area_write(v, 0, &copy,
				 sizeof(copy)); /* the guest's own page, the guest's loss */
		return;
	}
	copy.state_entry_time |= XEN_RUNSTATE_UPDATE;
	if (!area_write(v, ENTRY_TIME, &copy.state_entry_time, sizeof(copy.state_entry_time)))
		return;
	smp_wmb();
	if (!area_write(v, 0, &copy, sizeof(copy)))
		return;
	smp_wmb();
	copy.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
	(void)area_write(v, ENTRY_TIME, &copy.state_entry_time, sizeof(copy.state_entry_time));
}

uint64_t vcpu_run_time(struct vcpu *v)
{
	uint64_t ran = v->runstate.time[RUNSTATE_running];
	int64_t since = now() - (int64_t)v->runstate.state_entry_time;

	if (v->runstate.state == RUNSTATE_running && since > 0)
		ran += (uint64_t)since;
	return ran;
}
