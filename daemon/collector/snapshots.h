/* SPDX-License-Identifier: MIT */
/*
 * snapshots.h - when a heap recording is published before its end: each so many seconds, when so
 * much more was allocated, when more is in use than ever by so much, or when somebody asks.
 */
#ifndef PROFD_COLLECTOR_SNAPSHOTS_H
#define PROFD_COLLECTOR_SNAPSHOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/snapshot_plan.h"

/* Of one recording: a file each. */
#define SNAPSHOTS_MAX	 9999
#define SNAPSHOTS_REASON 64

struct snapshots {
	struct snapshot_plan plan;
	uint64_t began;			      /* CLOCK_MONOTONIC, ns, as all times here */
	uint64_t not_before;		      /* what the next one shows */
	uint64_t rests_until;		      /* who takes them */
	uint64_t next_allocated, next_in_use; /* bytes */
	uint64_t next_time;		      /* UINT64_MAX: none */
	unsigned n;			      /* that were taken */
	uint64_t skipped;		      /* that were due and could not be */
	uint64_t bytes;			      /* that were handed over */
	char due[SNAPSHOTS_REASON];	      /* why one is asked for; "": none is */
};

void snapshots_begin(struct snapshots *s, const struct snapshot_plan *plan, uint64_t now);
/* One is asked for, for that reason. */
void snapshots_ask(struct snapshots *s, const char *reason);
/* What was allocated until `time`, and was in use then: is one due by that? Then `reason` says why.
 * It is `now`: records come late. */
bool snapshots_book(struct snapshots *s, uint64_t allocated, uint64_t in_use, uint64_t time,
	uint64_t now, char reason[SNAPSHOTS_REASON]);
/* May one be taken now? */
bool snapshots_may(const struct snapshots *s, uint64_t now);
/* One is whole by now, and kept the daemon from other work for so many ns. */
void snapshots_took(struct snapshots *s, uint64_t now, uint64_t ns);
/* So many bytes of one were handed over. */
void snapshots_handed(struct snapshots *s, uint64_t bytes);
/* There may be no more, by their bytes. */
bool snapshots_spent(const struct snapshots *s);
/* It is that late: looks whether one is due. */
void snapshots_tick(struct snapshots *s, uint64_t now);
/* What the file of when most was in use says. */
void snapshots_name_peak(
	const struct snapshots *s, uint64_t time, uint64_t bytes, char *comment, size_t size);
/* One is taken, of that time: false if there are too many, or too much. Else `comment` is what its
 * file says, and its number is s->n. */
bool snapshots_take(
	struct snapshots *s, uint64_t time, const char *reason, char *comment, size_t size);

#endif
