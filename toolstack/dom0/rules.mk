# SPDX-License-Identifier: BSD-2-Clause
# Fetched kernels, the dom0 appliance and the Debian guest.

dom0 guest fetch qemu10: | $(DEPS_STAMP)
