/* SPDX-License-Identifier: MIT */
#include "report/names.h"

#include <stdbool.h>
#include <string.h>

/* Java's "Class.<init>" and Go's "pkg.(*Type[...]).Method" only look like C++. */
static bool looks_like_cpp(const char *name)
{
	if (strstr(name, ".<") || strstr(name, "])."))
		return false;
	return strpbrk(name, "<>[]") || strstr(name, "::");
}

/* Removes balanced pairs with what they enclose; from an unbalanced closing one on, all stays. */
static void remove_enclosed(char *name, char open, char close)
{
	size_t out = 0, first = 0, depth = 0;
	size_t i = 0;
	for (; name[i]; i++) {
		if (name[i] == open && depth++ == 0)
			first = out;
		if (name[i] == close) {
			if (depth == 0)
				break;
			if (--depth == 0) {
				out = first;
				continue;
			}
		}
		name[out++] = name[i];
	}
	memmove(name + out, name + i, strlen(name + i) + 1);
}

const char *shown_name(const char *name, const char *system_name, char *buffer)
{
	if (*name && strcmp(name, system_name) != 0)
		return name;
	if (!looks_like_cpp(system_name))
		return system_name;
	memcpy(buffer, system_name, strlen(system_name) + 1);
	remove_enclosed(buffer, '(', ')');
	remove_enclosed(buffer, '<', '>');
	return buffer;
}

const char *base_name(const char *path, size_t *length)
{
	size_t end = strlen(path);
	if (end == 0) {
		*length = 1;
		return ".";
	}
	while (end > 1 && path[end - 1] == '/')
		end--;
	size_t start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	if (start == end)
		start--; /* nothing but slashes: one */
	*length = end - start;
	return path + start;
}
