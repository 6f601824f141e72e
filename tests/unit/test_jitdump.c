/* SPDX-License-Identifier: MIT */
#include "jitdump_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "symbolizer/jitdump.h"
#include "symbolizer/jitdump_lines.h"

static void expect_until(int fd, uint64_t until, const uint64_t *addresses,
	const char *const *names, size_t n, int error)
{
	struct names a;

	assert_int_equal(names_init(&a, addresses, n), 0);
	assert_int_equal(jitdump_resolve(&a, fd, addresses, n, until), error);
	for (size_t i = 0; i < n; i++) {
		const struct symbolizer_address *at = &a.addresses[i];

		assert_string_equal(
			at->count ? a.strings + a.functions[a.lines[at->first].function].name : "",
			names[i]);
	}
	assert_int_equal(!!(a.head.flags & SYMBOLIZER_DEPENDS_ON_TIME), until != 0);
	names_free(&a);
}

#define EXPECT(fd, until, addresses, ...)                                      \
	expect_until(fd, until, addresses, (const char *const[]){__VA_ARGS__}, \
		sizeof(addresses) / sizeof(*(addresses)), 0)

static void code_has_the_name_of_its_time(void **state)
{
	static const uint64_t at[] = {0xfff, 0x1000, 0x101f, 0x1020, 0x1040};
	int fd = dump_new(0);

	dump_load(fd, 100, 0x1000, 0x40, 1, "first");
	dump_other(fd, 2, 150);
	dump_load(fd, 200, 0x1000, 0x20, 2, "second");
	dump_other(fd, 4, 250);
	assert_true(jitdump_is(fd));
	EXPECT(fd, 50, at, "", "", "", "", "");
	EXPECT(fd, 199, at, "", "first", "first", "first", "");
	EXPECT(fd, 200, at, "", "second", "second", "first", "");
	EXPECT(fd, 0, at, "", "second", "second", "first", "");
	close(fd);
}

/* Threads write as they come to it. */
static void times_decide_and_not_the_order(void **state)
{
	static const uint64_t at[] = {0x1000};
	int fd = dump_new(0);

	dump_load(fd, 200, 0x1000, 0x10, 2, "later");
	dump_load(fd, 100, 0x1000, 0x10, 1, "earlier");
	EXPECT(fd, 0, at, "later");
	EXPECT(fd, 150, at, "earlier");
	close(fd);
	fd = dump_new(1); /* of the processor's clock, which is not the samples' */
	dump_load(fd, 1ULL << 60, 0x1000, 0x10, 1, "counted");
	EXPECT(fd, 150, at, "counted");
	close(fd);
}

static void code_that_moves_takes_its_name_along(void **state)
{
	static const uint64_t at[] = {0x1000, 0x2000, 0x3008, 0x4000};
	int fd = dump_new(0);

	dump_load(fd, 100, 0x1000, 0x10, 7, "_ZN3foo3barEv");
	dump_load(fd, 100, 0x8000, 0x10, 8, "other");
	dump_move(fd, 200, 0x1000, 0x2000, 0x10, 7);
	dump_move(fd, 300, 0x2000, 0x3000, 0x10, 7);
	dump_move(fd, 300, 0x9000, 0x4000, 0x10, 9); /* nobody has loaded that */
	dump_load(fd, 400, 0x2000, 0x10, 10, "new there");
	EXPECT(fd, 250, at, "foo::bar", "foo::bar", "", "");
	EXPECT(fd, 0, at, "foo::bar", "new there", "foo::bar", "");
	close(fd);
}

static void what_is_cut_off_ends_there(void **state)
{
	static const uint64_t at[] = {0x1000, 0x2000};
	int fd = dump_new(0);

	dump_load(fd, 100, 0x1000, 0x10, 1, "whole");
	off_t whole = lseek(fd, 0, SEEK_CUR);
	dump_load(fd, 100, 0x2000, 0x10, 2, "cut");
	off_t end = lseek(fd, 0, SEEK_CUR);
	for (off_t size = end - 1; size >= whole; size--) {
		assert_int_equal(ftruncate(fd, size), 0);
		EXPECT(fd, 0, at, "whole", "");
	}
	close(fd);
}

