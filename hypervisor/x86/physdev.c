// SPDX-License-Identifier: BSD-2-Clause
/* physdev_op: domain 0's dealings with interrupt controllers and PCI devices. */
#include <hv/boot.h>
#include <hv/domain.h>
#include <hv/hypercall.h>
#include <hv/irq.h>
#include <hv/x86/apic.h>
#include <hv/x86/msi.h>

/* ---- interrupts */

long hc_physdev_eoi(struct physdev_eoi *a)
{
	struct domain *d = current->domain;

	if (a->irq >= d->nr_pirqs || pirq_to_irq(d, a->irq) < 0)
		return -XEN_EINVAL;
	pirq_guest_eoi(d, a->irq);
	return 0;
}

long hc_physdev_irq_status_query(struct physdev_irq_status_query *a)
{
	struct domain *d = current->domain;

	if (a->irq >= d->nr_pirqs)
		return -XEN_EINVAL;
	a->flags = pirq_needs_eoi(d, a->irq) ? XENIRQSTAT_needs_eoi : 0;
	return 0;
}

long hc_physdev_setup_gsi(struct physdev_setup_gsi *a)
{
	int rc;

	if (a->gsi < 0 || (unsigned int)a->gsi >= nr_gsis)
		return -XEN_EINVAL;
	rc = irq_set_type((unsigned int)a->gsi, a->triggering, a->polarity);
	if (rc)
		guest_trace("GSI %d: error %d", a->gsi, rc);
	return rc;
}

/* Kernels of long ago ask for a vector and use the line's number instead. */
long hc_physdev_alloc_irq_vector(struct physdev_irq *a)
{
	struct domain *d = current->domain;
	int rc;

	if (a->irq >= nr_gsis || a->irq >= d->nr_pirqs)
		return -XEN_EINVAL;
	spin_lock(&d->event_lock);
	rc = pirq_map(d, (int)a->irq, a->irq);
	spin_unlock(&d->event_lock);
	a->vector = a->irq;
	return rc < 0 ? rc : 0;
}

long hc_physdev_apic_read(struct physdev_apic *a)
{
	return ioapic_reg_read(a->apic_physbase, a->reg, &a->value) ? 0 : -XEN_EINVAL;
}

/* Redirection entries are ours: what domain 0 wants to say comes with setup_gsi. */
long hc_physdev_apic_write(struct physdev_apic *a)
{
	uint32_t now_there;

	return ioapic_reg_read(a->apic_physbase, a->reg, &now_there) ? 0 : -XEN_EINVAL;
}

static int map_gsi(struct domain *d, struct physdev_map_pirq *a)
{
	int irq = a->index;

	if (irq < 0 || (unsigned int)irq >= nr_gsis)
		return -XEN_EINVAL;
	return pirq_map(d, a->pirq < 0 ? irq : a->pirq, (unsigned int)irq);
}

static int map_msi(struct domain *d, struct physdev_map_pirq *a)
{
	unsigned int seg = a->type == MAP_PIRQ_TYPE_MSI ? 0 : (uint32_t)a->bus >> 16;
	struct msi *m;
	int irq, rc;

	if (seg)
		return -XEN_ENODEV;
	if (a->type == MAP_PIRQ_TYPE_MULTI_MSI && a->entry_nr > 1)
		return -XEN_EOPNOTSUPP; /* drivers then do with one message */
	rc = msi_new((unsigned int)a->bus & 255, (unsigned int)a->devfn & 255, a->table_base != 0,
		     (unsigned int)a->entry_nr, &m);
	if (rc)
		return rc;
	irq = irq_alloc_msi(m);
	if (irq < 0) {
		msi_release(m);
		return irq;
	}
	rc = pirq_map(d, a->pirq, (unsigned int)irq);
	if (rc < 0)
		irq_free_msi((unsigned int)irq);
	return rc;
}

/* Only domain 0 has devices, its own; others' need IOMMU support that is not there. */
static long pirq_domain_ref(domid_t id, struct domain **d)
{
	if (!current_is_privileged())
		return -XEN_EPERM;
	*d = get_domain_or_self(id);
	return *d ? 0 : -XEN_ESRCH;
}

