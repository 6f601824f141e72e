/* SPDX-License-Identifier: MIT */
/*
 * store.h - the folder of profiles: names, atomic writes, listing, retention (DESIGN 8).
 *
 *     <type>/<YYYY-MM-DD>/<HHMMSS>-<seconds>s[-<n>].pb.gz       continuous, UTC, + .activity
 *     records/<YYYYMMDD>T<HHMMSS>-<uid>-<session>.<type>.pb.gz   recordings, and snapshots of what
 * is profiled all the time: session 0 if nobody has asked for it
 *
 * Files are the API: deleting one harms nothing else. A temporary file starts with ".tmp-" and is
 * removed by store_open if its writer is gone.
 */
#ifndef PROFD_STORE_H
#define PROFD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct store;

#define STORE_NO_SESSION 0
/* The types that profiles may have (DESIGN 8), also those that this profd does not record. */
#define STORE_TYPES "cpu, heap, block, mutex, offcpu, threads, threadcreate"

bool store_type_is_known(const char *type);

/* Opens the folder. create: makes it (mode 0750) and its parents' last component, and takes the
 * lock of the one daemon that writes (-EWOULDBLOCK with the holder's pid in `why` if it is
 * taken). 0 or -errno with a line in `why`. */
int store_open(struct store **out, const char *path, bool create, char *why, size_t why_size);
void store_close(struct store *s);
const char *store_path(const struct store *s);

/* A file that is being written. */
struct store_file {
	struct store *store;
	int fd;	      /* write here */
	int dir;      /* descriptor of the folder it will be in */
	char *folder; /* relative to the store */
	char *tmp, *name;
};

/* Opens a temporary file for a window that started at `start` (CLOCK_REALTIME) and lasted
 * `seconds` (rounded, at least 1), or for a recording. 0 or -errno. */
int store_begin_window(struct store *s, const char *type, struct timespec start, unsigned seconds,
	struct store_file *out);
int store_begin_record(struct store *s, const char *type, struct timespec start, uid_t uid,
	uint32_t session, struct store_file *out);
/* fsync, rename without overwriting (picks the next -n when the name is taken), fsync of the
 * folder. On failure the temporary file is gone. `path` gets the absolute path. 0 or -errno. */
int store_commit(struct store_file *f, char *path, size_t path_size);
void store_abort(struct store_file *f);
/* Writes `text` atomically beside a committed file, with `.activity` in place of `.pb.gz`. */
int store_write_activity(struct store *s, const char *path, const char *text, size_t size);

/* Deletes oldest first until nothing is older than max_age (s, 0: any age) and the sum is at
 * most max_size (bytes, 0: any size). May be called after each write: it looks only when the limits
 * are others than last time, after ten minutes (less for a small max_age), or when a 64th of
 * max_size was written since. Returns the number of files deleted, or -errno if one cannot
 * be deleted: the others are gone then, too. */
int store_retain(struct store *s, uint64_t max_age, uint64_t max_size);

struct store_entry {
	char *path; /* absolute */
	char *type; /* "cpu" */
	bool recording;
	time_t start;	  /* UTC */
	unsigned seconds; /* 0 for recordings (it is in the file) */
	uid_t uid;	  /* recordings */
	uint32_t session; /* recordings */
	bool unasked;	  /* of these: nobody has asked for it */
	uint64_t size;
	struct timespec mtime;
};

/* Everything in the store, oldest first; free with store_list_free. Files with other names are
 * passed over. 0 or -errno. */
int store_list(const struct store *s, struct store_entry **out, size_t *n);
/* Where the .activity of a window is, if it has one: a path to free, or NULL without memory. */
char *store_activity_path(const struct store_entry *e);
void store_list_free(struct store_entry *entries, size_t n);

#endif