static void nonsense_is_no_name(void **state)
{
	static const uint64_t at[] = {0, 0x1000, 0x2000, UINT64_MAX};
	int fd = dump_new(0);
	struct dump_record small = {0, 24, 100}, zero = {0, 0, 100};

	dump_load(fd, 100, UINT64_MAX, UINT64_MAX, 1, "at the end");
	dump_load(fd, 100, 0x1000, 0, 1, "empty");
	dump_load(fd, 100, 0x2000, 1, 1, "");
	dump_bytes(fd, &small, sizeof(small));
	dump_bytes(fd, "12345678", 8);
	EXPECT(fd, 0, at, "", "", "", "at the end");
	dump_bytes(fd, &zero, sizeof(zero));
	dump_load(fd, 100, 0x1000, 0x10, 1, "never reached");
	EXPECT(fd, 0, at, "", "", "", "at the end");
	close(fd);
}

/* "name file:line" of each address; without lines the name only. */
static void expect_lines(
	int fd, uint64_t until, const uint64_t *addresses, const char *const *wanted, size_t n)
{
	struct names a;
	bool lines = false;

	assert_int_equal(names_init(&a, addresses, n), 0);
	assert_int_equal(jitdump_resolve(&a, fd, addresses, n, until), 0);
	for (size_t i = 0; i < n; i++) {
		char text[256] = "";
		const struct symbolizer_line *line = &a.lines[a.addresses[i].first];
		const struct symbolizer_function *f = a.addresses[i].count
							      ? &a.functions[line->function]
							      : NULL;

		if (f && f->file)
			snprintf(text, sizeof(text), "%s %s:%u", a.strings + f->name,
				a.strings + f->file, line->line);
		else if (f)
			snprintf(text, sizeof(text), "%s", a.strings + f->name);
		lines |= f && f->file;
		assert_string_equal(text, wanted[i]);
	}
	assert_int_equal(!!(a.head.flags & SYMBOLIZER_HAS_LINES), lines);
	assert_int_equal(!!(a.head.flags & SYMBOLIZER_HAS_FILES), lines);
	names_free(&a);
}

#define EXPECT_LINES(fd, until, addresses, ...)                                \
	expect_lines(fd, until, addresses, (const char *const[]){__VA_ARGS__}, \
		sizeof(addresses) / sizeof(*(addresses)))
#define LINES(fd, time, code, ...)                                          \
	dump_lines(fd, time, code, (const struct dump_line[]){__VA_ARGS__}, \
		sizeof((const struct dump_line[]){__VA_ARGS__}) / sizeof(struct dump_line))

static void code_has_the_lines_before_it(void **state)
{
	static const uint64_t at[] = {0x1000, 0x1004, 0x1008, 0x100f, 0x2000, 0x201f};
	int fd = dump_new(0);

	LINES(fd, 90, 0x1000, {0x1004, 7, "/src/a.x"}, {0x1006, 3, "/src/a.x"},
		{0x1008, 8, "/src/b.x"}, {0x1008, 9, "\xff"}, {0x1010, 10, "\xff"});
	dump_load(fd, 100, 0x2000, 0x20, 1, "none");
	dump_load(fd, 100, 0x1000, 0x10, 2, "some");
	EXPECT_LINES(fd, 0, at, "some", "some /src/a.x:7", "some /src/b.x:9", "some /src/b.x:9",
		"none", "none");
	EXPECT_LINES(fd, 95, at, "", "", "", "", "", "");
	/* What takes its place later has lines of its own. */
	LINES(fd, 190, 0x1000, {0x1000, 70, "/src/c.x"});
	dump_load(fd, 200, 0x1000, 0x10, 3, "new");
	dump_load(fd, 300, 0x1008, 0x10, 4, "newest");
	EXPECT_LINES(fd, 150, at, "some", "some /src/a.x:7", "some /src/b.x:9", "some /src/b.x:9",
		"none", "none");
	EXPECT_LINES(fd, 0, at, "new /src/c.x:70", "new /src/c.x:70", "newest", "newest", "none",
		"none");
	dump_load(fd, 400, 0x1000, 0x10, 5, "without");
	EXPECT_LINES(fd, 0, at, "without", "without", "without", "without", "none", "none");
	close(fd);
}

