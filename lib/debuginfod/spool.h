/* SPDX-License-Identifier: MIT */
/*
 * spool.h - the folder through which profd, which has no network, has debug files fetched by
 * profd-net, which has no privileges: CACHE/debuginfod, made by profd-net.
 *
 *     wanted/BUILD-ID                 an empty file that profd makes: fetch this
 *     missing/BUILD-ID                likewise, by profd-net: not to be had, do not ask for a while
 *     .build-id/XX/REST.debug         what was fetched: a debug folder as any other
 *     state                           what profd-net says of itself
 *     lock                            profd-net holds a lock on it while it runs
 *
 * It is a folder and no socket since each of the two may be restarted or be away at any time: a
 * request waits in it, the same one twice is one, rights are those of folders, and who looks sees
 * all there is. Nothing in it is believed: names are checked, sizes are bounded.
 */
#ifndef PROFD_DEBUGINFOD_SPOOL_H
#define PROFD_DEBUGINFOD_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "symbols/build_id.h"

#define SPOOL_FOLDER  "debuginfod" /* in the cache */
#define SPOOL_WANTED  "wanted"
#define SPOOL_MISSING "missing"
#define SPOOL_FILES   ".build-id"

/* Opens the folder, and makes it and those in it if `make`. A descriptor or -errno. */
int spool_open(const char *cache, bool make);

/* "wanted/BUILD-ID" and so on, of a plain build-id. */
#define SPOOL_PATH (BUILD_ID_MAX_HEX + 32)
void spool_path(char out[SPOOL_PATH], const char *folder, const char *build_id);
void spool_file_path(char out[SPOOL_PATH], const char *build_id);

/* Makes an empty file; that there is one is fine. 0 or -errno. */
int spool_mark(int spool, const char *folder, const char *build_id);
bool spool_is_marked(int spool, const char *folder, const char *build_id);
bool spool_has(int spool, const char *build_id);

/* What profd-net says: since it started, but for what it keeps. */
struct spool_state {
	uint64_t fetched, fetched_bytes;     /* files that were used, bytes of all that came */
	uint64_t unknown;		     /* files that no server has */
	uint64_t failed;		     /* transfers */
	uint64_t kept_files, kept_bytes;     /* in the folder now */
	char fetching[BUILD_ID_MAX_HEX + 1]; /* now; "" */
	char last_failure[256];		     /* one line; "" */
};

/* Replaces the file. 0 or -errno. */
int spool_write_state(int spool, const struct spool_state *state);
/* Reads it, whoever wrote it: what is not there or makes no sense is 0 or "". 0 or -errno. */
int spool_read_state(int spool, struct spool_state *state);
void spool_parse_state(struct spool_state *state, const char *text, size_t size);
/* When it was written; zeros if it was not. */
struct timespec spool_state_time(int spool);

/* Takes the lock of the one who fetches: a descriptor that holds it, or -errno; -EBUSY: somebody
 * else has it. */
int spool_lock(int spool);
/* Whether anybody has it. */
bool spool_is_served(int spool);

#endif
