# SPDX-License-Identifier: BSD-2-Clause
# Paravane: one non-recursive build. `make help` lists the targets; rules.mk holds flags and pattern rules.

B := build

# PURE code: integers and structs only. Built twice: freestanding into the product, hosted with
# ASan and UBSan for the unit tests. One list; make check-style refuses foreign symbols in it.
PURE := $(wildcard hypervisor/core/*.c xenstore/core/*.c pvdrivers/ring/*.c pvdrivers/xenbus/*.c)

HV_PURE := $(filter hypervisor/%,$(PURE))
HV_C    := $(wildcard hypervisor/common/*.c hypervisor/x86/*.c hypervisor/x86/*/*.c)
HV_S    := $(wildcard hypervisor/x86/*/*.S)

XS_PURE    := $(filter xenstore/%,$(PURE))
XS_DAEMON  := $(wildcard xenstore/daemon/*.c)
XS_CLIENT  := $(wildcard xenstore/client/*.c)
TS_LIB     := $(wildcard toolstack/lib/*.c)
TS_CLI     := $(wildcard toolstack/cli/*.c)

.DEFAULT_GOAL := all
include rules.mk

.PHONY: all
all: $(ALL_TARGETS)
