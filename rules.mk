# SPDX-License-Identifier: BSD-2-Clause
# Flags, pattern rules and link rules. Every object keeps its source path below build/<flavour>/.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-8s %s\n' $(1) $(2))

ifeq ($(origin CC),default)
CC := gcc
endif
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wimplicit-fallthrough -Wformat=2 -Wredundant-decls \
	-Wnested-externs -Wlogical-op -Wduplicated-cond -Wno-unused-parameter
DEPFLAGS = -MMD -MP
XENDEFS := -D__XEN_TOOLS__ -D__XEN_INTERFACE_VERSION__=0x00041100

C_FILES := $(wildcard $(foreach d,hypervisor hypervisor/* hypervisor/*/* xenstore/* toolstack/* pvdrivers/* pvdrivers/*/* \
	tests/* tests/*/*,$(d)/*.c $(d)/*.h))

# ---- Debian packages everything here needs; tools/deps installs those that are missing
DEPS := gcc binutils make libc6-dev libxen-dev check libsubunit-dev pkg-config \
	qemu-system-x86 zlib1g-dev liblzma-dev libzstd-dev liblz4-dev libjson-c-dev liburing-dev \
	busybox-static cpio kmod e2fsprogs mmdebstrap fakeroot fakechroot xz-utils zstd ca-certificates python3 \
	clang-format cppcheck shellcheck
DEPS_STAMP := $(B)/.deps

deps:
	@tools/deps $(DEPS)
	@mkdir -p $(B) && touch $(DEPS_STAMP)
$(DEPS_STAMP): rules.mk tools/deps
	@tools/deps $(DEPS)
	@mkdir -p $(B) && touch $@

# ---- hypervisor: freestanding, position independent code linked at a fixed high address
HV_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-builtin-printf -fpie -mcmodel=small -fvisibility=hidden \
	-include hypervisor/include/hv/hidden.h -mno-red-zone -mno-sse -mno-mmx -mno-avx -mgeneral-regs-only \
	-fno-strict-aliasing -fno-common -fno-asynchronous-unwind-tables -fno-stack-protector -fcf-protection=none \
	-fno-delete-null-pointer-checks -fno-jump-tables -Ihypervisor/include -I$(B)/gen $(XENDEFS) $(WARN)
HV_OBJS := $(HV_PURE:%.c=$(B)/hv/%.o) $(HV_C:%.c=$(B)/hv/%.o) $(HV_S:%.S=$(B)/hv/%.o)
HV_LDS := hypervisor/x86/boot/paravane.lds

$(B)/hv/%.o: %.c | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(call say,HV,$<)
	$(Q)$(CC) $(HV_CFLAGS) $(DEPFLAGS) -c -o $@ $<
# Structure offsets for assembly: compiled to text, the marked lines kept.
$(B)/gen/asm-offsets.h: hypervisor/x86/entry/asm-offsets.c $(wildcard hypervisor/include/hv/*.h hypervisor/include/hv/x86/*.h) | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) -S -o - $< | sed -n 's/^#DEF \([A-Za-z0-9_]*\) [$$]*\(.*\)/#define \1 \2/p' >$@
$(HV_S:%.S=$(B)/hv/%.o): $(B)/gen/asm-offsets.h
$(B)/hv/%.o: %.S | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(call say,HV,$<)
	$(Q)$(CC) $(HV_CFLAGS) -D__ASSEMBLY__ $(DEPFLAGS) -c -o $@ $<

$(B)/paravane.elf: $(HV_OBJS) $(HV_LDS)
	$(call say,LINK,$@)
	$(Q)ld -nostdlib -static --no-relax -z max-page-size=4096 -z noexecstack --no-relax -T $(HV_LDS) -o $@ $(HV_OBJS) \
		$$(for l in lzma z zstd lz4; do $(CC) -print-file-name=lib$$l.a; done)

# ---- programs of dom0
HOST_CFLAGS := -std=gnu11 -O2 -g -fPIE -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
	-Ihypervisor/include -I. $(XENDEFS) $(WARN)
HOST_LDFLAGS := -pie -Wl,-z,relro,-z,now
XEN_LIBS := -lxencall -lxenevtchn -lxengnttab -lxenforeignmemory -lxentoolcore
TS_LIBS := $(XEN_LIBS) -ljson-c -lz -llzma -lzstd -llz4
hostobjs = $(patsubst %.c,$(B)/host/%.o,$(1))

$(B)/host/%.o: %.c | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HOST_CFLAGS) $(DEPFLAGS) -c -o $@ $<

define program
$(B)/bin/$(1): $$(call hostobjs,$(2))
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(HOST_LDFLAGS) -o $$@ $$(filter %.o,$$^) $(3)
endef
$(eval $(call program,xenstored,$(XS_PURE) $(XS_DAEMON),$(XEN_LIBS) -luring))
$(eval $(call program,xenstore,$(XS_CLIENT) $(XS_CMD),))
# The domain builder of guests shares its image parser and layout with the hypervisor's of domain 0.
TS_SHARED := hypervisor/core/xenelf.c hypervisor/core/pvlayout.c
$(eval $(call program,paravane,$(TS_CLI) $(TS_LIB) $(TS_SHARED) $(XS_CLIENT),$(TS_LIBS)))
$(eval $(call program,paravane-consoled,$(TS_CONSOLED) $(TS_LIB) $(TS_SHARED) $(XS_CLIENT),$(TS_LIBS)))

# One client binary under several names; paravane answers to xl as well.
XS_NAMES := read write rm ls list exists chmod watch control
XS_LINKS := $(XS_NAMES:%=$(B)/bin/xenstore-%)
$(XS_LINKS): $(B)/bin/xenstore
	$(Q)ln -sf xenstore $@
$(B)/bin/xl: $(B)/bin/paravane
	$(Q)ln -sf paravane $@

# A program is a target once its sources are there.
PROGRAMS := $(if $(XS_DAEMON),$(B)/bin/xenstored) \
	$(if $(XS_CMD),$(B)/bin/xenstore $(XS_LINKS)) \
	$(if $(TS_CLI),$(B)/bin/paravane $(B)/bin/xl) \
	$(if $(TS_CONSOLED),$(B)/bin/paravane-consoled)
ALL_TARGETS := $(if $(wildcard $(HV_LDS)),$(B)/paravane.elf) $(PROGRAMS)

# ---- unit tests: all PURE code, hosted, with both sanitizers, in one archive
PURE_OBJS := $(PURE:%.c=$(B)/pure/%.o)
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
PURE_CFLAGS := -std=gnu11 -O1 -g $(SAN) -D_GNU_SOURCE -Ihypervisor/include -I. $(XENDEFS) $(WARN)
UNIT_LIBS := -lcheck -lsubunit -lrt -lm -lpthread

$(B)/pure/%.o: %.c | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(call say,PURE,$<)
	$(Q)$(CC) $(PURE_CFLAGS) $(DEPFLAGS) -c -o $@ $<
$(B)/libpure.a: $(PURE_OBJS) $(B)/pure/tests/lib/hv_panic.o
	$(Q)rm -f $@ && ar rcs $@ $^
$(B)/unit/%: $(B)/pure/tests/unit/%.o $(B)/libpure.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SAN) -o $@ $(filter %.o,$^) $(B)/libpure.a $(UNIT_LIBS)
# The configuration parser allocates memory, so it is no PURE code, but it is tested like it.
$(B)/unit/test_xlcfg: $(B)/pure/toolstack/lib/xlcfg.o $(B)/pure/toolstack/lib/config.o
$(B)/unit/test_console_ring: $(B)/pure/toolstack/consoled/ring.o
$(B)/unit/test_unpack: $(B)/pure/toolstack/lib/kernel.o
$(B)/unit/test_unpack: UNIT_LIBS += -lz -llzma -lzstd -llz4
$(B)/unit/test_xs_batch: UNIT_LIBS += -luring

-include $(HV_OBJS:.o=.d) $(PURE_OBJS:.o=.d) $(UNIT_TESTS:%=$(B)/pure/tests/unit/%.d)
-include $(patsubst %.c,$(B)/host/%.d,$(XS_PURE) $(XS_DAEMON) $(XS_CLIENT) $(XS_CMD) $(TS_LIB) $(TS_CLI) $(TS_CONSOLED))

# make print-NAME shows a variable, for scripts
print-%:
	@echo '$($*)'
