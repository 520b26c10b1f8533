// SPDX-License-Identifier: BSD-2-Clause
/* PCI configuration space; MSI capabilities and MSI-X tables. */
#include <hv/heap.h>
#include <hv/lib.h>
#include <hv/lock.h>
#include <hv/mm.h>
#include <hv/smp.h>
#include <hv/x86/cpu.h>
#include <hv/x86/msi.h>
#include <hv/x86/pci.h>

#define CAP_MSI	     0x05
#define CAP_MSIX     0x11
#define MSI_64BIT    BIT(7)
#define MSI_MASKABLE BIT(8)
#define MSI_ADDRESS  0xfee00000u

uint32_t pci_conf_read(unsigned int bus, unsigned int devfn, unsigned int reg, unsigned int bytes)
{
	if (reg > 255)
		return ~0u;
	return pci_cf8_read(pci_cf8(bus & 255, devfn & 255, reg), reg & 3, bytes);
}

void pci_conf_write(unsigned int bus, unsigned int devfn, unsigned int reg, unsigned int bytes,
		    uint32_t v)
{
	if (reg <= 255)
		pci_cf8_write(pci_cf8(bus & 255, devfn & 255, reg), reg & 3, bytes, v);
}

struct msi {
	struct msi *next;
	unsigned int bus, devfn, entry;
	unsigned int cap; /* offset of the capability */
	volatile uint32_t *slot; /* MSI-X table entry, NULL for MSI */
	uint16_t control; /* MSI's, as found */
	uint8_t vector;
	unsigned int cpu;
	bool masked;
};

static struct msi *all; /* msi_lock */
static spinlock_t msi_lock;

static unsigned int find_cap(unsigned int bus, unsigned int devfn, unsigned int id)
{
	unsigned int at;

	if (pci_conf_read(bus, devfn, 0, 2) == 0xffff || !(pci_conf_read(bus, devfn, 6, 2) & 0x10))
		return 0;
	at = pci_conf_read(bus, devfn, 0x34, 1) & 0xfc;
	for (unsigned int n = 0; at >= 0x40 && n < 48; n++) {
		if (pci_conf_read(bus, devfn, at, 1) == id)
			return at;
		at = pci_conf_read(bus, devfn, at + 1, 1) & 0xfc;
	}
	return 0;
}

/* Physical address of the function's memory BAR; 0 when it has none there. */
static uint64_t bar_address(unsigned int bus, unsigned int devfn, unsigned int bir)
{
	uint32_t lo, hi = 0;

	if (bir > 5)
		return 0;
	lo = pci_conf_read(bus, devfn, 0x10 + bir * 4, 4);
	if (lo & 1)
		return 0;
	if ((lo & 6) == 4 && bir < 5)
		hi = pci_conf_read(bus, devfn, 0x14 + bir * 4, 4);
	return ((uint64_t)hi << 32) | (lo & ~15u);
}

static int map_slot(struct msi *m)
{
	uint16_t control = (uint16_t)pci_conf_read(m->bus, m->devfn, m->cap + 2, 2);
	uint32_t table = pci_conf_read(m->bus, m->devfn, m->cap + 4, 4);
	uint64_t bar = bar_address(m->bus, m->devfn, table & 7), pa;

	if (m->entry > (control & 0x7ffU) || !bar)
		return -XEN_EINVAL;
	pa = bar + (table & ~7u) + m->entry * 16;
	if (mfn_valid(mfn(pa >> PAGE_SHIFT)) && frame_of(mfn(pa >> PAGE_SHIFT))->owner != DOMID_IO)
		return -XEN_EINVAL; /* a BAR that points into memory */
	m->slot = ioremap(pa, 16, true);
	return m->slot ? 0 : -XEN_ENOMEM;
}

int msi_new(unsigned int bus, unsigned int devfn, bool msix, unsigned int entry, struct msi **out)
{
	unsigned int cap = find_cap(bus, devfn, msix ? CAP_MSIX : CAP_MSI);
	struct msi *m;
	uint64_t flags;
	int rc = 0;

	if (!cap)
		return -XEN_ENODEV;
	m = hv_alloc(sizeof(*m));
	if (!m)
		return -XEN_ENOMEM;
	m->bus = bus;
	m->devfn = devfn;
	m->entry = msix ? entry : 0;
	m->cap = cap;
	m->masked = true;
	if (msix)
		rc = map_slot(m);
	else
		m->control = (uint16_t)pci_conf_read(bus, devfn, cap + 2, 2);
	flags = spin_lock_irqsave(&msi_lock);
	for (struct msi *o = all; o && !rc; o = o->next)
		if (o->bus == bus && o->devfn == devfn && o->cap == cap && o->entry == m->entry)
			rc = -XEN_EEXIST;
	if (!rc) {
		m->next = all;
		all = m;
	}
	spin_unlock_irqrestore(&msi_lock, flags);
	if (rc) {
		if (m->slot)
			iounmap((void *)(uintptr_t)m->slot, 16);
		hv_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

void msi_release(struct msi *m)
{
	uint64_t flags;

	msi_mask(m, true);
	flags = spin_lock_irqsave(&msi_lock);
	for (struct msi **p = &all; *p; p = &(*p)->next)
		if (*p == m) {
			*p = m->next;
			break;
		}
	spin_unlock_irqrestore(&msi_lock, flags);
	if (m->slot)
		iounmap((void *)(uintptr_t)m->slot, 16);
	hv_free(m);
}

void msi_mask(struct msi *m, bool masked)
{
	m->masked = masked;
	if (m->slot) {
		m->slot[3] = (m->slot[3] & ~1u) | masked;
		(void)m->slot[3]; /* posted write reaches the device */
	} else if (m->control & MSI_MASKABLE) {
		unsigned int at = m->cap + (m->control & MSI_64BIT ? 0x10 : 0x0c);

		pci_conf_write(m->bus, m->devfn, at, 4, masked ? ~0u : 0);
	}
}

void msi_write(struct msi *m, uint8_t vector, unsigned int c)
{
	uint32_t address = MSI_ADDRESS | (cpu_apic_id[c] & 0xff) << 12;
	bool was = m->masked;

	m->vector = vector;
	m->cpu = c;
	if (m->slot) {
		msi_mask(m, true); /* nobody may see half of it */
		m->slot[0] = address;
		m->slot[1] = 0;
		m->slot[2] = vector;
		msi_mask(m, was);
		return;
	}
	pci_conf_write(m->bus, m->devfn, m->cap + 4, 4, address);
	if (m->control & MSI_64BIT) {
		pci_conf_write(m->bus, m->devfn, m->cap + 8, 4, 0);
		pci_conf_write(m->bus, m->devfn, m->cap + 12, 2, vector);
	} else {
		pci_conf_write(m->bus, m->devfn, m->cap + 8, 2, vector);
	}
}

int msi_restore(unsigned int bus, unsigned int devfn)
{
	uint64_t flags = spin_lock_irqsave(&msi_lock);
	int rc = -XEN_ENODEV;

	for (struct msi *m = all; m; m = m->next)
		if (m->bus == bus && m->devfn == devfn) {
			bool masked = m->masked;

			msi_write(m, m->vector, m->cpu);
			msi_mask(m, masked);
			rc = 0;
		}
	spin_unlock_irqrestore(&msi_lock, flags);
	return rc;
}
