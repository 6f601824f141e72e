# SPDX-License-Identifier: MIT
# What the measurements need: the files of a day, what compiles all tables of a file, probes that do
# nothing, and programs that do one thing.

BENCH_PROGRAMS := $(addprefix $(B)/bench/,compile_tables day heap_floor yardstick)

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/libdaemon.a $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

BENCH_BPF := heap_floor yardstick

$(BENCH_BPF:%=$(B)/bpf/tests/%.bpf.o): $(B)/bpf/tests/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(BENCH_BPF:%=$(B)/gen/%.skel.h): $(B)/gen/%.skel.h: $(B)/bpf/tests/%.bpf.o
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(BENCH_BPF:%=$(B)/obj/tests/bench/%.o): $(B)/obj/tests/bench/%.o: $(B)/gen/%.skel.h
