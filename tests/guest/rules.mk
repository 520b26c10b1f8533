# SPDX-License-Identifier: BSD-2-Clause
# Test guests: tests/guest/NAME.c + tests/guest/lib -> build/guest/NAME.elf

GUEST_LIB   := $(wildcard tests/guest/lib/*.c tests/guest/lib/*.S)
GUEST_TESTS := $(patsubst tests/guest/%.c,%,$(wildcard tests/guest/*.c))
GUEST_ELFS  := $(GUEST_TESTS:%=$(B)/guest/%.elf)
GUEST_LIB_O := $(patsubst tests/guest/lib/%,$(B)/guest/lib/%.o,$(filter-out %/notes.S,$(GUEST_LIB)))
# A guest may bring its own layout (NAME.lds) and its own notes (NAME.S) in place of the usual ones.
guest_lds = $(or $(wildcard tests/guest/$(1).lds),tests/guest/lib/guest.lds)
guest_notes = $(if $(wildcard tests/guest/$(1).S),$(B)/guest/$(1).S.o,$(B)/guest/lib/notes.S.o)

GUEST_CFLAGS := -std=gnu11 -O2 -g -Ihypervisor/include -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
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
$(B)/guest/%.S.o: tests/guest/%.S
	@mkdir -p $(@D)
	$(call say,GUEST,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) -D__ASSEMBLY__ $(DEPFLAGS) -c -o $@ $<
.SECONDEXPANSION:
$(B)/guest/%.elf: $(B)/guest/%.o $(GUEST_LIB_O) $$(call guest_notes,$$*) $$(call guest_lds,$$*)
	$(call say,LINK,$@)
	$(Q)$(LD) -nostdlib -static -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments \
		-T $(call guest_lds,$*) -o $@ $(filter %.o,$^)

-include $(wildcard $(B)/guest/*.d $(B)/guest/lib/*.d)

.PHONY: guests
guests: $(GUEST_ELFS)

# `make check-guest` runs tests/guest/run.py on these.
check-guest check: guests xen
