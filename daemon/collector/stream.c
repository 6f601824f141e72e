/* SPDX-License-Identifier: MIT */
#include "collector/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/collector_impl.h"
#include "collector/counts.h"
#include "collector/heap.h"
#include "collector/heap_ages.h"
#include "collector/heap_live.h"
#include "collector/heap_rate.h"
#include "collector/publish.h"
#include "util/brief_scale.h"
#include "util/cleanup.h"
#include "util/log.h"
#include <utlist.h>

struct stream {
	struct collector *c;
	struct session *session;
	struct heap *heap; /* NULL: of another type */
	struct heap_rate *rate;
	uint64_t came, rated; /* samples that came, and when that was counted */
	struct window *window;
	struct stream_config config;
	uint64_t started;
	uint64_t window_ends; /* UINT64_MAX: when it is stopped */
	uint64_t stopped;     /* 0: the clock runs */
	unsigned flushes;     /* windows that are being published */
	unsigned peeks;	      /* of these, those of the open window */
	bool ended;	      /* the last window is closed */
	struct flush *first;  /* what is published before the last window */
	struct flush *held;   /* the last window, until the peeks of it are done */
	struct stream *prev, *next;
};

/* A window that is being published. */
struct flush {
	struct stream *stream;
	struct window *window;
	struct timespec start;
	uint64_t end, duration;
	stream_finished finished;
	void *userdata;
	bool peek, last;
	struct heap_moment *moment; /* that it is of, until it begins; NULL: `end` */
	struct flush *next;	    /* of the same window, to be published when this one is */
	char comment[128];	    /* one more; "": none */
	size_t limited;		    /* processes of which in-use was not known */
	bool begun;		    /* allocations whose end was not waited for */
	bool no_in_use;		    /* of none it is */
};

struct session *stream_session(const struct stream *s)
{
	return s->session;
}

bool stream_stopping(const struct stream *s)
{
	return s->stopped;
}

bool stream_due(const struct stream *s, uint64_t now)
{
	return !s->ended && s->window_ends <= now;
}

struct stream *stream_next(const struct stream *s)
{
	return s->next;
}

uint64_t stream_elapsed(const struct stream *s)
{
	return (s->stopped ? s->stopped : monotonic_now()) - s->started;
}

static void release(struct stream *s)
{
	heap_free(s->heap);
	heap_rate_free(s->rate);
	window_unref(s->window);
	free(s);
}

void stream_free(struct stream *s)
{
	struct collector *c = s->c;

	session_release(s->session);
	DL_DELETE(c->streams, s);
	collector_stream_gone(c, s);
	release(s);
}

/* The programs need not know it any more, either. */
static void on_forgotten(void *userdata, uint64_t address, uint32_t pid, uint64_t time)
{
	struct stream *s = userdata;

	heap_live_forget(
		bpf_host_live(s->c->bpf), session_slot(s->session), address, pid, (uint32_t)time);
}

static int open_window(struct stream *s, uint64_t start)
{
	struct window *w;
	int r = window_new(&w, start, (uint32_t)realtime_at(start).tv_nsec, s->config.max_bytes);

	if (r)
		return r;
	if (s->config.keep_times)
		window_keep_times(w);
	if (s->heap)
		window_keep_heap(w);
	r = s->heap && s->window ? heap_carry(s->heap, s->window, w) : 0;
	if (r) {
		window_unref(w);
		return r;
	}
	s->window = w;
	s->window_ends = s->config.window ? start + s->config.window : UINT64_MAX;
	return 0;
}

static int prepare_heap(struct stream *s)
{
	const struct heap_limits limits = {
		.live = HEAP_LIVE_MAX,
		.traced = heap_traced_max(s->config.session.sample_bytes),
	};
	int r = heap_new(&s->heap, &limits, on_forgotten, s);

	if (!r && s->config.keep_ages)
		r = heap_keep_ages(s->heap);
	if (!r && s->config.temporary)
		r = heap_keep_temporary(s->heap, s->config.temporary);
	if (!r && s->config.keep_peak)
		r = heap_keep_peak(s->heap);
	if (r)
		return r;
	s->rate = heap_rate_new();
	return s->rate ? 0 : -ENOMEM;
}

