# SPDX-License-Identifier: MIT
# BPF programs of tests and what loads them, into $(B)/programs/: probe, a uprobe that walks stacks
# with the tables of a profd that runs; heap_arithmetic, that of heap samples; and heap_listener, on
# the probes of libprofd-heap.so.

BPF_TESTS := probe heap_arithmetic heap_listener
programs: $(BPF_TESTS:%=$(PROGRAM_DIR)/%)

$(B)/bpf/tests/%.bpf.o: tests/bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(BPF_TESTS:%=$(B)/bpf/tests/%.o): $(B)/bpf/tests/%.o: $(B)/bpf/tests/%.bpf.o
	$(Q)$(BPFTOOL) gen object $@ $<

$(BPF_TESTS:%=$(B)/gen/%.skel.h): $(B)/gen/%.skel.h: $(B)/bpf/tests/%.o
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(BPF_TESTS:%=$(B)/obj/tests/bpf/%.o): $(B)/obj/tests/bpf/%.o: $(B)/gen/%.skel.h

$(BPF_TESTS:%=$(PROGRAM_DIR)/%): $(PROGRAM_DIR)/%: $(B)/obj/tests/bpf/%.o $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs libbpf libdw)

-include $(wildcard $(B)/bpf/tests/*.d)
