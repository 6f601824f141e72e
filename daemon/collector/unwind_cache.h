/* SPDX-License-Identifier: MIT */
/*
 * unwind_cache.h - the folder of the unwinder's cache files: one for each module, by its identity.
 * They are made, opened, counted and removed here; only the helper reads and writes what is in them
 * (unwinder/cache_file.h). Together they keep below a limit, and those that were not used for
 * longest go first; a file's time of change says when it was used.
 */
#ifndef PROFD_COLLECTOR_UNWIND_CACHE_H
#define PROFD_COLLECTOR_UNWIND_CACHE_H

#include <stdint.h>

#include "util/file_identity.h"

#define UNWIND_CACHE_BYTES (64u << 20) /* on disk */

struct unwind_cache;

/* Puts the files into `folder`/unwind, and makes both if need be. 0, or -errno: without memory, or
 * the folder cannot be used. */
int unwind_cache_new(struct unwind_cache **out, const char *folder);
/* NULL is fine. */
void unwind_cache_free(struct unwind_cache *c);

struct unwind_cache_file {
	int fd; /* for reading and writing */
	struct file_identity of;
	uint64_t bytes; /* on disk when it was opened */
};

/* The file of a module, made if need be. 0 or -errno (fd is -1 then). */
int unwind_cache_open(
	struct unwind_cache *c, const struct file_identity *of, struct unwind_cache_file *file);
/* Closes it, removes it if it has stayed empty, and others if it has grown beyond the limit. A
 * file that is not open is fine. */
void unwind_cache_close(struct unwind_cache *c, struct unwind_cache_file *file);

#endif