int stream_start(struct collector *c, const struct stream_config *config, struct stream **out,
	char *why, size_t why_size)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	s->c = c;
	s->config = *config;
	s->started = monotonic_now();
	r = config->session.type == SESSION_HEAP ? prepare_heap(s) : 0;
	if (!r)
		r = open_window(s, s->started);
	if (r)
		snprintf(why, why_size, "out of memory for a window");
	else
		r = sessions_start(c->sessions, &config->session, &s->session, why, why_size);
	if (r) {
		release(s);
		return r;
	}
	DL_APPEND(c->streams, s);
	*out = s;
	return 0;
}

/* ---- publishing ----------------------------------------------------------------------------- */

static void publish(struct flush *f);

static void published(void *userdata, int error, struct profile *profile, uint64_t samples)
{
	struct flush *f = userdata;
	struct stream *s = f->stream;
	struct flush *next = f->next;
	bool peek = f->peek;
	struct stream_result result = {
		.type = session_type(s->session),
		.error = error,
		.profile = profile,
		.window = f->window,
		.start = f->start,
		.duration = f->duration,
		.samples = samples,
		.last = f->last,
	};
	int r = f->finished(f->userdata, &result);

	if (!peek) {
		if (r)
			session_count_lost(s->session, LOST_STORE, window_samples(f->window));
		else
			session_count_written(s->session, window_samples(f->window));
	}
	profile_free(profile);
	window_unref(f->window);
	free(f);
	if (next)
		publish(next);
	s->peeks -= peek;
	if (s->held && !s->peeks)
		publish(take_ptr(s->held));
	s->flushes--;
	if (s->ended && !s->flushes)
		stream_free(s);
	else
		symbolizer_idle(s->c->symbolizer);
}

/* Of a window until `end`. NULL without memory. */
static struct flush *new_flush(struct stream *s, struct window *window, uint64_t end)
{
	struct flush *f = calloc(1, sizeof(*f));
	struct heap_stats heap;

	if (!f)
		return NULL;
	f->stream = s;
	f->window = window_ref(window);
	f->start = realtime_at(window_start(window));
	f->end = end > window_start(window) ? end : window_start(window);
	f->duration = f->end - window_start(window);
	if (s->heap) {
		heap = heap_stats(s->heap);
		f->limited = heap.limited;
		f->begun = heap.begun;
		f->no_in_use = heap.limited && !heap.live;
	}
	return f;
}

static void describe(const struct stream *s, char *about, size_t size)
{
	if (s->heap)
		snprintf(about, size,
			"a sample every %" PRIu64 " bytes on average, since attach, %s",
			session_sample_bytes(s->session), session_filter_text(s->session));
	else
		snprintf(about, size, "%u Hz %s, %s", session_frequency(s->session),
			session_clock(s->session), session_filter_text(s->session));
}

static void describe_limits(const struct flush *f, char *text, size_t size)
{
	if (f->limited)
		snprintf(text, size,
			"what %zu of the processes have in use is not known: they were watched a "
			"part of the time, to keep below the ceiling of cost; what they allocated "
			"is made up to the whole time",
			f->limited);
	else if (f->begun)
		snprintf(text, size,
			"what C++ operators that may throw allocated is not among what is in use: "
			"so as to be in no exception's way nobody waited for their return");
}

/* Readers look for how it begins (report/filter.c). */
static void describe_temporary(const struct stream *s, char *text, size_t size)
{
	char within[16];

	brief_scale_print(s->config.temporary / 1000, within, sizeof(within));
	snprintf(text, size, "temporary: freed within %s by the thread that allocated it", within);
}