long hc_physdev_map_pirq(struct physdev_map_pirq *a)
{
	struct domain *d;
	long rc = pirq_domain_ref(a->domid, &d);

	if (rc)
		return rc;
	spin_lock(&d->event_lock);
	switch (a->type) {
	case MAP_PIRQ_TYPE_GSI:
		rc = map_gsi(d, a);
		break;
	case MAP_PIRQ_TYPE_MSI:
	case MAP_PIRQ_TYPE_MSI_SEG:
	case MAP_PIRQ_TYPE_MULTI_MSI:
		rc = map_msi(d, a);
		break;
	default:
		rc = -XEN_EINVAL;
	}
	spin_unlock(&d->event_lock);
	if (rc < 0)
		guest_trace("map_pirq type %d index %d device %x:%x entry %d: error %ld", a->type,
			    a->index, a->bus, a->devfn, a->entry_nr, rc);
	else
		a->pirq = (int)rc;
	put_domain(d);
	return rc < 0 ? rc : 0;
}

long hc_physdev_unmap_pirq(struct physdev_unmap_pirq *a)
{
	struct domain *d;
	long rc = pirq_domain_ref(a->domid, &d);

	if (rc)
		return rc;
	spin_lock(&d->event_lock);
	rc = a->pirq < 0 ? -XEN_EINVAL : pirq_unmap(d, (uint32_t)a->pirq);
	spin_unlock(&d->event_lock);
	put_domain(d);
	return rc;
}

long hc_physdev_get_free_pirq(struct physdev_get_free_pirq *a)
{
	struct domain *d = current->domain;
	int rc;

	if (a->type != MAP_PIRQ_TYPE_GSI && a->type != MAP_PIRQ_TYPE_MSI)
		return -XEN_EINVAL;
	spin_lock(&d->event_lock);
	rc = pirq_find_free(d, a->type == MAP_PIRQ_TYPE_GSI);
	spin_unlock(&d->event_lock);
	if (rc < 0)
		return rc;
	a->pirq = (uint32_t)rc;
	return 0;
}

/* The map of pirqs that need an EOI is not offered; kernels ask by irq_status_query instead. */
long hc_physdev_pirq_eoi_gmfn(struct physdev_pirq_eoi_gmfn *a)
{
	return -XEN_ENOSYS;
}

/* ---- I/O rights of the current vcpu */

long hc_physdev_set_iopl(struct physdev_set_iopl *a)
{
	if (a->iopl > 3)
		return -XEN_EINVAL;
	current->pv.iopl = (uint8_t)a->iopl;
	return 0;
}

long hc_physdev_set_iobitmap(struct physdev_set_iobitmap *a)
{
	if (a->nr_ports > 65536)
		return -XEN_EINVAL;
	current->pv.iobmp = (uint8_t *)guest_handle(a->bitmap).va;
	current->pv.iobmp_limit = a->nr_ports;
	return 0;
}

/* ---- PCI devices: domain 0 finds them; nothing has to be known about them here */

long hc_physdev_manage_pci_add(struct physdev_manage_pci *a)
{
	return 0;
}

long hc_physdev_manage_pci_remove(struct physdev_manage_pci *a)
{
	return 0;
}

long hc_physdev_manage_pci_add_ext(struct physdev_manage_pci_ext *a)
{
	return 0;
}

long hc_physdev_pci_device_add(struct physdev_pci_device_add *a)
{
	return a->seg ? -XEN_ENODEV : 0;
}

long hc_physdev_pci_device_remove(struct physdev_pci_device *a)
{
	return a->seg ? -XEN_ENODEV : 0;
}

long hc_physdev_restore_msi(struct physdev_restore_msi *a)
{
	return msi_restore(a->bus, a->devfn);
}

long hc_physdev_restore_msi_ext(struct physdev_pci_device *a)
{
	return a->seg ? -XEN_ENODEV : msi_restore(a->bus, a->devfn);
}

long hc_physdev_prepare_msix(struct physdev_pci_device *a)
{
	return a->seg ? -XEN_ENODEV : 0;
}

long hc_physdev_release_msix(struct physdev_pci_device *a)
{
	return a->seg ? -XEN_ENODEV : 0;
}

long hc_physdev_pci_mmcfg_reserved(struct physdev_pci_mmcfg_reserved *a)
{
	return 0;
}

long hc_physdev_dbgp_op(struct physdev_dbgp_op *a)
{
	return 0;
}
