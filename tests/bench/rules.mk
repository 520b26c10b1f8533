# SPDX-License-Identifier: BSD-2-Clause
# Programs of `make bench`: static, because they also run as the only program of a guest.

BENCH_PROGRAMS := $(B)/bench/pvbench $(B)/bench/iobench $(B)/bench/true

$(B)/bench/%: tests/bench/%.c | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) -std=gnu11 -O2 -static -pthread -D_GNU_SOURCE $(XENDEFS) $(WARN) -o $@ $<

bench: $(BENCH_PROGRAMS)

$(B)/bench/xenstore-nohv.so: tests/bench/xenstore-nohv.c | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) -std=gnu11 -O2 -shared -fPIC -D_GNU_SOURCE $(WARN) -o $@ $<

bench-xenstore: all dom0 xen guest-image $(B)/bench/xenstore $(B)/bench/xenstore-nohv.so
	@tests/bench/xenstore.sh
.PHONY: bench-xenstore

# ---- the guest kernel with and without our series
$(B)/bench/wall.img: tests/bench/mkwall tests/bench/wall.mk | $(DEPS_STAMP)
	$(call say,WALL,$@)
	$(Q)$< $@
bench-guest-kernel: all dom0 xen guest-image guest-kernel $(BENCH_PROGRAMS) $(B)/bench/ptwork $(B)/bench/wall.img
	@tests/bench/guest-kernel.sh
.PHONY: bench-guest-kernel
