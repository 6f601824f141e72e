/* SPDX-License-Identifier: MIT */
/*
 * client.h - fetches debug files, and what they belong to, from debuginfod's servers by build-id
 * (debuginfod(8), WEBAPI).
 *
 * Servers are asked in order. Nothing is believed of what they send: it is bounded in size and
 * time, and it must be an ELF file with that very build-id. A server that was in trouble is left
 * alone for a while, which doubles with each failure.
 *
 * Calls wait. They are not for a process that has something else to do.
 */
#ifndef PROFD_DEBUGINFOD_CLIENT_H
#define PROFD_DEBUGINFOD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "debuginfod/servers.h"

/* What a file is called while it is fetched begins so; what is left of it after a crash can go. */
#define DEBUGINFOD_TEMPORARY ".fetching-"

struct debuginfod_client;

struct debuginfod_limits {
	uint64_t bytes;		/* of one file */
	unsigned seconds;	/* for one file from one server */
	unsigned stall_seconds; /* in which next to nothing comes */
};

/* What the variables of debuginfod-find(1) say (DEBUGINFOD_TIMEOUT, DEBUGINFOD_MAXTIME,
 * DEBUGINFOD_MAXSIZE), and what is usual where they say nothing. */
struct debuginfod_limits debuginfod_limits_default(void);

/* Called again and again while a file is awaited: `done` of `total` bytes (0: unknown) are here.
 * False gives up. url: may be shown. */
typedef bool (*debuginfod_progress)(void *userdata, const char *url, uint64_t done, uint64_t total);

/* servers: taken over (also on failure). progress may be NULL. 0 or -errno. */
int debuginfod_client_new(struct debuginfod_client **out, struct debuginfod_servers *servers,
	const struct debuginfod_limits *limits, debuginfod_progress progress, void *userdata);
void debuginfod_client_free(struct debuginfod_client *c);

enum debuginfod_kind {
	DEBUGINFOD_DEBUG_FILE,
	DEBUGINFOD_EXECUTABLE, /* the program or library itself */
};

/* Fetches a file by its build-id (build_id_is_plain) and names it `name` in the folder, where
 * it replaces what is there; a file that is not whole is never seen under that name. A descriptor
 * for reading, the caller's, or, with a line in `why` that names the server:
 *   -ENOENT     no server has it,
 *   -EBADMSG    what came is not that file: the server lies,
 *   -EFBIG      it is larger than the limit,
 *   -EHOSTDOWN  a server that may have it is in trouble: later, see debuginfod_client_wakes;
 *   -ECANCELED  progress() said so,
 *   another one: it cannot be written here. */
int debuginfod_client_fetch(struct debuginfod_client *c, enum debuginfod_kind kind,
	const char *build_id, int folder, const char *name, char *why, size_t why_size);

/* Whether all servers are left alone: a call would ask nobody. */
bool debuginfod_client_rests(const struct debuginfod_client *c);
/* When the first server that is left alone will be asked again: of CLOCK_MONOTONIC, ns; 0: all
 * would be asked now. */
uint64_t debuginfod_client_wakes(const struct debuginfod_client *c);

/* Bytes that came in from all servers, also of files that were not kept. */
uint64_t debuginfod_client_bytes(const struct debuginfod_client *c);

#endif