/* An open window changes while it is published. */
static int freeze(struct flush *f)
{
	const struct stream *s = f->stream;
	bool frozen = s->heap && (f->peek || heap_keeps_ages(s->heap));

	return frozen && !f->moment ? heap_moment(s->heap, f->window, f->end, &f->moment) : 0;
}

static void publish(struct flush *f)
{
	struct stream *s = f->stream;
	char about[256], limits[256] = "", temporary[128] = "";
	const char *comments[5] = {s->c->banner, about};
	size_t n_comments = 2;
	struct publish_info info;
	int r = freeze(f);

	describe(s, about, sizeof(about));
	describe_limits(f, limits, sizeof(limits));
	if (*limits)
		comments[n_comments++] = limits;
	if (s->config.temporary && !(f->moment && f->moment->is_past))
		describe_temporary(s, temporary, sizeof(temporary));
	if (*temporary)
		comments[n_comments++] = temporary;
	if (*f->comment)
		comments[n_comments++] = f->comment;
	info = (struct publish_info){
		.start = f->start,
		.duration = f->duration,
		.type = session_type(s->session),
		.period = s->heap ? session_sample_bytes(s->session)
				  : session_period_ns(s->session),
		.moment = take_ptr(f->moment),
		.comments = comments,
		.n_comments = n_comments,
		.no_in_use = f->no_in_use,
	};
	s->flushes++;
	s->peeks += f->peek;
	if (!r)
		r = publish_start(s->c->symbolizer, f->window, &info, published, f);
	if (r)
		published(f, r, NULL, 0);
}

/* What was seen of a window before its end comes before its end. */
static void publish_last(struct stream *s, struct flush *f)
{
	if (!s->peeks) {
		publish(f);
		return;
	}
	/* Without memory publish() tries again, and says so. */
	(void)freeze(f);
	s->held = f;
}

/* Hands the open window over to be published. Without memory it stays open, and the next call
 * tries again. The stream may be gone when this returns. */
static void flush_window(struct stream *s, uint64_t end, bool last)
{
	struct flush *f = new_flush(s, s->window, end);
	struct window *closed = s->window;
	struct flush *first;

	if (!f || (!last && open_window(s, f->end))) {
		log_error("out of memory: a window stays open");
		if (f)
			window_unref(f->window);
		free(f);
		s->window_ends += NS_PER_SECOND;
		return;
	}
	f->finished = s->config.finished;
	f->userdata = s->config.userdata;
	if (last && s->config.closing)
		s->config.closing(s->config.userdata);
	f->last = s->ended = last;
	if (last)
		s->window = NULL;
	first = take_ptr(s->first);
	if (first)
		first->next = f;
	s->flushes++; /* keeps the stream until the last line of this function */
	if (last)
		publish_last(s, first ? first : f);
	else
		publish(f);
	window_unref(closed);
	if (!--s->flushes && s->ended)
		stream_free(s);
}

static struct flush *new_peek(struct stream *s, uint64_t time, const char *comment,
	stream_finished finished, void *userdata)
{
	struct flush *f = new_flush(s, s->window, time);

	if (!f)
		return NULL;
	f->peek = true;
	snprintf(f->comment, sizeof(f->comment), "%s", comment ? comment : "");
	f->finished = finished;
	f->userdata = userdata;
	return f;
}

int stream_peek(struct stream *s, uint64_t time, const char *comment, stream_finished finished,
	void *userdata)
{
	struct flush *f = new_peek(s, time, comment, finished, userdata);

	if (!f)
		return -ENOMEM;
	publish(f);
	return 0;
}

int stream_peak(const struct stream *s, uint64_t *time, uint64_t *bytes, struct heap_moment **out)
{
	return heap_peak_moment(s->heap, s->window, time, bytes, out);
}

