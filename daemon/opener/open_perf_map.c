/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "opener/open_kinds.h"
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

int open_perf_map(struct roots *roots, const struct opener_question *q)
{
	struct target target;
	struct stat st;
	int error = read_target(q->pid, &target);
	if (error)
		return error;
	int root = roots_of_process(roots, q->pid);
	if (root < 0)
		return root;
	char path[64];
	snprintf(path, sizeof(path), "/tmp/perf-%" PRIu32 ".map", target.innermost_pid);
	/* /tmp is everybody's: a link there, or a second name for somebody's secret, is refused. */
	_cleanup_close_ int fd = open_path_below(root, path, O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	error = stat_regular(fd, &st);
	if (error)
		return error;
	if ((st.st_uid != target.uid && st.st_uid != 0) || st.st_nlink != 1)
		return -EPERM;
	/* In a mount namespace of his own anybody can put a file of root there that he may not read
	 * himself, such as /proc/kmsg. */
	if (st.st_uid != target.uid && !(st.st_mode & S_IROTH))
		return -EPERM;
	return reopen_for_reading(fd);
}
