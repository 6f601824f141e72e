/* SPDX-License-Identifier: MIT */
/*
 * cache_folder.h - a folder of cache files: one for each module, by its identity. They are made,
 * opened, counted and removed here; only the helper that parses modules reads and writes what is in
 * them. Together they keep below a limit, and those that were not used for longest go first; a
 * file's time of change says when it was used. Anybody may delete any of it at any time, and
 * several processes may use it at once.
 */
#ifndef PROFD_UTIL_CACHE_FOLDER_H
#define PROFD_UTIL_CACHE_FOLDER_H

#include <stdint.h>

#include "util/file_identity.h"

struct cache_folder;

struct cache_folder_options {
	const char *name;   /* of the folder, in its parent; must outlive it */
	uint64_t version;   /* of the files: those of others have other names */
	uint64_t max_bytes; /* of all files, on disk */
	uint64_t max_file;  /* bytes: one that has as many is removed instead of opened */
};

/* Makes `parent`/name if need be. 0, or -errno: without memory, or the folder cannot be used. */
int cache_folder_new(
	struct cache_folder **out, const char *parent, const struct cache_folder_options *options);
/* NULL is fine. */
void cache_folder_free(struct cache_folder *c);

struct cache_folder_file {
	int fd; /* for reading and writing */
	struct file_identity of;
	uint64_t bytes; /* on disk when it was opened */
};

/* The file of a module, made if need be. 0 or -errno (fd is -1 then). */
int cache_folder_open(
	struct cache_folder *c, const struct file_identity *of, struct cache_folder_file *file);
/* Closes it, removes it if it has stayed empty, and others if it has grown beyond the limit. A
 * file that is not open is fine. */
void cache_folder_close(struct cache_folder *c, struct cache_folder_file *file);

#endif
