# SPDX-License-Identifier: MIT
# What the measurements need: the files of a day, what compiles all tables of a file, and probes that
# do nothing.

BENCH_PROGRAMS := $(addprefix $(B)/bench/,compile_tables day heap_floor)

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/libdaemon.a $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(B)/bpf/tests/heap_floor.bpf.o: tests/bench/heap_floor.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/gen/heap_floor.skel.h: $(B)/bpf/tests/heap_floor.bpf.o
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name heap_floor_bpf > $@

$(B)/obj/tests/bench/heap_floor.o: $(B)/gen/heap_floor.skel.h
