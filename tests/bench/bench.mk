# SPDX-License-Identifier: MIT
# What the measurements need: the files of a day, and what compiles all tables of a file.

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/libdaemon.a $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
