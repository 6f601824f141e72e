// SPDX-License-Identifier: MIT
/* Packages of files, from lists as dpkg keeps them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../cli/package.h"

static const struct list {
	const char *name, *text;
} LISTS[] = {
	{"libc6:amd64.list", "/.\n/lib\n/lib/x86_64-linux-gnu/libc.so.6\n"},
	{"coreutils.list", "/bin/ls\n/usr/bin/env\n"},
	{"coreutils-dbgsym.list", "/usr/lib/debug/.build-id/00/11.debug\n"},
	{"libstdc++6:amd64.list", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30"},
	{"linux-image-6.1.0-9-amd64.list", "/boot/vmlinuz-6.1.0-9-amd64\n"},
	{"openjdk-17-jre-headless:amd64.list", "/usr/lib/jvm/libjvm.so\n"},
	{"libpython3.11:amd64.list", "/usr/lib/libpython3.11.so.1.0\n"},
	{"python3.11-minimal.list", "/usr/bin/python3.11\n"},
	{"other.md5sums", "/usr/bin/nothing\n"},
};
#define N_LISTS (sizeof(LISTS) / sizeof(*LISTS))

static char folder[] = "/tmp/profd-test-package-XXXXXX";

static int set_up(void **state)
{
	char path[PATH_MAX];

	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < N_LISTS; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, LISTS[i].name);
		FILE *out = fopen(path, "w");
		assert_non_null(out);
		fputs(LISTS[i].text, out);
		fclose(out);
	}
	return 0;
}

static int tear_down(void **state)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < N_LISTS; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, LISTS[i].name);
		unlink(path);
	}
	return rmdir(folder);
}

static void expect(const struct packaged_file *f, const char *package, const char *debug)
{
	assert_string_equal(f->package ? f->package : "", package);
	assert_string_equal(f->debug ? f->debug : "", debug);
}

static void files_have_packages_and_these_have_debug_packages(void **state)
{
	struct packaged_file files[] = {
		{.path = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30"},
		{.path = "/usr/bin/ls"},
		{.path = "/bin/env"},
		{.path = "/usr/lib/x86_64-linux-gnu/libc.so.6"},
		{.path = "/usr/bin/ls"},
		{.path = "/usr/bin/nothing"},
		{.path = "/opt/bin/ls"},
		{.path = "/boot/vmlinuz-6.1.0-9-amd64"},
		{.path = "/usr/lib/jvm/libjvm.so"},
		{.path = "/usr/lib/libpython3.11.so.1.0"},
		{.path = "/usr/bin/python3.11"},
	};
	size_t n = sizeof(files) / sizeof(*files);

	assert_int_equal(packaged_files_find(folder, files, n), 0);
	expect(&files[0], "libstdc++6", "libstdc++6-dbgsym");
	expect(&files[1], "coreutils", "coreutils-dbgsym");
	expect(&files[2], "coreutils", "coreutils-dbgsym");
	expect(&files[3], "libc6", "libc6-dbg");
	expect(&files[4], "coreutils", "coreutils-dbgsym");
	expect(&files[5], "", "");
	expect(&files[6], "", "");
	expect(&files[7], "linux-image-6.1.0-9-amd64", "linux-image-6.1.0-9-amd64-dbg");
	expect(&files[8], "openjdk-17-jre-headless", "openjdk-17-dbg");
	expect(&files[9], "libpython3.11", "python3.11-dbg");
	expect(&files[10], "python3.11-minimal", "python3.11-dbg");
	assert_true(files[1].installed);
	assert_false(files[0].installed);
	assert_false(files[6].installed);
	packaged_files_free(files, n);
}

static void elsewhere_there_are_no_packages(void **state)
{
	struct packaged_file file = {.path = "/usr/bin/ls"};

	assert_int_equal(packaged_files_find("/nowhere", &file, 1), 0);
	expect(&file, "", "");
	assert_int_equal(packaged_files_find(folder, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_have_packages_and_these_have_debug_packages),
		cmocka_unit_test(elsewhere_there_are_no_packages),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
