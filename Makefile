# SPDX-License-Identifier: MIT
# profd: `make help` lists what can be made. Everything lands in build/.

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
# An installed service and its configuration are found there by systemd whatever the prefix is.
SYSCONFDIR ?= /etc
LIBDIR     ?= $(PREFIX)/lib
UNITDIR    ?= $(PREFIX)/lib/systemd/system
B := build

CC     ?= cc
CLANG  ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
PYTHON ?= /usr/bin/python3

MODULES := libbpf libelf libdw liblzma libzstd libprotobuf-c zlib libdeflate libsystemd libseccomp libcap inih libxxhash libcjson
# HTTP, patterns, the prompt and instructions are for the tool only: the daemon is not linked with them.
# What the symbolizer needs (from libelf on) both have. Nothing is linked with libdebuginfod, which is
# loaded when it is asked (lib/report/source_server.h).
CLI_MODULES := libcurl libpcre2-8 libedit capstone inih libelf libdw liblzma libzstd libseccomp libcap
# What Debian 12 has is the floor.
REQUIRE := 'libbpf >= 1.1' 'libelf >= 0.188' 'libdw >= 0.188' 'liblzma >= 5.4' 'libzstd >= 1.5' 'libprotobuf-c >= 1.4' 'zlib >= 1.2.11' 'libdeflate >= 1.14' \
	'libsystemd >= 252' 'libseccomp >= 2.5' 'libcap >= 2.44' 'inih >= 55' 'libxxhash >= 0.8' 'libcjson >= 1.7.15' 'libcurl >= 7.88' \
	'libpcre2-8 >= 10.42' 'libedit >= 3.1' 'capstone >= 4' 'libdebuginfod >= 0.188'

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion \
	-Wno-unused-parameter $(if $(WERROR),-Werror)
# -Wno-unused-parameter: callbacks share one signature, and few use all of it.
CFLAGS   ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -DPROFD_VERSION='"$(VERSION)"' -DPROFD_LIBDIR='"$(LIBDIR)"' -Iinclude -Ilib -Idaemon -I$(B)/gen \
	$(PKG_CFLAGS)
ALL_CFLAGS = -std=gnu11 $(WARN) -fstack-protector-strong -fno-omit-frame-pointer $(CFLAGS) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined)
ALL_LDFLAGS = -Wl,-z,relro,-z,now $(LDFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE))
PKG_CFLAGS = $(shell pkg-config --cflags $(MODULES) $(CLI_MODULES) 2>/dev/null)
LIB_LIBS    = $(shell pkg-config --libs libprotobuf-c zlib libdeflate libxxhash libcjson 2>/dev/null) -lm
DAEMON_LIBS = $(shell pkg-config --libs $(MODULES) 2>/dev/null) -liberty -lm
NET_LIBS    = $(LIB_LIBS) $(shell pkg-config --libs libcurl inih 2>/dev/null)
CLI_LIBS    = $(LIB_LIBS) $(shell pkg-config --libs $(CLI_MODULES) 2>/dev/null) -liberty

