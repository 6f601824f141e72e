// SPDX-License-Identifier: MIT
/*
 * The collector's side of symbolization, with the real symbolizer in its sandbox: helpers are this
 * program itself, started with --helper. PROFD_TEST_SYMBOLIZER makes it misbehave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bad_symbolizer.h"
#include "collector/module.h"
#include "collector/opener.h"
#include "collector/symbols.h"
#include "jitdump_fixture.h"
#include "own_file.h"
#include "symbols/answer.h"
#include "util/log.h"

#define MEMORY (64u << 20)

__attribute__((noinline)) void known_function(void);
void known_function(void)
{
	__asm__ volatile("nop; nop; nop");
}

struct world {
	char cache[32]; /* folder */
	sd_event *event;
	struct opener *opener;
	struct symbolizer *symbolizer;
	struct module module;
	/* of the last answer */
	unsigned answers;
	int error;
	char name[128];
	size_t n_addresses;
	uint32_t count, line;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct stat st;

	assert_non_null(w);
	unsetenv("PROFD_TEST_SYMBOLIZER");
	snprintf(w->cache, sizeof(w->cache), "/tmp/profd-symbols-XXXXXX");
	assert_non_null(mkdtemp(w->cache));
	assert_true(sd_event_new(&w->event) >= 0);
	assert_int_equal(opener_new(&w->opener, w->event, w->cache), 0);
	assert_int_equal(symbolizer_new(&w->symbolizer, w->event, w->opener, MEMORY, w->cache), 0);
	w->module = (struct module){
		.kind = MODULE_FILE,
		.state = MODULE_OPEN,
		.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		.path = (char *)"/nowhere/program",
		.references = 1000,
	};
	assert_int_equal(fstat(w->module.fd, &st), 0);
	w->module.device = st.st_dev;
	w->module.inode = st.st_ino;
	w->module.size = st.st_size;
	w->module.mtime = st.st_mtim;
	*state = w;
	return 0;
}

static void drop_module(struct world *w)
{
	if (w->module.names)
		w->module.names_free(w->module.names);
	w->module.names = NULL;
	close(w->module.fd);
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char command[64];

	symbolizer_free(w->symbolizer);
	opener_free(w->opener);
	drop_module(w);
	sd_event_unref(w->event);
	snprintf(command, sizeof(command), "rm -rf %s", w->cache);
	assert_int_equal(system(command), 0); // NOLINT
	free(w);
	return 0;
}

static void answered(
	void *userdata, struct module *module, int error, const struct symbols *symbols)
{
	struct world *w = userdata;

	w->answers++;
	w->error = error;
	w->n_addresses = symbols->n_addresses;
	w->count = symbols->n_addresses ? symbols->addresses[0].count : 0;
	w->name[0] = '\0';
	w->line = w->count ? symbols->lines[symbols->addresses[0].first].line : 0;
	if (w->count)
		snprintf(w->name, sizeof(w->name), "%s",
			symbols->functions[symbols->lines[symbols->addresses[0].first].function]
				.name);
}

