// SPDX-License-Identifier: MIT
#include "util/preload_path.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

char *preload_path(void)
{
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash, *path = NULL;

	if (n > 0) {
		program[n] = '\0';
		slash = strrchr(program, '/');
		if (slash)
			*slash = '\0';
		if (slash && asprintf(&path, "%s/" PRELOAD_NAME, program) < 0)
			return NULL;
	}
	if (path && access(path, R_OK) == 0)
		return path;
	free(path);
	path = strdup(PROFD_LIBDIR "/" PRELOAD_NAME);
	if (path && access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

bool is_preload_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, PRELOAD_NAME);
}
