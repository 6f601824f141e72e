// SPDX-License-Identifier: MIT
/*
 * Uprobes on a process of three threads, in all ways that the kernel has: every call of every
 * thread is counted while they are there, and no trap is left when they are not. The process is the
 * test itself, started with --target. All of it needs root; what the collector may do is tried as a
 * user with the collector's capabilities, in a second run.
 */
#include "uprobe_world.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "helper/process.h"

#define BREAKPOINT 0xcc

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
