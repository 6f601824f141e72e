// SPDX-License-Identifier: MIT
/*
 * Uprobes on a process of three threads, in all ways that the kernel has: every call of every
 * thread is counted while they are there, and no trap is left when they are not. The process is the
 * test itself, started with --target. All of it needs root; what the collector may do is tried as a
 * user with the collector's capabilities, in a second run.
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
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collector/uprobe_kernel.h"
#include "helper/process.h"
#include "own_file.h"
#include "util/cleanup.h"

#define AS_USER	   "PROFD_TEST_UPROBES_AS_USER"
#define THREADS	   3
#define COOKIES	   8
#define MAX_EVENT  1000
#define BREAKPOINT 0xcc

/* ---- what is probed -------------------------------------------------------------------------- */

/* On as long as somebody has a probe with it. */
__attribute__((section(".probes"))) volatile unsigned short uprobe_semaphore;

/* Begin with instructions that are emulated, and not; and with one that cannot be probed. */
__asm__(".text\n"
	".globl hit_one, hit_two, refused\n"
	".type hit_one,@function\n"
	"hit_one: nop\n"
	"ret\n"
	".type hit_two,@function\n"
	"hit_two: test %rdi,%rdi\n"
	"ret\n"
	".type refused,@function\n"
	"refused: lock addl $0,-8(%rsp)\n"
	"ret\n");
void hit_one(long n);
void hit_two(long n);
void refused(void);

/* ---- the target ------------------------------------------------------------------------------ */

static pthread_barrier_t before, after;
static long rounds;
static bool busy; /* atomic */

static void hit(long n)
{
	for (long i = 0; i < n; i++) {
		hit_one(i);
		hit_two(i);
	}
}

static void *hit_in_rounds(void *unused)
{
	for (;;) {
		pthread_barrier_wait(&before);
		hit(rounds);
		pthread_barrier_wait(&after);
	}
	return NULL;
}

static void *hit_all_the_time(void *unused)
{
	while (__atomic_load_n(&busy, __ATOMIC_RELAXED))
		hit(100);
	return NULL;
}

/* Goes on without the first thread. */
static void *live_on(void *unused)
{
	printf("%" PRIxPTR " 0\n", (uintptr_t)hit_one);
	fflush(stdout);
	while (getchar() != EOF)
		;
	_exit(0);
}

static void end_first_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, live_on, NULL);
	pthread_exit(NULL);
}

