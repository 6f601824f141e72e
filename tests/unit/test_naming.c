// SPDX-License-Identifier: MIT
/*
 * Names for profiles that have addresses only, with the real symbolizer in its sandbox: helpers are
 * this program itself. The profiles are of this program, so their truth is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../../cli/binaries.h"
#include "../../cli/configured.h"
#include "../../cli/naming.h"
#include "../../cli/placement.h"
#include "../../cli/symbol_client.h"
#include "bad_symbolizer.h"
#include "own_file.h"
#include "sample_profile.h"
#include "symbols/raw_symbol.h"

__attribute__((noinline)) void known_function(void);
void known_function(void)
{
	__asm__ volatile("nop; nop; nop");
}

/* ---- where addresses lie -------------------------------------------------------------------- */

#define CODE(vaddr, offset, size)         \
	(struct symbolizer_segment)       \
	{                                 \
		vaddr, offset, size, size \
	}

static void expect_at(const struct mapping *m, const struct symbolizer_segment *segments, size_t n,
	uint64_t address, uint64_t wanted)
{
	uint64_t vaddr = 0;

	assert_true(placement_find(m, segments, n, address, &vaddr));
	assert_int_equal(vaddr, wanted);
}

static void expect_nowhere(
	const struct mapping *m, const struct symbolizer_segment *segments, uint64_t address)
{
	uint64_t vaddr;

	assert_false(placement_find(m, segments, 1, address, &vaddr));
}

static void mappings_of_the_kernel_are_ranges_of_files(void **state)
{
	struct symbolizer_segment gnu = CODE(0x1000, 0x1000, 0x5000);
	struct symbolizer_segment lld = CODE(0x21c0, 0x11c0, 0x5000);
	struct mapping text = {.start = 0x7f0000001000, .limit = 0x7f0000006000, .offset = 0x1000};
	struct mapping merged = {.start = 0x7f0000000000, .limit = 0x7f0000009000};

	expect_at(&text, &gnu, 1, 0x7f0000001234, 0x1234);
	expect_at(&merged, &gnu, 1, 0x7f0000001234, 0x1234);
	expect_at(&text, &lld, 1, 0x7f0000001200, 0x2200);
	/* The page before lld's segment is mapped with it, and holds bytes of another. */
	expect_at(&text, &lld, 1, 0x7f0000001100, 0x2100);
	expect_nowhere(&merged, &gnu, 0x7f0000000100);
	expect_nowhere(&merged, &gnu, 0x7f0000008000);
}

static void programs_may_lie_where_they_were_linked(void **state)
{
	struct symbolizer_segment code = CODE(0x401000, 0x1000, 0x5000);
	struct mapping text = {.start = 0x401000, .limit = 0x406000, .offset = 0x1000};
	struct mapping all = {.start = 0x400000, .limit = 0x409000};
	struct mapping nothing = {0};
	struct mapping everything = {.limit = UINT64_MAX};
	/* As profd writes mappings, of a library that lld made. */
	struct symbolizer_segment library = CODE(0x21c0, 0x11c0, 0x5000);
	struct mapping normal = {.start = 0x21c0, .limit = 0x71c0, .offset = 0x11c0};

	expect_at(&text, &code, 1, 0x401234, 0x401234);
	expect_at(&all, &code, 1, 0x401234, 0x401234);
	expect_at(&nothing, &code, 1, 0x401234, 0x401234);
	expect_at(&everything, &code, 1, 0x401234, 0x401234);
	expect_at(&normal, &library, 1, 0x2200, 0x2200);
	expect_nowhere(&nothing, &code, 0x1234);
}

/* Start and end of a whole library as the loader has it: with lld no range of the file. */
static void images_are_mapped_whole(void **state)
{
	struct symbolizer_segment lld = CODE(0x21c0, 0x11c0, 0x5000);
	struct mapping image = {.start = 0x7f0000000000, .limit = 0x7f0000009000};

	expect_at(&image, &lld, 1, 0x7f0000002200, 0x2200);
	expect_nowhere(&image, &lld, 0x7f0000001200);
}