LIB_SRC    := $(wildcard lib/*/*.c)
PROTO      := $(basename $(notdir $(wildcard lib/*/*.proto)))
DAEMON_SRC := $(wildcard daemon/*.c daemon/*/*.c)
CLI_SRC    := $(wildcard cli/*.c)
NET_SRC    := $(wildcard net/*.c)
BPF_SRC    := $(wildcard bpf/*.bpf.c)
UNIT_SRC   := $(wildcard tests/unit/test_*.c)

# `make V=1` shows the commands.
Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB_OBJ    := $(call obj,$(LIB_SRC)) $(PROTO:%=$(B)/obj/gen/%.pb-c.o)
DAEMON_OBJ := $(call obj,$(filter-out daemon/main.c,$(DAEMON_SRC)))
NET_OBJ    := $(call obj,$(filter-out net/main.c,$(NET_SRC)))
CLI_OBJ    := $(call obj,$(filter-out cli/main.c,$(CLI_SRC)))
UNIT_BIN   := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))

.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

.PHONY: all
all: $(B)/profd $(B)/profctl $(B)/profd-net ## build the programs and the heap libraries into build/

# ---- C ------------------------------------------------------------------------------------------

$(B)/profd: $(B)/obj/daemon/main.o $(B)/libdaemon.a $(B)/libprofd.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(B)/profctl: $(B)/obj/cli/main.o $(B)/libcli.a $(B)/libprofd.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CLI_LIBS)

# It shares profd's settings, and no more than that.
$(B)/profd-net: $(B)/obj/net/main.o $(B)/libnet.a $(B)/libdaemon.a $(B)/libprofd.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(NET_LIBS)

$(B)/libprofd.a: $(LIB_OBJ)
$(B)/libnet.a: $(NET_OBJ)
$(B)/libdaemon.a: $(DAEMON_OBJ)
$(B)/libcli.a: $(CLI_OBJ)
# Appended without a look (q), since rooms may have files of one name.
$(B)/lib%.a:
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) qcs $@ $^

# Flags are part of what an object depends on: SANITIZE=… after a plain build rebuilds.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(CPPFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(ALL_CFLAGS) $(CPPFLAGS) $(ALL_LDFLAGS)' > $@
.PHONY: FORCE
FORCE:

$(B)/requirements:
	@mkdir -p $(@D)
	@pkg-config --print-errors $(REQUIRE) || \
		{ echo "profd: libraries are missing: run 'make deps'" >&2; exit 1; }
	@touch $@

$(B)/obj/%.o: %.c $(B)/flags | $(B)/requirements generated
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# What pictures carry with them is taken in by the assembler.
$(B)/obj/lib/report/assets.o: $(wildcard lib/report/*.js lib/report/*.css lib/report/*.html)

# ---- generated: BPF skeleton, protobuf ----------------------------------------------------------

.PHONY: generated
generated: $(if $(BPF_SRC),$(B)/gen/profd.skel.h) $(PROTO:%=$(B)/gen/%.pb-c.h)

BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -D__bpf__ -Wall -Wextra \
	-Wno-unused-parameter -Wno-missing-declarations -Iinclude -Ibpf

$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	@command -v $(CLANG) >/dev/null || { echo "profd: clang is missing: run 'make deps'" >&2; exit 1; }
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/bpf/profd.o: $(patsubst bpf/%.bpf.c,$(B)/bpf/%.bpf.o,$(BPF_SRC))
	$(call say,BPF,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/gen/profd.skel.h: $(B)/bpf/profd.o
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name profd_bpf > $@

vpath %.proto lib/profile lib/report
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: %.proto
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)protoc-c --proto_path=$(<D) --c_out=$(B)/gen $<

$(B)/obj/gen/%.pb-c.o: $(B)/gen/%.pb-c.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -Wno-conversion -c -o $@ $<

# ---- tests --------------------------------------------------------------------------------------

.PHONY: unit
unit: $(UNIT_BIN) ## build the unit tests into build/unit/

$(B)/unit/%: $(B)/obj/tests/unit/%.o $(B)/libnet.a $(B)/libdaemon.a $(B)/libcli.a $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS) $(CLI_LIBS) -lcmocka

# A library that test_unwind_x86_64 loads, to be bound while it runs.
$(B)/unit/test_unwind_x86_64: | $(B)/unit/lazy.so
$(B)/unit/lazy.so: tests/unit/lazy.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -O2 $(WARN) -shared -fPIC -Wl,-z,lazy -o $@ $<

# Files that are looked into for heap probes.
$(B)/unit/test_unwinder: | $(B)/unit/sites_probes.so
$(B)/unit/test_sites: | $(addprefix $(B)/unit/,sites-glibc sites-stripped sites-musl sites-cxx)
$(B)/unit/test_usdt: | $(B)/unit/sites_probes.so
$(B)/unit/test_returns: | $(B)/unit/sites_returns.so
$(B)/unit/sites_probes.so $(B)/unit/sites_returns.so: $(B)/unit/%.so: tests/unit/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -O2 $(WARN) -shared -fPIC -o $@ $<
$(B)/unit/sites-glibc: tests/unit/sites_program.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -O2 -static -o $@ $<
$(B)/unit/sites-stripped: tests/unit/sites_program.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -O2 -static -s -o $@ $<
$(B)/unit/sites-musl: tests/unit/sites_program.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)musl-gcc -O2 -static -o $@ $<
$(B)/unit/sites-cxx: tests/unit/sites_program.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CXX) -O2 -static -o $@ -x c++ $<

-include $(wildcard $(B)/obj/*/*.d $(B)/obj/*/*/*.d $(B)/bpf/*.d)

include preload/preload.mk
-include install.mk
-include tests/tests.mk

.PHONY: clean
clean: ## remove build/
	rm -rf $(B)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(filter-out %.d,$(MAKEFILE_LIST))
