/* SPDX-License-Identifier: MIT */
/*
 * timeline.h - everything that happened on the host, in order of time.
 *
 * Records come from one BPF ring and one perf side-band ring for each CPU. Each ring is roughly in
 * order, but one child's records can be split over two CPUs. The timeline drains all of them, sorts
 * by time, and hands on what is older than the horizon (drain start less PROFD_SETTLE_NS); younger
 * records wait for the next drain, so that a record whose writer was interrupted still finds its
 * place. One that comes later than the horizon is handed on at once, out of order, and counted.
 */
#ifndef PROFD_COLLECTOR_TIMELINE_H
#define PROFD_COLLECTOR_TIMELINE_H

#include "collector/record.h"

#define PROFD_SETTLE_NS (20 * 1000 * 1000ULL)

struct bpf_host;
struct sideband;
struct timeline;

typedef void (*timeline_handler)(void *userdata, const struct record *record);

struct timeline_stats {
	uint64_t records;
	uint64_t late;	    /* handed on out of order */
	uint64_t lost;	    /* side-band records the kernel dropped (PERF_RECORD_LOST) */
	uint64_t malformed; /* records whose sizes contradict each other: dropped */
	uint64_t queued;    /* records waiting for the horizon */
	uint64_t queued_bytes;
};

/* Borrows both sources; they must outlive the timeline. Returns 0 or -errno. */
int timeline_new(struct timeline **out, struct bpf_host *bpf, struct sideband *sideband);
/* Drops what is queued. NULL is fine. */
void timeline_free(struct timeline *t);

/* Reads all rings and hands on, in order, every record older than the horizon. 0 or -errno. */
int timeline_drain(struct timeline *t, timeline_handler handler, void *userdata);

/* From now on `handler` gets a first look at mapping records and at samples whose stack is to be
 * finished when they are read, before their turn comes: by then a short-lived program and its file
 * may be gone, and many more stacks were walked by what is true no more. */
void timeline_set_preview(struct timeline *t, timeline_handler handler, void *userdata);

/* Something waits for the horizon that should not wait for long: mappings that the unwinder needs,
 * or a stack to be finished. */
bool timeline_urgent(const struct timeline *t);

/* Every record with a time below this was handed on (late ones excepted). */
uint64_t timeline_horizon(const struct timeline *t);
struct timeline_stats timeline_stats(const struct timeline *t);

#endif
