# SPDX-License-Identifier: MIT
# How profd is tested. The targets that a user types install what they lack by themselves.

include tests/programs/programs.mk
include tests/bpf/bpf.mk
include tests/fuzz/fuzz.mk
include tests/truth/truth.mk
include tests/bench/bench.mk

# For each fuzz target, five times that for some; hours of it find more.
FUZZ_SECONDS ?= 4

.PHONY: deps-build
deps-build: ## install what building and the demo need (Debian)
	@scripts/deps build

.PHONY: deps
deps: ## install what building and all tests need (Debian)
	@scripts/deps all

.PHONY: check
check: deps ## build and run all tests, with one old and one new kernel
	@$(PYTHON) tests/run --build $(B) --fuzz-seconds $(FUZZ_SECONDS)

.PHONY: check-systemd
check-systemd: deps ## test the installed service below a real systemd
	@$(PYTHON) tests/run --build $(B) build systemd

.PHONY: check-reports
check-reports: deps ## compare all reports with google/pprof's, not only a sample
	@$(PYTHON) tests/run --build $(B) --all-reports build reports

.PHONY: check-kernels
check-kernels: deps ## load and sample on every kernel that Debian's suites hold
	@$(PYTHON) tests/run --build $(B) --all-kernels build kernels

.PHONY: check-unit
check-unit: deps ## unit tests only, plain and with sanitizers
	@$(PYTHON) tests/run --build $(B) unit sanitized threads

.PHONY: check-integration
check-integration: deps ## integration tests only
	@$(PYTHON) tests/run --build $(B) build integration

.PHONY: check-truth
check-truth: ## compare stacks and names of real programs with others', frame by frame (minutes)
	@scripts/deps truth
	@$(MAKE) --no-print-directory all truth
	@$(PYTHON) tests/truth/names --large --build $(B)
	@tests/truth/run --build $(B)

.PHONY: bench
bench: ## measure what profiling costs, beside its peers
	@scripts/deps bench
	@$(MAKE) --no-print-directory all programs $(BENCH_PROGRAMS) $(B)/truth/symbols
	@$(PYTHON) tests/bench/bench --build $(B)

.PHONY: check-heap-soak
check-heap-soak: ## attach heap probes to busy redis and postgres servers, fifty times
	@scripts/deps truth
	@$(MAKE) --no-print-directory all programs
	@tests/bench/heap_soak --build $(B)

.PHONY: demo
demo: deps-build ## build, profile this host for some seconds, show what was found
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@tests/demo $(B)

LINT_C := $(filter-out %/kernel_types.h,$(wildcard lib/*/*.[ch] daemon/*.[ch] daemon/*/*.[ch] \
	cli/*.[ch] net/*.[ch] preload/*.[ch] bpf/*.[ch] include/profd/*.h tests/unit/*.[ch] tests/fuzz/*.c tests/bench/*.c \
	tests/programs/*.[ch] tests/programs/*/*.[ch] tests/truth/*.[ch] tests/bpf/*.[ch]))
LINT_SH := scripts/deps .ci/run tests/demo tests/fuzz/run tests/vm/systemd tests/vm/systemd-inside \
	tests/vm/init

.PHONY: lint lint-form lint-c lint-sh
lint: lint-form lint-c lint-sh ## check form (clang-format) and likely mistakes (clang-tidy, shellcheck)

lint-form:
	clang-format --dry-run -Werror $(LINT_C)

lint-c: generated
	printf '%s\0' $(LIB_SRC) $(DAEMON_SRC) $(CLI_SRC) $(NET_SRC) $(PRELOAD_SRC) | xargs -0 -I{} -P $$(nproc) \
		clang-tidy --quiet {} -- -std=gnu11 $(CPPFLAGS)

lint-sh:
	shellcheck $(LINT_SH)
