# SPDX-License-Identifier: BSD-2-Clause
# Paravane: one non-recursive build. `make help` lists the targets; rules.mk holds flags and pattern rules.

B := build

# PURE code: integers and structs only. Built twice: freestanding into the product, hosted with
# ASan and UBSan for the unit tests. One list; make check-style refuses foreign symbols in it.
PURE := $(wildcard hypervisor/core/*.c xenstore/core/*.c pvdrivers/ring/*.c pvdrivers/xenbus/*.c)

HV_PURE := $(filter hypervisor/%,$(PURE))
HV_C    := $(filter-out %/asm-offsets.c,$(wildcard hypervisor/common/*.c hypervisor/x86/*.c hypervisor/x86/*/*.c))
HV_S    := $(wildcard hypervisor/x86/*/*.S)

# A program's main() lives in a file named after it (main.c, xenstore*.c, consoled*.c); the rest is library.
XS_PURE    := $(filter xenstore/%,$(PURE))
XS_DAEMON  := $(wildcard xenstore/daemon/*.c)
XS_CMD     := $(wildcard xenstore/client/main.c xenstore/client/cmd*.c xenstore/client/cli*.c \
		xenstore/client/xenstore*.c)
XS_CLIENT  := $(filter-out $(XS_CMD),$(wildcard xenstore/client/*.c))
TS_LIB     := $(wildcard toolstack/lib/*.c)
TS_CONSOLED := $(wildcard toolstack/cli/consoled*.c toolstack/consoled/*.c)
TS_CLI     := $(filter-out $(TS_CONSOLED),$(wildcard toolstack/cli/*.c))

UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

.DEFAULT_GOAL := all
include rules.mk
# A folder of tests may bring its own rules (same variables, paths from the top).
include $(wildcard tests/guest/rules.mk tests/interop/rules.mk tests/bench/rules.mk tests/fuzz/rules.mk tests/mm/rules.mk)
include toolstack/dom0/rules.mk
include packaging/rules.mk
include guest-patches/rules.mk

.PHONY: all help deps unit run bench check check-style check-unit check-guest check-system check-interop check-fuzz \
	dom0 qemu10 fetch format clean distclean

all: $(ALL_TARGETS)

help:
	@echo 'make               the hypervisor and all programs, into build/'
	@echo 'make run           boot a host in QEMU with a guest on disk and network; HV=xen uses real Xen instead'
	@echo 'make check         every test: style, unit, fuzz, guest, system, interop'
	@echo 'make check-style | check-unit | check-guest | check-system | check-interop | check-fuzz | check-mm | check-patches'
	@echo 'make dom0          the appliance: build/dom0/vmlinuz and build/dom0/initrd.img'
	@echo 'make guest-image   a Debian guest: build/debian/{vmlinuz,initrd.img,root.img}'
	@echo 'make guest-kernel  Linux with our patches and without: build/guest-kernel/{patched,unpatched}/vmlinuz; also -debug, -deb'
	@echo 'make grub          GRUB and OVMF for the boot test, below build/cache, host untouched'
	@echo 'make qemu10        QEMU 10 from Debian backports below build/qemu10, host untouched'
	@echo 'make bench         tables of instructions and of wall time against native Linux and real Xen'
	@echo 'make bench-guest-kernel  the guest kernel with and without our patches; check-guest-kernel, stress-guest-kernel test both'
	@echo 'make bench-xenstore  our xenstored beside the two of Debian, on real Xen'
	@echo 'make deps          install what is missing from Debian (the other targets call it)'
	@echo 'make install       programs, manual pages, services, build/paravane.elf (PREFIX= DESTDIR=); make uninstall'
	@echo 'make format        rewrite our C files with clang-format; FILES= limits it'
	@echo 'make clean         remove what was compiled; make distclean also what was fetched'
	@echo
	@echo 'variables: HV=paravane|xen  QEMU=path  CPU=model  ACCEL=tcg|kvm  SMP=n  MEM=2G  V=1 shows commands'

# ---- checks: each prints PASS, FAIL or SKIP lines; tools/check adds them up and bounds their time

unit: $(UNIT_TESTS:%=$(B)/unit/%)

check-unit: unit
	@tools/check unit
check-style: $(DEPS_STAMP)
	@tools/check style
check-guest: qemu10
check-guest check-interop check-fuzz: all
	@tools/check $(@:check-%=%)
check-system: all dom0 guest-image xen grub qemu10
	@tools/check system
check: all unit dom0 guest-image xen grub qemu10
	@tools/check $(if $(GROUPS),$(GROUPS),style unit fuzz patches guest system interop)

run: $(if $(filter xen,$(HV)),xen,$(B)/paravane.elf) dom0 guest-image
	@tests/system/run.sh

bench: all dom0 guest-image xen
	@tests/bench/run.sh

format:
	clang-format -i $(or $(FILES),$(C_FILES))

clean:
	rm -rf $(B)/hv $(B)/host $(B)/pure $(B)/unit $(B)/bin $(B)/dom0 $(B)/logs $(B)/style $(B)/tests \
		$(B)/paravane.elf* $(B)/*.a
distclean:
	rm -rf $(B)