/* Some add the size of an ELF header to all addresses, others do not. */
static void addresses_may_be_too_large(void **state)
{
	static const uint64_t at[] = {0x1000, 0x1010, 0x1050, 0x2043};
	int fd = dump_new(0);

	LINES(fd, 90, 0x1000, {0x1040, 1, "/src/a.x"}, {0x1050, 2, "\xff"}, {0x10a0, 3, "\xff"});
	dump_load(fd, 100, 0x1000, 0x60, 1, "first");
	LINES(fd, 90, 0x2000, {0x2043, 4, "/src/a.x"}, {0x2083, 5, "\xff"});
	dump_load(fd, 100, 0x2000, 0x80, 2, "second");
	EXPECT_LINES(fd, 0, at, "first /src/a.x:1", "first /src/a.x:2", "first /src/a.x:2",
		"second /src/a.x:5");
	/* Those without lines, or too short for what they promise, say nothing about it. */
	off_t end = lseek(fd, 0, SEEK_CUR);
	dump_lines(fd, 90, 0x3000, NULL, 0);
	dump_load(fd, 100, 0x3000, 0x10, 3, "empty");
	dump_lines(fd, 90, 0x4000, NULL, 0);
	assert_int_equal(pwrite(fd, &(uint64_t){1}, 8, lseek(fd, 0, SEEK_CUR) - 8), 8);
	dump_load(fd, 100, 0x4000, 0x10, 4, "short");
	EXPECT_LINES(fd, 0, at, "first /src/a.x:1", "first /src/a.x:2", "first /src/a.x:2",
		"second /src/a.x:5");
	assert_int_equal(lseek(fd, end, SEEK_SET), end);
	assert_int_equal(ftruncate(fd, end), 0);
	/* One has a line before, so none has too large ones: then the others say more than their
	 * code has. */
	LINES(fd, 90, 0x3000, {0x3000, 6, "/src/a.x"});
	dump_load(fd, 100, 0x3000, 0x10, 3, "third");
	EXPECT_LINES(fd, 0, at, "first", "first", "first", "second");
	close(fd);
}

static void code_that_moves_takes_its_lines_along(void **state)
{
	static const uint64_t at[] = {0x1000, 0x2008, 0x3000, 0x3008};
	int fd = dump_new(0);

	LINES(fd, 100, 0x1000, {0x1008, 2, "/src/a.x"}, {0x1000, 1, "\xff"});
	dump_load(fd, 100, 0x1000, 0x10, 7, "moved");
	dump_move(fd, 200, 0x1000, 0x2000, 0x10, 7);
	dump_move(fd, 300, 0x2000, 0x3000, 0x10, 7);
	dump_load(fd, 400, 0x1000, 0x10, 8, "new there");
	EXPECT_LINES(
		fd, 0, at, "new there", "moved /src/a.x:2", "moved /src/a.x:1", "moved /src/a.x:2");
	close(fd);
}