static void ask(struct world *w, const uint64_t *offsets, size_t n)
{
	unsigned before = w->answers;

	assert_int_equal(symbolizer_resolve(w->symbolizer, &w->module, offsets, n, answered, w), 0);
	for (unsigned i = 0; w->answers == before; i++) {
		assert_true(i < 10000);
		assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
	}
	assert_int_equal(w->n_addresses, n);
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

static void answers_are_checked(void **state)
{
	struct {
		struct symbolizer_answer head;
		struct symbolizer_segment segment;
		struct symbolizer_address address;
		struct symbolizer_function function;
		struct symbolizer_line line;
		char strings[8];
	} good = {.head = {.n_segments = 1,
			  .n_addresses = 1,
			  .n_functions = 1,
			  .n_lines = 1,
			  .n_strings = 8,
			  .build_id = "00ff"},
		.address = {.first = 0, .count = 1},
		.function = {.name = 1},
		.strings = "\0name\0\0"},
	  bad;
	struct symbol_answer a;

	assert_int_equal(symbol_answer_check(&a, &good, sizeof(good), 1), 0);
	assert_int_equal(symbol_answer_check(&a, &good, sizeof(good), 2), -EBADMSG);
	assert_int_equal(symbol_answer_check(&a, &good, sizeof(good) - 1, 1), -EBADMSG);
	assert_int_equal(symbol_answer_check(&a, &good, 3, 1), -EBADMSG);
#define REFUSED(change)                                                                    \
	do {                                                                               \
		bad = good;                                                                \
		change;                                                                    \
		assert_int_equal(symbol_answer_check(&a, &bad, sizeof(bad), 1), -EBADMSG); \
	} while (0)
	REFUSED(bad.head.n_segments = 1000);
	REFUSED(bad.head.n_lines = UINT32_MAX);
	REFUSED(bad.head.n_strings = 7);
	REFUSED(bad.head.error = 1);
	REFUSED(bad.head.build_id[0] = 'g');
	REFUSED(memset(bad.head.build_id, 'a', sizeof(bad.head.build_id)));
	REFUSED(bad.address.count = 2);
	REFUSED(bad.address.first = 2);
	REFUSED(bad.function.name = 8);
	REFUSED(bad.function.name = 0);
	REFUSED(bad.function.file = 8);
	REFUSED(bad.function.name = 2); /* in the middle of a text */
	REFUSED(bad.function.start_line = UINT32_MAX);
	REFUSED(bad.line.function = 1);
	REFUSED(bad.strings[7] = 'x');
	REFUSED(bad.strings[0] = 'x');
	REFUSED(bad.segment.vaddr = UINT64_MAX; bad.segment.memsz = 2);
}

/* A small answer must not become a large table: neither by lines that addresses share, nor by texts
 * that functions share. */
static void answers_do_not_multiply(void **state)
{
	enum { FUNCTIONS = 8192, TEXT = SYMBOLIZER_MAX_NAME - 1 };
	static struct {
		struct symbolizer_answer head;
		struct symbolizer_address addresses[2];
		struct symbolizer_function functions[FUNCTIONS];
		struct symbolizer_line line;
		char strings[TEXT + 2];
	} m = {.head = {.n_addresses = 2,
		       .n_functions = FUNCTIONS,
		       .n_lines = 1,
		       .n_strings = sizeof(m.strings)}};
	const size_t size = offsetof(typeof(m), strings) + sizeof(m.strings);
	struct symbol_answer a;

	memset(m.strings + 1, 'a', TEXT);
	for (size_t i = 0; i < FUNCTIONS; i++)
		m.functions[i].name = 1;
	m.addresses[0].count = 1;
	assert_int_equal(symbol_answer_check(&a, &m, size, 2), -EBADMSG); /* 512 MiB of names */
	m.strings[5] = '\0';
	assert_int_equal(symbol_answer_check(&a, &m, size, 2), 0);
	m.addresses[1].count = 1;
	assert_int_equal(symbol_answer_check(&a, &m, size, 2), -EBADMSG);
}

/* ---- the helper ----------------------------------------------------------------------------- */

static int helper(char **argv)
{
	return !strcmp(argv[2], "opener") ? opener_main(argv[3]) : perhaps_bad_symbolizer(argv[3]);
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
		TEST(lines_of_the_kernel_are_of_all_names_or_of_none),
		TEST(a_debug_file_of_the_kernel_that_comes_renews_its_names),
		TEST(a_crash_at_the_kernel_costs_all_lines),
		TEST(kernel_names_can_be_forgotten),
		TEST(a_crash_at_the_kernel_costs_no_names),
		TEST(a_perf_map_that_grows_is_read_again),
		TEST(names_of_a_jitdump_are_of_their_time),
		TEST(many_addresses_go_in_parts),
		TEST(open_requests_are_cancelled),
		cmocka_unit_test(the_last_troubles_are_kept),
		cmocka_unit_test(answers_are_checked),
		cmocka_unit_test(answers_do_not_multiply),
	};

	if (argc > 2 && !strcmp(argv[1], "--helper"))
		return helper(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
