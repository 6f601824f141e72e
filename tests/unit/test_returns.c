// SPDX-License-Identifier: MIT
/* By which rets functions that may throw can be left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sites/image.h"
#include "sites/sites.h"
#include "symbolizer/elf_file.h"
#include "util/cleanup.h"

#define LIBRARY(name) "/usr/lib/x86_64-linux-gnu/" name
#define MAX_EXPECTED  16

static struct sites_found found;

static void find_in(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_file file;

	assert_int_equal(elf_file_open(&file, fd), 0);
	assert_int_equal(sites_find(&file, &found), 0);
	elf_file_close(&file);
}

static bool is_followed(const char *name)
{
	for (uint32_t i = 0; i < found.n_sites; i++)
		if (!strcmp(found.sites[i].name, name))
			return found.sites[i].followed;
	fail_msg("%s is no site", name);
	return false;
}

static uint64_t entry_of(const char *name)
{
	for (uint32_t i = 0; i < found.n_sites; i++)
		if (!strcmp(found.sites[i].name, name))
			return found.sites[i].entry;
	fail_msg("%s is no site", name);
	return 0;
}

/* ---- made for it ------------------------------------------------------------------------------
 */

static const char *made_up(void)
{
	static char path[4096];
	char self[4000] = "";

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(path, sizeof(path), "%s/sites_returns.so", dirname(self));
	return path;
}

static bool on_symbol(void *userdata, const char *name, uint64_t address, uint64_t size,
	unsigned type, unsigned binding)
{
	uint64_t *at = userdata;

	if (strcmp(name, "returns_expected") != 0)
		return true;
	*at = address;
	return false;
}

static uint64_t expected_at(int fd)
{
	struct elf_file file;
	struct image image;
	uint64_t at = 0;

	assert_int_equal(elf_file_open(&file, fd), 0);
	assert_int_equal(image_open(&image, &file), 0);
	image_symbols(&image, on_symbol, &at);
	elf_file_close(&file);
	assert_int_not_equal(at, 0);
	return at;
}

/* A section of constants: addresses are offsets there. Returns how many. */
static size_t read_expected(uint64_t *expected)
{
	_cleanup_close_ int fd = open(made_up(), O_RDONLY | O_CLOEXEC);
	uint64_t malloc_at = entry_of("malloc"), at = expected_at(fd);
	size_t n = 0;
	int32_t one;

	while (n < MAX_EXPECTED && pread(fd, &one, sizeof(one), (off_t)at) == sizeof(one) && one) {
		expected[n++] = malloc_at + (uint64_t)one;
		at += sizeof(one);
	}
	return n;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void what_can_be_followed(void **state)
{
	static const char *const followed[] = {
		"_Znwm", "_Znam", "tc_new", "tc_new_aligned", "mi_new", "mi_new_n"};
	static const char *const others[] = {"_ZnwmSt11align_val_t", "_ZnamSt11align_val_t",
		"tc_newarray", "mi_new_aligned", "tc_newarray_aligned", "mi_new_realloc", "malloc"};
	uint64_t expected[MAX_EXPECTED];
	size_t n;

	find_in(made_up());
	for (size_t i = 0; i < sizeof(followed) / sizeof(*followed); i++)
		if (!is_followed(followed[i]))
			fail_msg("%s is not followed", followed[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (is_followed(others[i]))
			fail_msg("%s is followed", others[i]);
	n = read_expected(expected);
	qsort(expected, n, sizeof(*expected), compare);
	assert_int_equal(n, 6);
	assert_int_equal(found.n_rets, n);
	assert_memory_equal(found.rets, expected, n * sizeof(*expected));
}

/* ---- allocators -------------------------------------------------------------------------------
 */

/* Its rets are such instructions, and there are so many. */
static void check(const char *path, uint32_t wanted)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t code;

	assert_int_equal(found.n_rets, wanted);
	for (uint32_t i = 0; i < found.n_rets; i++) {
		assert_true(!i || found.rets[i] > found.rets[i - 1]);
		assert_int_equal(pread(fd, &code, 1, (off_t)found.rets[i]), 1);
		assert_int_equal(code, 0xc3);
	}
	for (uint32_t i = 0; i < found.n_sites; i++)
		assert_int_equal(found.sites[i].followed, found.sites[i].throws);
}

static void operators_of_allocators(void **state)
{
	static const struct {
		const char *path, *name;
		uint32_t rets;
	} all[] = {
		{LIBRARY("libjemalloc.so.2"), "_Znwm", 3},
		{LIBRARY("libtcmalloc.so.4"), "tc_new", 6},
		{LIBRARY("libtcmalloc_minimal.so.4"), "tc_new_aligned", 6},
		{LIBRARY("libmimalloc.so.2.0"), "mi_new", 5},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		find_in(all[i].path);
		assert_true(is_followed(all[i].name));
		check(all[i].path, all[i].rets);
	}
}

static void others_have_none(void **state)
{
	static const char *const paths[] = {LIBRARY("libc.so.6"), LIBRARY("libstdc++.so.6")};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		find_in(paths[i]);
		check(paths[i], 0);
	}
}

static void names_of_who_never_returns(void **state)
{
	static const char *const never[] = {"abort", "__stack_chk_fail", "_Unwind_Resume",
		"_ZSt17__throw_bad_allocv", "_ZSt20__throw_system_errori", "__cxa_throw"};
	static const char *const others[] = {
		"", "_", "_ZSt", "_ZSt17", "malloc", "aborted", "_ZSt15set_new_handlerPFvvE"};

	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		assert_true(functions_never_return(never[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(functions_never_return(others[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_followed),
		cmocka_unit_test(operators_of_allocators),
		cmocka_unit_test(others_have_none),
		cmocka_unit_test(names_of_who_never_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
