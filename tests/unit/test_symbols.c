// SPDX-License-Identifier: MIT
/* The collector's side of symbolization: files that are programs, and helpers that go wrong. */
#include <elf.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "own_file.h"
#include "symbols_fixture.h"

__attribute__((noinline)) void known_function(void);
void known_function(void)
{
	__asm__ volatile("nop; nop; nop");
}

static void ask_known(struct world *w)
{
	uint64_t offset = own_file_offset((uintptr_t)known_function);

	ask(w, &offset, 1);
}

static void names_come_once(void **state)
{
	struct world *w = *state;

	ask_known(w);
	assert_int_equal(w->error, 0);
	assert_string_equal(w->name, "known_function");
	assert_true(symbolizer_stats(w->symbolizer).cache_bytes > 0);

	/* The second time nobody is asked: the answer is there before the call returns. */
	uint64_t offset = own_file_offset((uintptr_t)known_function);

	symbolizer_idle(w->symbolizer);
	setenv("PROFD_TEST_SYMBOLIZER", "crash", 1);
	assert_int_equal(symbolizer_resolve(w->symbolizer, &w->module, &offset, 1, answered, w), 0);
	assert_int_equal(w->answers, 2);
	assert_string_equal(w->name, "known_function");
	assert_int_equal(symbolizer_stats(w->symbolizer).cache_hits, 1);
	assert_int_equal(symbolizer_stats(w->symbolizer).crashes, 0);
}

/* As after a restart of profd: nothing is in memory. */
static void restart(struct world *w)
{
	symbolizer_free(w->symbolizer);
	w->symbolizer = NULL;
	if (w->module.names)
		w->module.names_free(w->module.names);
	w->module.names = NULL;
	assert_int_equal(symbolizer_new(&w->symbolizer, w->event, w->opener, MEMORY, w->cache), 0);
}

static void names_outlive_a_restart(void **state)
{
	struct world *w = *state;
	struct symbolizer_stats stats;

	ask_known(w);
	stats = symbolizer_stats(w->symbolizer);
	assert_int_equal(stats.files_read, 1);
	assert_int_equal(stats.disk_hits, 0);
	restart(w);
	ask_known(w);
	assert_int_equal(w->error, 0);
	assert_string_equal(w->name, "known_function");
	stats = symbolizer_stats(w->symbolizer);
	assert_int_equal(stats.files_read, 0);
	assert_int_equal(stats.disk_hits, 1);
}

/* The next addresses join those that are there, and none is looked up twice. */
static void names_gather_on_disk(void **state)
{
	struct world *w = *state;
	uint64_t offset = own_file_offset((uintptr_t)known_function), both[] = {offset, offset + 1};

	for (unsigned i = 0; i < 3; i++) {
		restart(w);
		ask(w, both, i ? 2 : 1);
		assert_string_equal(w->name, "known_function");
		assert_int_equal(symbolizer_stats(w->symbolizer).disk_hits, i);
		assert_int_equal(symbolizer_stats(w->symbolizer).files_read, i < 2);
	}
}

static void a_deleted_cache_is_made_anew(void **state)
{
	struct world *w = *state;
	char command[64];

	ask_known(w);
	snprintf(command, sizeof(command), "rm -r %s/*", w->cache);
	restart(w);
	assert_int_equal(system(command), 0); // NOLINT
	ask_known(w);
	assert_string_equal(w->name, "known_function");
	assert_int_equal(symbolizer_stats(w->symbolizer).files_read, 1);
	restart(w);
	ask_known(w);
	assert_int_equal(symbolizer_stats(w->symbolizer).disk_hits, 1);
}

/* Where there is no place for them, names come all the same. */
static void a_cache_that_cannot_be_made_costs_no_names(void **state)
{
	struct world *w = *state;

	symbolizer_free(w->symbolizer);
	assert_int_equal(
		symbolizer_new(&w->symbolizer, w->event, w->opener, MEMORY, "/dev/null"), 0);
	ask_known(w);
	assert_string_equal(w->name, "known_function");
}

/* The module is a copy of this program without debug information. */
static void use_stripped(struct world *w)
{
	char command[256], path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/program", w->cache);
	snprintf(command, sizeof(command), "objcopy --strip-debug /proc/%d/exe %s", getpid(), path);
	assert_int_equal(system(command), 0); // NOLINT
	close(w->module.fd);
	w->module.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(w->module.fd, &st), 0);
	w->module.inode = st.st_ino;
	w->module.size = st.st_size;
}

