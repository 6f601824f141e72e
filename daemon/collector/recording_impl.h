/* SPDX-License-Identifier: MIT */
/*
 * recording_impl.h - a recording's own context, for the two files that together are it: recording.c
 * (its beginning and end) and recording_snapshots.c (what is published in between).
 */
#ifndef PROFD_COLLECTOR_RECORDING_IMPL_H
#define PROFD_COLLECTOR_RECORDING_IMPL_H

#include "collector/collector_impl.h"
#include "collector/snapshots.h"

struct snapshot;

/* Of a process that stands still: what it has in use, until it is told what can be reached. */
struct recording_blocks {
	uint64_t wanted; /* the horizon that they wait for; 0: none are */
	uint32_t pid;
	struct control_block *items;
	size_t n;
};

struct recording {
	struct collector *c;
	struct stream *stream;
	struct heap_watch *watch;	  /* NULL: of another type */
	sd_event_source *deadline, *each; /* each: of snapshots */
	struct recording_request request; /* filter.pids and filter.tids are our own copies */
	uint32_t *ids;
	bool stopping, is_ready;
	enum recording_reason reason;
	recording_ready ready;
	recording_done done;
	struct snapshots snapshots;
	struct snapshot *taking; /* those that are on their way */
	unsigned n_taking;
	int peak_error;	 /* why there is no peak, if one was wanted */
	uint64_t wanted; /* the horizon that the one that is due waits for; 0: none is */
	struct recording_blocks blocks;
	void *userdata;
	struct recording *prev, *next;
};

/* ---- recording_snapshots.c ------------------------------------------------------------------- */

/* It is ready: what comes from now on counts. */
void recording_snapshots_begin(struct recording *r);
/* What its heap has allocated, or has in use, has changed; for stream_config. */
void recording_snapshots_booked(void *userdata, uint64_t time);
/* One is due that may be taken: the horizon is to move on. */
bool recording_snapshots_wait(const struct recording *r);
/* All samples below the horizon are in the window. */
void recording_snapshots_settle(struct recording *r, uint64_t horizon);
/* Its end has come; for stream_config. */
void recording_snapshots_closing(void *userdata);
/* The recording is about to be freed. */
void recording_snapshots_end(struct recording *r);

/* ---- recording_blocks.c ---------------------------------------------------------------------- */

/* All records below the horizon were handled. */
void recording_blocks_settle(struct recording *r, uint64_t horizon);
void recording_blocks_end(struct recording *r);

#endif
