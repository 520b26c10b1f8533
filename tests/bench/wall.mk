# SPDX-License-Identifier: BSD-2-Clause
# A small C project for the kernel comparison: the xenstore core, compiled COPIES times by tcc inside the machine under test.

COPIES ?= 1 2 3 4 5 6 7 8
O ?= /tmp/o
SRC := $(wildcard core/*.c)
OBJS := $(foreach n,$(COPIES),$(SRC:core/%.c=$(O)/$(n)-%.o))

$(O)/all.a: $(OBJS)
	tcc -ar rcs $@ $^

define copy
$(O)/$(1)-%.o: core/%.c
	@mkdir -p $(O)
	tcc -DCOPY=$(1) -D_GNU_SOURCE -Icore -Iinclude -c -o $$@ $$<
endef
$(foreach n,$(COPIES),$(eval $(call copy,$(n))))
