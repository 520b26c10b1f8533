# SPDX-License-Identifier: BSD-2-Clause
# Fuzzing of the xenstore daemon. build/fuzz/xs_fuzz is part of every check; build/fuzz/xs_libfuzzer needs clang.

XS_FUZZ_SRC := tests/fuzz/xs_targets.c $(XS_PURE) xenstore/daemon/ring.c xenstore/daemon/peer.c
XS_FUZZ_FLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE -I. $(XENDEFS) $(WARN)

$(B)/fuzz/xs_fuzz: tests/fuzz/xs_fuzz.c $(XS_FUZZ_SRC) $(wildcard xenstore/*/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)$(CC) $(XS_FUZZ_FLAGS) $(SAN) -o $@ $(filter %.c,$^)
$(B)/fuzz/xs_libfuzzer: tests/fuzz/xs_libfuzzer.c $(XS_FUZZ_SRC) $(wildcard xenstore/*/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)clang -std=gnu11 -O1 -g -D_GNU_SOURCE -I. $(XENDEFS) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $(filter %.c,$^)
