/* SPDX-License-Identifier: MIT */
/*
 * collector_impl.h - the collector's own context, for the files that together are the collector:
 * collector.c (life and loop), samples.c, stream.c, continuous.c, continuous_snapshots.c,
 * recording.c, status.c.
 */
#ifndef PROFD_COLLECTOR_IMPL_H
#define PROFD_COLLECTOR_IMPL_H

#include "collector/bpf_host.h"
#include "collector/collector.h"
#include "collector/debuginfod.h"
#include "collector/finisher.h"
#include "collector/opener.h"
#include "collector/processes.h"
#include "collector/sideband.h"
#include "collector/snapshot_taker.h"
#include "collector/spaces.h"
#include "collector/stream.h"
#include "collector/symbols.h"
#include "collector/tables.h"
#include "collector/timeline.h"
#include "collector/unwinder.h"
#include "collector/uprobes.h"
#include "store/store.h"
#include "util/preload_path.h"
#include "watch_list.h"

#define NS_PER_SECOND 1000000000ULL

struct collector {
	sd_event *event;	     /* borrowed */
	const struct config *config; /* borrowed */
	struct store *store;
	struct bpf_host *bpf;
	struct sideband *sideband;
	struct timeline *timeline;
	struct opener *opener;
	struct processes *processes;
	struct sessions *sessions;
	struct debuginfod *debuginfod;
	struct symbolizer *symbolizer;
	struct unwinder *unwinder;
	struct uprobes *uprobes;
	struct tables *tables;
	struct spaces *spaces;
	struct finisher *finisher;
	struct capture *capture; /* NULL: nothing is captured */
	sd_event_source *tick, *bpf_source, *sideband_source;

	struct stream *streams; /* all; each is freed when its last file is written */
	struct stream *continuous[SESSION_TYPES]; /* NULL: not profiled all the time */
	struct heap_watch *watch;		  /* of continuous[SESSION_HEAP] */
	struct watch_list watched;		  /* that it looks for */
	struct snapshot_taker taker;		  /* and its snapshots */
	struct recording *recordings;
	struct peek *peeks; /* of the open window, on their way */

	uint64_t started, ticked, swept; /* CLOCK_MONOTONIC */
	uint64_t files_written, write_errors, files_deleted;
	char last_write_error[256];
	char *preload[PRELOADS]; /* paths of the heap libraries; NULL: there is none */
	char banner[256];	 /* first comment of every file: version, host, kernel */

	void (*shutdown_done)(void *userdata);
	void *shutdown_userdata;
	bool shutting_down, freeing;
};

uint64_t monotonic_now(void);
/* What CLOCK_REALTIME showed at a point of CLOCK_MONOTONIC. */
struct timespec realtime_at(uint64_t monotonic);

/* Drain in the next moments instead of at the next second: something waits for the horizon. */
void collector_drain_soon(struct collector *c);
/* A stream was freed; ends the shutdown when it was the last. */
void collector_stream_gone(struct collector *c, struct stream *s);

/* ---- continuous.c --------------------------------------------------------------------------- */

/* Do the settings want that type? */
bool continuous_wanted(const struct config *config, enum session_type type);
/* 0, or -errno with a line in `why`. */
int continuous_start(struct collector *c, enum session_type type, char *why, size_t why_size);
/* Its last window follows. */
void continuous_stop(struct collector *c, enum session_type type);
/* Those of new settings, which are the collector's already; old: what they were. 0, or the -errno
 * of one that does not run. */
int continuous_reload(struct collector *c, const struct config *old);
/* New settings may have come while all sessions were taken: the profile is not off for good. */
void continuous_retry(struct collector *c);
/* See recordings_handle, recordings_advance, recordings_tick. */
void continuous_handle(struct collector *c, const struct record *record);
void continuous_advance(struct collector *c, uint64_t horizon);
void continuous_tick(struct collector *c);

/* Deletes what is over the limits of the store, if that may be. */
void continuous_retain(struct collector *c);

/* ---- continuous_snapshots.c ----------------------------------------------------------------- */

/* Of the stream that is continuous[SESSION_HEAP] now, as the settings say. */
void continuous_snapshots_begin(struct collector *c);
/* Also if it has not begun. */
void continuous_snapshots_end(struct collector *c);
/* See stream_config; userdata: the collector. */
void continuous_snapshots_booked(void *userdata, uint64_t time);

/* ---- recording.c ---------------------------------------------------------------------------- */

/* Looks for targets that are gone; called once a second. */
void recordings_tick(struct collector *c);
/* A record of a process, once the process table has it. */
void recordings_handle(struct collector *c, const struct record *record);
/* Of the recording that has this stream; NULL: none, or not of a heap. */
const struct heap_watch *recording_watch(const struct collector *c, const struct stream *s);
/* All records below the horizon were handled. */
void recordings_advance(struct collector *c, uint64_t horizon);
/* And all samples below it are in their windows. */
void recordings_settle(struct collector *c, uint64_t horizon);
/* One waits for the horizon. */
bool recordings_wait(const struct collector *c);
struct recording *recording_next(const struct recording *r);
void recordings_free(struct collector *c);
/* An anonymous file with the profile, read-only, at offset 0. fd or -errno. */
int profile_to_memory(const struct profile *p);

#endif
