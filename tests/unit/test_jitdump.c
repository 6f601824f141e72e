/* SPDX-License-Identifier: MIT */
#include "jitdump_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "symbolizer/jitdump.h"

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
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(long_names_and_much_code_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
