/* SPDX-License-Identifier: MIT */
/* uprobe_world.h - uprobes on a target (uprobe_target.h): the BPF program that counts its calls,
 * and how probes are asked for and waited for. */
#ifndef PROFD_TEST_UPROBE_WORLD_H
#define PROFD_TEST_UPROBE_WORLD_H

#include "uprobe_target.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <time.h>

#include "collector/uprobe_kernel.h"
#include "own_file.h"

#define AS_USER	  "PROFD_TEST_UPROBES_AS_USER"
#define COOKIES	  8
#define MAX_EVENT 1000

/* ---- the program ------------------------------------------------------------------------------
 */

#define INSN(code_, dst, src, imm_)                                                \
	{                                                                          \
		.code = (code_), .dst_reg = (dst), .src_reg = (src), .imm = (imm_) \
	}

/* Counts by the lowest bits of the cookie; or, without cookies, all as 0. */
static inline int load_program(int map, enum uprobe_way way, bool cookies)
{
	static const uint32_t attach_types[] = {
		[UPROBE_MULTI] = UPROBE_ATTACH_MULTI,
		[UPROBE_SESSION] = UPROBE_ATTACH_SESSION,
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach_types[way]);
	const struct bpf_insn move = INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0);
	struct bpf_insn insns[] = {
		INSN(BPF_JMP | BPF_CALL, 0, 0, BPF_FUNC_get_attach_cookie),
		INSN(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_0, 0, COOKIES - 1),
		INSN(BPF_ALU64 | BPF_LSH | BPF_K, BPF_REG_0, 0, 3),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, map),
		INSN(0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, BPF_REG_0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 1),
		INSN(BPF_STX | BPF_DW | BPF_ATOMIC, BPF_REG_1, BPF_REG_2, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0),
	};

	if (!cookies)
		insns[0] = move;
	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "test_uprobes", "GPL", insns,
		sizeof(insns) / sizeof(*insns), &options);
}

struct world {
	sd_event *event;
	struct uprobes *uprobes;
	struct uprobe_support support;
	int map, file;
	struct target target;
	/* of callbacks */
	unsigned attached, detached, supported;
	int error;
};

static inline void read_counts(const struct world *w, uint64_t counts[COOKIES])
{
	uint32_t key = 0;

	assert_int_equal(bpf_map_lookup_elem(w->map, &key, counts), 0);
}

static inline void clear_counts(const struct world *w)
{
	const uint64_t zeros[COOKIES] = {0};
	uint32_t key = 0;

	assert_int_equal(bpf_map_update_elem(w->map, &key, zeros, BPF_ANY), 0);
}

static inline void expect_counts(const struct world *w, uint64_t none, uint64_t one, uint64_t two)
{
	uint64_t counts[COOKIES];

	read_counts(w, counts);
	assert_int_equal(counts[0], none);
	assert_int_equal(counts[1], one);
	assert_int_equal(counts[2], two);
}

/* ---- places -----------------------------------------------------------------------------------
 */

static inline struct uprobe_place place_of(void (*function)(long), uint64_t cookie)
{
	return (struct uprobe_place){
		.offset = own_file_offset((uintptr_t)function), .cookie = cookie};
}

/* ---- asking -----------------------------------------------------------------------------------
 */

static inline void wait_until(struct world *w, const unsigned *count, unsigned wanted)
{
	for (unsigned i = 0; *count < wanted && i < MAX_EVENT; i++)
		assert_true(sd_event_run(w->event, 10 * 1000 * 1000) > 0);
	assert_int_equal(*count, wanted);
}

static inline void on_attached(void *userdata, struct uprobe_link *link, int error)
{
	struct world *w = userdata;

	w->attached++;
	w->error = error;
}

static inline void on_detached(void *userdata)
{
	struct world *w = userdata;

	w->detached++;
}

static inline void on_support(void *userdata, const struct uprobe_support *support)
{
	struct world *w = userdata;

	w->support = *support;
	w->supported++;
}

static inline struct uprobe_request request_of(
	const struct world *w, enum uprobe_way way, const struct uprobe_place *places, size_t n)
{
	return (struct uprobe_request){
		.way = way,
		.program = load_program(w->map, way, w->support.cookies || way != UPROBE_PERF),
		.file = w->file,
		.pid = w->target.pid,
		.places = places,
		.n_places = n,
	};
}

/* The link, or NULL and w->error. The program's descriptor is closed at once. */
static inline struct uprobe_link *attach(struct world *w, struct uprobe_request *request)
{
	struct uprobe_link *link = NULL;
	unsigned n = w->attached;

	assert_true(request->program >= 0);
	assert_int_equal(uprobes_attach(w->uprobes, request, on_attached, w, &link), 0);
	assert_int_equal(w->attached, n);
	request->program = close_fd(request->program);
	wait_until(w, &w->attached, n + 1);
	return w->error ? NULL : link;
}

static inline double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) + 1e-9 * (double)(to->tv_nsec - from->tv_nsec);
}

static inline void detach(struct world *w, struct uprobe_link *link)
{
	unsigned n = w->detached;

	uprobes_detach(link, on_detached, w);
	assert_int_equal(w->detached, n);
	wait_until(w, &w->detached, n + 1);
}

/* ---- a world ----------------------------------------------------------------------------------
 */

static inline bool may_attach(void)
{
	return geteuid() == 0 || getenv(AS_USER);
}

static inline int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	*state = w;
	if (!may_attach())
		return 0;
	assert_true(sd_event_new(&w->event) >= 0);
	assert_int_equal(uprobes_new(&w->uprobes, w->event), 0);
	w->map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_uprobes", sizeof(uint32_t),
		COOKIES * sizeof(uint64_t), 1, NULL);
	w->file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(w->map >= 0 && w->file >= 0);
	assert_int_equal(uprobes_find_support(w->uprobes, on_support, w), 0);
	wait_until(w, &w->supported, 1);
	return 0;
}

static inline int tear_down(void **state)
{
	struct world *w = *state;

	uprobes_free(w->uprobes);
	sd_event_unref(w->event);
	if (may_attach()) {
		close(w->map);
		close(w->file);
	}
	free(w);
	return 0;
}

/* cmocka's skip() returns by a jump. */
static inline struct world *world_of(void **state)
{
	if (!may_attach())
		skip();
	return *state;
}

static inline bool has(const struct world *w, enum uprobe_way way)
{
	switch (way) {
	case UPROBE_PERF:
		return w->support.events;
	case UPROBE_MULTI:
		return w->support.multi;
	default:
		return w->support.session;
	}
}

/* Where it does not matter. */
static inline enum uprobe_way some_way(const struct world *w)
{
	return w->support.events ? UPROBE_PERF : UPROBE_MULTI;
}

/* A user may find that the kernel has none for him. */
static inline bool has_some_way(const struct world *w)
{
	return has(w, some_way(w));
}

#endif