/* Reads how often each thread is to call, does it, and says so; or with "busy" until it is over. */
static int target(bool is_busy)
{
	pthread_t threads[THREADS];

	pthread_barrier_init(&before, NULL, THREADS);
	pthread_barrier_init(&after, NULL, THREADS);
	__atomic_store_n(&busy, is_busy, __ATOMIC_RELAXED);
	for (int i = 1; i < THREADS; i++)
		pthread_create(&threads[i], NULL, is_busy ? hit_all_the_time : hit_in_rounds, NULL);
	printf("%" PRIxPTR " %" PRIxPTR "\n", (uintptr_t)hit_one, (uintptr_t)&uprobe_semaphore);
	fflush(stdout);
	while (scanf("%ld", &rounds) == 1) {
		pthread_barrier_wait(&before);
		hit(rounds);
		pthread_barrier_wait(&after);
		printf("done\n");
		fflush(stdout);
	}
	__atomic_store_n(&busy, false, __ATOMIC_RELAXED);
	for (int i = 1; is_busy && i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

struct target {
	pid_t pid;
	FILE *to, *from;
	int memory;
	uintptr_t hit_one, semaphore;
};

static void start_target(struct target *t, const char *how)
{
	int in[2], out[2];
	char path[64];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (!t->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/proc/self/exe", "test_uprobes", "--target", how, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	t->to = fdopen(in[1], "w");
	t->from = fdopen(out[0], "r");
	assert_int_equal(fscanf(t->from, "%" SCNxPTR " %" SCNxPTR, &t->hit_one, &t->semaphore), 2);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)t->pid);
	t->memory = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(t->memory >= 0 || !strcmp(how, "leaderless"));
}

/* The target must have lived until now. */
static void stop_target(struct target *t)
{
	int status;

	fclose(t->to);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	assert_int_equal(status, 0);
	fclose(t->from);
	close_fd(t->memory);
}

static void call(struct target *t, long n)
{
	char line[64] = "";

	fprintf(t->to, "%ld\n", n);
	fflush(t->to);
	assert_int_equal(fscanf(t->from, "%63s", line), 1);
	assert_string_equal(line, "done");
}

static uint8_t first_byte(const struct target *t, void (*function)(long))
{
	uintptr_t address = t->hit_one + ((uintptr_t)function - (uintptr_t)hit_one);
	uint8_t byte = 0;

	assert_int_equal(pread(t->memory, &byte, 1, (off_t)address), 1);
	return byte;
}

static unsigned semaphore(const struct target *t)
{
	uint16_t value;

	assert_int_equal(
		pread(t->memory, &value, sizeof(value), (off_t)t->semaphore), sizeof(value));
	return value;
}

static void expect_no_trap(const struct target *t)
{
	assert_int_equal(first_byte(t, hit_one), 0x90);
	assert_int_equal(first_byte(t, hit_two), 0x48);
	assert_int_equal(semaphore(t), 0);
}

/* ---- the program ------------------------------------------------------------------------------
 */

#define INSN(code_, dst, src, imm_)                                                \
	{                                                                          \
		.code = (code_), .dst_reg = (dst), .src_reg = (src), .imm = (imm_) \
	}

/* Counts by the lowest bits of the cookie; or, without cookies, all as 0. */
static int load_program(int map, enum uprobe_way way, bool cookies)
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

static void read_counts(const struct world *w, uint64_t counts[COOKIES])
{
	uint32_t key = 0;

	assert_int_equal(bpf_map_lookup_elem(w->map, &key, counts), 0);
}

static void clear_counts(const struct world *w)
{
	const uint64_t zeros[COOKIES] = {0};
	uint32_t key = 0;

	assert_int_equal(bpf_map_update_elem(w->map, &key, zeros, BPF_ANY), 0);
}

static void expect_counts(const struct world *w, uint64_t none, uint64_t one, uint64_t two)
{
	uint64_t counts[COOKIES];

	read_counts(w, counts);
	assert_int_equal(counts[0], none);
	assert_int_equal(counts[1], one);
	assert_int_equal(counts[2], two);
}

/* ---- places -----------------------------------------------------------------------------------
 */

static struct uprobe_place place_of(void (*function)(long), uint64_t cookie)
{
	return (struct uprobe_place){
		.offset = own_file_offset((uintptr_t)function), .cookie = cookie};
}

/* ---- asking -----------------------------------------------------------------------------------
 */

static void wait_until(struct world *w, const unsigned *count, unsigned wanted)
{
	for (unsigned i = 0; *count < wanted && i < MAX_EVENT; i++)
		assert_true(sd_event_run(w->event, 10 * 1000 * 1000) > 0);
	assert_int_equal(*count, wanted);
}

static void on_attached(void *userdata, struct uprobe_link *link, int error)
{
	struct world *w = userdata;

	w->attached++;
	w->error = error;
}

static void on_detached(void *userdata)
{
	struct world *w = userdata;

	w->detached++;
}

static void on_support(void *userdata, const struct uprobe_support *support)
{
	struct world *w = userdata;

	w->support = *support;
	w->supported++;
}

static struct uprobe_request request_of(
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
static struct uprobe_link *attach(struct world *w, struct uprobe_request *request)
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

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) + 1e-9 * (double)(to->tv_nsec - from->tv_nsec);
}

static void detach(struct world *w, struct uprobe_link *link)
{
	unsigned n = w->detached;

	uprobes_detach(link, on_detached, w);
	assert_int_equal(w->detached, n);
	wait_until(w, &w->detached, n + 1);
}

/* ---- a world ----------------------------------------------------------------------------------
 */