static void install_debug_file(struct world *w)
{
	char command[512];

	snprintf(command, sizeof(command),
		"id=$(readelf -n /proc/%d/exe | sed -n 's/.*Build ID: //p'); d=%s/.build-id/$(echo "
		"$id | cut -c1-2); mkdir -p $d; objcopy --only-keep-debug /proc/%d/exe "
		"$d/$(echo $id | cut -c3-).debug",
		getpid(), w->cache, getpid());
	assert_int_equal(system(command), 0); // NOLINT
}

static void a_debug_file_that_comes_later_counts(void **state)
{
	struct world *w = *state;
	uint64_t offset = own_file_offset((uintptr_t)known_function), both[] = {offset, offset + 1};

	use_stripped(w);
	ask(w, &offset, 1);
	assert_string_equal(w->name, "known_function");
	assert_int_equal(w->line, 0);
	install_debug_file(w);
	ask(w, both, 2); /* what was known already is asked for again */
	assert_string_equal(w->name, "known_function");
	assert_true(w->line > 0);
	restart(w);
	ask(w, both, 2);
	assert_true(w->line > 0);
	assert_int_equal(symbolizer_stats(w->symbolizer).disk_hits, 2);
}

static void the_filter_is_in_force(void **state)
{
	struct world *w = *state;

	ask_known(w);
#if defined(__SANITIZE_ADDRESS__)
	assert_false(symbolizer_stats(w->symbolizer).seccomp);
#else
	assert_true(symbolizer_stats(w->symbolizer).seccomp);
#endif
}

/* It is the only one. */
static void expect_trouble(const struct world *w, enum trouble trouble, enum trouble_rest rest)
{
	const struct troubles *t = symbolizer_troubles(w->symbolizer);

	assert_int_equal(t->n, 1);
	assert_string_equal(t->all[0].module, w->module.path);
	assert_int_equal(t->all[0].trouble, trouble);
	assert_int_equal(t->all[0].rest, rest);
}

/* The symbolizer dies of DWARF: symbol tables are tried, and nothing else from then on. */
static void a_crash_costs_lines_first(void **state)
{
	struct world *w = *state;

	setenv("PROFD_TEST_SYMBOLIZER", "crash-dwarf", 1);
	ask_known(w);
	assert_int_equal(w->error, 0);
	assert_string_equal(w->name, "known_function");
	assert_int_equal(symbolizer_stats(w->symbolizer).crashes, 1);
	assert_int_equal(symbolizer_stats(w->symbolizer).bad_modules, 1);
	expect_trouble(w, TROUBLE_MEMORY, TROUBLE_REST_SYMBOLS);

	/* The same file, opened again, is known. */
	w->module.names_free(w->module.names);
	w->module.names = NULL;
	ask_known(w);
	assert_string_equal(w->name, "known_function");
	assert_int_equal(symbolizer_stats(w->symbolizer).crashes, 1);
}

static void expect_given_up(struct world *w, const char *how)
{
	setenv("PROFD_TEST_SYMBOLIZER", how, 1);
	ask_known(w);
	assert_true(w->error < 0);
	assert_int_equal(w->count, 0);
	assert_int_equal(symbolizer_stats(w->symbolizer).bad_modules, 1);

	/* It is not asked about this one again, but about others. */
	struct symbolizer_stats before = symbolizer_stats(w->symbolizer);

	ask_known(w);
	assert_true(w->error < 0);
	assert_int_equal(symbolizer_stats(w->symbolizer).crashes, before.crashes);
	unsetenv("PROFD_TEST_SYMBOLIZER");
	w->module.names_free(w->module.names);
	w->module.names = NULL;
	w->module.inode++;
	ask_known(w);
	assert_string_equal(w->name, "known_function");
}

static void a_module_that_kills_is_given_up(void **state)
{
	struct world *w = *state;

	expect_given_up(w, "crash");
	assert_int_equal(symbolizer_stats(w->symbolizer).crashes, 2);
	expect_trouble(w, TROUBLE_CRASH, TROUBLE_REST_NONE);
}

static void broken_answers_are_refused(void **state)
{
	struct world *w = *state;

	expect_given_up(w, "nonsense");
	assert_int_equal(symbolizer_stats(w->symbolizer).refused_answers, 2);
	expect_trouble(w, TROUBLE_ANSWER, TROUBLE_REST_NONE);
}

static void wants_are_checked(void **state)
{
	expect_given_up(*state, "want-path");
}

static void endless_wants_are_refused(void **state)
{
	expect_given_up(*state, "want-forever");
}

/* Each is as large as the disk allows: one is enough. */
static void a_second_scratch_file_is_refused(void **state)
{
	struct world *w = *state;

	expect_given_up(w, "scratch-forever");
	assert_int_equal(symbolizer_stats(w->symbolizer).refused_answers, 2);
}

