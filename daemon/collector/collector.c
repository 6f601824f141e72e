/* SPDX-License-Identifier: MIT */
#include "collector/collector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "collector/collector_impl.h"
#include "collector/counts.h"
#include "collector/samples.h"
#include "util/cleanup.h"
#include "util/log.h"

#define RING_BYTES     (256u << 10) /* beside the sample rings */
#define CAPTURE_BYTES  (16u << 20)  /* of a ring, where every sample carries its stack */
#define SIDEBAND_PAGES 64
#define TICK_USEC      1000000ULL
/* Longer than PROFD_SETTLE_NS, so that the horizon has passed what was waited for. */
#define SOON_USEC     25000ULL
#define SWEEP_SECONDS 60

uint64_t monotonic_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

struct timespec realtime_at(uint64_t monotonic)
{
	struct timespec real;
	int64_t ns;

	clock_gettime(CLOCK_REALTIME, &real);
	ns = real.tv_sec * (int64_t)NS_PER_SECOND + real.tv_nsec -
	     (int64_t)(monotonic_now() - monotonic);
	return (struct timespec){
		.tv_sec = ns / (int64_t)NS_PER_SECOND,
		.tv_nsec = ns % (int64_t)NS_PER_SECOND,
	};
}

/* ---- records -------------------------------------------------------------------------------- */

static void handle_record(void *userdata, const struct record *record)
{
	struct collector *c = userdata;

	switch (record->kind) {
	case RECORD_SAMPLE:
		samples_handle(c, record->sample);
		break;
	case RECORD_ALLOC:
		samples_handle_alloc(c, record->alloc);
		break;
	case RECORD_FREE:
		samples_handle_free(c, record->freed);
		break;
	case RECORD_KSYMBOL:
		symbolizer_forget_kernel(
			c->symbolizer, record->ksymbol.address, record->ksymbol.length);
		break;
	case RECORD_EXEC:
	case RECORD_EXIT:
		samples_process_ended(c, record->process->process.pid, record->time);
		processes_handle(c->processes, record);
		continuous_handle(c, record);
		recordings_handle(c, record);
		break;
	case RECORD_FORK:
	case RECORD_CGROUP:
	case RECORD_COMM:
	case RECORD_MMAP:
	case RECORD_LOST:
		processes_handle(c->processes, record);
		continuous_handle(c, record);
		recordings_handle(c, record);
		break;
	}
}

