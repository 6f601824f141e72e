# SPDX-License-Identifier: MIT
# A uprobe that walks stacks with the tables of a profd that runs, into $(B)/programs/probe.

$(B)/bpf/tests/%.bpf.o: tests/bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/bpf/tests/probe.o: $(B)/bpf/tests/probe.bpf.o
	$(Q)$(BPFTOOL) gen object $@ $<

$(B)/gen/probe.skel.h: $(B)/bpf/tests/probe.o
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name probe_bpf > $@

$(B)/obj/tests/bpf/probe.o: $(B)/gen/probe.skel.h

$(PROGRAM_DIR)/probe: $(B)/obj/tests/bpf/probe.o $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs libbpf libdw)

programs: $(PROGRAM_DIR)/probe

-include $(wildcard $(B)/bpf/tests/*.d)