/* It would keep the collector from everything else. */
static void endless_greetings_are_refused(void **state)
{
	struct world *w = *state;

	expect_given_up(w, "hello-forever");
	assert_int_equal(symbolizer_stats(w->symbolizer).refused_answers, 2);
}

static void no_file_is_an_error_with_addresses(void **state)
{
	struct world *w = *state;

	close(w->module.fd);
	w->module.fd = -1;
	w->module.state = MODULE_FAILED;
	w->module.error = -EACCES;
	ask_known(w);
	assert_int_equal(w->error, -EACCES);
	assert_int_equal(w->count, 0);
}

static void a_file_that_opens_later_is_waited_for(void **state)
{
	struct world *w = *state;
	uint64_t offset = own_file_offset((uintptr_t)known_function);

	w->module.state = MODULE_OPENING;
	assert_int_equal(symbolizer_resolve(w->symbolizer, &w->module, &offset, 1, answered, w), 0);
	assert_int_equal(w->answers, 0);
	assert_non_null(w->module.waiters);
	w->module.state = MODULE_OPEN;
	module_settle(&w->module);
	while (!w->answers)
		assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
	assert_string_equal(w->name, "known_function");
}

/* More than fits in one request. */
static void many_addresses_go_in_parts(void **state)
{
	struct world *w = *state;
	size_t n = SYMBOLIZER_MAX_OFFSETS + 1000;
	uint64_t *offsets = calloc(n, sizeof(*offsets));

	assert_non_null(offsets);
	for (size_t i = 0; i < n; i++)
		offsets[i] = own_file_offset((uintptr_t)known_function) + i;
	ask(w, offsets, n);
	assert_int_equal(w->error, 0);
	assert_string_equal(w->name, "known_function");
	assert_true(symbolizer_stats(w->symbolizer).cache_bytes <= 8u << 20);
	free(offsets);
}

static void open_requests_are_cancelled(void **state)
{
	struct world *w = *state;
	uint64_t offset = 1;

	assert_int_equal(symbolizer_resolve(w->symbolizer, &w->module, &offset, 1, answered, w), 0);
	assert_int_equal(symbolizer_resolve(w->symbolizer, &w->module, &offset, 1, answered, w), 0);
	symbolizer_free(w->symbolizer);
	w->symbolizer = NULL;
	assert_int_equal(w->answers, 2);
	assert_int_equal(w->error, -ECANCELED);
}

/* The list is bounded, and names each module and trouble once. */
static void the_last_troubles_are_kept(void **state)
{
	struct troubles t = {0};
	struct module m = {.kind = MODULE_FILE, .path = (char *)"/a\nb"};
	(void)state;

	for (uint64_t i = 0; i < TROUBLES_MAX + 5; i++) {
		m.inode = i;
		troubles_add(&t, &m, TROUBLE_TIME, TROUBLE_REST_SYMBOLS);
	}
	assert_int_equal(t.n, TROUBLES_MAX);
	assert_int_equal(t.all[0].file.inode, 5);
	assert_string_equal(t.all[0].module, "/a?b");
	m.inode = 5;
	troubles_add(&t, &m, TROUBLE_TIME, TROUBLE_REST_NONE);
	assert_int_equal(t.n, TROUBLES_MAX);
	assert_int_equal(t.all[0].file.inode, 6);
	assert_int_equal(t.all[TROUBLES_MAX - 1].rest, TROUBLE_REST_NONE);
	troubles_add(&t, &m, TROUBLE_INLINES, TROUBLE_REST_MOST);
	assert_int_equal(t.n, TROUBLES_MAX);
	for (unsigned i = 0; i < TROUBLE_COUNT; i++)
		assert_true(*trouble_word(i) && *trouble_text(i));
	troubles_free(&t);
	assert_int_equal(t.n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(names_come_once),
		TEST(names_outlive_a_restart),
		TEST(names_gather_on_disk),
		TEST(a_deleted_cache_is_made_anew),
		TEST(a_cache_that_cannot_be_made_costs_no_names),
		TEST(a_debug_file_that_comes_later_counts),
		TEST(the_filter_is_in_force),
		TEST(a_crash_costs_lines_first),
		TEST(a_module_that_kills_is_given_up),
		TEST(broken_answers_are_refused),
		TEST(wants_are_checked),
		TEST(endless_wants_are_refused),
		TEST(a_second_scratch_file_is_refused),
		TEST(endless_greetings_are_refused),
		TEST(no_file_is_an_error_with_addresses),
		TEST(a_file_that_opens_later_is_waited_for),
		TEST(many_addresses_go_in_parts),
		TEST(open_requests_are_cancelled),
		cmocka_unit_test(the_last_troubles_are_kept),
	};

	if (is_helper(argc, argv))
		return run_helper(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
