/* SPDX-License-Identifier: MIT */
/* What a heap recording publishes before its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "collector/heap.h"
#include "collector/heap_ages.h"
#include "collector/heap_watch.h"
#include "collector/recording_impl.h"
#include "util/cleanup.h"
#include "util/log.h"

#define NS_PER_USEC 1000
/* Before one may be taken, what it waits for is looked at often. */
#define NS_NEARLY   100000000
#define MAX_COMMENT 128

/* One that is being published. */
struct snapshot {
	struct recording *recording; /* NULL: it is gone */
	unsigned number;
	char comment[MAX_COMMENT];
	struct snapshot *prev, *next;
};

/* It shows what was so by now: not before all records until now were handled. */
static void want(struct recording *r)
{
	r->wanted = monotonic_now();
	collector_drain_soon(r->c);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct recording *r = userdata;

	snapshots_tick(&r->snapshots, monotonic_now());
	if (*r->snapshots.due && !r->wanted && !r->stopping)
		want(r);
	sd_event_source_set_time(source, r->snapshots.next_time / NS_PER_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void recording_snapshots_begin(struct recording *r)
{
	int e = 0;

	snapshots_begin(&r->snapshots, &r->request.snapshots, monotonic_now());
	if (r->request.snapshots.seconds)
		e = sd_event_add_time(r->c->event, &r->each, CLOCK_MONOTONIC,
			r->snapshots.next_time / NS_PER_USEC, 1000, on_time, r);
	if (e < 0)
		log_error("recording %u: no timer for snapshots: %s", recording_session(r),
			strerror(-e));
}

/* The loop has done nothing else since it woke. */
static void account(struct recording *r, int fd)
{
	uint64_t now = monotonic_now(), woke;
	struct stat st;

	if (sd_event_now(r->c->event, CLOCK_MONOTONIC, &woke) < 0)
		woke = now / NS_PER_USEC;
	snapshots_took(&r->snapshots, now, now - woke * NS_PER_USEC,
		!fstat(fd, &st) ? (uint64_t)st.st_size : 0);
	if (r->wanted)
		collector_drain_soon(r->c);
}

static int published(void *userdata, const struct stream_result *result)
{
	struct snapshot *s = userdata;
	struct recording *r = s->recording;
	int fd = -1;

	if (r) {
		DL_DELETE(r->taking, s);
		r->n_taking--;
		fd = result->error ? result->error : profile_to_memory(result->profile);
		if (fd < 0)
			log_error("recording %u: a snapshot cannot be made: %s",
				recording_session(r), strerror(-fd));
		account(r, fd);
		if (fd < 0 || !r->request.snapshot ||
			!r->request.snapshot(r->userdata, s->number, s->comment, fd))
			r->snapshots.skipped++;
	}
	free(s);
	return 0;
}

/* number: of a snapshot; 0: of the peak. NULL without memory. */
static struct snapshot *begin(struct recording *r, unsigned number, const char *comment)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->recording = r;
	s->number = number;
	snprintf(s->comment, sizeof(s->comment), "%s", comment);
	DL_APPEND(r->taking, s);
	r->n_taking++;
	return s;
}

/* It could not be begun. */
static void undo(struct recording *r, struct snapshot *s)
{
	if (!s)
		return;
	DL_DELETE(r->taking, s);
	r->n_taking--;
	free(s);
}

static void take(struct recording *r, uint64_t time, const char *reason)
{
	struct snapshot *s;
	char comment[MAX_COMMENT];
	int e;

	if (!snapshots_take(&r->snapshots, time, reason, comment, sizeof(comment)))
		return;
	s = begin(r, r->snapshots.n, comment);
	e = s ? stream_peek(r->stream, time, s->comment, published, s) : -ENOMEM;
	if (!e)
		return;
	log_error(
		"recording %u: a snapshot cannot be taken: %s", recording_session(r), strerror(-e));
	r->snapshots.skipped++;
	undo(r, s);
}

static void take_wanted(struct recording *r, uint64_t time)
{
	r->wanted = 0;
	take(r, time, r->snapshots.due);
	*r->snapshots.due = '\0';
}

static void take_peak(struct recording *r)
{
	struct heap_moment *moment;
	struct snapshot *s;
	uint64_t time, bytes;
	char comment[MAX_COMMENT];

	r->peak_error = stream_peak(r->stream, &time, &bytes, &moment);
	if (r->peak_error)
		return;
	snapshots_name_peak(&r->snapshots, time, bytes, comment, sizeof(comment));
	s = begin(r, 0, comment);
	if (s)
		r->peak_error = stream_publish_first(
			r->stream, moment, time, s->comment, published, s);
	else
		r->peak_error = -ENOMEM;
	if (!s)
		heap_moment_free(moment);
	if (r->peak_error)
		undo(r, s);
}

void recording_snapshots_closing(void *userdata)
{
	struct recording *r = userdata;

	/* Whoever asked was told that there will be one. */
	if (r->wanted)
		take_wanted(r, monotonic_now());
	if (r->request.peak)
		take_peak(r);
}

bool recording_snapshots_wait(const struct recording *r)
{
	return r->wanted && r->n_taking < r->request.snapshots.at_once &&
	       snapshots_may(&r->snapshots, monotonic_now() + NS_NEARLY);
}

/* The state of this very moment, whatever else is due. */
void recording_snapshots_booked(void *userdata, uint64_t time)
{
	struct recording *r = userdata;
	char reason[SNAPSHOTS_REASON];
	struct heap_stats stats;

	if (!r->is_ready || r->stopping || r->n_taking >= r->request.snapshots.at_once ||
		!(r->request.snapshots.allocated || r->request.snapshots.grown))
		return;
	stats = heap_stats(stream_heap(r->stream));
	if (snapshots_book(&r->snapshots, stats.allocated, stats.in_use, time, reason))
		take(r, time, reason);
}

void recording_snapshots_settle(struct recording *r, uint64_t horizon)
{
	if (r->wanted && horizon >= r->wanted && r->n_taking < r->request.snapshots.at_once &&
		snapshots_may(&r->snapshots, monotonic_now()))
		take_wanted(r, r->wanted);
}

void recording_snapshots_end(struct recording *r)
{
	struct snapshot *s;

	r->each = sd_event_source_disable_unref(r->each);
	DL_FOREACH (r->taking, s)
		s->recording = NULL;
}

int recording_ask_snapshot(struct recording *r, const char *reason)
{
	if (!r->watch || !r->is_ready || r->stopping)
		return -EINVAL;
	snapshots_ask(&r->snapshots, reason);
	want(r);
	return 0;
}

bool recording_watches(const struct recording *r, uint32_t pid)
{
	return r->watch && !r->stopping && heap_watch_has(r->watch, pid);
}
