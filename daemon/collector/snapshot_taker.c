// SPDX-License-Identifier: MIT
#include "collector/snapshot_taker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "collector/collector_impl.h"
#include "collector/heap.h"
#include "collector/heap_ages.h"
#include "util/log.h"

#define NS_PER_USEC 1000
/* Before one may be taken, what it waits for is looked at often. */
#define NS_NEARLY   100000000
#define MAX_COMMENT 128

/* One that is being published. */
struct snapshot {
	struct snapshot_taker *taker; /* NULL: it is gone */
	unsigned number;
	struct snapshot_asker asker;
	struct snapshot *prev, *next;
};

static uint64_t cpu_time(void)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

static void say(const struct snapshot_taker *t, const char *what, int e)
{
	log_error("session %u: %s: %s", session_id(stream_session(t->stream)), what, strerror(-e));
}

/* It shows what was so by now: not before all records until now were handled. */
static void want(struct snapshot_taker *t)
{
	t->wanted = monotonic_now();
	collector_drain_soon(t->c);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct snapshot_taker *t = userdata;

	snapshots_tick(&t->snapshots, monotonic_now());
	if (*t->snapshots.due && !t->wanted && t->on)
		want(t);
	sd_event_source_set_time(source, t->snapshots.next_time / NS_PER_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void snapshot_taker_begin(struct snapshot_taker *t, const struct snapshot_plan *plan)
{
	int e = 0;

	t->on = true;
	snapshots_begin(&t->snapshots, plan, monotonic_now());
	if (plan->seconds)
		e = sd_event_add_time(t->c->event, &t->each, CLOCK_MONOTONIC,
			t->snapshots.next_time / NS_PER_USEC, 1000, on_time, t);
	if (e < 0)
		say(t, "no timer for snapshots", e);
}

void snapshot_taker_stop(struct snapshot_taker *t)
{
	t->on = false;
}

void snapshot_taker_end(struct snapshot_taker *t)
{
	struct snapshot *s;

	t->each = sd_event_source_disable_unref(t->each);
	DL_FOREACH (t->taking, s)
		s->taker = NULL;
	t->taking = NULL;
	t->wanted = 0;
	snapshot_taker_stop(t);
}

/* ---- one ------------------------------------------------------------------------------------ */

/* number: 0: of the peak. NULL without memory. */
static struct snapshot *begin(
	struct snapshot_taker *t, unsigned number, const struct snapshot_asker *asker)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->taker = t;
	s->number = number;
	if (asker)
		s->asker = *asker;
	DL_APPEND(t->taking, s);
	t->n_taking++;
	return s;
}

static void leave(struct snapshot *s)
{
	struct snapshot_taker *t = s->taker;

	if (!t)
		return;
	DL_DELETE(t->taking, s);
	t->n_taking--;
}

/* Writing it has begun then. To freeze the sums and to make a profile of them took about as long
 * each. In the loop's own time: what others do on this CPU is not its fault. */
static void account(struct snapshot_taker *t, uint64_t began)
{
	snapshots_took(&t->snapshots, monotonic_now(), 3 * (cpu_time() - began));
	if (t->wanted)
		collector_drain_soon(t->c);
}

static int published(void *userdata, const struct stream_result *result)
{
	struct snapshot *s = userdata;
	struct snapshot_taker *t = s->taker;
	uint64_t began = cpu_time();

	leave(s);
	if (t && result->error && !t->c->freeing)
		say(t, "a snapshot cannot be made", result->error);
	if (t && !t->c->freeing &&
		(result->error || !t->deliver(t->userdata, s->number, &s->asker, result)))
		t->snapshots.skipped++;
	if (t && !t->c->freeing)
		account(t, began);
	free(s);
	return 0;
}

/* It could not be begun. */
static void undo(struct snapshot *s)
{
	if (s)
		leave(s);
	free(s);
}

static void take(struct snapshot_taker *t, uint64_t time, const char *reason,
	const struct snapshot_asker *asker)
{
	struct snapshot *s;
	char comment[MAX_COMMENT];
	int e;

	if (!snapshots_take(&t->snapshots, time, reason, comment, sizeof(comment)))
		return;
	s = begin(t, t->snapshots.n, asker);
	e = s ? stream_peek(t->stream, time, comment, published, s) : -ENOMEM;
	if (!e)
		return;
	say(t, "a snapshot cannot be taken", e);
	t->snapshots.skipped++;
	undo(s);
}

int snapshot_taker_peak(struct snapshot_taker *t)
{
	struct heap_moment *moment;
	struct snapshot *s;
	uint64_t time, bytes;
	char comment[MAX_COMMENT];
	int e = stream_peak(t->stream, &time, &bytes, &moment);

	if (e)
		return e;
	snapshots_name_peak(&t->snapshots, time, bytes, comment, sizeof(comment));
	s = begin(t, 0, NULL);
	if (!s) {
		heap_moment_free(moment);
		return -ENOMEM;
	}
	e = stream_publish_first(t->stream, moment, time, comment, published, s);
	if (e)
		undo(s);
	return e;
}

/* ---- when ----------------------------------------------------------------------------------- */

/* The state of this very moment, whatever else is due. */
void snapshot_taker_booked(struct snapshot_taker *t, uint64_t time)
{
	const struct snapshot_plan *plan = &t->snapshots.plan;
	char reason[SNAPSHOTS_REASON];
	struct heap_stats stats;

	if (!t->on || t->n_taking >= plan->at_once || !(plan->allocated || plan->grown))
		return;
	stats = heap_stats(stream_heap(t->stream));
	if (snapshots_book(
		    &t->snapshots, stats.allocated, stats.in_use, time, monotonic_now(), reason))
		take(t, time, reason, NULL);
}

static void take_wanted(struct snapshot_taker *t, uint64_t time)
{
	t->wanted = 0;
	take(t, time, t->snapshots.due, &t->asker);
	*t->snapshots.due = '\0';
	t->asker = (struct snapshot_asker){0};
}

/* One is wanted that may be taken by then. */
static bool is_due(const struct snapshot_taker *t, uint64_t then)
{
	return t->wanted && t->n_taking < t->snapshots.plan.at_once &&
	       snapshots_may(&t->snapshots, then);
}

void snapshot_taker_settle(struct snapshot_taker *t, uint64_t horizon)
{
	if (horizon >= t->wanted && is_due(t, monotonic_now()))
		take_wanted(t, t->wanted);
}

bool snapshot_taker_waits(const struct snapshot_taker *t)
{
	return is_due(t, monotonic_now() + NS_NEARLY);
}

void snapshot_taker_close(struct snapshot_taker *t)
{
	if (t->wanted)
		take_wanted(t, monotonic_now());
}

bool snapshot_taker_ask(
	struct snapshot_taker *t, const char *reason, const struct snapshot_asker *asker)
{
	if (!t->on)
		return false;
	/* Who asks at the same time about others gets all. */
	if (asker && t->asker.asked && t->asker.pid != asker->pid)
		t->asker = (struct snapshot_asker){.asked = true, .uid = asker->uid};
	else if (asker)
		t->asker = *asker;
	snapshots_ask(&t->snapshots, reason);
	want(t);
	return true;
}
