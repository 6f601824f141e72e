// SPDX-License-Identifier: MIT
/*
 * Probes on the sites of real allocators, in a process that calls them: each call is seen once,
 * with its arguments in the registers that were said, and a return probe there sees what is
 * returned. The process is the test itself, started with --target and an allocator preloaded. Needs
 * root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/uprobe_kernel.h"
#include "sites/sites.h"
#include "symbolizer/elf_file.h"
#include "util/cleanup.h"

#define LIBRARY(name) "/usr/lib/x86_64-linux-gnu/" name
#define CALLS	      500

/* ---- the target ------------------------------------------------------------------------------ */

/* Through pointers that no compiler sees through. */
static void *(*volatile do_malloc)(size_t) = malloc;
static void *(*volatile do_calloc)(size_t, size_t) = calloc;
static void *(*volatile do_realloc)(void *, size_t) = realloc;
static void *(*volatile do_aligned_alloc)(size_t, size_t) = aligned_alloc;
static int (*volatile do_posix_memalign)(void **, size_t, size_t) = posix_memalign;
static void (*volatile do_free)(void *) = free;

/* What each function is called with; argument 0 is the first. ANY: it is not looked at. */
#define ANY -1
static const int wanted[HEAP_FUNCTIONS][HEAP_ARGUMENTS] = {
	[HEAP_MALLOC] = {1234, ANY, ANY},
	[HEAP_CALLOC] = {31, 37, ANY},
	[HEAP_REALLOC] = {0, 4321, ANY},
	[HEAP_REALLOCARRAY] = {ANY, ANY, ANY},
	[HEAP_POSIX_MEMALIGN] = {ANY, ANY, 3008},
	[HEAP_ALIGNED] = {ANY, 12288, ANY},
	[HEAP_FREE] = {0, ANY, ANY},
};

static void call_all(void)
{
	void *p[5];

	p[0] = do_malloc((size_t)wanted[HEAP_MALLOC][0]);
	p[1] = do_calloc((size_t)wanted[HEAP_CALLOC][0], (size_t)wanted[HEAP_CALLOC][1]);
	p[2] = do_realloc(NULL, (size_t)wanted[HEAP_REALLOC][1]);
	p[3] = do_aligned_alloc(4096, (size_t)wanted[HEAP_ALIGNED][1]);
	if (do_posix_memalign(&p[4], 64, (size_t)wanted[HEAP_POSIX_MEMALIGN][2]))
		_exit(1);
	do_free(NULL);
	for (int i = 0; i < 5; i++)
		do_free(p[i]);
}

/* The sum of what it returned. */
static uintptr_t call_malloc(void)
{
	void *p = do_malloc((size_t)wanted[HEAP_MALLOC][0]), *q = do_malloc(100000);
	uintptr_t sum = (uintptr_t)p + (uintptr_t)q;

	do_free(q);
	do_free(p);
	return sum;
}

/* Without stdio, which may allocate. */
static int target(void)
{
	uintptr_t sum;
	char command;

	call_all();
	if (write(1, "", 1) != 1)
		return 1;
	while (read(0, &command, 1) == 1) {
		sum = 0;
		for (int i = 0; i < CALLS; i++)
			if (command == 'a')
				call_all();
			else
				sum += call_malloc();
		if (write(1, &sum, sizeof(sum)) != sizeof(sum))
			return 1;
	}
	return 0;
}

struct target {
	pid_t pid;
	int to, from;
};

