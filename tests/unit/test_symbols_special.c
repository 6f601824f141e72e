// SPDX-License-Identifier: MIT
/* The collector's side of symbolization: the kernel, and what compilers in processes say. */
#include <sys/mman.h>

#include "jitdump_fixture.h"
#include "symbols_fixture.h"

static void be_kernel(struct world *w, const char *names)
{
	close(w->module.fd);
	w->module.fd = memfd_create("kallsyms", MFD_CLOEXEC);
	w->module.kind = MODULE_KERNEL;
	assert_int_equal(write(w->module.fd, names, strlen(names)), strlen(names));
}

static void become(struct world *w, const char *how)
{
	symbolizer_idle(w->symbolizer);
	setenv("PROFD_TEST_SYMBOLIZER", how, 1);
}

/* One function would be two in a profile, one with lines and one without. */
static void lines_of_the_kernel_are_of_all_names_or_of_none(void **state)
{
	struct world *w = *state;
	static const uint64_t addresses[] = {0xffffffff81001010, 0xffffffff81001020};

	be_kernel(w, "ffffffff81001000 T one\n");
	become(w, "kernel-no-lines");
	ask(w, &addresses[0], 1);
	assert_int_equal(w->line, 0);
	become(w, "kernel-lines");
	ask(w, &addresses[1], 1);
	assert_int_equal(w->line, 7);
	ask(w, &addresses[0], 1);
	assert_int_equal(w->line, 7);
	become(w, "kernel-no-lines");
	ask(w, &addresses[0], 1); /* nobody is asked */
	assert_int_equal(w->line, 7);
	symbolizer_forget_kernel(w->symbolizer, addresses[1], 1);
	ask(w, &addresses[1], 1);
	assert_int_equal(w->line, 0);
	ask(w, &addresses[0], 1);
	assert_int_equal(w->line, 0);
}

static void note_lacked(void *userdata, const char *lacked, const char *of)
{
	unsigned *n = userdata;

	++*n;
	assert_string_equal(lacked, "0123abcd");
	assert_string_equal(of, "0123abcd");
}

/* As debuginfod's, once its servers were asked. */
static void a_debug_file_of_the_kernel_that_comes_renews_its_names(void **state)
{
	struct world *w = *state;
	static const uint64_t address = 0xffffffff81001010;
	unsigned lacked = 0;

	symbolizer_on_lacked(w->symbolizer, note_lacked, &lacked);
	be_kernel(w, "ffffffff81001000 T one\n");
	become(w, "kernel-no-lines");
	ask(w, &address, 1);
	ask(w, &address, 1);
	assert_int_equal(lacked, 1);
	become(w, "kernel-lines");
	symbolizer_renew(w->symbolizer, "0123abce"); /* another file's */
	ask(w, &address, 1);
	assert_int_equal(w->line, 0);
	symbolizer_renew(w->symbolizer, "0123abcd");
	ask(w, &address, 1);
	assert_int_equal(w->line, 7);
	assert_int_equal(lacked, 1);
}

static void a_crash_at_the_kernel_costs_all_lines(void **state)
{
	struct world *w = *state;
	static const uint64_t addresses[] = {0xffffffff81001010, 0xffffffff81001020};

	be_kernel(w, "ffffffff81001000 T one\n");
	become(w, "kernel-lines");
	ask(w, &addresses[0], 1);
	assert_int_equal(w->line, 7);
	become(w, "crash-dwarf");
	for (size_t i = 2; i-- > 0;) {
		ask(w, &addresses[i], 1);
		assert_string_equal(w->name, "one");
		assert_int_equal(w->line, 0);
		assert_int_equal(symbolizer_stats(w->symbolizer).crashes, 1);
	}
}

static void kernel_names_can_be_forgotten(void **state)
{
	struct world *w = *state;
	static const char before[] = "ffffffff81001000 T one\nffffffffc0001000 t gone\t[bpf]\n";
	static const char after[] = "ffffffff81001000 T one\nffffffffc0001000 t come\t[bpf]\n";
	static const uint64_t address = 0xffffffffc0001010;

	be_kernel(w, before);
	ask(w, &address, 1);
	assert_string_equal(w->name, "gone");
	assert_int_equal(pwrite(w->module.fd, after, sizeof(after) - 1, 0), sizeof(after) - 1);
	ask(w, &address, 1);
	assert_string_equal(w->name, "gone");
	symbolizer_forget_kernel(w->symbolizer, 0xffffffffc0001000, 0x100);
	ask(w, &address, 1);
	assert_string_equal(w->name, "come");
}

