# SPDX-License-Identifier: MIT
# What the measurements need: the files of a day.

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LIBS)
