/* SPDX-License-Identifier: MIT */
/*
 * stream.h - a session and its windows: samples go into the open window, a window that has ended
 * is published, and the profile is handed to whoever owns the stream (continuous.c writes it to
 * the store, recording.c to its user).
 */
#ifndef PROFD_COLLECTOR_STREAM_H
#define PROFD_COLLECTOR_STREAM_H

#include <time.h>

#include "collector/processes.h"
#include "collector/sessions.h"
#include "collector/window.h"
#include "profile/profile.h"

struct collector;
struct stream;

struct heap;
struct heap_moment;

struct stream_result {
	enum session_type type;
	int error;		 /* 0, or -errno: profile is NULL */
	struct profile *profile; /* borrowed */
	struct window *window;	 /* borrowed */
	struct timespec start;	 /* CLOCK_REALTIME */
	uint64_t duration;	 /* ns */
	uint64_t samples;
	bool last; /* the stream has ended: it is gone when the callback returns */
};

/* Returns 0 if the profile was written; else the stream books its samples as lost. */
typedef int (*stream_finished)(void *userdata, const struct stream_result *result);

struct stream_config {
	struct session_config session;
	uint64_t window;  /* ns; 0: one window until the stream is stopped */
	size_t max_bytes; /* of a window */
	bool keep_times;  /* of each sample */
	bool keep_ages;	  /* SESSION_HEAP: see heap_ages.h */
	/* SESSION_HEAP: what is allocated, or in use, has changed, at that time (CLOCK_MONOTONIC,
	 * ns). May be NULL. */
	void (*booked)(void *userdata, uint64_t time);
	uint64_t temporary; /* SESSION_HEAP: see heap_keep_temporary(), ns; 0: it is not kept */
	bool keep_peak;	    /* SESSION_HEAP: see heap_peak.h */
	/* All samples of the last window are in, and it will be published. May be NULL. */
	void (*closing)(void *userdata);
	stream_finished finished;
	void *userdata;
};

/* 0, or -errno with a line in `why`. */
int stream_start(struct collector *c, const struct stream_config *config, struct stream **out,
	char *why, size_t why_size);
/* Stops the clock. The last window is closed when the timeline has passed this moment. */
void stream_stop(struct stream *s);
/* Closes the open window now, and opens the next. */
void stream_close_window(struct stream *s);
void stream_set_window(struct stream *s, uint64_t window);
/* Frees it without a word to its owner. */
void stream_free(struct stream *s);

void stream_add(struct stream *s, const struct window_sample *sample);
/* Of streams of type heap. The sample of an allocation is given its number, and comes by stream_add
 * when its stack is whole. */
void stream_alloc(struct stream *s, struct profd_alloc *alloc);
void stream_freed(struct stream *s, const struct profd_free *freed);
void stream_process_ended(struct stream *s, uint32_t pid, uint64_t time);
/* See heap_limit(). */
void stream_limit(struct stream *s, uint32_t pid, uint32_t kept, uint64_t since);
/* About once a second: see heap_rate.h. */
void stream_hold_rate(struct stream *s, uint64_t now);
/* NULL: it is of another type. */
struct heap *stream_heap(const struct stream *s);
/* The timeline has passed `horizon`: closes what has ended. The stream may be gone after it. */
void stream_advance(struct stream *s, uint64_t horizon);

struct session *stream_session(const struct stream *s);
/* Its window has ended by `now` and waits for the horizon. */
bool stream_due(const struct stream *s, uint64_t now);
bool stream_stopping(const struct stream *s);
/* Nanoseconds since it was started, until it was stopped. */
uint64_t stream_elapsed(const struct stream *s);
struct stream *stream_next(const struct stream *s);
/* Publishes the open window as it is now, without closing it: its end is at `time`. comment: one
 * more of the file; NULL: none. What was asked for before the last window ended is finished before
 * that is. */
int stream_peek(struct stream *s, uint64_t time, const char *comment, stream_finished finished,
	void *userdata);
/* See heap_peak_moment(). */
int stream_peak(const struct stream *s, uint64_t *time, uint64_t *bytes, struct heap_moment **out);
/* In `closing`, once: publishes the window as it was at `time`, and only then the whole. moment:
 * taken over, in any case. 0 or -ENOMEM. */
int stream_publish_first(struct stream *s, struct heap_moment *moment, uint64_t time,
	const char *comment, stream_finished finished, void *userdata);

#endif
