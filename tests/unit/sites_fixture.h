/* SPDX-License-Identifier: MIT */
/* sites_fixture.h - finds where heap probes go in a file, and runs tools on it. */
#ifndef PROFD_TEST_SITES_FIXTURE_H
#define PROFD_TEST_SITES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <unistd.h>

#include "sites/sites.h"
#include "symbolizer/elf_file.h"
#include "util/cleanup.h"

static struct sites_found found;

static inline int find_in(int fd)
{
	struct elf_file file;
	int r;

	assert_true(fd >= 0);
	r = elf_file_open(&file, fd);
	if (!r)
		r = sites_find(&file, &found);
	elf_file_close(&file);
	return r;
}

static inline void find_in_path(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(find_in(fd), 0);
}

/* A file that was built beside this program. */
static const char *beside(const char *name)
{
	static char path[4096];
	char self[4000] = "";

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(path, sizeof(path), "%s/%s", dirname(self), name);
	return path;
}

static inline FILE *run(const char *format, const char *path, uint64_t start, uint64_t end)
{
	char command[512];
	FILE *f;

	snprintf(command, sizeof(command), format, path, start, end);
	f = popen(command, "r"); // NOLINT
	assert_non_null(f);
	return f;
}

#endif