/* No line is better than a wrong one: not even what makes sense of such a table counts. */
static void tables_that_make_no_sense_say_nothing(void **state)
{
	static const uint64_t at[] = {0x1000, 0x5000};
	static const struct dump_line good = {0x5000, 1, "/src/a.x"};
	static const struct dump_line bad[] = {
		{0x4fff, 1, "/src/a.x"},
		{0x5011, 1, "/src/a.x"},
		{UINT64_MAX, 1, "/src/a.x"},
		{0x5000, 1, ""},
		{0x5000, 1, "\x83\2\1"},
		{0x5000, 1u << 31, "/src/a.x"},
		{0x5000, 1, "/src/\n.x"},
	};
	static const struct dump_line again = {0x5000, 1, "\xff"};
	static const uint64_t few[] = {0x5000, 1}, many[] = {0x5000, 3},
			      endless[] = {0x5000, ~0ULL};
	static const uint64_t *const counts[] = {few, many, endless};
	int fd = dump_new(0);

	LINES(fd, 90, 0x1000, {0x1000, 3, "/src/a.x"});
	dump_load(fd, 100, 0x1000, 0x10, 1, "sure");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		dump_lines(fd, 90, 0x5000, (const struct dump_line[]){good, bad[i]}, 2);
		dump_load(fd, 100, 0x5000, 0x10, 2, "bad");
		EXPECT_LINES(fd, 0, at, "sure /src/a.x:3", "bad");
	}
	dump_lines(fd, 90, 0x5000, &again, 1);
	dump_load(fd, 100, 0x5000, 0x10, 2, "nothing to be again");
	EXPECT_LINES(fd, 0, at, "sure /src/a.x:3", "nothing to be again");
	for (size_t i = 0; i < 3; i++) {
		off_t head = lseek(fd, 0, SEEK_CUR) + (off_t)sizeof(struct dump_record);

		dump_lines(fd, 90, 0x5000, (const struct dump_line[]){good, good}, 2);
		assert_int_equal(pwrite(fd, counts[i], 16, head), 16);
		dump_load(fd, 100, 0x5000, 0x10, 2, "counts wrongly");
		EXPECT_LINES(fd, 0, at, "sure /src/a.x:3", "counts wrongly");
	}
	dump_lines(fd, 90, 0x5000, &good, 1);
	dump_load(fd, 100, 0x5000, 0x10, 2, "good");
	EXPECT_LINES(fd, 0, at, "sure /src/a.x:3", "good /src/a.x:1");
	close(fd);
}

/* Whoever writes the dump may do so while it is read. */
static void a_table_ends_where_it_ended_first(void **state)
{
	static const struct dump_line entries[] = {{0x1000, 7, "/src/a.x"}, {0x1008, 8, "\xff"}};
	static const uint32_t sizes[] = {0, 16, 31, UINT32_MAX};
	char *buffer = malloc(JITDUMP_BUFFER);
	int fd = dump_new(0);
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct jitdump_record record;
	struct jitdump_table table;

	dump_lines(fd, 90, 0x1000, entries, 2);
	assert_int_equal(pread(fd, &record, sizeof(record), at), sizeof(record));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct jitdump_file before = {.fd = fd, .bytes = buffer}, after = before;
		struct jitdump_asked asked = {.offset = 4};
		uint64_t budget = 1000;

		assert_true(jitdump_table_read(&before, (uint64_t)at, &record, &table));
		table.size = 0x10;
		assert_int_equal(pwrite(fd, &sizes[i], 4, at + 4), 4);
		assert_true(jitdump_table_lines(&after, &table, 0, &budget, &asked, 1));
		assert_int_equal(asked.line.line, 7);
	}
	free(buffer);
	close(fd);
}

static void a_table_may_be_larger_than_what_is_read_at_once(void **state)
{
	static const uint64_t at[] = {0x10000, 0x10000 + 29999};
	struct dump_line *lines = calloc(30000, sizeof(*lines));
	int fd = dump_new(0);

	for (uint32_t i = 0; i < 30000; i++)
		lines[i] = (struct dump_line){
			0x10000 + i, i + 1, i % 2 ? "/src/odd.x" : "/src/even.x"};
	dump_lines(fd, 90, 0x10000, lines, 30000);
	dump_load(fd, 100, 0x10000, 30000, 1, "large");
	EXPECT_LINES(fd, 0, at, "large /src/even.x:1", "large /src/odd.x:30000");
	free(lines);
	close(fd);
}

