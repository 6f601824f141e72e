/* SPDX-License-Identifier: MIT */
/* store_retain.c - deletes what is too old or too much. A profile goes with its .activity file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/private.h"
#include "util/cleanup.h"

/* When what is in the file ended. */
static time_t end_of(const struct store_entry *e)
{
	return e->recording ? e->mtime.tv_sec : e->start + (time_t)e->seconds;
}

/* Of the profile and its activity. */
static int bytes_of(const struct store_entry *e, uint64_t *out)
{
	struct stat st;
	_cleanup_free_ char *activity = store_activity_path(e);
	if (!activity)
		return -ENOMEM;
	*out = e->size;
	if (!e->recording && lstat(activity, &st) == 0)
		*out += (uint64_t)st.st_size;
	return 0;
}

static int delete_entry(const struct store_entry *e)
{
	_cleanup_free_ char *activity = store_activity_path(e);
	if (!activity)
		return -ENOMEM;
	if (unlink(e->path) < 0 && errno != ENOENT)
		return -errno;
	if (!e->recording && unlink(activity) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* ---- what is left over -------------------------------------------------------------------- */

/* An activity file whose profile somebody deleted. */
static int sweep_file(void *userdata, int folder, const char *name)
{
	if (!store_has_suffix(name, STORE_ACTIVITY))
		return 0;
	_cleanup_free_ char *profile = store_change_suffix(name, STORE_ACTIVITY, STORE_PROFILE);
	if (!profile)
		return -ENOMEM;
	if (faccessat(folder, profile, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		unlinkat(folder, name, 0);
	return 0;
}

static int sweep_date(void *userdata, int folder, const char *name)
{
	{
		_cleanup_close_ int fd = store_open_folder(folder, name);
		if (fd < 0)
			return fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
		int r = store_each(fd, sweep_file, NULL);
		if (r < 0)
			return r;
	}
	/* Fails where something is left, also a file that is being written. */
	unlinkat(folder, name, AT_REMOVEDIR);
	return 0;
}

static int sweep_type(void *userdata, int folder, const char *name)
{
	if (!store_is_type(name))
		return 0;
	_cleanup_close_ int fd = store_open_folder(folder, name);
	if (fd < 0)
		return fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
	return store_each(fd, sweep_date, NULL);
}

/* A week of windows is 20,000 files to look at: 40 ms, too much for every minute. */
#define RETAIN_PERIOD	600 /* s */
#define RETAIN_FRACTION 64

static bool is_due(struct store *s, uint64_t now, uint64_t max_age, uint64_t max_size)
{
	uint64_t period = RETAIN_PERIOD;
	if (!s->retained || s->max_age != max_age || s->max_size != max_size)
		return true;
	if (max_age && max_age / RETAIN_FRACTION < period)
		period = max_age / RETAIN_FRACTION;
	return now - s->retained >= period || (max_size && s->written > max_size / RETAIN_FRACTION);
}

/* Sets each entry's size to that of the profile and its activity. */
static int add_up(struct store_entry *entries, size_t n, uint64_t *total)
{
	*total = 0;
	for (size_t i = 0; i < n; i++) {
		int r = bytes_of(&entries[i], &entries[i].size);
		if (r < 0)
			return r;
		*total += entries[i].size;
	}
	return 0;
}

/* What cannot be deleted does not keep the rest: it counts as gone, and its error (the first) is
 * returned at the end. The number deleted, or -errno. */
static int delete_oldest(struct store *s, uint64_t max_age, uint64_t max_size)
{
	struct store_entry *entries;
	size_t n;
	uint64_t total;
	time_t now = time(NULL);
	int deleted = 0;
	int r = store_list(s, &entries, &n);
	if (r < 0)
		return r;
	r = add_up(entries, n, &total);
	int failed = r;
	for (size_t i = 0; r == 0 && i < n; i++) {
		time_t end = end_of(&entries[i]);
		bool old = max_age && end < now && (uint64_t)(now - end) > max_age;
		if (!old && !(max_size && total > max_size))
			continue;
		int gone = delete_entry(&entries[i]);
		total -= entries[i].size;
		deleted += gone == 0;
		failed = failed ? failed : gone;
	}
	store_list_free(entries, n);
	return failed ? failed : deleted;
}

int store_retain(struct store *s, uint64_t max_age, uint64_t max_size)
{
	struct timespec now = {0};
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!is_due(s, (uint64_t)now.tv_sec, max_age, max_size))
		return 0;
	int deleted = delete_oldest(s, max_age, max_size);
	int r = store_each(s->dir, sweep_type, NULL);
	s->retained = (uint64_t)now.tv_sec;
	s->max_age = max_age;
	s->max_size = max_size;
	s->written = 0;
	return deleted < 0 || r == 0 ? deleted : r;
}
