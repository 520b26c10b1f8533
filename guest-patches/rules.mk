# SPDX-License-Identifier: BSD-2-Clause
# Guest kernels: Debian's Linux source as it is and with our series, same configuration, below build/guest-kernel.

GK := guest-patches
# Packages only these targets need, so not in DEPS.
GK_DEPS := bc bison flex libelf-dev patch
GK_FETCHED := $(CACHE)/linux-source-6.1/.package $(CACHE)/linux-config-6.1/.package

# The script keeps what it made until a patch, a fragment or the source package changes.
guest-kernel: $(GK_FETCHED)
	@tools/deps $(GK_DEPS)
	@$(GK)/build-kernel unpatched patched
guest-kernel-debug: $(GK_FETCHED)
	@tools/deps $(GK_DEPS)
	@$(GK)/build-kernel debug
guest-kernel-deb: $(GK_FETCHED)
	@tools/deps $(GK_DEPS) dpkg-dev rsync libssl-dev
	@$(GK)/build-kernel deb

.PHONY: guest-kernel guest-kernel-debug guest-kernel-deb
