/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space through ports 0xcf8 and 0xcfc. */
#ifndef HV_X86_PCI_H
#define HV_X86_PCI_H

#include <hv/types.h>

/* cf8: the address word (enable bit, bus, device, function, register); bytes 1, 2 or 4; off 0..3 within the word. */
uint32_t pci_cf8_read(uint32_t cf8, unsigned int off, unsigned int bytes);
void pci_cf8_write(uint32_t cf8, unsigned int off, unsigned int bytes, uint32_t val);

static inline uint32_t pci_cf8(unsigned int bus, unsigned int devfn, unsigned int reg)
{
	return 0x80000000u | (bus << 16) | (devfn << 8) | (reg & 0xfc);
}

#endif
