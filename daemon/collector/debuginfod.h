/* SPDX-License-Identifier: MIT */
/*
 * debuginfod.h - debug files that no folder here has, and that profd-net is asked for through the
 * spool (debuginfod/spool.h). No window waits for one: names of later windows have it.
 */
#ifndef PROFD_COLLECTOR_DEBUGINFOD_H
#define PROFD_COLLECTOR_DEBUGINFOD_H

#include <cjson/cJSON.h>
#include <stdint.h>

struct debuginfod;

#define DEBUGINFOD_MAX_LACKED 1024 /* that are known to be lacked; more push out the oldest */
#define DEBUGINFOD_MAX_ASKED  64   /* requests in one window; the rest is for the next ones */

/* cache: folder (copied). servers: URLs with blanks between (copied); "": nobody is asked.
 * window: seconds. 0 or -ENOMEM. */
int debuginfod_new(
	struct debuginfod **out, const char *cache, const char *servers, unsigned window);
/* NULL is fine. */
void debuginfod_free(struct debuginfod *d);

/* The folder that is one more debug folder; NULL if nobody is asked. */
const char *debuginfod_folder(const struct debuginfod *d);

/* There is no file for build-id `lacked`, which the names of the module with build-id `of` would
 * be better with. Both come from files of profiled processes. */
void debuginfod_lack(struct debuginfod *d, const char *lacked, const char *of);

/* Asks, and calls `arrived` for each module (by its build-id) that has its file now. Once a second:
 * mostly it does nothing. */
void debuginfod_look(struct debuginfod *d, uint64_t now_ns,
	void (*arrived)(void *userdata, const char *of), void *userdata);

/* Adds the object "debuginfod" to the status, and what the administrator should know to its
 * notes. */
void debuginfod_add_status(const struct debuginfod *d, cJSON *status, cJSON *notes);

#endif
