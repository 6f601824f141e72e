# SPDX-License-Identifier: MIT
# tests/fuzz/fuzz_NAME.c reads what others wrote; its first inputs lie in tests/fuzz/corpus/NAME/.
# All of profd is built once more for them, by clang with its sanitizers, into $(B)/fuzzing/.

FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)

.PHONY: fuzz
fuzz: ## build the fuzz targets into build/fuzzing/fuzz/
	@$(MAKE) --no-print-directory B=$(B)/fuzzing CC=$(CLANG) \
		SANITIZE=fuzzer-no-link,address,undefined fuzz-targets

.PHONY: fuzz-targets
fuzz-targets: $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))

$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/libnet.a $(B)/libdaemon.a $(B)/libcli.a $(B)/libprofd.a
	@mkdir -p $(@D)
	$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(DAEMON_LIBS) $(CLI_LIBS)
