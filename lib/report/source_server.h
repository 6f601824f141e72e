/* SPDX-License-Identifier: MIT */
/*
 * source_server.h - source files from debuginfod's servers: those of DEBUGINFOD_URLS, asked for by
 * the build id of the binary and the path in its DWARF (debuginfod_find_source(3)).
 *
 * The library is loaded when a file is asked for: who has set no servers does not pay for it at
 * each start (it brings a second libcurl), and does not need to have it.
 */
#ifndef PROFD_REPORT_SOURCE_SERVER_H
#define PROFD_REPORT_SOURCE_SERVER_H

#include <stddef.h>

struct source_server;

/* NULL without memory. */
struct source_server *source_server_new(void);
void source_server_free(struct source_server *s);

/* A descriptor of the file, or -errno with what is wrong in `why`. An answer is waited for as long
 * as DEBUGINFOD_TIMEOUT says (seconds), 20 s by default; servers that did not answer are not asked
 * again. */
int source_server_open(struct source_server *s, const char *build_id, const char *path, char *why,
	size_t why_size);

#endif
