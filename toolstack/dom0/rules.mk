# SPDX-License-Identifier: BSD-2-Clause
# Fetched kernels and Xen, the dom0 appliance, the Debian guest. Fetched things are never installed.

D0 := toolstack/dom0
CACHE := $(B)/cache
KERNELS := linux-image-amd64 linux-image-cloud-amd64
FETCHED := $(KERNELS) xen-hypervisor-4.17-amd64 iptables libip4tc2 libip6tc2 libxtables12
FETCH_STAMPS := $(FETCHED:%=$(CACHE)/%/.package)

# Drivers no guest or appliance of ours uses are not unpacked.
EXTRACT_EXCLUDE := $(addprefix --exclude=*/kernel/,sound drivers/gpu drivers/media drivers/staging net/wireless \
	drivers/infiniband drivers/scsi drivers/iio drivers/usb drivers/hid drivers/isdn drivers/net/wireless)
export EXTRACT_EXCLUDE

$(CACHE)/%/.package: tools/fetch | $(DEPS_STAMP)
	$(call say,FETCH,$*)
	$(Q)tools/fetch $* $(CACHE)/$*

fetch: $(FETCH_STAMPS)

# ---- the appliance: kernel and initramfs of domain 0
dom0: $(B)/dom0/vmlinuz $(B)/dom0/initrd.img
$(B)/dom0/vmlinuz: $(CACHE)/linux-image-amd64/.package
	@mkdir -p $(@D)
	$(Q)cp $(CACHE)/linux-image-amd64/boot/vmlinuz-* $@
$(B)/dom0/initrd.img: $(PROGRAMS) $(FETCH_STAMPS) $(D0)/mkinitrd $(wildcard $(D0)/dom0/* $(D0)/dom0/*/*)
	$(call say,INITRD,$@)
	$(Q)$(D0)/mkinitrd $(CACHE)/linux-image-amd64 $@ dom0

# ---- a Debian guest: root file system on ext4, and a kernel with initramfs for each of Debian's PV kernels
DEBIAN := $(B)/debian
guest-image: $(addprefix $(DEBIAN)/,root.img vmlinuz initrd.img vmlinuz-cloud initrd-cloud.img)
$(DEBIAN)/vmlinuz: $(CACHE)/linux-image-amd64/.package
$(DEBIAN)/vmlinuz-cloud: $(CACHE)/linux-image-cloud-amd64/.package
$(DEBIAN)/vmlinuz $(DEBIAN)/vmlinuz-cloud:
	@mkdir -p $(@D)
	$(Q)cp $(dir $<)boot/vmlinuz-* $@
GUEST_INITRD := $(D0)/mkinitrd $(wildcard $(D0)/guest/*)
$(DEBIAN)/initrd.img: $(CACHE)/linux-image-amd64/.package $(GUEST_INITRD)
$(DEBIAN)/initrd-cloud.img: $(CACHE)/linux-image-cloud-amd64/.package $(GUEST_INITRD)
$(DEBIAN)/initrd.img $(DEBIAN)/initrd-cloud.img:
	$(call say,INITRD,$@)
	$(Q)$(D0)/mkinitrd $(<D) $@ guest
$(DEBIAN)/root.img: $(D0)/mkroot $(wildcard $(D0)/guest/files/* $(D0)/guest/files/*/* $(D0)/guest/files/*/*/*) | $(DEPS_STAMP)
	$(call say,ROOT,$@)
	$(Q)$(D0)/mkroot $@

# ---- real Xen, unpacked for QEMU's -kernel
xen: $(CACHE)/xen-4.17.elf
$(CACHE)/xen-4.17.elf: $(CACHE)/xen-hypervisor-4.17-amd64/.package
	$(Q)gunzip -c $(<D)/boot/xen-4.17-amd64.gz >$@

# ---- GRUB and what makes a CD image of it, for the test that boots through it
GRUB_PARTS := grub-common grub-pc-bin grub-efi-amd64-bin libdevmapper1.02.1 libefivar1 libefiboot1 mtools ovmf \
	xorriso libisoburn1 libburn4 libisofs6 libjte2
grub: $(GRUB_PARTS:%=$(CACHE)/%/.package)

# ---- QEMU 10, where Debian's backports are in reach
qemu10: | $(DEPS_STAMP)
	@tools/fetch-qemu10 $(B)/qemu10 || [ $$? = 77 ]

.PHONY: guest-image xen grub
