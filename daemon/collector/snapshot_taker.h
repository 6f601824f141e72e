/* SPDX-License-Identifier: MIT */
/*
 * snapshot_taker.h - takes the snapshots of a heap stream: of a recording, or of what is watched
 * all the time. When one is due is snapshots.h's to know; here its stream is published, and who
 * wants it gets it.
 */
#ifndef PROFD_COLLECTOR_SNAPSHOT_TAKER_H
#define PROFD_COLLECTOR_SNAPSHOT_TAKER_H

#include <systemd/sd-event.h>

#include "collector/snapshots.h"

struct collector;
struct snapshot;
struct stream;
struct stream_result;

/* Who has asked for one, if anybody has. */
struct snapshot_asker {
	bool asked;
	uid_t uid;
	uint32_t pid; /* about what; 0: about all */
};

struct snapshot_taker {
	struct collector *c;
	struct stream *stream;
	/* Gets one: its number (0: it is the peak), what its file says, and who asked. The result
	 * is without an error. False: it could not be taken. */
	bool (*deliver)(void *userdata, unsigned number, const struct snapshot_asker *asker,
		const struct stream_result *result);
	void *userdata;
	/* The rest is the taker's. */
	struct snapshots snapshots;
	struct snapshot_asker asker; /* of the one that is due */
	sd_event_source *each;
	struct snapshot *taking; /* those that are on their way */
	unsigned n_taking;
	uint64_t wanted; /* the horizon that the one that is due waits for; 0: none is */
	bool on;	 /* it has begun, and is not stopped */
};

/* What comes from now on counts; the fields above are set. */
void snapshot_taker_begin(struct snapshot_taker *t, const struct snapshot_plan *plan);
/* No more are wanted. */
void snapshot_taker_stop(struct snapshot_taker *t);
/* Nobody gets those that are on their way. Before it is freed; also if it has not begun. */
void snapshot_taker_end(struct snapshot_taker *t);

/* What the heap has allocated, or has in use, has changed: see stream_config. */
void snapshot_taker_booked(struct snapshot_taker *t, uint64_t time);
/* All samples below the horizon are in the window. */
void snapshot_taker_settle(struct snapshot_taker *t, uint64_t horizon);
/* One that may be taken waits for the horizon. */
bool snapshot_taker_waits(const struct snapshot_taker *t);
/* One is wanted as soon as possible; asker: NULL if nobody. False: it is not on. */
bool snapshot_taker_ask(
	struct snapshot_taker *t, const char *reason, const struct snapshot_asker *asker);
/* While the stream closes: one that is still wanted is taken, since who asked was told so. */
void snapshot_taker_close(struct snapshot_taker *t);
/* While the stream closes: what was so when most was in use comes before its last window. 0, or
 * -errno as of heap_peak_moment(). */
int snapshot_taker_peak(struct snapshot_taker *t);

#endif
