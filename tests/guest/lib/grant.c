// SPDX-License-Identifier: BSD-2-Clause
// The grant table: one frame of version 1 entries, mapped over a page of the image.

#include "guest.h"

struct grant_entry_v1 *grants_init(void)
{
	static char table[PAGE_SIZE] __attribute__((aligned(4096)));
	struct gnttab_setup_table op;
	xen_pfn_t frame = 0;
	long ret;

	memset(&op, 0, sizeof(op));
	op.dom = DOMID_SELF;
	op.nr_frames = 1;
	set_xen_guest_handle(op.frame_list, &frame);
	ret = hc_grant_table_op(GNTTABOP_setup_table, &op, 1);
	if (ret || op.status)
		test_error("setup_table returned %ld, status %d", ret, op.status);
	ret = map_page(table, mkpte(frame, PTE_RW));
	if (ret)
		test_error("mapping the grant table's frame returned %ld", ret);
	return (struct grant_entry_v1 *)table;
}