/* While the helper looks for one, the other, which was known, is forgotten. */
static void names_that_are_forgotten_meanwhile_are_asked_for_again(void **state)
{
	struct world *w = *state;
	static const uint64_t addresses[] = {0xffffffffc0001010, 0xffffffffc0002010};

	be_kernel(w, "ffffffffc0001000 t one\nffffffffc0002000 t two\n");
	ask(w, &addresses[0], 1);
	assert_int_equal(
		symbolizer_resolve(w->symbolizer, &w->module, addresses, 2, answered, w), 0);
	assert_int_equal(w->answers, 1);
	symbolizer_forget_kernel(w->symbolizer, 0xffffffffc0001000, 0x100);
	while (w->answers == 1)
		assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
	assert_int_equal(w->error, 0);
	assert_string_equal(w->name, "one");
}

/* Of the kernel only its debug file can be to blame. */
static void a_crash_at_the_kernel_costs_no_names(void **state)
{
	struct world *w = *state;
	static const char names[] = "ffffffff81001000 T one\n";
	static const uint64_t addresses[] = {0xffffffff81001010, 0xffffffff81001020};

	setenv("PROFD_TEST_SYMBOLIZER", "crash-dwarf", 1);
	be_kernel(w, names);
	for (size_t i = 0; i < 2; i++) {
		ask(w, &addresses[i], 1);
		assert_int_equal(w->error, 0);
		assert_string_equal(w->name, "one");
		assert_int_equal(symbolizer_stats(w->symbolizer).crashes, 1);
		assert_int_equal(symbolizer_stats(w->symbolizer).bad_modules, 0);
	}
	assert_int_equal(symbolizer_troubles(w->symbolizer)->n, 1);
	assert_string_equal(symbolizer_troubles(w->symbolizer)->all[0].module, "[kernel]");
}

static void a_perf_map_that_grows_is_read_again(void **state)
{
	struct world *w = *state;
	static const uint64_t address = 0x2008;

	close(w->module.fd);
	w->module.fd = memfd_create("perf.map", MFD_CLOEXEC);
	w->module.kind = MODULE_PERF_MAP;
	assert_int_equal(write(w->module.fd, "1000 10 a\n", 10), 10);
	ask(w, &address, 1);
	assert_int_equal(w->count, 0);
	assert_int_equal(write(w->module.fd, "2000 10 b\x01\n", 11), 11);
	ask(w, &address, 1);
	assert_string_equal(w->name, "b?"); /* and no control character */
}

static void ask_until(struct world *w, uint64_t address, uint64_t until, const char *name)
{
	unsigned before = w->answers;

	assert_int_equal(symbolizer_resolve_until(
				 w->symbolizer, &w->module, &address, 1, until, answered, w),
		0);
	for (unsigned i = 0; w->answers == before; i++) {
		assert_true(i < 10000);
		assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
	}
	assert_string_equal(w->name, name);
}

/* Also when the file is what it was: another window has another end. */
static void names_of_a_jitdump_are_of_their_time(void **state)
{
	struct world *w = *state;

	close(w->module.fd);
	w->module.fd = dump_new(0);
	w->module.kind = MODULE_PERF_MAP;
	dump_load(w->module.fd, 100, 0x1000, 0x10, 1, "first");
	dump_load(w->module.fd, 200, 0x1000, 0x10, 2, "second");
	ask_until(w, 0x1004, 150, "first");
	ask_until(w, 0x1004, 250, "second");
	ask_until(w, 0x1004, 150, "first");
	dump_load(w->module.fd, 300, 0x1000, 0x10, 2, "third");
	ask_until(w, 0x1004, 350, "third");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_of_the_kernel_are_of_all_names_or_of_none),
		TEST(a_debug_file_of_the_kernel_that_comes_renews_its_names),
		TEST(a_crash_at_the_kernel_costs_all_lines),
		TEST(kernel_names_can_be_forgotten),
		TEST(names_that_are_forgotten_meanwhile_are_asked_for_again),
		TEST(a_crash_at_the_kernel_costs_no_names),
		TEST(a_perf_map_that_grows_is_read_again),
		TEST(names_of_a_jitdump_are_of_their_time),
	};

	if (is_helper(argc, argv))
		return run_helper(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