static bool may_attach(void)
{
	return geteuid() == 0 || getenv(AS_USER);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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
static struct world *world_of(void **state)
{
	if (!may_attach())
		skip();
	return *state;
}

static bool has(const struct world *w, enum uprobe_way way)
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
static enum uprobe_way some_way(const struct world *w)
{
	return w->support.events ? UPROBE_PERF : UPROBE_MULTI;
}

/* A user may find that the kernel has none for him. */
static bool has_some_way(const struct world *w)
{
	return has(w, some_way(w));
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void what_the_kernel_has_is_found(void **state)
{
	struct world *w = world_of(state);
	struct uprobe_support first = w->support;

	assert_true(first.trap_ns && first.step_ns);

	print_message("events %d, cookies %d, multi %d, session %d\n", first.events, first.cookies,
		first.multi, first.session);
	assert_true(first.events || geteuid() != 0);
	assert_true(first.cookies || !first.multi || !first.events);
	assert_true(first.multi || !first.session);
	assert_int_equal(uprobes_find_support(w->uprobes, on_support, w), 0);
	assert_int_equal(w->supported, 1);
	wait_until(w, &w->supported, 2);
	assert_memory_equal(&w->support, &first, sizeof(first));
}

#define CALLS 1000

/* Two functions, each with its cookie. */
static void count_calls(struct world *w, enum uprobe_way way, bool at_return)
{
	bool cookies = w->support.cookies || way != UPROBE_PERF;
	uint64_t all = CALLS * THREADS * (way == UPROBE_SESSION ? 2 : 1);
	struct uprobe_place places[] = {
		place_of(hit_one, cookies ? 1 : 0), place_of(hit_two, cookies ? 2 : 0)};
	struct uprobe_request request = request_of(w, way, places, 2);
	struct uprobe_link *link;

	request.at_return = at_return;
	clear_counts(w);
	link = attach(w, &request);
	assert_int_equal(w->error, 0);
	assert_int_equal(first_byte(&w->target, hit_one), BREAKPOINT);
	assert_int_equal(first_byte(&w->target, hit_two), BREAKPOINT);
	assert_int_equal(uprobes_stats(w->uprobes).links, 1);
	assert_int_equal(uprobes_stats(w->uprobes).open, way == UPROBE_PERF ? 2 : 1);
	call(&w->target, CALLS);
	expect_counts(w, cookies ? 0 : 2 * all, cookies ? all : 0, cookies ? all : 0);
	detach(w, link);
	expect_no_trap(&w->target);
	call(&w->target, CALLS);
	expect_counts(w, cookies ? 0 : 2 * all, cookies ? all : 0, cookies ? all : 0);
	assert_int_equal(uprobes_stats(w->uprobes).links, 0);
	assert_int_equal(uprobes_stats(w->uprobes).open, 0);
}

static void every_call_of_every_thread_counts(void **state)
{
	struct world *w = world_of(state);

	start_target(&w->target, "rounds");
	for (enum uprobe_way way = UPROBE_PERF; way <= UPROBE_SESSION; way++) {
		if (!has(w, way))
			continue;
		count_calls(w, way, false);
		if (way != UPROBE_SESSION)
			count_calls(w, way, true);
	}
	stop_target(&w->target);
}

/* As before 5.15. */
static void events_without_cookies(void **state)
{
	struct world *w = world_of(state);
	struct uprobe_place place = place_of(hit_one, 0);
	struct uprobe_request request;
	struct uprobe_pmu pmu;

	if (!w->support.events)
		return;
	start_target(&w->target, "rounds");
	request = request_of(w, UPROBE_PERF, &place, 1);
	assert_int_equal(uprobe_pmu_read(&pmu), 0);
	int fd = uprobe_attach_perf(&pmu, &request, &place, false);
	assert_true(fd >= 0);
	close(request.program);
	call(&w->target, CALLS);
	expect_counts(w, CALLS * THREADS, 0, 0);
	close(fd);
	expect_no_trap(&w->target);
	stop_target(&w->target);
}

static void semaphores_are_on_meanwhile(void **state)
{
	struct world *w = world_of(state);

	start_target(&w->target, "rounds");
	for (enum uprobe_way way = UPROBE_PERF; way <= UPROBE_SESSION; way++) {
		struct uprobe_place place = place_of(hit_one, 0);
		struct uprobe_request request;
		struct uprobe_link *link;

		if (!has(w, way))
			continue;
		place.counter = own_file_offset((uintptr_t)&uprobe_semaphore);
		request = request_of(w, way, &place, 1);
		link = attach(w, &request);
		assert_int_equal(w->error, 0);
		assert_int_equal(semaphore(&w->target), 1);
		detach(w, link);
		expect_no_trap(&w->target);
	}
	stop_target(&w->target);
}

/* Another process of the same program has no traps. */
static void others_are_left_alone(void **state)
{
	struct world *w = world_of(state);
	struct target other;

	start_target(&w->target, "rounds");
	start_target(&other, "rounds");
	for (enum uprobe_way way = UPROBE_PERF; way <= UPROBE_SESSION; way++) {
		struct uprobe_place place = place_of(hit_one, 0);
		struct uprobe_request request;
		struct uprobe_link *link;

		if (!has(w, way))
			continue;
		clear_counts(w);
		request = request_of(w, way, &place, 1);
		link = attach(w, &request);
		assert_int_equal(w->error, 0);
		expect_no_trap(&other);
		call(&other, CALLS);
		expect_counts(w, 0, 0, 0);
		detach(w, link);
	}
	stop_target(&other);
	stop_target(&w->target);
}

static void expect_error(struct world *w, struct uprobe_request *request, int error)
{
	uint64_t failed = uprobes_stats(w->uprobes).failed;

	assert_null(attach(w, request));
	assert_int_equal(w->error, error);
	assert_int_equal(uprobes_stats(w->uprobes).failed, failed + 1);
	assert_int_equal(uprobes_stats(w->uprobes).links, 0);
}

/* All or nothing. */
static void what_cannot_be_probed(void **state)
{
	struct world *w = world_of(state);

	start_target(&w->target, "rounds");
	for (enum uprobe_way way = UPROBE_PERF; way <= UPROBE_SESSION; way++) {
		struct uprobe_place places[] = {
			place_of(hit_one, 0), {.offset = own_file_offset((uintptr_t)refused)}};
		struct uprobe_request request;

		if (!has(w, way))
			continue;
		request = request_of(w, way, places, 2);
		expect_error(w, &request, -ENOTSUP);
		expect_no_trap(&w->target);
		request = request_of(w, way, places, 1);
		request.pid = 0x3ffffff;
		expect_error(w, &request, -ESRCH);
	}
	stop_target(&w->target);
}

static void wrong_requests_are_refused(void **state)
{
	struct world *w = world_of(state);
	struct uprobe_place place = {.offset = 1};
	struct uprobe_request good = {
		.pid = 1, .file = w->file, .program = w->map, .places = &place, .n_places = 1};
	struct uprobe_request r = good;
	struct uprobe_link *link;

	r.n_places = 0;
	assert_int_equal(uprobes_attach(w->uprobes, &r, on_attached, w, &link), -EINVAL);
	r.n_places = UPROBE_MAX_PLACES + 1;
	assert_int_equal(uprobes_attach(w->uprobes, &r, on_attached, w, &link), -EINVAL);
	r = good;
	r.pid = 0;
	assert_int_equal(uprobes_attach(w->uprobes, &r, on_attached, w, &link), -EINVAL);
	r = good;
	r.way = UPROBE_SESSION;
	r.at_return = true;
	assert_int_equal(uprobes_attach(w->uprobes, &r, on_attached, w, &link), -EINVAL);
	r = good;
	r.file = -1;
	assert_int_equal(uprobes_attach(w->uprobes, &r, on_attached, w, &link), -EMFILE);
	place.counter = 3;
	assert_int_equal(uprobes_attach(w->uprobes, &good, on_attached, w, &link), -EINVAL);
	place.counter = 1ULL << 32;
	assert_int_equal(uprobes_attach(w->uprobes, &good, on_attached, w, &link), -EINVAL);
	assert_int_equal(uprobes_stats(w->uprobes).links, 0);
}

/* The ceiling counts what links will take. */
static void there_is_a_ceiling(void **state)
{
	struct world *w = world_of(state);
	struct uprobe_place places[UPROBE_MAX_PLACES] = {{0}};
	struct uprobe_request r = {.way = UPROBE_PERF,
		.pid = 0x3ffffff,
		.file = w->file,
		.program = w->map,
		.places = places,
		.n_places = UPROBE_MAX_PLACES};
	unsigned n = UPROBES_MAX_OPEN / UPROBE_MAX_PLACES;
	struct uprobe_link *link;

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(uprobes_attach(w->uprobes, &r, on_attached, w, &link), 0);
	assert_int_equal(uprobes_attach(w->uprobes, &r, on_attached, w, &link), -ENOSPC);
	r.way = UPROBE_MULTI;
	assert_int_equal(uprobes_attach(w->uprobes, &r, on_attached, w, &link), -ENOSPC);
	wait_until(w, &w->attached, n);
	assert_int_equal(uprobes_stats(w->uprobes).open, 0);
	assert_int_equal(uprobes_stats(w->uprobes).failed, n);
}

/* All threads but the first go on. Better no probe than one that nobody hits. */
static void a_process_without_its_first_thread(void **state)
{
	struct world *w = world_of(state);
	struct uprobe_place place = place_of(hit_one, 0);
	char path[64], line[512] = "";

	start_target(&w->target, "leaderless");
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)w->target.pid);
	while (!strstr(line, ") Z ")) {
		_cleanup_fclose_ FILE *f = fopen(path, "re");

		assert_non_null(f);
		assert_non_null(fgets(line, sizeof(line), f));
	}
	for (enum uprobe_way way = UPROBE_PERF; way <= UPROBE_SESSION; way++) {
		struct uprobe_request request;

		if (!has(w, way))
			continue;
		request = request_of(w, way, &place, 1);
		expect_error(w, &request, -ESRCH);
	}
	stop_target(&w->target);
}

