/* SPDX-License-Identifier: MIT */
/* fetcher.h - fetches what is wanted in the spool, one file after the other, until it is told to
 * stop. */
#ifndef PROFD_NET_FETCHER_H
#define PROFD_NET_FETCHER_H

#include <stdint.h>

struct debuginfod_servers;

struct fetcher_options {
	const char *cache;   /* folder */
	uint64_t keep_bytes; /* of all files; one may take half of it */
	int stop;	     /* a descriptor: readable means stop */
};

/* servers: taken over. 0 when it was stopped, or -errno, which was logged. */
int fetcher_run(const struct fetcher_options *options, struct debuginfod_servers *servers);

#endif
