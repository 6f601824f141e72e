/* SPDX-License-Identifier: MIT */
#include "collector/procfs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "util/cleanup.h"

#define NS_PER_SECOND 1000000000ULL

/* The beginning of a small file, NUL-terminated. Returns its length or -errno. */
static ssize_t read_text(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return n;
}

int procfs_parse_start(const char *stat, uint64_t *ticks)
{
	/* "12 (name) S 1 …": the name may hold blanks and parentheses, so fields count from the
	 * last one; the state behind it is field 3. */
	const char *p = strrchr(stat, ')');
	for (int field = 3; p && field <= 22; field++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	if (!p || *p < '0' || *p > '9')
		return -EBADMSG;
	return sscanf(p, "%" SCNu64, ticks) == 1 ? 0 : -EBADMSG;
}

int procfs_start_ticks(uint32_t pid, uint64_t *ticks)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	ssize_t n = read_text(path, text, sizeof(text));
	return n < 0 ? (int)n : procfs_parse_start(text, ticks);
}

bool procfs_is_same(const struct profd_identity *identity)
{
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t ticks;
	if (hz <= 0 || procfs_start_ticks(identity->pid, &ticks) < 0)
		return false;
	return ticks == identity->start_boottime / (NS_PER_SECOND / (uint64_t)hz);
}

int procfs_comm(uint32_t pid, uint32_t tid, char comm[PROFD_COMM_LEN])
{
	char path[64], text[PROFD_COMM_LEN + 1];
	comm[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%" PRIu32 "/comm", pid, tid);
	ssize_t n = read_text(path, text, sizeof(text));
	if (n <= 0)
		return n < 0 ? (int)n : -EBADMSG;
	if (text[n - 1] == '\n')
		n--;
	if (n > PROFD_COMM_LEN - 1)
		n = PROFD_COMM_LEN - 1;
	memcpy(comm, text, (size_t)n);
	comm[n] = '\0';
	return 0;
}

int procfs_exe(uint32_t pid, char *path, size_t size)
{
	static const char suffix[] = " (deleted)";
	char link[64];
	snprintf(link, sizeof(link), "/proc/%" PRIu32 "/exe", pid);
	ssize_t n = readlink(link, path, size - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	size_t length = (size_t)n, cut = sizeof(suffix) - 1;
	if (length > cut && !strcmp(path + length - cut, suffix))
		path[length - cut] = '\0';
	return 0;
}

static void unescape_newlines(char *path)
{
	char *out = path;
	for (const char *in = path; *in;) {
		bool newline = !strncmp(in, "\\012", 4);
		*out++ = newline ? '\n' : *in;
		in += newline ? 4 : 1;
	}
	*out = '\0';
}

bool procfs_parse_maps_line(char *line, struct module_mapping *m, uint64_t *offset)
{
	char permissions[5];
	int path = 0;
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 "%n", &m->start,
		    &m->end, permissions, offset, &m->major, &m->minor, &m->inode, &path) != 7)
		return false;
	if (strlen(permissions) != 4 || permissions[2] != 'x' || m->start >= m->end)
		return false;
	m->inode_generation = 0;
	char *p = line + path;
	p += strspn(p, " ");
	unescape_newlines(p);
	m->path = *p ? p : "//anon";
	return true;
}

int procfs_maps(uint32_t pid,
	int (*handler)(void *userdata, const struct module_mapping *mapping, uint64_t offset),
	void *userdata)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/maps", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	int result = 0;
	while (!result && getline(&line, &room, f) > 0) {
		struct module_mapping mapping = {.pid = pid};
		uint64_t offset;
		if (procfs_parse_maps_line(line, &mapping, &offset))
			result = handler(userdata, &mapping, offset);
	}
	if (!result && ferror(f))
		result = -EIO; /* the address space went away while it was read */
	return result;
}