static void preview(void *userdata, const struct record *record)
{
	struct collector *c = userdata;

	if (record->kind == RECORD_SAMPLE) {
		samples_preview(c, record->sample);
		return;
	}
	processes_preview(c->processes, record);
	spaces_hide(
		c->spaces, record->mmap.pid, record->mmap.start, record->mmap.length, record->time);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void drain(struct collector *c)
{
	static struct log_limit limit = {.seconds = 60};
	struct stream *s, *next;
	uint64_t horizon;
	int r = timeline_drain(c->timeline, handle_record, c);

	if (r && log_allowed(&limit))
		log_error("the rings cannot be read: %s", strerror(-r));
	samples_after_drain(c);
	continuous_advance(c, timeline_horizon(c->timeline));
	recordings_advance(c, timeline_horizon(c->timeline));
	/* A stack that is not finished yet holds its window open. */
	horizon = timeline_horizon(c->timeline);
	if (finisher_oldest(c->finisher) < horizon)
		horizon = finisher_oldest(c->finisher);
	recordings_settle(c, horizon);
	snapshot_taker_settle(&c->taker, horizon);
	for (s = c->streams; s; s = next) {
		next = stream_next(s);
		stream_advance(s, horizon);
	}
}

static int on_ring(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct collector *c = userdata;

	drain(c);
	if (timeline_urgent(c->timeline))
		collector_drain_soon(c);
	return 0;
}

/* Every record of a mapping wakes, and there are many when programs start: once in a while is
 * enough. The tick that comes soon listens again. */
static int on_sideband(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct collector *c = userdata;

	drain(c);
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	collector_drain_soon(c);
	return 0;
}

/* Anything that waits for the horizon to pass? Then the next drain is due soon. */
static bool waiting(const struct collector *c)
{
	uint64_t now = monotonic_now();

	if (recordings_wait(c) || snapshot_taker_waits(&c->taker))
		return true;
	if (timeline_urgent(c->timeline))
		return true;
	for (const struct stream *s = c->streams; s; s = stream_next(s))
		if (stream_due(s, now))
			return true;
	return false;
}

static void on_debug_file(void *userdata, const char *of)
{
	struct collector *c = userdata;

	symbolizer_renew(c->symbolizer, of);
}

static void once_a_second(struct collector *c, uint64_t now)
{
	static struct log_limit limit = {.seconds = 60};
	int r = bpf_host_sync_cpus(c->bpf);

	if (!r)
		r = sideband_sync_cpus(c->sideband);
	if (!r)
		r = sessions_sync_cpus(c->sessions);
	if (r && log_allowed(&limit))
		log_warning("a CPU that came online cannot be sampled: %s", strerror(-r));
	for (struct stream *s = c->streams; s; s = stream_next(s))
		stream_hold_rate(s, now);
	continuous_tick(c);
	recordings_tick(c);
	debuginfod_look(c->debuginfod, now, on_debug_file, c);
	continuous_retry(c);
	if (now - c->swept >= SWEEP_SECONDS * NS_PER_SECOND) {
		c->swept = now;
		processes_sweep(c->processes);
	}
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct collector *c = userdata;
	uint64_t now = monotonic_now();

	if (now - c->ticked >= NS_PER_SECOND - NS_PER_SECOND / 50) {
		c->ticked = now;
		once_a_second(c, now);
	}
	drain(c);
	sd_event_source_set_enabled(c->sideband_source, SD_EVENT_ON);
	if (!c->freeing)
		sd_event_source_set_time_relative(source, waiting(c) ? SOON_USEC : TICK_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void collector_drain_soon(struct collector *c)
{
	uint64_t now, due;

	if (!c->tick)
		return;
	/* Brought forward only: whoever asks again and again does not put it off. */
	if (sd_event_now(c->event, CLOCK_MONOTONIC, &now) >= 0 &&
		sd_event_source_get_time(c->tick, &due) >= 0 && due <= now + SOON_USEC)
		return;
	sd_event_source_set_time_relative(c->tick, SOON_USEC);
}

static int add_sources(struct collector *c)
{
	int r = sd_event_add_io(c->event, &c->bpf_source, bpf_host_fd(c->bpf), EPOLLIN, on_ring, c);

	if (r >= 0)
		r = sd_event_add_io(c->event, &c->sideband_source, sideband_fd(c->sideband),
			EPOLLIN, on_sideband, c);
	if (r >= 0)
		r = sd_event_add_time_relative(
			c->event, &c->tick, CLOCK_MONOTONIC, TICK_USEC, 10000, on_tick, c);
	return r < 0 ? r : 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int fail(int r, const char *what, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s: %s", what, strerror(-r));
	return r;
}

static enum profd_unwind_mode unwind_mode(const struct config *config)
{
	return config->unwind == CONFIG_UNWIND_FRAME_POINTER ? PROFD_UNWIND_FRAME_POINTER
							     : PROFD_UNWIND_TABLE;
}

static void on_lacked(void *userdata, const char *lacked, const char *of)
{
	struct collector *c = userdata;

	debuginfod_lack(c->debuginfod, lacked, of);
}

/* What was fetched is one more debug folder, the last one. */
static int new_opener(struct collector *c)
{
	const char *more = debuginfod_folder(c->debuginfod), *dirs = c->config->debug_dirs;
	_cleanup_free_ char *all = NULL;

	if (asprintf(&all, "%s%s%s", dirs, *dirs && more ? ":" : "", more ? more : "") < 0) {
		all = NULL;
		return -ENOMEM;
	}
	return opener_new(&c->opener, c->event, all);
}

static int open_names(struct collector *c, char *why, size_t why_size)
{
	const struct config *config = c->config;
	int r = debuginfod_new(&c->debuginfod, config->cache, config->debuginfod, config->window);

	if (r)
		return fail(r, "debuginfod", why, why_size);
	r = new_opener(c);
	if (r)
		return fail(r, "the opener cannot be started", why, why_size);
	r = symbolizer_new(&c->symbolizer, c->event, c->opener, config->symbolizer, config->cache);
	if (r)
		return fail(r, "the symbolizer cannot be started", why, why_size);
	symbolizer_on_lacked(c->symbolizer, on_lacked, c);
	return 0;
}

static int open_sources(struct collector *c, char *why, size_t why_size)
{
	bool capture = c->config->capture;
	int r = bpf_host_open(
		&c->bpf, capture ? CAPTURE_BYTES : RING_BYTES, capture, why, why_size);

	if (r)
		return r;
	counts_seed(bpf_host_counts(c->bpf), c->config->heap_seed);
	r = sideband_open(&c->sideband, SIDEBAND_PAGES);
	if (r)
		return fail(r, "perf's records of processes cannot be opened", why, why_size);
	r = timeline_new(&c->timeline, c->bpf, c->sideband);
	if (r)
		return fail(r, "timeline", why, why_size);
	r = open_names(c, why, why_size);
	if (r)
		return r;
	r = uprobes_new(&c->uprobes, c->event);
	if (r)
		return fail(r, "the thread that attaches probes cannot be started", why, why_size);
	r = processes_new(&c->processes, c->opener);
	if (r)
		return fail(r, "process table", why, why_size);
	r = samples_open(c, why, why_size);
	if (r)
		return r;
	bpf_host_set_unwind(c->bpf, unwind_mode(c->config));
	timeline_set_preview(c->timeline, preview, c);
	r = processes_scan(c->processes, c->bpf);
	if (r < 0)
		return fail(r, "/proc cannot be read", why, why_size);
	r = sessions_new(&c->sessions, c->bpf);
	return r ? fail(r, "sessions", why, why_size) : 0;
}

static void write_banner(struct collector *c)
{
	struct utsname host;

	uname(&host);
	snprintf(c->banner, sizeof(c->banner), "profd %s on %s, %s %s", PROFD_VERSION,
		host.nodename, host.sysname, host.release);
}

int collector_new(struct collector **out, sd_event *event, const struct config *config, char *why,
	size_t why_size)
{
	struct collector *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return fail(-ENOMEM, "collector", why, why_size);
	c->event = event;
	c->config = config;
	for (unsigned i = 0; i < PRELOADS; i++)
		c->preload[i] = preload_path((enum preload)i);
	c->started = c->ticked = c->swept = monotonic_now();
	write_banner(c);
	r = store_open(&c->store, config->store, true, why, why_size);
	if (!r)
		r = open_sources(c, why, why_size);
	if (!r) {
		r = add_sources(c);
		if (r)
			fail(r, "event loop", why, why_size);
	}
	/* The clock last, so that it does not profile its own beginning. */
	if (!r && continuous_wanted(config, SESSION_CPU))
		r = continuous_start(c, SESSION_CPU, why, why_size);
	/* Without the other there is still much to profile. */
	if (!r)
		continuous_retry(c);
	if (r) {
		collector_free(c);
		return r;
	}
	*out = c;
	return 0;
}

void collector_free(struct collector *c)
{
	if (!c)
		return;
	c->freeing = true;
	c->tick = sd_event_source_disable_unref(c->tick);
	c->bpf_source = sd_event_source_disable_unref(c->bpf_source);
	c->sideband_source = sd_event_source_disable_unref(c->sideband_source);
	/* Its open requests end now: what is being published is given up. */
	symbolizer_free(c->symbolizer);
	for (unsigned i = 0; i < SESSION_TYPES; i++)
		continuous_stop(c, (enum session_type)i);
	while (c->streams)
		stream_free(c->streams);
	recordings_free(c);
	uprobes_free(c->uprobes);
	sessions_free(c->sessions);
	samples_close(c);
	processes_free(c->processes);
	opener_free(c->opener);
	debuginfod_free(c->debuginfod);
	timeline_free(c->timeline);
	sideband_close(c->sideband);
	bpf_host_close(c->bpf);
	store_close(c->store);
	for (unsigned i = 0; i < PRELOADS; i++)
		free(c->preload[i]);
	free(c);
}

void collector_stream_gone(struct collector *c, struct stream *s)
{
	if (c->freeing || c->streams)
		return;
	symbolizer_idle(c->symbolizer);
	if (c->shutting_down && c->shutdown_done) {
		c->shutdown_done(c->shutdown_userdata);
		c->shutdown_done = NULL;
	}
}

void collector_shutdown(struct collector *c, void (*done)(void *userdata), void *userdata)
{
	struct stream *s, *next;
	struct recording *r, *next_recording;

	c->shutting_down = true;
	if (!c->streams) {
		done(userdata);
		return;
	}
	c->shutdown_done = done;
	c->shutdown_userdata = userdata;
	for (unsigned i = 0; i < SESSION_TYPES; i++)
		continuous_stop(c, (enum session_type)i);
	for (r = c->recordings; r; r = next_recording) {
		next_recording = recording_next(r);
		recording_stop(r, RECORDING_DAEMON_STOPPED);
	}
	for (s = c->streams; s; s = next) {
		next = stream_next(s);
		stream_stop(s);
	}
}

void collector_close_window(struct collector *c)
{
	for (unsigned i = 0; i < SESSION_TYPES; i++)
		if (c->continuous[i])
			stream_close_window(c->continuous[i]);
}

const char *collector_store_path(const struct collector *c)
{
	return store_path(c->store);
}

/* ---- new settings --------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

int collector_reload(struct collector *c, const struct config *config)
{
	const struct config *old = c->config;

	if (!same_text(old->store, config->store) || !same_text(old->socket, config->socket) ||
		!same_text(old->cache, config->cache) || old->symbolizer != config->symbolizer ||
		old->tables != config->tables || !same_text(old->debug_dirs, config->debug_dirs) ||
		!same_text(old->debuginfod, config->debuginfod))
		log_warning("paths, limits and symbols are kept as they were: they change with a "
			    "restart only");
	c->config = config;
	bpf_host_set_unwind(c->bpf, unwind_mode(config));
	return c->shutting_down ? 0 : continuous_reload(c, old);
}
