# SPDX-License-Identifier: BSD-2-Clause
# Programs that test page-table handling: static, because guests run them from an initramfs.

$(B)/mm/%: tests/mm/%.c tests/mm/mm.h | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(call say,MM,$<)
	$(Q)$(CC) -std=gnu11 -O2 -static -pthread -D_GNU_SOURCE $(WARN) -o $@ $<

check-mm: all dom0 guest-image
	@tools/check mm
# Both kernels on native Linux, Debian's Xen and Paravane, Linux's own tests included; then 20 minutes with all of the kernel's checks.
check-guest-kernel: all dom0 guest-image xen guest-kernel
	@tools/deps libcap-dev libnuma-dev
	@MM_ON="native xen paravane" SELFTESTS=yes T=1500 JOB_ENV="RACE=5 STRESS=60 HOLD=30 SEEDS=5 OPS=1000" \
		tests/mm/run-all.sh unpatched patched
stress-guest-kernel: all dom0 guest-image guest-kernel-debug
	@T=3600 JOB_ENV="ON=dom0 RACE=10 STRESS=1200 HOLD=60 SEEDS=5 OPS=1000" tests/mm/run-all.sh debug
.PHONY: check-mm check-guest-kernel stress-guest-kernel
