// SPDX-License-Identifier: MIT
#include "configured.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

/* ini.h: 0 is an error. */
static int take(void *userdata, const char *section, const char *name, const char *value)
{
	char **out = userdata;

	if (strcmp(section, "symbols") != 0 || strcmp(name, "debug_dirs") != 0)
		return 1;
	free(*out);
	*out = strdup(value);
	return *out != NULL;
}

char *configured_debug_dirs(const char *path)
{
	char *dirs = strdup("");

	if (dirs)
		ini_parse(path, take, &dirs);
	return dirs;
}
