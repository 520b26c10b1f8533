# SPDX-License-Identifier: BSD-2-Clause
# make install, make uninstall: the programs, manual pages, completion and services of a dom0, below DESTDIR and PREFIX.
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd/system
BOOTDIR ?= /boot

SBIN_PROGRAMS := paravane paravane-consoled xenstored
BIN_PROGRAMS := xenstore $(XS_NAMES:%=xenstore-%)
UNITS := $(notdir $(wildcard packaging/systemd/*))
MAN_PAGES := $(notdir $(wildcard docs/man/*))
man_dir = $(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))

# What install puts on the system, a file a word; uninstall removes just these. The name xl is not taken.
INSTALLED := $(SBIN_PROGRAMS:%=$(SBINDIR)/%) $(BIN_PROGRAMS:%=$(BINDIR)/%) $(BOOTDIR)/paravane.elf \
	$(COMPLETIONDIR)/paravane $(UNITS:%=$(UNITDIR)/%) $(foreach m,$(MAN_PAGES),$(call man_dir,$(m))/$(m))

.PHONY: install uninstall
install: all
	$(Q)install -d $(sort $(dir $(INSTALLED:%=$(DESTDIR)%)))
	$(Q)install -s $(SBIN_PROGRAMS:%=$(B)/bin/%) $(DESTDIR)$(SBINDIR)/
	$(Q)install -s $(B)/bin/xenstore $(DESTDIR)$(BINDIR)/
	$(Q)for n in $(XS_NAMES); do ln -sf xenstore $(DESTDIR)$(BINDIR)/xenstore-$$n; done
	$(Q)install -m 644 $(B)/paravane.elf $(DESTDIR)$(BOOTDIR)/
	$(Q)install -m 644 toolstack/cli/paravane.bash-completion $(DESTDIR)$(COMPLETIONDIR)/paravane
	$(Q)for u in $(UNITS); do sed 's,@SBIN@,$(SBINDIR),' packaging/systemd/$$u >$(DESTDIR)$(UNITDIR)/$$u || exit 1; done
	$(Q)$(foreach m,$(MAN_PAGES),install -m 644 docs/man/$(m) $(DESTDIR)$(call man_dir,$(m))/ &&) true

uninstall:
	$(Q)rm -f $(INSTALLED:%=$(DESTDIR)%)
