# SPDX-License-Identifier: BSD-2-Clause
# Test guests: tests/guest/NAME.c + tests/guest/lib -> build/guest/NAME.elf

GUEST_LIB   := $(wildcard tests/guest/lib/*.c tests/guest/lib/*.S)
GUEST_TESTS := $(patsubst tests/guest/%.c,%,$(wildcard tests/guest/*.c))
GUEST_ELFS  := $(GUEST_TESTS:%=$(B)/guest/%.elf)
GUEST_LIB_O := $(patsubst tests/guest/lib/%,$(B)/guest/lib/%.o,$(GUEST_LIB))

GUEST_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-fno-strict-aliasing -fno-common -fno-asynchronous-unwind-tables -fno-stack-protector \
	-fcf-protection=none -fno-builtin -Itests/guest/lib $(XENDEFS) $(WARN)

$(B)/guest/lib/%.c.o: tests/guest/lib/%.c
	@mkdir -p $(@D)
	$(call say,GUEST,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) $(DEPFLAGS) -c -o $@ $<
$(B)/guest/lib/%.S.o: tests/guest/lib/%.S
	@mkdir -p $(@D)
	$(call say,GUEST,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) -D__ASSEMBLY__ $(DEPFLAGS) -c -o $@ $<
$(B)/guest/%.o: tests/guest/%.c
	@mkdir -p $(@D)
	$(call say,GUEST,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) $(DEPFLAGS) -c -o $@ $<
$(B)/guest/%.elf: $(B)/guest/%.o $(GUEST_LIB_O) tests/guest/lib/guest.lds
	$(call say,LINK,$@)
	$(Q)$(LD) -nostdlib -static -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments -T tests/guest/lib/guest.lds -o $@ $< $(GUEST_LIB_O)

-include $(wildcard $(B)/guest/*.d $(B)/guest/lib/*.d)
.SECONDARY: $(GUEST_LIB_O) $(GUEST_TESTS:%=$(B)/guest/%.o)

.PHONY: guests
guests: $(GUEST_ELFS)

# `make check-guest` runs tests/guest/run.py on these.
check-guest check: guests xen