static void the_segment_that_holds_an_offset_wins(void **state)
{
	struct symbolizer_segment two[] = {
		CODE(0x1000, 0x1000, 0x800), CODE(0x5900, 0x1900, 0x800)};
	struct mapping m = {.start = 0x7f0000001000, .limit = 0x7f0000003000, .offset = 0x1000};

	expect_at(&m, two, 2, 0x7f0000001100, 0x1100);
	expect_at(&m, two, 2, 0x7f0000001a00, 0x5a00);
}

/* ---- names ---------------------------------------------------------------------------------- */

static void expect_short(const char *name, const char *wanted)
{
	char text[256];

	snprintf(text, sizeof(text), "%s", name);
	shorten_cpp_name(text);
	assert_string_equal(text, wanted);
}

static void template_arguments_are_left_out(void **state)
{
	expect_short("main", "main");
	expect_short("std::vector<int, std::allocator<int> >::push_back", "std::vector::push_back");
	expect_short("f<int>", "f");
	expect_short("std::operator<< <std::char_traits<char> >", "std::operator<<");
	expect_short("operator< <int>", "operator<");
	expect_short("a::operator-><b>", "a::operator->");
	expect_short("my_operator<int>", "my_operator");
	expect_short("x::operator()<int>", "x::operator()");
	expect_short("f<((1)>(0))>::g", "f::g");
	expect_short("f<void (*)(std::less<int>)>::g", "f::g");
	expect_short("f<&a::operator> >::g", "f::g");
	expect_short("f<decltype(a->b)>::g", "f::g");
	expect_short("(anonymous namespace)::f<int>::{lambda(int)#1}::operator()",
		"(anonymous namespace)::f::{lambda(int)#1}::operator()");
	expect_short("broken<int", "broken<int");
	expect_short("<int>", "<int>");
	expect_short("", "");
}

static void symbols_of_cpp_are_known(void **state)
{
	assert_true(is_cpp_symbol("_Z4mainv"));
	assert_true(is_cpp_symbol("_ZN3foo3barEv"));
	assert_false(is_cpp_symbol("main"));
	assert_false(is_cpp_symbol("_ZN3foo3bar17h0123456789abcdefE"));
	assert_true(is_cpp_symbol("_ZN3foo3bar17h0123456789abcdeFE"));
}

/* ---- whole profiles ------------------------------------------------------------------------- */

struct world {
	char cache[32]; /* folder */
	struct profile *p;
	char path[PATH_MAX];
	uint64_t base; /* of this program */
	uint32_t mapping, location;
	/* what was told */
	struct naming_report report;
	unsigned told;
	char why[512];
};

/* A profile with one address, in known_function, that has no name. */
static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	unsetenv("PROFD_TEST_SYMBOLIZER");
	setenv("PPROF_BINARY_PATH", "/nowhere", 1);
	snprintf(w->cache, sizeof(w->cache), "/tmp/profd-naming-XXXXXX");
	assert_non_null(mkdtemp(w->cache));
	setenv("PROFD_CACHE", w->cache, 1);
	assert_true(readlink("/proc/self/exe", w->path, sizeof(w->path) - 1) > 0);
	w->base = own_file().dlpi_addr;
	w->p = sp_new();
	int64_t mapping = profile_add_mapping(w->p, &(struct mapping){.start = w->base,
							    .limit = w->base + (64u << 20),
							    .file = sp_string(w->p, w->path)});
	assert_true(mapping > 0);
	w->mapping = (uint32_t)mapping;
	w->location = sp_location(w->p, w->mapping, (uintptr_t)known_function + 1, "");
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char command[64];

	profile_free(w->p);
	snprintf(command, sizeof(command), "rm -rf %s", w->cache);
	assert_int_equal(system(command), 0); // NOLINT
	free(w);
	return 0;
}

static void note(void *userdata, const struct naming_report *r)
{
	struct world *w = userdata;

	w->told++;
	w->report = *r;
	snprintf(w->why, sizeof(w->why), "%s", r->why ? r->why : "");
}

