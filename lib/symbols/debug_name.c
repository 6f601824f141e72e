// SPDX-License-Identifier: MIT
#include "symbols/debug_name.h"

#include <stdio.h>
#include <string.h>

#include "helper/protocol.h"

static bool is_text(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++)
		if ((unsigned char)name[n] < ' ' || name[n] == 127)
			return false;
	return n && n <= HELPER_MAX_WANT;
}

bool debug_name_is_base(const char *name)
{
	return is_text(name) && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

bool debug_name_is_split(const char *name)
{
	size_t n = strlen(name);

	if (!is_text(name) || name[0] != '/' || n < 6 || strcmp(name + n - 4, ".dwo") != 0)
		return false;
	for (const char *p = name; (p = strstr(p, "/..")); p += 3)
		if (p[3] == '/')
			return false;
	return true;
}

void debug_name_fold(char *path)
{
	char *to = path;

	for (const char *from = path; *from == '/';) {
		size_t n = strcspn(from + 1, "/") + 1;

		if (n == 3 && from[1] == '.' && from[2] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (n != 1 && !(n == 2 && from[1] == '.')) {
			memmove(to, from, n);
			to += n;
		}
		from += n;
	}
	*to = '\0';
}

bool debug_name_is_good(const char *name)
{
	return debug_name_is_base(name) || debug_name_is_split(name);
}

bool debug_name_resolve(char *out, size_t size, const char *name, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *base = slash ? slash + 1 : path;
	int n;

	if (strcmp(name, HELPER_PACKAGE) != 0)
		n = snprintf(out, size, "%s", name);
	else if (base && *base)
		n = snprintf(out, size, "%s.dwp", base);
	else
		return false;
	return n > 0 && (size_t)n < size;
}
