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

const char *clean_path(const char *path, char *buffer)
{
	bool rooted = *path == '/';
	size_t n = 0, floor = rooted; /* below it ".." takes nothing away */
	if (rooted)
		buffer[n++] = '/';
	while (*path) {
		size_t length = strcspn(path, "/");
		bool up = length == 2 && path[0] == '.' && path[1] == '.';
		if (up && n > floor) {
			while (n > floor && buffer[n - 1] != '/')
				n--;
			n -= n > floor; /* the slash before it */
		} else if (length && !(length == 1 && *path == '.') && !(up && rooted)) {
			if (n > (size_t)rooted)
				buffer[n++] = '/';
			memcpy(buffer + n, path, length);
			n += length;
			if (up)
				floor = n;
		}
		path += length + (path[length] == '/');
	}
	if (!n)
		buffer[n++] = '.';
	buffer[n] = '\0';
	return buffer;
}

/* Behind "/name/" in the path, or NULL. */
static const char *behind_directory(const char *path, const char *name, size_t length)
{
	for (const char *at = path; (at = strchr(at, '/')); at++)
		if (!strncmp(at + 1, name, length) && at[1 + length] == '/')
			return at + length + 2;
	return NULL;
}

static const char *trim_by_search(const char *path, const char *search)
{
	while (*search) {
		size_t length = strcspn(search, ":"), end = length;
		while (end > 1 && search[end - 1] == '/')
			end--;
		size_t start = end;
		while (start > 0 && search[start - 1] != '/')
			start--;
		/* Go's name of an empty path is ".", of the root "/": nothing has these. */
		const char *rest = start < end ? behind_directory(path, search + start, end - start)
					       : NULL;
		if (rest)
			return rest;
		search += length + (search[length] == ':');
	}
	return path;
}

/* Behind the prefix and a slash, or NULL. */
static const char *behind_prefix(const char *path, const char *prefix, size_t length)
{
	while (length > 0 && prefix[length - 1] == '/')
		length--;
	return !strncmp(path, prefix, length) && path[length] == '/' ? path + length + 1 : NULL;
}

const char *trim_path(const char *path, const char *trim, const char *search)
{
	static const char *const always[] = {"/proc/self/cwd/./", "/proc/self/cwd/"};
	if (!*trim) {
		const char *rest = trim_by_search(path, search);
		if (rest != path)
			return rest;
	}
	while (*trim) {
		size_t length = strcspn(trim, ":");
		const char *rest = behind_prefix(path, trim, length);
		if (rest)
			return rest;
		trim += length + (trim[length] == ':');
	}
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (!strncmp(path, always[i], strlen(always[i])))
			return path + strlen(always[i]);
	return path;
}
