/* SPDX-License-Identifier: MIT */
#include "symbols/jit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/open_checked.h"

struct target {
	uint32_t innermost_pid; /* in its own pid namespace, the number it knows itself by */
	uid_t uid;		/* effective */
};

/* The last number of a "NSpid:\t1234\t17\n" line. */
static bool parse_last_number(const char *text, uint32_t *out)
{
	const char *end = text + strcspn(text, "\n");
	while (end > text && (end[-1] < '0' || end[-1] > '9'))
		end--;
	const char *begin = end;
	while (begin > text && begin[-1] >= '0' && begin[-1] <= '9')
		begin--;
	return begin < end && sscanf(begin, "%" SCNu32, out) == 1;
}

static int read_target(uint32_t pid, struct target *out)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	bool have_pid = false, have_uid = false;
	while (!(have_pid && have_uid) && getline(&line, &room, f) > 0) {
		if (!strncmp(line, "NSpid:", 6))
			have_pid = parse_last_number(line + 6, &out->innermost_pid);
		else if (!strncmp(line, "Uid:", 4))
			have_uid = sscanf(line + 4, "%*u %u", &out->uid) == 1;
	}
	return have_pid && have_uid ? 0 : -EBADMSG;
}

/* inode: that it must have; 0: any. */
static int open_checked(int root, const char *path, const struct target *target, uint64_t inode)
{
	struct stat st;
	/* /tmp is everybody's: a link there, or a second name for somebody's secret, is refused. */
	_cleanup_close_ int fd = open_path_below(root, path, O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	int error = stat_regular(fd, &st);
	if (error)
		return error;
	if (inode && st.st_ino != inode)
		return -ESTALE;
	if ((st.st_uid != target->uid && st.st_uid != 0) || st.st_nlink != 1)
		return -EPERM;
	/* In a mount namespace of his own anybody can put a file of root there that he may not read
	 * himself, such as /proc/kmsg. */
	if (st.st_uid != target->uid && !(st.st_mode & S_IROTH))
		return -EPERM;
	return reopen_for_reading(fd);
}

/* The path and inode of a mapping whose file is called NAME. */
static bool find_mapped(uint32_t pid, const char *name, char path[PATH_MAX], uint64_t *inode)
{
	char maps[64];
	snprintf(maps, sizeof(maps), "/proc/%" PRIu32 "/maps", pid);
	_cleanup_fclose_ FILE *f = fopen(maps, "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	while (f && getline(&line, &room, f) > 0) {
		int at = 0;
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%*s %*s %*s %*s %" SCNu64 " %n", inode, &at) != 1 || !at)
			continue;
		const char *found = line + at, *slash = strrchr(found, '/');
		size_t size = strlen(found) + 1;
		if (*found == '/' && !strcmp(slash + 1, name) && size <= PATH_MAX) {
			memcpy(path, found, size);
			return true;
		}
	}
	return false;
}

int jit_file_open(int root, uint32_t pid)
{
	struct target target;
	char path[PATH_MAX], dump[64], map[64];
	uint64_t inode;
	int error = read_target(pid, &target);
	if (error)
		return error;
	snprintf(dump, sizeof(dump), "/tmp/jit-%" PRIu32 ".dump", target.innermost_pid);
	snprintf(map, sizeof(map), "/tmp/perf-%" PRIu32 ".map", target.innermost_pid);
	int fd = -ENOENT;
	if (find_mapped(pid, strrchr(dump, '/') + 1, path, &inode))
		fd = open_checked(root, path, &target, inode);
	if (fd < 0) {
		int other = open_checked(root, map, &target, 0);
		if (other == -ENOENT)
			other = open_checked(root, dump, &target, 0);
		if (other != -ENOENT || fd == -ENOENT)
			fd = other;
	}
	return fd;
}
