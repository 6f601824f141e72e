// SPDX-License-Identifier: MIT
#include "util/cache_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "util/cleanup.h"
#include "util/folder.h"
#include "util/grow.h"

#define NAME_CHARS 16 /* of a hash in hex */
/* A file that is used all the time is touched once in so many seconds. */
#define TOUCH_SECONDS 60

struct cache_folder {
	struct cache_folder_options options;
	char *parent;
	int folder;
	uint64_t bytes; /* of all files */
};

/* ---- names -------------------------------------------------------------------------------- */

struct name {
	char text[NAME_CHARS + 1];
};

static struct name name_of(const struct cache_folder *c, const struct file_identity *of)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "%016" PRIx64,
		XXH3_64bits_withSeed(of, sizeof(*of), c->options.version));
	return name;
}

static bool is_ours(const char *name)
{
	return strlen(name) == NAME_CHARS && strspn(name, "0123456789abcdef") == NAME_CHARS;
}

/* ---- which must go ------------------------------------------------------------------------ */

struct found {
	struct name name;
	struct timespec used;
	uint64_t bytes;
};

struct listing {
	struct found *files;
	size_t n, capacity;
	uint64_t bytes;
};

static uint64_t bytes_of(const struct stat *st)
{
	return (uint64_t)st->st_blocks * 512;
}

static int compare_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct found *)a)->used;
	const struct timespec *y = &((const struct found *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static int add_found(struct listing *l, int folder, const char *name)
{
	struct found *f;
	struct stat st;
	int r;

	if (!is_ours(name) || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	r = grow(l->files, l->n, l->capacity, 1);
	if (r)
		return r;
	f = &l->files[l->n++];
	*f = (struct found){.used = st.st_mtim, .bytes = bytes_of(&st)};
	memcpy(f->name.text, name, NAME_CHARS);
	l->bytes += f->bytes;
	return 0;
}

/* The oldest first. */
static int list(struct listing *l, int folder)
{
	DIR *dir = folder_open(folder, ".");
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (!r && (entry = readdir(dir)))
		r = add_found(l, folder, entry->d_name);
	closedir(dir);
	if (l->n)
		qsort(l->files, l->n, sizeof(*l->files), compare_use);
	return r;
}

/* Counts all files, and removes the least recently used if they are too many; some more than need
 * be, or one would have to go for each that comes. */
static void sweep(struct cache_folder *c)
{
	uint64_t limit = c->options.max_bytes;
	struct listing l = {0};
	bool remove = !list(&l, c->folder) && l.bytes > limit;

	for (size_t i = 0; remove && i < l.n && l.bytes > limit / 4 * 3; i++)
		if (!unlinkat(c->folder, l.files[i].name.text, 0))
			l.bytes -= l.files[i].bytes;
	c->bytes = l.bytes;
	free(l.files);
}

/* ---- the folder --------------------------------------------------------------------------- */

static int open_folder(struct cache_folder *c)
{
	_cleanup_close_ int parent = -1;

	c->folder = close_fd(c->folder);
	if (mkdir(c->parent, 0700) && errno != EEXIST)
		return -errno;
	parent = open(c->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || (mkdirat(parent, c->options.name, 0700) && errno != EEXIST))
		return -errno;
	c->folder = openat(
		parent, c->options.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return c->folder < 0 ? -errno : 0;
}

int cache_folder_new(
	struct cache_folder **out, const char *parent, const struct cache_folder_options *options)
{
	struct cache_folder *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return r;
	c->options = *options;
	c->folder = -1;
	c->parent = strdup(parent);
	if (c->parent)
		r = open_folder(c);
	if (r) {
		cache_folder_free(c);
		return r;
	}
	sweep(c);
	*out = c;
	return 0;
}

void cache_folder_free(struct cache_folder *c)
{
	if (!c)
		return;
	close_fd(c->folder);
	free(c->parent);
	free(c);
}

/* ---- one file ----------------------------------------------------------------------------- */

static int open_file(struct cache_folder *c, const char *name)
{
	int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(c->folder, name, flags, 0600), r;

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	/* The whole cache was deleted: anybody may do that at any time. */
	r = open_folder(c);
	if (r)
		return r;
	c->bytes = 0;
	fd = openat(c->folder, name, flags, 0600);
	return fd < 0 ? -errno : fd;
}

/* False: somebody else put it there, or a helper in wrong hands has filled it. */
static bool is_usable(const struct cache_folder *c, const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1 &&
	       (uint64_t)st->st_size < c->options.max_file;
}

static void touch(int fd, const struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec - st->st_mtim.tv_sec > TOUCH_SECONDS || now.tv_sec < st->st_mtim.tv_sec)
		futimens(fd, NULL);
}

/* Returns the file, or -ELOOP if what has its name must go. */
static int open_usable(struct cache_folder *c, const char *name, struct stat *st)
{
	int fd = open_file(c, name);

	if (fd < 0 || (!fstat(fd, st) && is_usable(c, st)))
		return fd;
	close(fd);
	return -ELOOP;
}

int cache_folder_open(
	struct cache_folder *c, const struct file_identity *of, struct cache_folder_file *file)
{
	struct name name = name_of(c, of);
	struct stat st;
	int fd = open_usable(c, name.text, &st);

	*file = (struct cache_folder_file){.fd = -1, .of = *of};
	if (fd == -ELOOP && !unlinkat(c->folder, name.text, 0))
		fd = open_usable(c, name.text, &st);
	if (fd < 0)
		return fd;
	touch(fd, &st);
	file->fd = fd;
	file->bytes = bytes_of(&st);
	return 0;
}

void cache_folder_close(struct cache_folder *c, struct cache_folder_file *file)
{
	struct stat st;

	if (file->fd < 0)
		return;
	if (!fstat(file->fd, &st)) {
		if (!st.st_size)
			unlinkat(c->folder, name_of(c, &file->of).text, 0);
		c->bytes += bytes_of(&st) > file->bytes ? bytes_of(&st) - file->bytes : 0;
	}
	file->fd = close_fd(file->fd);
	if (c->bytes > c->options.max_bytes)
		sweep(c);
}
