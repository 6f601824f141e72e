/* SPDX-License-Identifier: MIT */
/*
 * snapshots.h - what a heap recording writes before its end: NAME.0001.heap.pb.gz and so on, each
 * whole or not at all. Those of an earlier recording with that name do not outlive it. And at its
 * end, what was so when most was in use: NAME.peak.heap.pb.gz.
 */
#ifndef PROFD_CLI_SNAPSHOTS_H
#define PROFD_CLI_SNAPSHOTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "options.h"
#include "util/snapshot_plan.h"

#define SNAPSHOTS_MAX 9999

struct snapshots {
	struct texts every; /* --snapshot-every, as they were typed */
	struct snapshot_plan plan;
	bool peak;	    /* --peak */
	const char *output; /* what NAME comes from: the profile's own file */
	const char *names;  /* kind of names, or NULL */
	FILE *list;	    /* gets the paths */
	bool written[SNAPSHOTS_MAX + 1];
	int error; /* the first -errno of one that could not be written, explained */
};

/* Reads `every`: "10s", "64M-allocated", "16M-grown", also several with commas between. NULL, or
 * what is wrong, in `why`. */
const char *snapshots_parse(struct snapshots *s, char *why, size_t why_size);
bool snapshots_wanted(const struct snapshots *s);
void snapshots_request(const struct snapshots *s, cJSON *request);
/* Writes one that the daemon has sent: fd is borrowed. */
void snapshots_take(struct snapshots *s, const cJSON *event, int fd);
/* No more will come: removes those of an earlier recording with this NAME, which would be taken for
 * some of this one. */
void snapshots_end(struct snapshots *s);

#endif