int stream_publish_first(struct stream *s, struct heap_moment *moment, uint64_t time,
	const char *comment, stream_finished finished, void *userdata)
{
	s->first = new_peek(s, time, comment, finished, userdata);
	if (!s->first) {
		heap_moment_free(moment);
		return -ENOMEM;
	}
	s->first->moment = moment;
	return 0;
}

/* ---- samples and time ----------------------------------------------------------------------- */

void stream_set_window(struct stream *s, uint64_t window)
{
	uint64_t now = monotonic_now();

	s->config.window = window;
	if (s->stopped)
		return;
	/* What is longer already ends now: its samples are as old as it is. */
	s->window_ends = window_start(s->window) + window;
	if (s->window_ends <= now) {
		s->window_ends = now;
		collector_drain_soon(s->c);
	}
}

void stream_close_window(struct stream *s)
{
	if (s->stopped)
		return;
	s->window_ends = monotonic_now();
	collector_drain_soon(s->c);
}

void stream_stop(struct stream *s)
{
	if (s->stopped)
		return;
	session_stop(s->session);
	s->stopped = monotonic_now();
	s->window_ends = s->stopped;
	collector_drain_soon(s->c);
}

/* Something of that time has come: what belongs to the window before cannot wait any more. */
static void reach(struct stream *s, uint64_t time)
{
	if (s->stopped || time < s->window_ends)
		return;
	finisher_flush(s->c->finisher, session_id(s->session));
	if (time >= s->window_ends)
		flush_window(s, s->window_ends, false);
}

void stream_add(struct stream *s, const struct window_sample *sample)
{
	uint32_t stack;

	reach(s, sample->time);
	if (!s->window || window_add(s->window, sample, &stack)) {
		session_count_lost(s->session, LOST_WINDOW, 1);
		if (s->heap)
			heap_drop(s->heap, sample->allocation);
	} else if (s->heap) {
		heap_place(s->heap, sample->allocation, s->window, stack);
		if (s->config.booked)
			s->config.booked(s->config.userdata, sample->time);
	}
}

struct heap *stream_heap(const struct stream *s)
{
	return s->heap;
}

void stream_alloc(struct stream *s, struct profd_alloc *alloc)
{
	reach(s, alloc->head.time);
	if (!s->heap || !s->window)
		return;
	if (session_sample_bytes(s->session) > 1)
		heap_rate_came(s->rate, alloc->sample.process.pid, alloc->kept);
	alloc->sample.allocation = heap_alloc(s->heap, alloc, s->window);
}

void stream_freed(struct stream *s, const struct profd_free *freed)
{
	reach(s, freed->head.time);
	if (s->heap && s->window)
		heap_freed(s->heap, freed, s->window);
}

/* Who wants every allocation gets them as far as the ring has room. */
void stream_hold_rate(struct stream *s, uint64_t now)
{
	struct profd_counters counters;
	struct profd_heap *heap;
	uint64_t came, since = s->rated ? s->rated : s->started;

	if (!s->heap || session_sample_bytes(s->session) <= 1)
		return;
	heap = &bpf_host_heaps(s->c->bpf)[session_slot(s->session)];
	counts_session(bpf_host_counts(s->c->bpf), session_slot(s->session), &counters);
	came = counters.taken + __atomic_load_n(&heap->thinned, __ATOMIC_RELAXED);
	heap_rate_hold(s->rate, came - s->came, now - since, heap);
	s->came = came;
	s->rated = now;
}

void stream_limit(struct stream *s, uint32_t pid, uint32_t kept, uint64_t since)
{
	if (s->heap && s->window && heap_limit(s->heap, pid, kept, since, s->window))
		log_error("out of memory: what process %u allocates is counted too low", pid);
}

void stream_process_ended(struct stream *s, uint32_t pid, uint64_t time)
{
	if (s->heap)
		heap_end_process(s->heap, pid, time);
}

void stream_advance(struct stream *s, uint64_t horizon)
{
	if (s->ended || horizon < s->window_ends)
		return;
	flush_window(s, s->window_ends, s->stopped);
}
