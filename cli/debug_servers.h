/* SPDX-License-Identifier: MIT */
/*
 * debug_servers.h - debug files, and what they belong to, from the servers of DEBUGINFOD_URLS, kept
 * where other programs that use debuginfod (gdb, elfutils) keep theirs and find ours:
 * DEBUGINFOD_CACHE_PATH, or debuginfod_client in the user's folder of caches.
 *
 * While one is fetched, a terminal shows how far it is. Ctrl-C then ends the program, after what
 * was half fetched is gone.
 */
#ifndef PROFD_CLI_DEBUG_SERVERS_H
#define PROFD_CLI_DEBUG_SERVERS_H

#include "debuginfod/client.h"

struct debug_servers;

/* *out is NULL where the variable names no server. 0, or -errno, which was logged. */
int debug_servers_open(struct debug_servers **out);
/* NULL is fine. */
void debug_servers_close(struct debug_servers *s);

#define DEBUG_SERVERS_SAID 256

/* A file by its build-id: a descriptor, the caller's, or -errno; what the servers said, half
 * a sentence, is in `said`. One that nobody had is not asked for again. */
int debug_servers_get(struct debug_servers *s, enum debuginfod_kind kind, const char *build_id,
	char said[DEBUG_SERVERS_SAID]);

#endif
