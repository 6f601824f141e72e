/* SPDX-License-Identifier: MIT */
#include "symbols/debug_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "helper/protocol.h"
#include "symbols/build_id.h"
#include "symbols/debug_name.h"
#include "util/cleanup.h"
#include "util/open_checked.h"

#define STANDARD_DEBUG_DIR "/usr/lib/debug"

/* Absolute, without "..": so that it cannot climb out of the folder that it is put below. */
static bool is_plain_folder(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *p = path; (p = strstr(p, "/..")); p += 3) {
		if (p[3] == '/' || p[3] == '\0')
			return false;
	}
	return true;
}

/* Below a folder that only the administrator writes: links may lead anywhere inside it. */
static int open_in_debug_dir(int dir, const char *path)
{
	struct stat st;
	_cleanup_close_ int fd = open_path_below(dir, path, 0, 0);
	if (fd < 0)
		return fd;
	int error = stat_regular(fd, &st);
	return error ? error : reopen_for_reading(fd);
}

/* Beside a file of a target, with a name that the target chose: only what every user may read
 * anyway, and no links. A build-id can be forged, and who has a user namespace can be below a root
 * of his making: so it must be root's, or the owner's of the file that asks. */
static int open_beside(int root, const char *path, uid_t owner)
{
	struct stat st;
	_cleanup_close_ int fd = open_path_below(root, path, O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	int error = stat_regular(fd, &st);
	if (error)
		return error;
	if (!(st.st_mode & S_IROTH) ||
		(owner != DEBUG_ANY_OWNER && st.st_uid && st.st_uid != owner))
		return -EACCES;
	return reopen_for_reading(fd);
}

static int join(char *out, const char *a, const char *b, const char *c)
{
	int n = snprintf(out, PATH_MAX, "%s%s%s", a, b, c);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Debian's, Fedora's and Ubuntu's packages, which are not all linked by build-id. */
static int search_kernel(int dir)
{
	static const char *const names[][2] = {
		{"lib/modules/", "/vmlinux"},
		{"boot/vmlinux-", ""},
	};
	struct utsname running;
	int fd = -ENOENT;

	if (uname(&running))
		return -errno;
	for (size_t i = 0; fd < 0 && i < sizeof(names) / sizeof(*names); i++) {
		char path[PATH_MAX];

		if (!join(path, names[i][0], running.release, names[i][1]))
			fd = open_in_debug_dir(dir, path);
	}
	return fd;
}

/* Looks for the kernel's (HELPER_KERNEL), .build-id/ab/cdef.debug (name is a build-id), near/NAME,
 * or the whole path NAME in one debug folder. */
static int search_debug_dir(const char *folder, const char *name, const char *near)
{
	char path[PATH_MAX];
	_cleanup_close_ int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	int fd = -ENOENT;
	if (build_id_is_plain(name)) {
		snprintf(path, sizeof(path), ".build-id/%.2s/%s.debug", name, name + 2);
		fd = open_in_debug_dir(dir, path);
	}
	if (!strcmp(name, HELPER_KERNEL))
		fd = search_kernel(dir);
	if (fd < 0 && debug_name_is_split(name))
		fd = open_in_debug_dir(dir, name);
	else if (fd < 0 && near && !join(path, near, "/", name))
		fd = open_in_debug_dir(dir, path);
	return fd;
}

static bool is_inode(int fd, uint64_t inode)
{
	struct stat st;
	return !fstat(fd, &st) && st.st_ino == inode;
}

/* dh_strip gives debug files the names of the programs, which lie first where they are looked for.
 */
static int search_beside(int root, const char *name, const char *near, uid_t owner, uint64_t inode)
{
	char path[PATH_MAX];
	int fd = -ENOENT;
	if (!join(path, near, "/", name))
		fd = open_beside(root, path, owner);
	if (fd >= 0 && is_inode(fd, inode)) {
		close_fd(fd);
		fd = -ENOENT;
	}
	if (fd < 0 && !join(path, near, "/.debug/", name))
		fd = open_beside(root, path, owner);
	return fd;
}

/* The standard folder as the target has it, such as that of a container's image: what lies there is
 * the target's. */
static int search_target(int root, const char *name, const char *near, uid_t owner)
{
	char path[PATH_MAX];
	int fd = -ENOENT;
	if (build_id_is_plain(name)) {
		snprintf(path, sizeof(path), STANDARD_DEBUG_DIR "/.build-id/%.2s/%s.debug", name,
			name + 2);
		fd = open_beside(root, path, owner);
	}
	if (fd < 0 && snprintf(path, sizeof(path), STANDARD_DEBUG_DIR "%s/%s", near, name) <
			      (int)sizeof(path))
		fd = open_beside(root, path, owner);
	return fd;
}

/* The paths of .dwo files are those of whoever built the program; below a root of our own nobody
 * else can make them mean something else. */
static int search_there(
	int root, const char *name, const char *near, const struct debug_roots *roots)
{
	bool is_own = root == roots->own;
	if (debug_name_is_split(name))
		return open_beside(root, name, is_own ? DEBUG_ANY_OWNER : roots->owner);
	return near ? search_beside(root, name, near, roots->owner, roots->inode) : -ENOENT;
}

static void enter(const struct debug_roots *roots, bool system)
{
	if (roots->enter)
		roots->enter(roots->userdata, system);
}

int debug_dirs_open(
	const char *name, const char *near, const struct debug_roots *roots, const char *more)
{
	if (!debug_name_is_good(name) || (near && !is_plain_folder(near)))
		return -EINVAL;
	int fd = -ENOENT;
	if (roots->target >= 0)
		fd = search_there(roots->target, name, near, roots);
	if (fd < 0)
		fd = search_there(roots->own, name, near, roots);
	if (fd < 0) {
		enter(roots, true);
		fd = search_debug_dir(STANDARD_DEBUG_DIR, name, near);
	}
	if (fd < 0 && near && roots->target >= 0 && !debug_name_is_split(name)) {
		enter(roots, false);
		fd = search_target(roots->target, name, near, roots->owner);
		enter(roots, true);
	}
	while (fd < 0 && *more) {
		char folder[PATH_MAX];
		size_t n = strcspn(more, ":");
		if (n > 0 && n < sizeof(folder)) {
			snprintf(folder, sizeof(folder), "%.*s", (int)n, more);
			fd = search_debug_dir(folder, name, near);
		}
		more += n + (more[n] == ':');
	}
	return fd;
}