/* Given up before it is there, or while it comes. */
static void who_gives_up_is_not_told(void **state)
{
	struct world *w = world_of(state);
	struct uprobe_place place = place_of(hit_one, 0);
	struct uprobe_request request;
	struct uprobe_link *links[20];

	start_target(&w->target, "rounds");
	request = request_of(w, some_way(w), &place, 1);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(
			uprobes_attach(w->uprobes, &request, on_attached, w, &links[i]), 0);
	for (unsigned i = 0; i < 20; i++) {
		usleep(1000);
		uprobes_detach(links[i], i % 2 ? on_detached : NULL, w);
	}
	wait_until(w, &w->detached, 10);
	assert_int_equal(w->attached, 0);
	assert_int_equal(uprobes_stats(w->uprobes).links, 0);
	expect_no_trap(&w->target);
	close(request.program);
	stop_target(&w->target);
}

static void attach_and_detach_on_a_busy_program(void **state)
{
	struct world *w = world_of(state);
	struct uprobe_place places[] = {place_of(hit_one, 0), place_of(hit_two, 0)};

	if (!has_some_way(w))
		return;
	start_target(&w->target, "busy");
	for (unsigned i = 0; i < 50; i++) {
		enum uprobe_way way = i % 3;
		struct uprobe_request request;
		struct uprobe_link *link;
		uint64_t counts[COOKIES];

		if (!has(w, way))
			way = some_way(w);
		clear_counts(w);
		request = request_of(w, way, places, 2);
		request.at_return = way != UPROBE_SESSION && i % 2;
		link = attach(w, &request);
		assert_int_equal(w->error, 0);
		do
			read_counts(w, counts);
		while (counts[0] < 100);
		detach(w, link);
		expect_no_trap(&w->target);
		read_counts(w, counts);
		usleep(1000);
		expect_counts(w, counts[0], 0, 0);
	}
	print_message("attach %" PRIu64 " us, detach %" PRIu64 " us\n",
		uprobes_stats(w->uprobes).attach_ns / 50000,
		uprobes_stats(w->uprobes).detach_ns / 50000);
	stop_target(&w->target);
}

