// SPDX-License-Identifier: MIT
/* Ids of cgroups, on whatever hierarchies this host has. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cgroup.h"

static char why[256], hint[256];

static int find(const char *path, uint64_t *id, bool *is_v1)
{
	return cgroup_find(path, id, is_v1, why, sizeof(why), hint, sizeof(hint));
}

/* The root is the same by any name, and its id is its folder's inode number. */
static void test_root(void **state)
{
	static const char *const folders[] = {
		"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory"};
	uint64_t id, by_folder;
	bool is_v1, by_folder_v1;

	if (find("/", &id, &is_v1))
		skip(); /* no cgroups here */
	unsigned same = 0;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		struct stat st;
		if (stat(folders[i], &st) || find(folders[i], &by_folder, &by_folder_v1))
			continue;
		assert_int_equal(by_folder, st.st_ino);
		same += by_folder == id && by_folder_v1 == is_v1;
	}
	assert_true(same >= 1);
	assert_int_equal(find("///", &by_folder, &by_folder_v1), 0);
	assert_int_equal(by_folder, id);
}

/* A hierarchy's own folders are found by the path inside it as well. */
static void test_own(void **state)
{
	char line[512], folder[600];
	struct stat st;
	uint64_t id;
	bool is_v1;
	unsigned found = 0;
	FILE *f = fopen("/proc/self/cgroup", "r");

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		const char *path = strrchr(line, ':') + 1;
		if (!strstr(line, ":memory:") || !path[1])
			continue;
		snprintf(folder, sizeof(folder), "/sys/fs/cgroup/memory%s", path);
		if (stat(folder, &st))
			continue;
		assert_int_equal(find(folder, &id, &is_v1), 0);
		assert_int_equal(id, st.st_ino);
		assert_true(is_v1);
		assert_int_equal(find(path, &id, &is_v1), 0);
		assert_int_equal(find(path + 1, &id, &is_v1), 0);
		found++;
	}
	if (f)
		fclose(f);
	if (!found)
		skip(); /* no memory controller of v1 here */
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"", "..", "/a/../b", "/a/..", "../a"};
	char longest[5000];
	uint64_t id;
	bool is_v1;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(find(bad[i], &id, &is_v1), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(find(longest, &id, &is_v1), -EINVAL);
	assert_int_equal(find("/no..such", &id, &is_v1), -ENOENT);
	assert_string_equal(why, "there is no cgroup '/no..such'");
	assert_non_null(strstr(hint, "/proc/PID/cgroup"));
	assert_int_equal(find("/sys/fs/cgroup-else", &id, &is_v1), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