static struct target start_target(const char *library)
{
	struct target t;
	int in[2], out[2];
	char ready;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t.pid = fork();
	assert_true(t.pid >= 0);
	if (!t.pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		setenv("LD_PRELOAD", library, 1);
		execl("/proc/self/exe", "test_heap_probes", "--target", NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	t.to = in[1];
	t.from = out[0];
	assert_int_equal(read(t.from, &ready, 1), 1);
	return t;
}

static uintptr_t command(const struct target *t, char c)
{
	uintptr_t sum = 0;

	assert_int_equal(write(t->to, &c, 1), 1);
	assert_int_equal(read(t->from, &sum, sizeof(sum)), sizeof(sum));
	return sum;
}

static void stop_target(const struct target *t)
{
	int status;

	close(t->to);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	assert_int_equal(status, 0);
	close(t->from);
}

/* ---- the programs -----------------------------------------------------------------------------
 */

/* Offsets in struct pt_regs (arch/x86/include/asm/ptrace.h), in the order of DWARF's numbers. */
static const int16_t register_offset[] = {
	80, 96, 88, 40, 104, 112, 32, 152, 72, 64, 56, 48, 24, 16, 8, 0};

#define INSN(code_, dst, src, off_, imm_)   \
	((struct bpf_insn){.code = (code_), \
		.dst_reg = (dst),           \
		.src_reg = (src),           \
		.off = (int16_t)(off_),     \
		.imm = (imm_)})
#define MAX_INSNS 24

/* Adds one, or the register itself, to a slot of the map: if the register has that value, or ANY.
 */
static size_t add_insns(
	struct bpf_insn *insns, int map, int slot, uint8_t number, int value, bool itself)
{
	size_t n = 0;

	insns[n++] = INSN(
		BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_3, BPF_REG_6, register_offset[number], 0);
	insns[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 1);
	if (value != ANY)
		insns[n++] = INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, 3, value);
	if (itself)
		insns[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0);
	insns[n] = INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, map);
	n++;
	insns[n++] = INSN(0, 0, 0, 0, slot * 8);
	insns[n++] = INSN(BPF_STX | BPF_DW | BPF_ATOMIC, BPF_REG_1, BPF_REG_2, 0, BPF_ADD);
	return n;
}

static int load(const struct bpf_insn *body, size_t size)
{
	struct bpf_insn insns[MAX_INSNS];
	size_t n = 0;

	assert_true(size + 3 <= MAX_INSNS);
	insns[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0);
	memcpy(insns + n, body, size * sizeof(*body));
	n += size;
	insns[n++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
	insns[n++] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "test_heap", "GPL", insns, n, NULL);

	assert_true(fd >= 0);
	return fd;
}

/* A slot for each argument of each kind of function. Where aligned_alloc only hands on to a
 * function that has the size first, it is seen there. */
static int load_entry(int map, const struct heap_site *site, bool aligns)
{
	const int aligned = HEAP_ALIGNED * HEAP_ARGUMENTS + 1;
	struct bpf_insn insns[MAX_INSNS];
	size_t n = 0;

	for (int i = 0; i < HEAP_ARGUMENTS; i++)
		if (wanted[site->function][i] != ANY)
			n += add_insns(insns + n, map, site->function * HEAP_ARGUMENTS + i,
				site->registers[i], wanted[site->function][i], false);
	if (aligns)
		n += add_insns(insns + n, map, aligned, site->registers[0], wanted[HEAP_ALIGNED][1],
			false);
	return load(insns, n);
}

/* Slot 0 counts, slot 1 is the sum of what is returned (rax). */
static int load_return(int map)
{
	struct bpf_insn insns[MAX_INSNS];
	size_t n = add_insns(insns, map, 0, 0, ANY, false);

	n += add_insns(insns + n, map, 1, 0, ANY, true);
	return load(insns, n);
}

/* ---- an allocator -----------------------------------------------------------------------------
 */

#define SLOTS (HEAP_FUNCTIONS * HEAP_ARGUMENTS)

struct world {
	struct uprobe_pmu pmu;
	struct sites_found found;
	struct target target;
	int map, file;
	int links[HEAP_MAX_SITES];
	unsigned n;
};

static void attach(struct world *w, const struct heap_site *site, int program, bool at_return)
{
	const struct uprobe_place place = {.offset = site->probe};
	const struct uprobe_request request = {
		.at_return = at_return,
		.program = program,
		.file = w->file,
		.pid = w->target.pid,
		.places = &place,
		.n_places = 1,
	};
	int fd = uprobe_attach_perf(&w->pmu, &request, &place, false);

	if (fd < 0)
		fail_msg("%s: %s", site->name, strerror(-fd));
	w->links[w->n++] = fd;
	close(program);
}

