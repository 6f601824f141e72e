# SPDX-License-Identifier: MIT
# Where things go. `make install DESTDIR=…` only puts files into that tree; without DESTDIR, as
# root, it also makes the service known to the running system.

SBINDIR     ?= $(PREFIX)/sbin
BINDIR      ?= $(PREFIX)/bin
LIBDIR      ?= $(PREFIX)/lib
MANDIR      ?= $(PREFIX)/share/man
DOCDIR      ?= $(PREFIX)/share/doc/profd
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
INSTALL     ?= install
CONFIG      := $(SYSCONFDIR)/profd/profd.conf
COMPLETION  := $(firstword $(wildcard cli/profctl.bash cli/completion.bash))
MAN         := $(wildcard man/*.[158])

# What install puts there and uninstall takes away, but for the configuration.
INSTALLED := $(SBINDIR)/profd $(SBINDIR)/profd-net $(BINDIR)/profctl $(PRELOAD_LIBS:%=$(LIBDIR)/%) \
	$(UNITDIR)/profd.service $(UNITDIR)/profd-net.service \
	$(SYSUSERSDIR)/profd.conf $(TMPFILESDIR)/profd.conf \
	$(foreach m,$(MAN),$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(notdir $(m))) \
	$(if $(COMPLETION),$(BASHCOMPDIR)/profctl) $(DOCDIR)/LICENSE $(DOCDIR)/LICENSE.bpf

.PHONY: install
install: all ## install below PREFIX (/usr/local), into DESTDIR if that is set
	$(INSTALL) -D -m 755 $(B)/profd $(DESTDIR)$(SBINDIR)/profd
	$(INSTALL) -D -m 755 $(B)/profd-net $(DESTDIR)$(SBINDIR)/profd-net
	$(INSTALL) -D -m 755 $(B)/profctl $(DESTDIR)$(BINDIR)/profctl
	for l in $(PRELOAD_LIBS); do \
		$(INSTALL) -D -m 644 $(B)/$$l $(DESTDIR)$(LIBDIR)/$$l || exit 1; done
	for u in profd profd-net; do \
		sed 's|/usr/local/sbin/|$(SBINDIR)/|' systemd/$$u.service > $(B)/$$u.service && \
		$(INSTALL) -D -m 644 $(B)/$$u.service $(DESTDIR)$(UNITDIR)/$$u.service || exit 1; done
	$(INSTALL) -D -m 644 systemd/profd.sysusers $(DESTDIR)$(SYSUSERSDIR)/profd.conf
	$(INSTALL) -D -m 644 systemd/profd.tmpfiles $(DESTDIR)$(TMPFILESDIR)/profd.conf
	for m in $(MAN); do \
		$(INSTALL) -D -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/} || exit 1; done
	$(if $(COMPLETION),$(INSTALL) -D -m 644 $(COMPLETION) $(DESTDIR)$(BASHCOMPDIR)/profctl)
	$(INSTALL) -D -m 644 LICENSE $(DESTDIR)$(DOCDIR)/LICENSE
	$(INSTALL) -D -m 644 bpf/LICENSE $(DESTDIR)$(DOCDIR)/LICENSE.bpf
	@if [ -e $(DESTDIR)$(CONFIG) ]; then echo "$(DESTDIR)$(CONFIG) is kept as it is"; \
	else $(INSTALL) -D -m 644 systemd/profd.conf $(DESTDIR)$(CONFIG); fi
ifeq ($(DESTDIR),)
	@if [ -d /run/systemd/system ]; then \
		systemd-sysusers profd.conf && systemd-tmpfiles --create profd.conf && \
		systemctl daemon-reload && echo "Next: systemctl enable --now profd"; \
	else echo "Without systemd here: start $(SBINDIR)/profd as root"; fi
endif

.PHONY: uninstall
uninstall: ## remove what install put there; profiles and changed settings stay
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	-rmdir $(DESTDIR)$(DOCDIR)
	@if cmp -s systemd/profd.conf $(DESTDIR)$(CONFIG); then \
		rm -f $(DESTDIR)$(CONFIG) && rmdir $(DESTDIR)$(dir $(CONFIG)); fi
ifeq ($(DESTDIR),)
	@if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
	@echo "The profiles in /var/lib/profd and the user profd are kept."
endif
