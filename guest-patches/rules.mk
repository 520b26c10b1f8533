# SPDX-License-Identifier: BSD-2-Clause
# Guest kernels: Debian's Linux source as it is and with our series, same configuration, below build/guest-kernel.

GK := guest-patches
# Packages only these targets need, so not in DEPS.
GK_DEPS := bc bison flex libelf-dev patch
GK_FETCHED := $(CACHE)/linux-source-6.1/.package $(CACHE)/linux-config-6.1/.package

GK_STAMP := $(B)/.deps-kernel
$(GK_STAMP): $(GK)/rules.mk
	@tools/deps $(GK_DEPS)
	@mkdir -p $(B) && touch $@

# The script keeps what it made until a patch, a fragment or the source package changes.
guest-kernel guest-kernel-debug guest-kernel-deb check-patches check: $(GK_FETCHED) $(GK_STAMP)
guest-kernel:
	@$(GK)/build-kernel unpatched patched
guest-kernel-debug:
	@$(GK)/build-kernel debug
guest-kernel-deb:
	@tools/deps dpkg-dev rsync libssl-dev
	@$(GK)/build-kernel deb
check-patches:
	@tools/check patches

.PHONY: check-patches guest-kernel guest-kernel-debug guest-kernel-deb
