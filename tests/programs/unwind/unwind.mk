# SPDX-License-Identifier: MIT
# Programs without frame pointers whose stacks are known, into $(B)/programs/unwind/.

UNWIND_SRC := tests/programs/unwind
UNWIND_DIR := $(PROGRAM_DIR)/unwind
# No debug information: an inlined function would be a frame.
UNWIND_CFLAGS := -D_GNU_SOURCE -O2 -fomit-frame-pointer -fasynchronous-unwind-tables -Wall -Wextra

# unwind.NAME: its sources, the libraries that it is linked to, and its own flags.
unwind.deep        := deep.c
unwind.altstack    := altstack.c
unwind.variable    := variable.c
unwind.tailcalls   := tailcalls.c -O3
unwind.frameless   := frameless.c
unwind.lastcall    := lastcall.c -falign-functions=1 -fno-reorder-functions
unwind.vforks      := vforks.c
unwind.coroutines  := coroutines.c switch.S
unwind.assembly    := assembly.c hand.S
unwind.roots       := roots.c
unwind.swap        := swap.c
unwind.swap_a.so   := swapped.c -shared -fPIC -DNAME=first -DROOM=40
unwind.swap_b.so   := swapped.c -shared -fPIC -DNAME=second -DROOM=400
unwind.ping        := storm.c -DNAME=ping -DROOM=32
unwind.pong        := storm.c -DNAME=pong -DROOM=320
unwind.libshared.so := shared.c -shared -fPIC
unwind.sharer_a    := sharer.c libshared.so -DNAME=one -DN=5
unwind.sharer_b    := sharer.c libshared.so -DNAME=other -DN=9
unwind.jit         := ../jit.c
unwind.vdso        := ../vdso.c
unwind.splitstack  := splitstack.c -fsplit-stack
unwind.naps        := naps.c
unwind.bigtables   := bigtables.c many.S
unwind.probed      := probed.c libshared.so
# How it is linked, and by whom.
unwind.callback    := callback.c
unwind.callback-static     := callback.c -static
unwind.callback-static-pie := callback.c -static-pie
unwind.callback-no-pie     := callback.c -fno-pie -no-pie
unwind.callback-cet        := callback.c -fcf-protection=full
unwind.callback-lld        := callback.c -fuse-ld=lld
unwind.callback-gold       := callback.c -fuse-ld=gold
unwind.callback-mold       := callback.c -fuse-ld=mold
unwind.altstack-static     := altstack.c -static
unwind.libticks.so := ticks.c -shared -fPIC
unwind.plt         := plt.c libticks.so -fplt -Wl,-z,lazy
unwind.plt-now     := plt.c libticks.so -fplt -Wl,-z,now
unwind.plt-cet     := plt.c libticks.so -fplt -fcf-protection=full -Wl,-z,lazy,-z,ibtplt
unwind.plt-lld     := plt.c libticks.so -fplt -Wl,-z,lazy -fuse-ld=lld
unwind.plt-gold    := plt.c libticks.so -fplt -Wl,-z,lazy -fuse-ld=gold
unwind.plt-mold    := plt.c libticks.so -fplt -Wl,-z,lazy -fuse-ld=mold
# By other compilers.
unwind.exceptions         := exceptions.cc
unwind.exceptions-static  := exceptions.cc -static
unwind.deep-musl          := deep.c
unwind.deep-musl-static   := deep.c -static
unwind.altstack-musl      := altstack.c
unwind.altstack-musl-static := altstack.c -static

UNWIND_NAMES := $(patsubst unwind.%,%,$(filter unwind.%,$(.VARIABLES)))
UNWIND_PROGRAMS := $(addprefix $(UNWIND_DIR)/,$(UNWIND_NAMES) rust gostack gostack-stripped gocgo)
PROGRAMS += $(UNWIND_PROGRAMS)

unwind_compiler = $(if $(filter %.cc,$(1)),$(CXX),$(if $(findstring musl,$(2)),musl-gcc,$(CC) -std=gnu11))

# Libraries are found beside the program.
unwind_paths = $(if $(filter %.so,$(1)),-Wl$(comma)-soname$(comma)$(1)) \
	$(if $(filter %.so,$(unwind.$(1))),-Wl$(comma)-rpath$(comma)'$$$$ORIGIN')
comma := ,

define unwind_rule
$(UNWIND_DIR)/$(1): $(addprefix $(UNWIND_SRC)/,$(filter %.c %.cc %.S,$(unwind.$(1)))) \
		$(addprefix $(UNWIND_DIR)/,$(filter %.so,$(unwind.$(1)))) \
		$(UNWIND_SRC)/spin.h tests/programs/truth.h
	@mkdir -p $$(@D)
	$(call unwind_compiler,$(unwind.$(1)),$(1)) $(UNWIND_CFLAGS) \
		$(filter-out %.c %.cc %.S %.so,$(unwind.$(1))) -o $$@ $$(filter-out %.h,$$^) \
		$(call unwind_paths,$(1))
endef
$(foreach name,$(UNWIND_NAMES),$(eval $(call unwind_rule,$(name))))

$(UNWIND_DIR)/rust: $(UNWIND_SRC)/rust.rs
	@mkdir -p $(@D)
	env -u MAKEFLAGS -u MFLAGS rustc --edition 2021 -C opt-level=2 -C force-frame-pointers=no -o $@ $<

$(UNWIND_DIR)/gostack: $(UNWIND_SRC)/gostack.go
	@mkdir -p $(@D)
	GO111MODULE=off GOPROXY=off CGO_ENABLED=0 go build -o $@ $<

# Without any CFI.
$(UNWIND_DIR)/gostack-stripped: $(UNWIND_SRC)/gostack.go
	@mkdir -p $(@D)
	GO111MODULE=off GOPROXY=off CGO_ENABLED=0 go build -ldflags='-s -w' -o $@ $<

# C has CFI, Go has none.
$(UNWIND_DIR)/gocgo: $(UNWIND_SRC)/gocgo.go
	@mkdir -p $(@D)
	GO111MODULE=off GOPROXY=off CGO_ENABLED=1 CC='$(CC)' go build -ldflags=-w -o $@ $<
