/* SPDX-License-Identifier: MIT */
#include "kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "debuginfod/client.h"
#include "debuginfod/spool.h"
#include "util/folder.h"
#include "util/grow.h"
#include "util/now.h"

struct found {
	char path[SPOOL_PATH]; /* below the folder that was listed */
	uint64_t bytes;
	struct timespec used;
};

struct listing {
	struct found *files;
	size_t n, capacity;
	uint64_t bytes;
};

static int compare_use(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

static struct timespec later(struct timespec a, struct timespec b)
{
	bool first = a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);

	return first ? a : b;
}

static int add_file(struct listing *l, const char *path, const struct stat *st)
{
	int r = grow(l->files, l->n, l->capacity, 1);

	if (r)
		return r;
	struct found *f = &l->files[l->n++];
	*f = (struct found){
		.bytes = (uint64_t)st->st_blocks * 512, .used = later(st->st_atim, st->st_mtim)};
	snprintf(f->path, sizeof(f->path), "%s", path);
	l->bytes += f->bytes;
	return 0;
}

/* Lists a folder, and those in it down to `depth`. `prefix` is its path, or "". */
static int list(struct listing *l, int parent, const char *name, const char *prefix, unsigned depth)
{
	DIR *dir = folder_open(parent, name);
	struct dirent *entry;
	struct stat st;
	int r = 0;

	if (!dir)
		return -errno;
	while (!r && (entry = readdir(dir))) {
		char path[SPOOL_PATH];
		int n = snprintf(
			path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
			n >= (int)sizeof(path) ||
			fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISDIR(st.st_mode) && depth)
			r = list(l, dirfd(dir), entry->d_name, path, depth - 1);
		else if (!S_ISDIR(st.st_mode))
			r = add_file(l, path, &st);
	}
	closedir(dir);
	return r;
}

static void remove_leavings(int spool)
{
	struct listing l = {0};

	if (!list(&l, spool, ".", "", 0))
		for (size_t i = 0; i < l.n; i++)
			if (!strncmp(l.files[i].path, DEBUGINFOD_TEMPORARY,
				    strlen(DEBUGINFOD_TEMPORARY)))
				unlinkat(spool, l.files[i].path, 0);
	free(l.files);
}

int kept_tidy(int spool, uint64_t limit, const char *spare, struct kept *kept)
{
	struct listing l = {0};
	char spared[SPOOL_PATH] = "";
	int r = list(&l, spool, SPOOL_FILES, SPOOL_FILES, 1);

	if (spare)
		spool_file_path(spared, spare);
	remove_leavings(spool);
	if (!r && l.n)
		qsort(l.files, l.n, sizeof(*l.files), compare_use);
	*kept = (struct kept){l.n, l.bytes};
	for (size_t i = 0; !r && i < l.n && kept->bytes > limit; i++) {
		if (!strcmp(l.files[i].path, spared) || unlinkat(spool, l.files[i].path, 0))
			continue;
		kept->bytes -= l.files[i].bytes;
		kept->files--;
	}
	free(l.files);
	return r;
}

int kept_forget_missing(int spool, uint64_t seconds, uint64_t max)
{
	struct listing l = {0};
	struct timespec now;
	int r = list(&l, spool, SPOOL_MISSING, SPOOL_MISSING, 0);

	clock_gettime(CLOCK_REALTIME, &now);
	if (!r && l.n)
		qsort(l.files, l.n, sizeof(*l.files), compare_use);
	for (size_t i = 0; !r && i < l.n; i++) {
		int64_t age = now.tv_sec - l.files[i].used.tv_sec;

		/* One from the future is the work of a clock that was wrong. */
		if (age < 0 || (uint64_t)age >= seconds || l.n - i > max)
			unlinkat(spool, l.files[i].path, 0);
	}
	free(l.files);
	return r;
}
