/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space, and message-signalled interrupts (MSI, MSI-X). */
#ifndef HV_X86_MSI_H
#define HV_X86_MSI_H

#include <hv/types.h>

/* `bytes` is 1, 2 or 4, reg naturally aligned. Segment 0 only. Registers above 255 read as ones, unless MMCONFIG is there. */
uint32_t pci_conf_read(unsigned int bus, unsigned int devfn, unsigned int reg, unsigned int bytes);
void pci_conf_write(unsigned int bus, unsigned int devfn, unsigned int reg, unsigned int bytes,
		    uint32_t v);
/* One message. */
struct msi;
/* MSI of a function (entry ignored), or entry of its MSI-X table; at table_base when that is not 0. -XEN_ENODEV,
 * -XEN_EINVAL, -XEN_ENOMEM, -XEN_EEXIST (in use), or 0. The message is masked. */
int msi_new(unsigned int bus, unsigned int devfn, bool msix, unsigned int entry, struct msi **out);
void msi_release(struct msi *m); /* masks and frees */
void msi_write(struct msi *m, uint8_t vector, unsigned int cpu); /* where it goes */
void msi_mask(struct msi *m, bool masked);
/* Write all messages of a function again (after it lost its state). 0 or -XEN_ENODEV. */
int msi_restore(unsigned int bus, unsigned int devfn);

/* x86/irq.c: an irq number with a vector for m, and the message written. irq or -XEN_ENOSPC. */
int irq_alloc_msi(struct msi *m);

#endif
