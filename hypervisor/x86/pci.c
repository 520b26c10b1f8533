// SPDX-License-Identifier: BSD-2-Clause
// PCI configuration space. The address port holds one word for the whole machine, so both ports are under one lock.

#include <hv/lock.h>
#include <hv/x86/cpu.h>
#include <hv/x86/pci.h>

static spinlock_t cf8_lock;

uint32_t pci_cf8_read(uint32_t cf8, unsigned int off, unsigned int bytes)
{
	uint64_t flags = spin_lock_irqsave(&cf8_lock);
	uint32_t val;

	outl(cf8, 0xcf8);
	if (bytes == 1)
		val = inb((uint16_t)(0xcfc + off));
	else if (bytes == 2)
		val = inw((uint16_t)(0xcfc + off));
	else
		val = inl(0xcfc);
	spin_unlock_irqrestore(&cf8_lock, flags);
	return val;
}

void pci_cf8_write(uint32_t cf8, unsigned int off, unsigned int bytes, uint32_t val)
{
	uint64_t flags = spin_lock_irqsave(&cf8_lock);

	outl(cf8, 0xcf8);
	if (bytes == 1)
		outb((uint8_t)val, (uint16_t)(0xcfc + off));
	else if (bytes == 2)
		outw((uint16_t)val, (uint16_t)(0xcfc + off));
	else
		outl(val, 0xcfc);
	spin_unlock_irqrestore(&cf8_lock, flags);
}
