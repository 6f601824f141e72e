/* SPDX-License-Identifier: MIT */
/*
 * recording_impl.h - a recording's own context, for the files that together are it: recording.c
 * (its beginning and end), recording_result.c (what is left of it) and recording_blocks.c (what a
 * process has in use, block by block).
 */
#ifndef PROFD_COLLECTOR_RECORDING_IMPL_H
#define PROFD_COLLECTOR_RECORDING_IMPL_H

#include "collector/collector_impl.h"

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
	struct heap_watch *watch; /* NULL: of another type */
	sd_event_source *deadline;
	struct recording_request request; /* filter.pids and filter.tids are our own copies */
	uint32_t *ids;
	bool stopping, is_ready;
	enum recording_reason reason;
	recording_ready ready;
	recording_done done;
	struct snapshot_taker taker;
	int peak_error; /* why there is no peak, if one was wanted */
	struct recording_blocks blocks;
	void *userdata;
	struct recording *prev, *next;
};

/* ---- recording_result.c ---------------------------------------------------------------------- */

/* Writes the profile as it was asked for: sets out's fd, and its path or message. What was
 * collected is not lost with the store: it goes to whoever waits for it instead. */
void recording_write(struct recording *r, const struct stream_result *result,
	struct recording_result *out, char *path, size_t path_size, char *message,
	size_t message_size);
/* What the numbers of the profile do not show; nothing is written where there is nothing. */
void recording_explain(const struct recording *r, char *text, size_t size);
/* Of a heap: sets out's calls and cost, for which it has its time. */
void recording_cost(const struct recording *r, struct recording_result *out);

/* ---- recording_blocks.c ---------------------------------------------------------------------- */

/* All records below the horizon were handled. */
void recording_blocks_settle(struct recording *r, uint64_t horizon);
void recording_blocks_end(struct recording *r);

#endif
