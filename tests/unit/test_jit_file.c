/* SPDX-License-Identifier: MIT */
/* The process that is looked at is this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbols/jit_file.h"

struct bed {
	char folder[64], mapped[128], second[128]; /* not in /tmp itself */
	char map[64], dump[64];			   /* in /tmp */
	int root;
	void *mapping;
};

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void map_file(struct bed *b)
{
	int fd = open(b->mapped, O_RDONLY);

	assert_true(fd >= 0);
	b->mapping = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(b->mapping != MAP_FAILED);
	close(fd);
}

static int set_up(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	strcpy(b->folder, "/tmp/profd-jit-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->mapped, sizeof(b->mapped), "%s/jit-%d.dump", b->folder, (int)getpid());
	snprintf(b->second, sizeof(b->second), "%s/second", b->folder);
	snprintf(b->map, sizeof(b->map), "/tmp/perf-%d.map", (int)getpid());
	snprintf(b->dump, sizeof(b->dump), "/tmp/jit-%d.dump", (int)getpid());
	write_file(b->mapped, "mapped");
	b->root = open("/", O_PATH | O_DIRECTORY);
	map_file(b);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bed *b = *state;

	munmap(b->mapping, 4096);
	unlink(b->mapped);
	unlink(b->second);
	unlink(b->map);
	unlink(b->dump);
	rmdir(b->folder);
	close(b->root);
	free(b);
	return 0;
}

static void expect(const struct bed *b, const char *content)
{
	char found[64] = "";
	int fd = jit_file_open(b->root, (uint32_t)getpid());

	assert_true(fd >= 0);
	assert_int_equal(read(fd, found, sizeof(found) - 1), (ssize_t)strlen(content));
	assert_string_equal(found, content);
	close(fd);
}

static void expect_error(const struct bed *b, int error)
{
	assert_int_equal(jit_file_open(b->root, (uint32_t)getpid()), error);
}

static void what_is_mapped_is_the_first(void **state)
{
	struct bed *b = *state;

	write_file(b->map, "map");
	write_file(b->dump, "dump");
	expect(b, "mapped");
	munmap(b->mapping, 4096);
	expect(b, "map");
	unlink(b->map);
	expect(b, "dump");
	unlink(b->dump);
	expect_error(b, -ENOENT);
	map_file(b);
}

static void what_is_mapped_is_checked(void **state)
{
	struct bed *b = *state;

	/* A second name for somebody's file. */
	assert_int_equal(link(b->mapped, b->second), 0);
	expect_error(b, -EPERM);
	write_file(b->map, "map");
	expect(b, "map");
	unlink(b->map);
	/* Another file is there now, or a link. */
	unlink(b->mapped);
	expect_error(b, -ENOENT);
	write_file(b->mapped, "other");
	expect_error(b, -ENOENT);
	unlink(b->mapped);
	assert_int_equal(symlink(b->second, b->mapped), 0);
	expect_error(b, -ENOENT);
}

static void others_files_are_refused(void **state)
{
	struct bed *b = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(b->mapped, 65534, 65534), 0);
	expect_error(b, -EPERM);
	assert_int_equal(jit_file_open(b->root, 4194304), -ENOENT);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_mapped_is_the_first),
		test(what_is_mapped_is_checked),
		test(others_files_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
