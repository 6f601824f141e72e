# SPDX-License-Identifier: MIT
# The programs that the tests profile: what each of them does, and how much, is known.
# They are built with frame pointers, into $(B)/programs/; those in unwind/ without.

PROGRAM_DIR    := $(B)/programs
PROGRAM_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -fno-omit-frame-pointer -Wall -Wextra

PROGRAM_PLAIN := burn3 depth threads forks execchain plugins memfd comms mapburner jit jitdump ownroot \
	kernelwork rustsymbols vdso
# The same program, and what was done to its names.
PROGRAM_BURN3 := burn3-o1 burn3-static burn3-gz burn3-symtab burn3-stripped burn3-debuglink \
	burn3-buildid burn3-minidebug burn3-split burn3-dwz
PROGRAMS := $(addprefix $(PROGRAM_DIR)/,$(PROGRAM_PLAIN) $(PROGRAM_BURN3) plugin_a.so plugin_b.so \
	names-cc gperf-pie gperf-no-pie $(if $(shell command -v rustc),names-rs))

include tests/programs/unwind/unwind.mk
include tests/programs/heap/heap.mk

.PHONY: programs
programs: $(PROGRAMS) ## build the programs that the tests profile

$(PROGRAM_DIR)/%: tests/programs/%.c tests/programs/truth.h
	@mkdir -p $(@D)
	$(CC) $(PROGRAM_CFLAGS) -o $@ $< -pthread -ldl

$(PROGRAM_DIR)/plugin_%.so: tests/programs/plugin.c tests/programs/truth.h
	@mkdir -p $(@D)
	$(CC) $(PROGRAM_CFLAGS) -fPIC -shared -DBURN=plugin_$* -o $@ $<

$(PROGRAM_DIR)/names-cc: tests/programs/names.cc
	@mkdir -p $(@D)
	$(CXX) -O1 -g -fno-omit-frame-pointer -o $@ $<

$(PROGRAM_DIR)/gperf-%: tests/programs/gperf.cc
	@mkdir -p $(@D)
	$(CXX) -O2 -g -$* $(if $(filter pie,$*),-fPIE,-fno-pie) -o $@ $< -Wl,--no-as-needed -ltcmalloc -lprofiler

$(PROGRAM_DIR)/names-rs: tests/programs/names.rs
	@mkdir -p $(@D)
	env -u MAKEFLAGS -u MFLAGS rustc --edition 2021 -C opt-level=2 -C debuginfo=2 -C force-frame-pointers=yes -o $@ $<

$(PROGRAM_DIR)/burn3-o1: tests/programs/burn3.c tests/programs/truth.h
	@mkdir -p $(@D)
	$(CC) $(PROGRAM_CFLAGS) -O1 -no-pie -o $@ $<

$(PROGRAM_DIR)/burn3-static: tests/programs/burn3.c tests/programs/truth.h
	@mkdir -p $(@D)
	$(CC) $(PROGRAM_CFLAGS) -static -o $@ $<

$(PROGRAM_DIR)/burn3-gz: tests/programs/burn3.c tests/programs/truth.h
	@mkdir -p $(@D)
	$(CC) $(PROGRAM_CFLAGS) -gz=zlib -o $@ $<

# Its functions are described in a file beside it.
$(PROGRAM_DIR)/burn3-split: tests/programs/burn3.c tests/programs/truth.h
	@mkdir -p $(@D)
	$(CC) $(PROGRAM_CFLAGS) -gsplit-dwarf -o $@ $<

# What two programs share is described in a file of its own.
$(PROGRAM_DIR)/burn3-dwz: $(PROGRAM_DIR)/burn3-whole-dwz $(PROGRAM_DIR)/burn3-whole-dwz2
	cp $< $@
	cp $(word 2,$^) $@2
	cd $(@D) && dwz -m burn3-dwz.common -M burn3-dwz.common burn3-dwz burn3-dwz2

# A build-id of its own for each, so that no cache can answer for another.
$(PROGRAM_DIR)/burn3-whole-%: tests/programs/burn3.c tests/programs/truth.h
	@mkdir -p $(@D)
	$(CC) $(PROGRAM_CFLAGS) -DVARIANT_$* -Wl,--build-id=0x$(shell echo burn3-$* | sha1sum | cut -c1-40) \
		-o $@ $<

$(PROGRAM_DIR)/burn3-symtab: $(PROGRAM_DIR)/burn3-whole-symtab
	strip --strip-debug -o $@ $<

$(PROGRAM_DIR)/burn3-stripped: $(PROGRAM_DIR)/burn3-whole-stripped
	strip -o $@ $<

$(PROGRAM_DIR)/burn3-debuglink: $(PROGRAM_DIR)/burn3-whole-debuglink
	objcopy --only-keep-debug $< $@.debug
	strip -o $@ $<
	cd $(@D) && objcopy --add-gnu-debuglink=$(@F).debug $(@F)

# Its debug file lies in $(PROGRAM_DIR)/debug/.build-id/, which is not among the usual folders.
$(PROGRAM_DIR)/burn3-buildid: $(PROGRAM_DIR)/burn3-whole-buildid
	strip -o $@ $<
	id=$$(readelf -n $< | sed -n 's/.*Build ID: //p') && \
	mkdir -p $(@D)/debug/.build-id/$$(echo $$id | cut -c1-2) && \
	objcopy --only-keep-debug $< $(@D)/debug/.build-id/$$(echo $$id | sed 's,^..,&/,').debug

# As Fedora ships its binaries: only a symbol table, compressed, in a section of its own.
$(PROGRAM_DIR)/burn3-minidebug: $(PROGRAM_DIR)/burn3-whole-minidebug
	strip -o $@ $<
	objcopy -S --remove-section .gdb_index --remove-section .comment \
		--keep-symbol=burn_sixty --keep-symbol=burn_thirty --keep-symbol=burn_ten \
		--keep-symbol=burn_round --keep-symbol=main $< $@.mini
	xz -f $@.mini
	objcopy --add-section .gnu_debugdata=$@.mini.xz $@
	rm -f $@.mini.xz
