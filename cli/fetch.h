/* SPDX-License-Identifier: MIT */
/*
 * fetch.h - profiles over HTTP, from any server with the paths of Go's net/http/pprof: commands
 * take a URL wherever they take a FILE. A name and password in the URL are sent (Basic), and are
 * not shown in messages.
 */
#ifndef PROFD_CLI_FETCH_H
#define PROFD_CLI_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins with http:// or https://. */
bool fetch_is_url(const char *text);
/* The URL to ask: "host:port" without a scheme is http, and without a path it gets `path` (NULL:
 * /debug/pprof/profile); seconds (0: as it is) replaces the parameter of that name, which makes a
 * server collect for so long. To free; NULL if it is no URL, or without memory, explained. */
char *fetch_make_url(const char *base, const char *path, uint32_t seconds);
/* What may be shown of it: without name and password. To free; NULL without memory. */
char *fetch_shown_url(const char *url);
/* Fetches it whole (/debug/pprof/profile where it has no path), and returns a descriptor to read it
 * from (its caller's), or -errno with a line in `why` that begins with the URL as it may be shown.
 * May be called by several threads at once. The time limit is that of go tool pprof: a minute, or
 * where the URL has seconds=N, N and a half of it and 5 s. */
int fetch_open(const char *url, char *why, size_t why_size);

#endif