static void all_is_detached_at_the_end(void **state)
{
	struct world *w = world_of(state);
	struct uprobe_place places[] = {place_of(hit_one, 0), place_of(hit_two, 0)};
	struct uprobe_request request;
	struct uprobe_link *link;

	if (!has_some_way(w))
		return;
	start_target(&w->target, "rounds");
	request = request_of(w, some_way(w), places, 2);
	attach(w, &request);
	assert_int_equal(w->error, 0);
	request = request_of(w, some_way(w), places, 2);
	assert_int_equal(uprobes_attach(w->uprobes, &request, on_attached, w, &link), 0);
	assert_int_equal(uprobes_attach(w->uprobes, &request, on_attached, w, &link), 0);
	uprobes_detach(link, on_detached, w);
	assert_int_equal(uprobes_find_support(w->uprobes, on_support, w), 0);
	uprobes_free(w->uprobes);
	w->uprobes = NULL;
	close(request.program);
	expect_no_trap(&w->target);
	assert_int_equal(w->attached, 1);
	/* Of the link that was given up. */
	assert_int_equal(w->detached, 1);
	stop_target(&w->target);
}

#define MANY 100

/* Perf events the kernel closes one after the other. */
static unsigned many(enum uprobe_way way)
{
	return way == UPROBE_PERF ? 6 : MANY;
}

