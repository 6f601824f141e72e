# SPDX-License-Identifier: MIT
# Programs whose allocations are known, into $(B)/programs/heap/. No builtins: the compiler leaves
# out what is allocated and not used.

HEAP_SRC := tests/programs/heap
HEAP_DIR := $(PROGRAM_DIR)/heap
HEAP_CFLAGS := $(PROGRAM_CFLAGS) -fno-builtin

# heap.NAME: its source, and what it is linked with.
heap.mixed          := mixed.c
heap.mixed-jemalloc := mixed.c -ljemalloc
heap.mixed-tcmalloc := mixed.c -ltcmalloc_minimal
heap.libfirst.so    := first.c -shared -fPIC
heap.corners        := corners.c libfirst.so
heap.steps          := steps.c
heap.steps-jemalloc := steps.c -ljemalloc
heap.steps-static   := steps.c -static
heap.nested         := nested.c
heap.nested-jemalloc := nested.c -ljemalloc
heap.steps-stripped := steps.c -static -s
heap.steady         := steady.c
heap.strict         := strict.c
heap.leaks          := leaks.c
heap.leaking.so     := leaking.c -shared -fPIC
heap.lost           := lost.c -ldl
heap.accounts       := accounts.c
heap.accounts-static := accounts.c -static
heap.accounts-jemalloc := accounts.c -ljemalloc -DNO_PVALLOC
heap.accounts-musl  := accounts.c -DNO_PVALLOC
heap.accounts-musl-static := accounts.c -static -DNO_PVALLOC
heap.accounts_cxx   := accounts_cxx.cc
heap.accounts_cxx-static := accounts_cxx.cc -static
heap.accounts_cxx-jemalloc := accounts_cxx.cc -ljemalloc
heap.announce       := announce.c
heap.early.so       := early.c -shared -fPIC
heap.family         := family.c
heap.orders         := orders.c
heap.renames        := renames.c
heap.flawed         := flawed.c
# Its functions call each other: one by itself, the other so that they can be interposed.
heap.bump.so        := bump.c -shared -fPIC -Wl,-Bsymbolic
heap.nested.so      := bump.c -shared -fPIC
heap.interrupted    := interrupted.c
heap.containers     := containers.cc
heap.containers-jemalloc := containers.cc -ljemalloc
heap.containers-tcmalloc := containers.cc -ltcmalloc_minimal
heap.pairs          := pairs.c
heap.peaks          := peaks.c
heap.temporary      := temporary.c
heap.loader         := loader.c
heap.plugin.so      := plugin.cc -shared -fPIC
heap.plugin-static.so := plugin.cc -shared -fPIC -static-libstdc++ -static-libgcc

HEAP_PROGRAMS := $(patsubst heap.%,$(HEAP_DIR)/%,$(filter heap.%,$(.VARIABLES)))
PROGRAMS += $(HEAP_PROGRAMS)

define heap_rule
$(HEAP_DIR)/$(1): $(addprefix $(HEAP_SRC)/,$(filter %.c %.cc,$(heap.$(1)))) \
		$(addprefix $(HEAP_DIR)/,$(filter %.so,$(heap.$(1)))) \
		$(HEAP_SRC)/truth.h $(HEAP_SRC)/accounts.h tests/programs/truth.h
	@mkdir -p $$(@D)
	$(if $(filter %.cc,$(heap.$(1))),$(CXX) $(filter-out -std=%,$(HEAP_CFLAGS)),$(if $(findstring musl,$(1)),musl-gcc,$(CC)) $(HEAP_CFLAGS)) \
		-o $$@ $$(filter-out %.h,$$^) -Wl,--no-as-needed -pthread \
		$(filter-out %.c %.cc %.so,$(heap.$(1))) -Wl,-rpath,'$$$$ORIGIN' $(if $(filter %.so,$(1)),-Wl$$(comma)-soname$$(comma)$(1))
endef
$(foreach name,$(HEAP_PROGRAMS:$(HEAP_DIR)/%=%),$(eval $(call heap_rule,$(name))))