static void name(struct world *w, bool again)
{
	struct naming naming = {.again = again, .told = note, .userdata = w};

	w->told = 0;
	assert_int_equal(naming_run(w->p, &naming), 0);
}

/* "" if the location has no lines. */
static const char *name_of(const struct world *w, uint32_t location)
{
	const struct location *l = &w->p->locations[location];

	return l->n_lines ? profile_text(
				    w->p, w->p->functions[w->p->lines[l->first_line].function].name)
			  : "";
}

static void expect_unnamed(struct world *w, const char *why)
{
	name(w, false);
	assert_string_equal(name_of(w, w->location), "");
	assert_int_equal(w->told, 1);
	assert_int_equal(w->report.named, 0);
	assert_non_null(strstr(w->why, why));
	assert_false(w->p->mappings[w->mapping].has_functions);
}

static void addresses_get_functions_files_and_lines(void **state)
{
	struct world *w = *state;

	name(w, false);
	assert_string_equal(name_of(w, w->location), "known_function");
	assert_int_equal(w->told, 1);
	assert_int_equal(w->report.wanted, 1);
	assert_int_equal(w->report.named, 1);
	assert_string_equal(w->why, "");
	assert_false(w->report.checked); /* the profile has no build-id */
	assert_true(w->report.sources & SYMBOLIZER_SEES_DWARF);
	const struct mapping *m = &w->p->mappings[w->mapping];
	assert_true(m->has_functions && m->has_filenames && m->has_line_numbers);
	const struct line *line = &w->p->lines[w->p->locations[w->location].first_line];
	const char *file = profile_text(w->p, w->p->functions[line->function].filename);
	assert_non_null(strstr(file, "test_naming.c"));
	assert_true(line->line > 0);
	char why[256] = "";
	assert_int_equal(profile_check(w->p, why, sizeof(why)), 0);
}

/* The location that is looked for is the one that got lines. */
static void named_locations_are_found_again(void **state)
{
	struct world *w = *state;

	assert_int_equal(
		sp_location(w->p, w->mapping, (uintptr_t)known_function + 1, ""), w->location);
	name(w, false);
	const struct location *l = &w->p->locations[w->location];
	struct line line = w->p->lines[l->first_line];
	int64_t id = profile_add_location(
		w->p, &(struct location){.mapping = w->mapping, .address = l->address}, &line, 1);
	assert_int_equal(id, w->location);
}

static void mappings_with_names_are_left_alone(void **state)
{
	struct world *w = *state;

	w->p->mappings[w->mapping].has_filenames = true;
	name(w, false);
	assert_int_equal(w->told, 0);
	assert_string_equal(name_of(w, w->location), "");
	name(w, true);
	assert_string_equal(name_of(w, w->location), "known_function");
}

static void placeholders_are_named_when_asked(void **state)
{
	struct world *w = *state;
	uint32_t bad = sp_location(
		w->p, w->mapping, (uintptr_t)known_function + 2, "[test_naming+0x12]");
	uint32_t good = sp_location(w->p, w->mapping, (uintptr_t)known_function + 3, "other");

	w->p->mappings[w->mapping].has_functions = true;
	name(w, false);
	assert_string_equal(name_of(w, bad), "[test_naming+0x12]");
	name(w, true);
	assert_string_equal(name_of(w, bad), "known_function");
	assert_string_equal(name_of(w, good), "other");
	assert_int_equal(w->report.wanted, 2);
}

static void another_build_is_not_used(void **state)
{
	struct world *w = *state;

	w->p->mappings[w->mapping].build_id = sp_string(w->p, "0123456789abcdef");
	expect_unnamed(w, "another one");
}

static void set_file(struct world *w, const char *path)
{
	w->p->mappings[w->mapping].file = sp_string(w->p, path);
}