/* What a table with a name of LONG_NAME bytes costs, of which the last one is `last`. */
#define LONG_NAME 60000
static uint64_t cost_of_name(char last, uint64_t budget, bool good)
{
	char *name = malloc(LONG_NAME + 1), *buffer = malloc(JITDUMP_BUFFER);
	struct jitdump_file f = {.fd = dump_new(0), .bytes = buffer};
	struct dump_line line = {0x1000, 7, name};
	struct jitdump_asked asked = {.offset = 4};
	struct jitdump_record record;
	struct jitdump_table table;
	uint64_t left = budget;
	off_t at = lseek(f.fd, 0, SEEK_CUR);

	memset(name, 'x', LONG_NAME);
	name[LONG_NAME - 1] = last;
	name[LONG_NAME] = '\0';
	dump_lines(f.fd, 90, 0x1000, &line, 1);
	assert_int_equal(pread(f.fd, &record, sizeof(record), at), sizeof(record));
	assert_true(jitdump_table_read(&f, (uint64_t)at, &record, &table));
	table.size = 0x10;
	assert_int_equal(jitdump_table_lines(&f, &table, 0, &left, &asked, 1), good);
	close(f.fd);
	free(buffer);
	free(name);
	return budget - left;
}

static void tables_cost_what_is_looked_at_in_them(void **state)
{
	uint64_t good = cost_of_name('x', 1000000, true);

	assert_true(good > LONG_NAME && good < 2 * LONG_NAME);
	assert_int_equal(cost_of_name('\n', 1000000, false), good);
	assert_int_equal(cost_of_name('x', good, true), good);
	assert_int_equal(cost_of_name('x', good - 1, false), good - 1);
}

static void what_lines_cost_is_limited(void **state)
{
	enum { N = 2500 }; /* that many times the long name is too much */
	uint64_t *at = calloc(N, sizeof(*at));
	char *name = malloc(LONG_NAME + 1);
	struct dump_line line = {0x1000, 7, name};
	int fd = dump_new(0);
	struct names a;
	size_t with = 0;

	for (size_t i = 0; i < N; i++)
		at[i] = 0x1000 + i;
	memset(name, 'x', LONG_NAME);
	name[LONG_NAME] = '\0';
	dump_lines(fd, 90, 0x1000, &line, 1);
	dump_load(fd, 100, 0x1000, N, 1, "all have a name");
	assert_int_equal(names_init(&a, at, N), 0);
	assert_int_equal(jitdump_resolve(&a, fd, at, N, 0), 0);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(a.addresses[i].count, 1);
		with += a.functions[a.lines[a.addresses[i].first].function].file != 0;
	}
	assert_in_range(with, N / 4, N - 1);
	names_free(&a);
	free(name);
	free(at);
	close(fd);
}

/* As often as there are addresses, its table would be too much. */
static void many_addresses_have_lines_of_a_large_function(void **state)
{
	enum { LINES_OF_IT = 50000, N = 2000 };
	struct dump_line *lines = calloc(LINES_OF_IT, sizeof(*lines));
	uint64_t *at = calloc(N, sizeof(*at));
	char(*texts)[64] = calloc(N, sizeof(*texts));
	const char **wanted = calloc(N, sizeof(*wanted));
	int fd = dump_new(0);

	for (uint32_t i = 0; i < LINES_OF_IT; i++)
		lines[i] = (struct dump_line){0x100000 + 2 * i, i + 1, i ? "\xff" : "/src/a.x"};
	for (uint32_t i = 0; i < N; i++) {
		at[i] = 0x100000 + 25 * i;
		snprintf(texts[i], sizeof(texts[i]), "large /src/a.x:%u", 25 * i / 2 + 1);
		wanted[i] = texts[i];
	}
	dump_lines(fd, 90, 0x100000, lines, LINES_OF_IT);
	dump_load(fd, 100, 0x100000, 2 * LINES_OF_IT, 1, "large");
	expect_lines(fd, 0, at, wanted, N);
	free(wanted);
	free(texts);
	free(at);
	free(lines);
	close(fd);
}

