/* SPDX-License-Identifier: BSD-2-Clause */
/* Every symbol of the hypervisor image is local to it: no GOT, plain RIP-relative references. */
#ifndef __ASSEMBLY__
#pragma GCC visibility push(hidden)
#endif
