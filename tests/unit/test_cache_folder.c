// SPDX-License-Identifier: MIT
/* The folder that holds cache files, whatever is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/cache_folder.h"

#define SIZE (200 * 4096) /* of a file, on disk */

static const struct file_identity identity = {8, 15, 4711, 1700000000, 5, 1700000001, 6};

static const struct cache_folder_options options = {
	.name = "things", .version = 3, .max_bytes = 64u << 20, .max_file = 32u << 20};

struct bed {
	char folder[64], path[128];
	struct cache_folder *cache;
};

static int set_up(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	snprintf(b->folder, sizeof(b->folder), "/tmp/profd-cache-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->path, sizeof(b->path), "%s/made", b->folder);
	assert_int_equal(cache_folder_new(&b->cache, b->path, &options), 0);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bed *b = *state;
	char command[128];

	cache_folder_free(b->cache);
	snprintf(command, sizeof(command), "rm -rf %s", b->folder);
	assert_int_equal(system(command), 0); // NOLINT
	free(b);
	return 0;
}

static struct file_identity number(uint64_t i)
{
	struct file_identity id = identity;

	id.inode = i;
	return id;
}

static void use(struct bed *b, uint64_t i, size_t more)
{
	struct file_identity id = number(i);
	struct cache_folder_file file;
	static char bytes[SIZE];

	assert_int_equal(cache_folder_open(b->cache, &id, &file), 0);
	if (more)
		assert_int_equal(write(file.fd, bytes, more), more);
	cache_folder_close(b->cache, &file);
	assert_int_equal(file.fd, -1);
}

/* How many bytes the file of a module has; it is made, if there is none, but does not stay. */
static off_t size_of(struct bed *b, uint64_t i)
{
	struct file_identity id = number(i);
	struct cache_folder_file file;
	struct stat st;

	assert_int_equal(cache_folder_open(b->cache, &id, &file), 0);
	assert_int_equal(fstat(file.fd, &st), 0);
	cache_folder_close(b->cache, &file);
	return st.st_size;
}

static void age(struct bed *b, uint64_t i, time_t seconds)
{
	struct file_identity id = number(i);
	struct cache_folder_file file;
	struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}};

	times[1] = times[0];
	assert_int_equal(cache_folder_open(b->cache, &id, &file), 0);
	assert_int_equal(futimens(file.fd, times), 0);
	cache_folder_close(b->cache, &file);
}

static int count(const struct bed *b, const char *what)
{
	char command[256];
	int n = -1;
	FILE *f;

	snprintf(command, sizeof(command), "find %s/things %s | wc -l", b->path, what);
	f = popen(command, "r"); // NOLINT
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

static void files_are_kept_by_identity(void **state)
{
	struct bed *b = *state;

	use(b, 1, 100);
	use(b, 2, 200);
	use(b, 3, 0);
	assert_int_equal(size_of(b, 1), 100);
	assert_int_equal(size_of(b, 2), 200);
	assert_int_equal(size_of(b, 3), 0);
	assert_int_equal(count(b, "-type f -perm 0600"), 2);
	assert_int_equal(count(b, "-type d -perm 0700"), 1);
}

/* Also what was there before is counted; what is not ours stays. */
static void the_oldest_go_first(void **state)
{
	struct bed *b = *state;
	uint64_t n = options.max_bytes / SIZE + 1;
	char other[256];

	snprintf(other, sizeof(other), "cd %s/things; echo > README; ln -s README %016x", b->path,
		1);
	assert_int_equal(system(other), 0); // NOLINT
	for (uint64_t i = 0; i < n - 10; i++) {
		use(b, i, SIZE);
		age(b, i, (time_t)(100000 - i * 10));
	}
	size_of(b, 5); /* used now */
	cache_folder_free(b->cache);
	assert_int_equal(cache_folder_new(&b->cache, b->path, &options), 0);
	assert_int_equal(count(b, "-type f -name '[0-9a-f]*'"), n - 10);
	for (uint64_t i = n - 10; i < n; i++)
		use(b, i, SIZE);
	assert_in_range(count(b, "-type f -name '[0-9a-f]*'"), n / 2, n * 4 / 5);
	assert_int_equal(count(b, "-name README"), 1);
	assert_int_equal(size_of(b, 0), 0);
	assert_int_equal(size_of(b, 4), 0);
	assert_int_equal(size_of(b, 5), SIZE);
	assert_int_equal(size_of(b, n - 1), SIZE);
}

static void a_deleted_cache_comes_back(void **state)
{
	struct bed *b = *state;
	char command[160];

	use(b, 1, 100);
	snprintf(command, sizeof(command), "rm -r %s", b->path);
	assert_int_equal(system(command), 0); // NOLINT
	use(b, 1, 200);
	assert_int_equal(size_of(b, 1), 200);
}

/* Somebody has put other things where the files belong. */
static void only_files_are_used(void **state)
{
	static const char *const things[] = {
		"ln -s /etc/passwd", "mkfifo", "ln README", "truncate -s 64M"};
	struct bed *b = *state;

	for (uint64_t i = 0; i < sizeof(things) / sizeof(*things); i++) {
		struct file_identity id = number(i);
		struct cache_folder_file file;
		char command[256];
		struct stat st;

		use(b, i, 100);
		snprintf(command, sizeof(command),
			"cd %s/things; n=$(ls -t | grep -v README | head -1); rm $n; echo > "
			"README; "
			"%s $n",
			b->path, things[i]);
		assert_int_equal(system(command), 0); // NOLINT
		assert_int_equal(cache_folder_open(b->cache, &id, &file), 0);
		assert_int_equal(fstat(file.fd, &st), 0);
		assert_true(S_ISREG(st.st_mode) && !st.st_size && st.st_nlink == 1);
		assert_int_equal(write(file.fd, "x", 1), 1);
		cache_folder_close(b->cache, &file);
		snprintf(command, sizeof(command), "rm -f %s/things/*", b->path);
		assert_int_equal(system(command), 0); // NOLINT
	}
}

static void a_folder_must_be_one(void **state)
{
	struct cache_folder *cache;

	assert_int_equal(cache_folder_new(&cache, "/dev/null", &options), -ENOTDIR);
	assert_int_equal(cache_folder_new(&cache, "/nowhere/at/all", &options), -ENOENT);
}

/* What the format before this one wrote is not found. */
static void versions_have_files_of_their_own(void **state)
{
	struct cache_folder_options next = options;
	struct bed *b = *state;

	next.version++;
	use(b, 1, 100);
	cache_folder_free(b->cache);
	assert_int_equal(cache_folder_new(&b->cache, b->path, &next), 0);
	assert_int_equal(size_of(b, 1), 0);
	use(b, 1, 200);
	cache_folder_free(b->cache);
	assert_int_equal(cache_folder_new(&b->cache, b->path, &options), 0);
	assert_int_equal(size_of(b, 1), 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_are_kept_by_identity),
		TEST(the_oldest_go_first),
		TEST(a_deleted_cache_comes_back),
		TEST(only_files_are_used),
		TEST(versions_have_files_of_their_own),
		cmocka_unit_test(a_folder_must_be_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
