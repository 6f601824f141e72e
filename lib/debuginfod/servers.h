/* SPDX-License-Identifier: MIT */
/* servers.h - debuginfod's servers, as DEBUGINFOD_URLS or the key debuginfod= names them. */
#ifndef PROFD_DEBUGINFOD_SERVERS_H
#define PROFD_DEBUGINFOD_SERVERS_H

#include <stddef.h>

#define DEBUGINFOD_MAX_SERVERS 16

/* Zero-initialised is none. */
struct debuginfod_servers {
	char *urls[DEBUGINFOD_MAX_SERVERS]; /* owned; none ends with / */
	size_t n;
};

/* URLs with blanks between them. 0; -EINVAL, with a line in `why`, for anything but http:// and
 * https://; -ENOMEM. debuginfod_servers_free in any case. */
int debuginfod_servers_parse(
	struct debuginfod_servers *s, const char *text, char *why, size_t why_size);
void debuginfod_servers_free(struct debuginfod_servers *s);

/* A URL, or several, as people may see them: without names and passwords, and control characters.
 */
void debuginfod_servers_show(const char *text, char *out, size_t size);

#endif