static void what_is_no_binary_is_not_used(void **state)
{
	struct world *w = *state;

	set_file(w, "/nowhere/program");
	expect_unnamed(w, "No such file");
	set_file(w, "/etc/passwd");
	expect_unnamed(w, "no ELF");
	set_file(w, "/usr");
	expect_unnamed(w, "no regular file");
	set_file(w, "[stack]");
	expect_unnamed(w, "memory");
	assert_true(w->report.memory);
	set_file(w, "");
	expect_unnamed(w, "does not say");
}

static void addresses_outside_of_code_are_counted(void **state)
{
	struct world *w = *state;

	sp_location(w->p, w->mapping, w->base, "");
	name(w, false);
	assert_int_equal(w->report.wanted, 2);
	assert_int_equal(w->report.named, 1);
	assert_int_equal(w->report.outside, 1);
}

/* ---- a symbolizer that fails ---------------------------------------------------------------- */

/* Asks what the file of the test has. */
static void ask_head(const struct world *w, bool symbols_only, struct symbol_reply *reply)
{
	struct symbol_client c;
	int fd = open(w->path, O_RDONLY | O_CLOEXEC);
	struct symbol_question q = {
		.kind = SYMBOLIZER_ELF_CODE, .fd = fd, .symbols_only = symbols_only};
	char why[256] = "";

	assert_int_equal(symbol_client_init(&c, ""), 0);
	assert_int_equal(symbol_client_ask(&c, &q, reply, why, sizeof(why)), 0);
	assert_string_equal(why, "");
#if defined(__SANITIZE_ADDRESS__)
	assert_false(c.seccomp);
#else
	assert_true(c.seccomp || getenv("PROFD_TEST_SYMBOLIZER"));
#endif
	symbol_client_close(&c);
	close(fd);
}

static void a_crash_is_followed_by_a_careful_try(void **state)
{
	struct symbol_reply reply;

	setenv("PROFD_TEST_SYMBOLIZER", "crash-dwarf", 1);
	ask_head(*state, false, &reply);
	assert_true(reply.answer.head->flags & SYMBOLIZER_SEES_SYMTAB);
	assert_string_equal(reply.failure, "the symbolizer ran out of memory");
	symbol_reply_free(&reply);
}

static int ask_kernel(struct symbol_reply *reply, char why[256])
{
	static const char text[] = "ffffffff81001000 T one\n";
	struct symbol_client c;
	int fd = memfd_create("kallsyms", MFD_CLOEXEC);
	struct symbol_question q = {.kind = SYMBOLIZER_KALLSYMS, .fd = fd};

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(symbol_client_init(&c, ""), 0);
	int r = symbol_client_ask(&c, &q, reply, why, 256);
	symbol_client_close(&c);
	close(fd);
	return r;
}

static void what_the_kernel_wanted_is_known_after_a_crash(void **state)
{
	struct symbol_reply reply;
	char why[256] = "";
	(void)state;

	setenv("PROFD_TEST_SYMBOLIZER", "crash-debug-file", 1);
	assert_int_equal(ask_kernel(&reply, why), 0);
	assert_string_equal(why, "");
	assert_string_equal(reply.failure, "the symbolizer ran out of memory");
	assert_int_equal(reply.n_wants, 1);
	assert_string_equal(reply.wants[0].name, "0123abcd");
	symbol_reply_free(&reply);
}

static void a_hidden_kernel_is_asked_once(void **state)
{
	struct symbol_reply reply;
	char why[256] = "";
	(void)state;

	setenv("PROFD_TEST_SYMBOLIZER", "hidden", 1);
	assert_int_equal(ask_kernel(&reply, why), -EPERM);
}

static void a_bad_symbolizer_names_nothing(void **state)
{
	static const char *const ways[][2] = {
		{"crash", "exited with code 1"},
		{"nonsense", "broken answer"},
		{"want-forever", "broken answer"},
		{"scratch-forever", "broken answer"},
		{"hello-forever", "broken answer"},
		{"too-large", "more to say than it may"},
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		setenv("PROFD_TEST_SYMBOLIZER", ways[i][0], 1);
		expect_unnamed(*state, ways[i][1]);
	}
}