/* Half of them because nobody wants them any more, half of them because it is over. */
static void detach_many(struct world *w, enum uprobe_way way)
{
	struct uprobe_place places[] = {place_of(hit_one, 0), place_of(hit_two, 0)};
	struct uprobe_link *links[MANY];
	struct uprobe_request request = request_of(w, way, places, 2);
	struct timespec begin, started, middle, end;
	struct helper helper;
	unsigned n = many(way);

	w->attached = w->detached = 0;
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(
			uprobes_attach(w->uprobes, &request, on_attached, w, &links[i]), 0);
	wait_until(w, &w->attached, n);
	assert_int_equal(w->error, 0);
	close(request.program);
	assert_int_equal(first_byte(&w->target, hit_two), BREAKPOINT);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned i = 0; i < n; i += 2)
		uprobes_detach(links[i], on_detached, w);
	assert_int_equal(helper_start(&helper, "none", NULL, SOCK_STREAM), 0);
	clock_gettime(CLOCK_MONOTONIC, &started);
	helper_stop(&helper);
	wait_until(w, &w->detached, n / 2);
	assert_int_equal(uprobes_stats(w->uprobes).links, n / 2);
	assert_int_equal(first_byte(&w->target, hit_two), BREAKPOINT);
	clock_gettime(CLOCK_MONOTONIC, &middle);
	uprobes_free(w->uprobes);
	clock_gettime(CLOCK_MONOTONIC, &end);
	w->uprobes = NULL;
	expect_no_trap(&w->target);
	assert_int_equal(w->detached, n / 2);
	print_message(
		"way %d: %u detached in %.3f s, as many at the end in %.3f s; a helper started in "
		"%.3f s\n",
		way, n / 2, seconds_between(&begin, &middle), seconds_between(&middle, &end),
		seconds_between(&begin, &started));
}

static void many_are_detached_together(void **state)
{
	struct world *w = world_of(state);

	start_target(&w->target, "rounds");
	for (enum uprobe_way way = UPROBE_PERF; way <= UPROBE_SESSION; way++) {
		if (!has(w, way))
			continue;
		if (!w->uprobes)
			assert_int_equal(uprobes_new(&w->uprobes, w->event), 0);
		detach_many(w, way);
	}
	stop_target(&w->target);
}

static void a_process_may_end_meanwhile(void **state)
{
	struct world *w = world_of(state);
	struct uprobe_place place = place_of(hit_one, 0);
	struct uprobe_request request;
	struct uprobe_link *link;

	if (!has_some_way(w))
		return;
	start_target(&w->target, "rounds");
	request = request_of(w, some_way(w), &place, 1);
	link = attach(w, &request);
	assert_int_equal(w->error, 0);
	stop_target(&w->target);
	detach(w, link);
}

/* The same again as nobody with the collector's capabilities (privileges.h). */
static void the_collectors_rights_suffice(void **state)
{
	static const char caps[] =
		"+bpf,+perfmon,+sys_ptrace,+dac_read_search,+syslog,+checkpoint_restore";
	char inheritable[128], ambient[128];
	int status;
	pid_t pid;

	snprintf(inheritable, sizeof(inheritable), "--inh-caps=%s", caps);
	snprintf(ambient, sizeof(ambient), "--ambient-caps=%s", caps);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char self[4096] = "";

		setenv(AS_USER, "1", 1);
		if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
			execlp("setpriv", "setpriv", "--reuid=65534", "--regid=65534",
				"--clear-groups", inheritable, ambient, self, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_kernel_has_is_found),
		TEST(every_call_of_every_thread_counts),
		TEST(events_without_cookies),
		TEST(semaphores_are_on_meanwhile),
		TEST(others_are_left_alone),
		TEST(what_cannot_be_probed),
		TEST(wrong_requests_are_refused),
		TEST(there_is_a_ceiling),
		TEST(a_process_without_its_first_thread),
		TEST(who_gives_up_is_not_told),
		TEST(attach_and_detach_on_a_busy_program),
		TEST(all_is_detached_at_the_end),
		TEST(many_are_detached_together),
		TEST(a_process_may_end_meanwhile),
	};
	const struct CMUnitTest as_user[] = {
		cmocka_unit_test(the_collectors_rights_suffice),
	};
	int failed;

	if (argc > 2 && !strcmp(argv[1], "--target") && !strcmp(argv[2], "leaderless"))
		end_first_thread();
	if (argc > 2 && !strcmp(argv[1], "--target"))
		return target(!strcmp(argv[2], "busy"));
	if (argc > 1 && !strcmp(argv[1], "--helper"))
		return pause();
	signal(SIGPIPE, SIG_IGN);
	failed = cmocka_run_group_tests_name("uprobes", tests, NULL, NULL);
	if (geteuid() == 0)
		failed += cmocka_run_group_tests_name("as user", as_user, NULL, NULL);
	return failed;
}
