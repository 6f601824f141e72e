/* SPDX-License-Identifier: MIT */
#include "debuginfod/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/open_checked.h"
#include "util/parse.h"

#define STATE_FILE "state"
#define STATE_MAX  4096
#define LOCK_FILE  "lock"

/* Its group, which is profd's, may put requests into one of them and read the others. */
static const struct {
	const char *name;
	mode_t mode;
} FOLDERS[] = {{SPOOL_WANTED, 0770}, {SPOOL_MISSING, 0750}, {SPOOL_FILES, 0750}};

static int make_folder(int at, const char *name, mode_t mode)
{
	if (!mkdirat(at, name, mode))
		return fchmodat(at, name, mode, 0) ? -errno : 0; /* whatever the umask is */
	return errno == EEXIST ? 0 : -errno;
}

int spool_open(const char *cache, bool make)
{
	_cleanup_close_ int folder = -1, parent = open(cache, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = parent < 0 ? -errno : 0;

	if (!r && make)
		r = make_folder(parent, SPOOL_FOLDER, 0750);
	if (r)
		return r;
	folder = openat(parent, SPOOL_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	for (size_t i = 0; make && !r && i < sizeof(FOLDERS) / sizeof(*FOLDERS); i++)
		r = make_folder(folder, FOLDERS[i].name, FOLDERS[i].mode);
	return r ? r : take_fd(folder);
}

/* ---- files -------------------------------------------------------------------------------- */

void spool_path(char out[SPOOL_PATH], const char *folder, const char *build_id)
{
	snprintf(out, SPOOL_PATH, "%s/%s", folder, build_id);
}

void spool_file_path(char out[SPOOL_PATH], const char *build_id)
{
	snprintf(out, SPOOL_PATH, SPOOL_FILES "/%.2s/%s.debug", build_id, build_id + 2);
}

int spool_mark(int spool, const char *folder, const char *build_id)
{
	char path[SPOOL_PATH];

	spool_path(path, folder, build_id);
	_cleanup_close_ int fd = openat(
		spool, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	return fd >= 0 || errno == EEXIST ? 0 : -errno;
}

bool spool_is_marked(int spool, const char *folder, const char *build_id)
{
	char path[SPOOL_PATH];

	spool_path(path, folder, build_id);
	return !faccessat(spool, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

bool spool_has(int spool, const char *build_id)
{
	char path[SPOOL_PATH];

	spool_file_path(path, build_id);
	return !faccessat(spool, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* ---- state -------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t offset;
} NUMBERS[] = {
	{"fetched", offsetof(struct spool_state, fetched)},
	{"fetched-bytes", offsetof(struct spool_state, fetched_bytes)},
	{"unknown", offsetof(struct spool_state, unknown)},
	{"failed", offsetof(struct spool_state, failed)},
	{"kept-files", offsetof(struct spool_state, kept_files)},
	{"kept-bytes", offsetof(struct spool_state, kept_bytes)},
};
#define N_NUMBERS (sizeof(NUMBERS) / sizeof(*NUMBERS))

int spool_write_state(int spool, const struct spool_state *state)
{
	static const char temporary[] = STATE_FILE ".new";
	char text[STATE_MAX];
	size_t n = 0;

	for (size_t i = 0; i < N_NUMBERS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %" PRIu64 "\n",
			NUMBERS[i].name,
			*(const uint64_t *)((const char *)state + NUMBERS[i].offset));
	n += (size_t)snprintf(text + n, sizeof(text) - n, "fetching %s\nlast-failure %s\n",
		state->fetching, state->last_failure);
	_cleanup_close_ int fd = openat(
		spool, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n)
		return errno ? -errno : -EIO;
	return renameat(spool, temporary, spool, STATE_FILE) ? -errno : 0;
}

static void take_text(char *out, size_t size, const char *value)
{
	size_t n = 0;

	for (; value[n] && n + 1 < size; n++)
		out[n] = (unsigned char)value[n] < ' ' || value[n] == 127 ? '?' : value[n];
	out[n] = '\0';
}

static void take_line(struct spool_state *state, const char *name, const char *value)
{
	for (size_t i = 0; i < N_NUMBERS; i++)
		if (!strcmp(name, NUMBERS[i].name))
			parse_u64(value, 0, INT64_MAX,
				(uint64_t *)((char *)state + NUMBERS[i].offset));
	if (!strcmp(name, "fetching") && build_id_is_plain(value))
		take_text(state->fetching, sizeof(state->fetching), value);
	else if (!strcmp(name, "last-failure"))
		take_text(state->last_failure, sizeof(state->last_failure), value);
}

void spool_parse_state(struct spool_state *state, const char *text, size_t size)
{
	char copy[STATE_MAX + 1], *rest = copy;

	*state = (struct spool_state){0};
	if (size > STATE_MAX)
		size = STATE_MAX;
	memcpy(copy, text, size);
	copy[size] = '\0';
	for (char *line; (line = strtok_r(rest, "\n", &rest));) {
		char *value = strchr(line, ' ');

		if (!value)
			continue;
		*value = '\0';
		take_line(state, line, value + 1);
	}
}

int spool_read_state(int spool, struct spool_state *state)
{
	char text[STATE_MAX];
	struct stat st;

	*state = (struct spool_state){0};
	_cleanup_close_ int found = openat(spool, STATE_FILE, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (found < 0)
		return -errno;
	int r = stat_regular(found, &st);
	if (r)
		return r;
	_cleanup_close_ int fd = reopen_for_reading(found);
	if (fd < 0)
		return fd;
	ssize_t n = read(fd, text, sizeof(text));
	if (n < 0)
		return -errno;
	spool_parse_state(state, text, (size_t)n);
	return 0;
}

struct timespec spool_state_time(int spool)
{
	struct stat st;

	if (fstatat(spool, STATE_FILE, &st, AT_SYMLINK_NOFOLLOW))
		return (struct timespec){0};
	return st.st_mtim;
}

/* ---- who fetches -------------------------------------------------------------------------- */

int spool_lock(int spool)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = openat(
		spool, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock))
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	return take_fd(fd);
}

bool spool_is_served(int spool)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = openat(
		spool, LOCK_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}