/* Whoever asks: the symbolizer counts on their order for the bounds of what it looks them up in. */
static void addresses_in_disorder_are_refused(void **state)
{
	static const uint64_t orders[][3] = {{1, 2, 3}, {1, 3, 2}, {UINT64_MAX, 0, 0}};
	const struct world *w = *state;

	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		int fd = open(w->path, O_RDONLY | O_CLOEXEC);
		struct symbol_question q = {
			.kind = SYMBOLIZER_ELF_CODE, .fd = fd, .at = orders[i], .n = 3};
		struct symbol_client c;
		struct symbol_reply reply;
		char why[256] = "";
		int r;

		assert_int_equal(symbol_client_init(&c, ""), 0);
		r = symbol_client_ask(&c, &q, &reply, why, sizeof(why));
		symbol_client_close(&c);
		close(fd);
		if (i) {
			assert_int_not_equal(r, 0);
			assert_non_null(strstr(why, "exited with code 1"));
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(reply.failure, "");
		symbol_reply_free(&reply);
	}
}

/* ---- debug folders -------------------------------------------------------------------------- */

static void debug_folders_are_those_that_profd_has(void **state)
{
	char path[] = "/tmp/profd-test-conf-XXXXXX";
	static const char text[] = "[paths]\ndebug_dirs=/wrong\n[symbols]\ndebug_dirs = /a:/b\n";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	char *found = configured_debug_dirs(path), *nothing = configured_debug_dirs("/nowhere");
	assert_string_equal(found, "/a:/b");
	assert_string_equal(nothing, "");
	free(found);
	free(nothing);
	unlink(path);
}

/* ---- which binary --------------------------------------------------------------------------- */

static void programs_are_known_by_their_first_bytes(void **state)
{
	struct world *w = *state;

	assert_true(binaries_is_program(w->path));
	assert_false(binaries_is_program("/etc/passwd"));
	assert_false(binaries_is_program("/nowhere"));
	assert_false(binaries_is_program("/dev/zero"));
}

static void a_program_stands_for_the_first_mapping(void **state)
{
	struct world *w = *state;

	set_file(w, "/nowhere/program");
	assert_int_equal(binaries_locate(w->p, w->path), 0);
	name(w, false);
	assert_string_equal(name_of(w, w->location), "known_function");
}

static void a_program_serves_profiles_without_mappings(void **state)
{
	struct world *w = *state;
	struct profile *p = sp_new();
	uint32_t location = sp_location(p, 0, (uintptr_t)known_function - w->base, "");

	profile_free(w->p);
	w->p = p;
	assert_int_equal(binaries_locate(p, w->path), 0);
	assert_int_equal(p->n_mappings, 2);
	name(w, false);
	assert_string_equal(name_of(w, location), "known_function");
}

/* Links this program into a folder; returns that. */
static char *folder_with(const struct world *w, const char *sub, const char *base)
{
	char *folder = strdup("/tmp/profd-test-naming-XXXXXX"), path[PATH_MAX];

	assert_non_null(folder);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%s", folder, sub);
	if (*sub)
		assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%s/%s", folder, sub, base);
	assert_int_equal(symlink(w->path, path), 0);
	return folder;
}

static void remove_folder(char *folder, const char *sub, const char *base)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/%s", folder, sub, base);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/%s", folder, sub);
	if (*sub)
		assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(folder), 0);
	free(folder);
}

static void binaries_are_found_by_name(void **state)
{
	struct world *w = *state;
	char *folder = folder_with(w, "", "service");

	set_file(w, "/opt/service");
	setenv("PPROF_BINARY_PATH", folder, 1);
	assert_int_equal(binaries_locate(w->p, NULL), 0);
	name(w, false);
	assert_string_equal(name_of(w, w->location), "known_function");
	remove_folder(folder, "", "service");
}

