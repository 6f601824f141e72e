/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "debuginfod/spool.h"
#include "util/folder.h"
#include "util/grow.h"

void queue_free(struct queue *q)
{
	free(q->items);
	*q = (struct queue){0};
}

static int compare_names(const void *a, const void *b)
{
	const struct queued *x = a, *y = b;

	return strcmp(x->build_id, y->build_id);
}

static int compare_ages(const void *a, const void *b)
{
	const struct queued *x = a, *y = b;

	if (x->since != y->since)
		return x->since < y->since ? -1 : 1;
	return strcmp(x->build_id, y->build_id);
}

static int add(struct queue *q, int folder, const char *name)
{
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (!build_id_is_plain(name) || !S_ISREG(st.st_mode)) {
		unlinkat(folder, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
		return 0;
	}
	int r = grow(q->items, q->n, q->capacity, 1);
	if (r)
		return r;
	struct queued *item = &q->items[q->n++];
	*item = (struct queued){.since = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec};
	memcpy(item->build_id, name, strlen(name) + 1);
	return 0;
}

static int read_folder(struct queue *q, int spool)
{
	DIR *dir = folder_open(spool, SPOOL_WANTED);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (!r && (entry = readdir(dir)))
		r = add(q, dirfd(dir), entry->d_name);
	closedir(dir);
	return r;
}

/* What is known of those that were there before. Both are sorted by name then. */
static void keep_times(struct queue *now, struct queue *before)
{
	qsort(before->items, before->n, sizeof(*before->items), compare_names);
	for (size_t i = 0; i < now->n && before->n; i++) {
		const struct queued *known = bsearch(&now->items[i], before->items, before->n,
			sizeof(*before->items), compare_names);

		if (known)
			now->items[i].not_before = known->not_before;
	}
}

int queue_read(struct queue *q, int spool)
{
	struct queue now = {0};
	int r = read_folder(&now, spool);

	if (r) {
		queue_free(&now);
		return r;
	}
	if (q->n)
		keep_times(&now, q);
	queue_free(q);
	*q = now;
	if (q->n)
		qsort(q->items, q->n, sizeof(*q->items), compare_ages);
	while (q->n > QUEUE_MAX)
		queue_remove(q, spool, &q->items[q->n - 1]);
	return 0;
}

struct queued *queue_first(const struct queue *q, uint64_t now, uint64_t *wakes)
{
	*wakes = 0;
	for (size_t i = 0; i < q->n; i++) {
		struct queued *item = &q->items[i];

		if (item->not_before <= now)
			return item;
		if (!*wakes || item->not_before < *wakes)
			*wakes = item->not_before;
	}
	return NULL;
}

void queue_remove(struct queue *q, int spool, struct queued *item)
{
	char path[SPOOL_PATH];
	size_t i = (size_t)(item - q->items);

	spool_path(path, SPOOL_WANTED, item->build_id);
	unlinkat(spool, path, 0);
	memmove(item, item + 1, (q->n - i - 1) * sizeof(*item));
	q->n--;
}
