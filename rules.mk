# SPDX-License-Identifier: BSD-2-Clause
# Flags, pattern rules and link rules. Every object keeps its source path below build/<flavour>/.

CC ?= gcc
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wimplicit-fallthrough -Wformat=2 -Wredundant-decls \
	-Wnested-externs -Wlogical-op -Wduplicated-cond -Wno-unused-parameter
DEPFLAGS = -MMD -MP
XENDEFS := -D__XEN_TOOLS__ -D__XEN_INTERFACE_VERSION__=0x00041100

# ---- hypervisor: freestanding, position independent code linked at a fixed high address
HV_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-builtin-printf -fpie -mcmodel=small -fvisibility=hidden \
	-include hypervisor/include/hv/hidden.h -mno-red-zone -mno-sse -mno-mmx -mno-avx -mgeneral-regs-only \
	-fno-strict-aliasing -fno-common -fno-asynchronous-unwind-tables -fno-stack-protector -fcf-protection=none \
	-fno-delete-null-pointer-checks -fno-jump-tables -Ihypervisor/include $(XENDEFS) $(WARN)
HV_OBJS := $(HV_PURE:%.c=$(B)/hv/%.o) $(HV_C:%.c=$(B)/hv/%.o) $(HV_S:%.S=$(B)/hv/%.o)

$(B)/hv/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(HV_CFLAGS) $(DEPFLAGS) -c -o $@ $<
$(B)/hv/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(HV_CFLAGS) -D__ASSEMBLY__ $(DEPFLAGS) -c -o $@ $<