static void a_build_id_must_be_the_files(void **state)
{
	struct world *w = *state;
	char *folder = folder_with(w, "", "service");

	set_file(w, "/opt/service");
	w->p->mappings[w->mapping].build_id = sp_string(w->p, "0123456789abcdef");
	setenv("PPROF_BINARY_PATH", folder, 1);
	assert_int_equal(binaries_locate(w->p, NULL), 0);
	assert_string_equal(profile_text(w->p, w->p->mappings[w->mapping].file), "/opt/service");
	remove_folder(folder, "", "service");
}

static void binaries_are_found_by_build_id(void **state)
{
	struct world *w = *state;
	char id[SYMBOLIZER_BUILD_ID];
	struct symbol_reply reply;

	ask_head(w, true, &reply);
	snprintf(id, sizeof(id), "%s", reply.answer.head->build_id);
	symbol_reply_free(&reply);
	assert_true(strlen(id) >= 8);
	char *folder = folder_with(w, id, "whatever");
	set_file(w, "/opt/service");
	w->p->mappings[w->mapping].build_id = sp_string(w->p, id);
	setenv("PPROF_BINARY_PATH", folder, 1);
	assert_int_equal(binaries_locate(w->p, NULL), 0);
	name(w, false);
	assert_string_equal(name_of(w, w->location), "known_function");
	remove_folder(folder, id, "whatever");
}

static uint32_t ask_known(struct world *w, struct symbol_client *c)
{
	uint64_t at = (uintptr_t)known_function - w->base;
	struct symbol_question q = {
		.kind = SYMBOLIZER_ELF_CODE, .path = w->path, .at = &at, .n = 1};
	struct symbol_reply reply;
	uint32_t n_cached;
	char why[256];

	q.fd = symbol_file_open(w->path, why, sizeof(why));
	assert_true(q.fd >= 0);
	assert_int_equal(symbol_client_ask(c, &q, &reply, why, sizeof(why)), 0);
	assert_int_equal(reply.answer.addresses[0].count, 1);
	n_cached = reply.answer.head->n_cached;
	symbol_reply_free(&reply);
	close(q.fd);
	return n_cached;
}

static void names_are_known_the_next_time(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 4; i++) {
		struct symbol_client client;

		setenv("PROFD_CACHE", i == 2 ? "" : i == 3 ? "/dev/null" : w->cache, 1);
		assert_int_equal(symbol_client_init(&client, ""), 0);
		assert_int_equal(ask_known(w, &client), i == 1);
		symbol_client_close(&client);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_of_the_kernel_are_ranges_of_files),
		cmocka_unit_test(programs_may_lie_where_they_were_linked),
		cmocka_unit_test(images_are_mapped_whole),
		cmocka_unit_test(the_segment_that_holds_an_offset_wins),
		cmocka_unit_test(template_arguments_are_left_out),
		cmocka_unit_test(symbols_of_cpp_are_known),
		TEST(addresses_get_functions_files_and_lines),
		TEST(named_locations_are_found_again),
		TEST(mappings_with_names_are_left_alone),
		TEST(placeholders_are_named_when_asked),
		TEST(another_build_is_not_used),
		TEST(what_is_no_binary_is_not_used),
		TEST(addresses_outside_of_code_are_counted),
		TEST(a_crash_is_followed_by_a_careful_try),
		TEST(addresses_in_disorder_are_refused),
		TEST(what_the_kernel_wanted_is_known_after_a_crash),
		TEST(a_hidden_kernel_is_asked_once),
		TEST(a_bad_symbolizer_names_nothing),
		cmocka_unit_test(debug_folders_are_those_that_profd_has),
		TEST(programs_are_known_by_their_first_bytes),
		TEST(a_program_stands_for_the_first_mapping),
		TEST(a_program_serves_profiles_without_mappings),
		TEST(binaries_are_found_by_name),
		TEST(a_build_id_must_be_the_files),
		TEST(binaries_are_found_by_build_id),
		TEST(names_are_known_the_next_time),
	};

	if (argc > 3 && !strcmp(argv[1], "--helper"))
		return perhaps_bad_symbolizer(argv[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
