// SPDX-License-Identifier: MIT
#include "package.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* A merged /usr has two names for what is in it, and lists may have either. */
static const char *without_usr(const char *path)
{
	static const char *const merged[] = {"/usr/bin/", "/usr/sbin/", "/usr/lib"};

	for (size_t i = 0; i < sizeof(merged) / sizeof(*merged); i++)
		if (!strncmp(path, merged[i], strlen(merged[i])))
			return path + strlen("/usr");
	return path;
}

static int compare_files(const void *a, const void *b)
{
	const struct packaged_file *const *x = a, *const *y = b;

	return strcmp(without_usr((*x)->path), without_usr((*y)->path));
}

static int compare_key(const void *key, const void *element)
{
	const struct packaged_file *const *file = element;

	return strcmp(key, without_usr((*file)->path));
}

/* Some maintainers build a package themselves, perhaps one for all that are of one source, and
 * debhelper nothing beside it. */
static char *debug_package(const char *package)
{
	unsigned version;
	char *name = NULL;
	int n;

	if (sscanf(package, "openjdk-%u-", &version) == 1)
		n = asprintf(&name, "openjdk-%u-dbg", version);
	else if (sscanf(package, "python3.%u", &version) == 1 ||
		 sscanf(package, "libpython3.%u", &version) == 1)
		n = asprintf(&name, "python3.%u-dbg", version);
	else if (!strcmp(package, "libc6") || !strncmp(package, "linux-image-", 12))
		n = asprintf(&name, "%s-dbg", package);
	else
		n = asprintf(&name, "%s-dbgsym", package);
	return n < 0 ? NULL : name;
}

/* The package of a list: libc6 of …/libc6:amd64.list. To free. */
static char *package_of(const char *list)
{
	const char *slash = strrchr(list, '/'), *name = slash ? slash + 1 : list;
	const char *colon = strchr(name, ':'), *end = strrchr(name, '.');

	return strndup(name, (size_t)((colon ? colon : end) - name));
}

static int note_package(struct packaged_file *f, const char *list)
{
	if (f->package)
		return 0;
	f->package = package_of(list);
	f->debug = f->package ? debug_package(f->package) : NULL;
	return f->debug ? 0 : -ENOMEM;
}

static int read_list(const char *list, struct packaged_file **sorted, size_t n)
{
	_cleanup_fclose_ FILE *in = fopen(list, "re");
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	ssize_t length;
	int r = 0;

	while (in && !r && (length = getline(&line, &capacity, in)) > 0) {
		line[length - (line[length - 1] == '\n')] = '\0';
		struct packaged_file **found = bsearch(
			without_usr(line), sorted, n, sizeof(*sorted), compare_key);
		/* Equal paths lie side by side. */
		while (found && found > sorted && !compare_files(found - 1, found))
			found--;
		for (; found && found < sorted + n && !r; found++) {
			if (compare_key(without_usr(line), found))
				break;
			r = note_package(*found, list);
		}
	}
	return r;
}

static bool has_list(const glob_t *lists, const char *package)
{
	for (size_t i = 0; i < lists->gl_pathc; i++) {
		_cleanup_free_ char *name = package_of(lists->gl_pathv[i]);

		if (name && !strcmp(name, package))
			return true;
	}
	return false;
}

int packaged_files_find(const char *folder, struct packaged_file *files, size_t n)
{
	_cleanup_free_ struct packaged_file **sorted = calloc(
		n + 1, sizeof(struct packaged_file *));
	_cleanup_free_ char *pattern = NULL;
	glob_t lists = {0};
	int r = 0;

	if (!sorted || asprintf(&pattern, "%s/*.list", folder) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = &files[i];
	qsort(sorted, n, sizeof(struct packaged_file *), compare_files);
	if (glob(pattern, GLOB_NOSORT, NULL, &lists) == GLOB_NOSPACE)
		r = -ENOMEM;
	for (size_t i = 0; i < lists.gl_pathc && !r; i++)
		r = read_list(lists.gl_pathv[i], sorted, n);
	for (size_t i = 0; i < n && !r; i++)
		files[i].installed = files[i].debug && has_list(&lists, files[i].debug);
	globfree(&lists);
	return r;
}

void packaged_files_free(struct packaged_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(files[i].package);
		free(files[i].debug);
	}
}