/* Records that are far from each other, and hold nothing. */
static void what_is_read_is_limited(void **state)
{
	static const uint64_t addresses[] = {0x1004, 0x2004};
	const struct dump_record far = {3, 300 << 10, 1};
	int fd = dump_new(0);
	struct names a;

	dump_load(fd, 10, 0x1000, 0x100, 1, "early");
	off_t at = lseek(fd, 0, SEEK_CUR), step = far.size;
	for (int i = 0; i < 8300; i++, at += step)
		assert_int_equal(pwrite(fd, &far, sizeof(far), at), sizeof(far));
	assert_int_equal(lseek(fd, at, SEEK_SET), at);
	dump_load(fd, 20, 0x2000, 0x100, 2, "late");
	assert_int_equal(names_init(&a, addresses, 2), 0);
	assert_int_equal(jitdump_resolve(&a, fd, addresses, 2, 0), -E2BIG);
	assert_int_equal(a.addresses[0].count, 1);
	assert_int_equal(a.addresses[1].count, 0);
	names_free(&a);
	close(fd);
}

static void other_files_are_refused(void **state)
{
	static const uint64_t at[] = {0x1000};
	static const char *const none[] = {""};
	static const uint32_t foreign = 0x4454694a;
	int fd = memfd_create("text", MFD_CLOEXEC);

	expect_until(fd, 0, at, none, 1, -ENOEXEC);
	dump_bytes(fd, "1000 10 f\n", 10);
	assert_false(jitdump_is(fd));
	expect_until(fd, 0, at, none, 1, -ENOEXEC);
	close(fd);
	fd = dump_new(0);
	assert_int_equal(pwrite(fd, &foreign, 4, 0), 4);
	expect_until(fd, 0, at, none, 1, -ENOEXEC);
	close(fd);
}

static void long_names_and_much_code_fit(void **state)
{
	static const uint64_t at[] = {0x1000, 0x2000};
	int fd = dump_new(0);
	char *name = malloc(300001);
	struct names a;

	memset(name, 'x', 300000);
	name[300000] = '\0';
	dump_load(fd, 100, 0x1000, 0x10, 1, name);
	dump_load(fd, 100, 0x2000, 0x10, 2, "next");
	assert_int_equal(names_init(&a, at, 2), 0);
	assert_int_equal(jitdump_resolve(&a, fd, at, 2, 0), 0);
	assert_int_equal(a.addresses[0].count, 1);
	assert_int_equal(a.addresses[1].count, 1);
	names_free(&a);
	free(name);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_has_the_name_of_its_time),
		cmocka_unit_test(times_decide_and_not_the_order),
		cmocka_unit_test(code_that_moves_takes_its_name_along),
		cmocka_unit_test(what_is_cut_off_ends_there),
		cmocka_unit_test(nonsense_is_no_name),
		cmocka_unit_test(code_has_the_lines_before_it),
		cmocka_unit_test(addresses_may_be_too_large),
		cmocka_unit_test(code_that_moves_takes_its_lines_along),
		cmocka_unit_test(tables_that_make_no_sense_say_nothing),
		cmocka_unit_test(a_table_ends_where_it_ended_first),
		cmocka_unit_test(a_table_may_be_larger_than_what_is_read_at_once),
		cmocka_unit_test(tables_cost_what_is_looked_at_in_them),
		cmocka_unit_test(what_lines_cost_is_limited),
		cmocka_unit_test(many_addresses_have_lines_of_a_large_function),
		cmocka_unit_test(what_is_read_is_limited),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(long_names_and_much_code_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
