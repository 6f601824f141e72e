// SPDX-License-Identifier: MIT
#include "util/preload_path.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[PRELOADS] = {
	[PRELOAD_PLAIN] = "libprofd-heap.so",
	[PRELOAD_CXX] = "libprofd-heap-cxx.so",
};

static char *readable(const char *folder, int length, const char *name)
{
	char *path;

	if (asprintf(&path, "%.*s/%s", length, folder, name) < 0)
		return NULL;
	if (access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *preload_path(enum preload which)
{
	char program[PATH_MAX], *path = NULL;
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (n > 0) {
		program[n] = '\0';
		path = readable(program, (int)(strrchr(program, '/') - program), names[which]);
	}
	return path ? path : readable(PROFD_LIBDIR, sizeof(PROFD_LIBDIR) - 1, names[which]);
}

bool is_preload_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	for (unsigned i = 0; i < PRELOADS; i++)
		if (!strcmp(slash ? slash + 1 : path, names[i]))
			return true;
	return false;
}
