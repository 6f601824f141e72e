# SPDX-License-Identifier: MIT
# The comparison of unwound stacks with libdw's, and of names with other symbolizers', into
# $(B)/truth/.

TRUTH_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/truth.c %/symbols.c,$(wildcard tests/truth/*.c)))

$(B)/libtruth.a: $(TRUTH_OBJ)

.PHONY: truth
truth: $(B)/truth/truth $(B)/truth/symbols ## build the comparisons of stacks and names

$(B)/truth/truth: $(B)/obj/tests/truth/truth.o $(B)/libtruth.a $(B)/libdaemon.a $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(B)/truth/symbols: $(B)/obj/tests/truth/symbols.o $(B)/libdaemon.a $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

# With its own library before those that this one uses.
$(B)/obj/tests/unit/test_compare.o: CPPFLAGS += -Itests/truth
$(B)/unit/test_compare: $(B)/obj/tests/unit/test_compare.o $(B)/libtruth.a $(B)/libdaemon.a $(B)/libprofd.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DAEMON_LIBS) -lcmocka