static void detach(struct world *w)
{
	while (w->n)
		close(w->links[--w->n]);
}

static void read_slots(const struct world *w, uint64_t slots[SLOTS])
{
	const uint64_t zeros[SLOTS] = {0};
	uint32_t key = 0;

	assert_int_equal(bpf_map_lookup_elem(w->map, &key, slots), 0);
	assert_int_equal(bpf_map_update_elem(w->map, &key, zeros, BPF_ANY), 0);
}

static bool has_function(const struct world *w, enum heap_function function)
{
	for (uint32_t i = 0; i < w->found.n_sites; i++)
		if (w->found.sites[i].function == function)
			return true;
	return false;
}

/* Each function was called so often with these arguments. An allocator's functions call each other,
 * but with others. */
static void check_entries(struct world *w)
{
	bool aligns = !has_function(w, HEAP_ALIGNED);
	uint64_t slots[SLOTS];

	for (uint32_t i = 0; i < w->found.n_sites; i++) {
		const struct heap_site *site = &w->found.sites[i];

		if (site->function != HEAP_REALLOCARRAY)
			attach(w, site,
				load_entry(w->map, site, aligns && site->function == HEAP_MALLOC),
				false);
	}
	command(&w->target, 'a');
	detach(w);
	read_slots(w, slots);
	for (int f = 0; f < HEAP_FUNCTIONS; f++)
		for (int i = 0; i < HEAP_ARGUMENTS; i++)
			if (slots[f * HEAP_ARGUMENTS + i] != (wanted[f][i] == ANY ? 0 : CALLS))
				fail_msg("function %d, argument %d: %" PRIu64, f, i + 1,
					slots[f * HEAP_ARGUMENTS + i]);
}

static void check_returns(struct world *w)
{
	uint64_t slots[SLOTS], sum;

	for (uint32_t i = 0; i < w->found.n_sites; i++)
		if (!strcmp(w->found.sites[i].name, "malloc"))
			attach(w, &w->found.sites[i], load_return(w->map), true);
	assert_int_equal(w->n, 1);
	sum = command(&w->target, 'm');
	detach(w);
	read_slots(w, slots);
	assert_int_equal(slots[0], 2 * CALLS);
	assert_int_equal(slots[1], sum);
}

static void check_allocator(const char *path)
{
	static struct world w;
	struct elf_file file;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return; /* the target's allocator is the sanitizer's */
#endif
	if (geteuid() != 0)
		skip();
	assert_int_equal(uprobe_pmu_read(&w.pmu), 0);
	w.file = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(elf_file_open(&file, w.file), 0);
	assert_int_equal(sites_find(&file, &w.found), 0);
	elf_file_close(&file);
	w.map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_heap", sizeof(uint32_t),
		SLOTS * sizeof(uint64_t), 1, NULL);
	assert_true(w.map >= 0);
	w.target = start_target(strstr(path, "libc.so") ? "" : path);
	check_entries(&w);
	check_returns(&w);
	stop_target(&w.target);
	close(w.map);
	close(w.file);
}

static void glibc(void **state)
{
	check_allocator(LIBRARY("libc.so.6"));
}

static void jemalloc(void **state)
{
	check_allocator(LIBRARY("libjemalloc.so.2"));
}

static void tcmalloc(void **state)
{
	check_allocator(LIBRARY("libtcmalloc_minimal.so.4"));
}

static void mimalloc(void **state)
{
	check_allocator(LIBRARY("libmimalloc.so.2.0"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(glibc),
		cmocka_unit_test(jemalloc),
		cmocka_unit_test(tcmalloc),
		cmocka_unit_test(mimalloc),
	};

	if (argc > 1 && !strcmp(argv[1], "--target"))
		return target();
	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
