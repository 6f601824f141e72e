// SPDX-License-Identifier: MIT
#include "cgroup.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define PATH_LONGEST 4000

/* Where hierarchies are mounted (systemd's file-hierarchy, cgroups(7)), in order of preference. */
static const struct hierarchy {
	const char *root;
	long magic;
} hierarchies[] = {
	{"/sys/fs/cgroup/unified", CGROUP2_SUPER_MAGIC},
	{"/sys/fs/cgroup", CGROUP2_SUPER_MAGIC},
	{"/sys/fs/cgroup/memory", CGROUP_SUPER_MAGIC},
};
#define N_HIERARCHIES (sizeof(hierarchies) / sizeof(hierarchies[0]))

static bool is_mounted(const struct hierarchy *h)
{
	struct statfs fs;
	return !statfs(h->root, &fs) && fs.f_type == h->magic;
}

/* What follows the root in a folder's path, or NULL where the path is below another one. */
static const char *below(const char *path, const char *root)
{
	size_t n = strlen(root);
	return !strncmp(path, root, n) && (path[n] == '/' || !path[n]) ? path + n : NULL;
}

static bool has_dots(const char *path)
{
	for (const char *p = strstr(path, ".."); p; p = strstr(p + 2, "..")) {
		if ((p == path || p[-1] == '/') && (p[2] == '/' || !p[2]))
			return true;
	}
	return false;
}

static bool is_root(const char *path)
{
	return !path[strspn(path, "/")];
}

static int folder_id(const struct hierarchy *h, const char *path, uint64_t *id)
{
	char folder[PATH_LONGEST + 64];
	struct stat st;

	snprintf(folder, sizeof(folder), "%s%s%s", h->root, *path == '/' ? "" : "/", path);
	if (stat(folder, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	*id = st.st_ino;
	return 0;
}

/* The path inside this hierarchy, or NULL where it names a folder of another one. */
static const char *path_inside(const struct hierarchy *h, const char *path)
{
	if (!below(path, "/sys/fs/cgroup"))
		return path;
	return below(path, h->root);
}

int cgroup_find(const char *path, uint64_t *id, bool *is_v1, char *why, size_t why_size, char *hint,
	size_t hint_size)
{
	bool hybrid = is_mounted(&hierarchies[N_HIERARCHIES - 1]);

	snprintf(hint, hint_size, "take the path from /proc/PID/cgroup, such as %s",
		"/system.slice/cron.service");
	if (!*path || strlen(path) > PATH_LONGEST || has_dots(path)) {
		snprintf(why, why_size, "'%.64s' is not the path of a cgroup", path);
		return -EINVAL;
	}
	for (size_t i = 0; i < N_HIERARCHIES; i++) {
		const struct hierarchy *h = &hierarchies[i];
		const char *inside = path_inside(h, path);
		if (!inside || !is_mounted(h))
			continue;
		*is_v1 = h->magic == CGROUP_SUPER_MAGIC;
		/* The root of a hybrid host's v2 holds whatever v1 manages: not a choice. */
		if (!*is_v1 && hybrid && is_root(inside))
			continue;
		if (!folder_id(h, inside, id))
			return 0;
	}
	snprintf(why, why_size, "there is no cgroup '%.200s'", path);
	return -ENOENT;
}
