/* SPDX-License-Identifier: MIT */
/* Recordings: a stream of one window, with an owner, an end and somebody who waits for it. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "collector/heap.h"
#include "collector/heap_watch.h"
#include "collector/recording_impl.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Of the whole recording, in memory until it ends. */
#define RECORDING_BYTES (64u << 20)

const char *recording_reason_text(enum recording_reason reason)
{
	static const char *const text[] = {
		[RECORDING_TIME] = "time",
		[RECORDING_STOPPED] = "stopped",
		[RECORDING_TARGET_EXITED] = "target exited",
		[RECORDING_DAEMON_STOPPED] = "daemon stopped",
	};

	return text[reason];
}

static void recording_free(struct recording *r)
{
	DL_DELETE(r->c->recordings, r);
	snapshot_taker_end(&r->taker);
	recording_blocks_end(r);
	heap_watch_stop(r->watch);
	sd_event_source_disable_unref(r->deadline);
	free(r->ids);
	free(r);
}

struct recording *recording_next(const struct recording *r)
{
	return r->next;
}

const struct heap_watch *recording_watch(const struct collector *c, const struct stream *s)
{
	const struct recording *r;

	DL_FOREACH (c->recordings, r)
		if (r->stream == s)
			return r->watch;
	return NULL;
}

void recordings_free(struct collector *c)
{
	struct recording *r, *next;

	DL_FOREACH_SAFE(c->recordings, r, next)
	recording_free(r);
}

/* ---- under way ------------------------------------------------------------------------------ */

static void tell_ready(struct recording *r)
{
	if (!r->is_ready)
		snapshot_taker_begin(&r->taker, &r->request.snapshots);
	if (!r->is_ready && r->ready)
		r->ready(r->userdata);
	r->is_ready = true;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	recording_stop(userdata, RECORDING_TIME);
	return 0;
}

static int arm_deadline(struct recording *r)
{
	if (!r->request.seconds)
		return 0;
	return sd_event_add_time_relative(r->c->event, &r->deadline, CLOCK_MONOTONIC,
		r->request.seconds * 1000000ULL, 1000, on_deadline, r);
}

/* The time that was asked for begins when all that was to be watched is. */
static void on_watching(void *userdata)
{
	struct recording *r = userdata;
	int e = arm_deadline(r);

	if (e) {
		log_error("a recording ends at once: no timer for its end: %s", strerror(-e));
		recording_stop(r, RECORDING_STOPPED);
	}
	tell_ready(r);
}

static int recording_finished(void *userdata, const struct stream_result *result)
{
	struct recording *r = userdata;
	char path[4096] = "", message[512] = "", trouble[640] = "";
	struct ledger ledger;
	struct recording_result out = {
		.error = result->error,
		.message = message,
		.trouble = trouble,
		.type = r->request.type,
		.reason = r->reason,
		.elapsed = (double)result->duration / (double)NS_PER_SECOND,
		.samples = result->samples,
		.path = path,
		.fd = -1,
	};

	if (r->c->freeing) {
		recording_free(r);
		return -ECANCELED;
	}
	session_ledger(stream_session(r->stream), &ledger);
	for (size_t i = 0; i < LOST_COUNT; i++)
		out.lost += ledger.lost[i];
	if (out.error)
		snprintf(message, sizeof(message), "the profile cannot be put together: %s",
			strerror(-out.error));
	else
		recording_write(r, result, &out, path, sizeof(path), message, sizeof(message));
	recording_explain(r, trouble, sizeof(trouble));
	out.unseen = r->watch && *heap_watch_unseen(r->watch);
	recording_cost(r, &out);
	tell_ready(r);
	if (r->done)
		r->done(r->userdata, &out);
	else
		close_fd(out.fd);
	recording_free(r);
	return out.error;
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static void on_booked(void *userdata, uint64_t time)
{
	struct recording *r = userdata;

	snapshot_taker_booked(&r->taker, time);
}

static void on_closing(void *userdata)
{
	struct recording *r = userdata;

	snapshot_taker_close(&r->taker);
	if (r->request.peak)
		r->peak_error = r->is_ready ? snapshot_taker_peak(&r->taker) : -ENODATA;
}

static bool on_snapshot(void *userdata, unsigned number, const struct snapshot_asker *asker,
	const struct stream_result *result)
{
	struct recording *r = userdata;
	const struct profile *p = result->profile;
	int fd = profile_to_memory(p);
	struct stat st;

	if (fd < 0)
		log_error("recording %u: a snapshot cannot be made: %s", recording_session(r),
			strerror(-fd));
	else if (!fstat(fd, &st))
		snapshots_handed(&r->taker.snapshots, (uint64_t)st.st_size);
	/* The last comment says what it is. */
	return fd >= 0 && r->request.snapshot &&
	       r->request.snapshot(
		       r->userdata, number, profile_text(p, p->comments[p->n_comments - 1]), fd);
}

int recording_ask_snapshot(struct recording *r, const char *reason)
{
	return r->watch && snapshot_taker_ask(&r->taker, reason, NULL) ? 0 : -EINVAL;
}

bool recording_watches(const struct recording *r, uint32_t pid)
{
	return r->watch && !r->stopping && heap_watch_has(r->watch, pid);
}

/* ---- its end -------------------------------------------------------------------------------- */

void recording_stop(struct recording *r, enum recording_reason reason)
{
	if (r->stopping)
		return;
	r->stopping = true;
	r->reason = reason;
	snapshot_taker_stop(&r->taker);
	stream_stop(r->stream);
	if (r->watch)
		heap_watch_detach(r->watch);
}

void recording_discard(struct recording *r)
{
	r->request.deliver = true;
	recording_stop(r, RECORDING_STOPPED);
}

/* Field 20 of /proc/PID/stat, `state` being field 3. */
static long count_threads(const char *state)
{
	const char *p = state;

	for (int field = 3; p && field < 20; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return p ? strtol(p, NULL, 10) : 0;
}

/* Threads cannot be waited for by pidfd before 6.9, and other users' processes only be looked
 * at: so the targets are looked up once a second, zombies counting as gone. A process whose first
 * thread has ended looks like one, but lives on with the others. */
static bool task_lives(uint32_t id, bool process)
{
	char path[64], line[512];
	_cleanup_fclose_ FILE *f = NULL;
	const char *state;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", id);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		return false;
	state = strrchr(line, ')');
	if (!state || state[1] != ' ' || (state[2] != 'Z' && state[2] != 'X'))
		return true;
	return process && state[2] == 'Z' && count_threads(state + 2) > 1;
}

static bool target_lives(const struct recording *r)
{
	const struct session_filter *f = &r->request.filter;

	for (size_t i = 0; i < f->n_pids; i++)
		if (task_lives(f->pids[i], true))
			return true;
	for (size_t i = 0; i < f->n_tids; i++)
		if (task_lives(f->tids[i], false))
			return true;
	return !f->n_pids && !f->n_tids;
}

void recordings_tick(struct collector *c)
{
	struct recording *r, *next;

	DL_FOREACH_SAFE(c->recordings, r, next)
	if (!r->stopping && !target_lives(r))
		recording_stop(r, RECORDING_TARGET_EXITED);
	DL_FOREACH (c->recordings, r)
		if (r->watch && !r->stopping)
			heap_watch_tick(r->watch);
}

/* ---- its beginning -------------------------------------------------------------------------- */

static int copy_ids(struct recording *r)
{
	struct session_filter *f = &r->request.filter;

	r->ids = calloc(f->n_pids + f->n_tids + 1, sizeof(*r->ids));
	if (!r->ids)
		return -ENOMEM;
	if (f->n_pids)
		memcpy(r->ids, f->pids, f->n_pids * sizeof(*r->ids));
	if (f->n_tids)
		memcpy(r->ids + f->n_pids, f->tids, f->n_tids * sizeof(*r->ids));
	f->pids = r->ids;
	f->tids = r->ids + f->n_pids;
	return 0;
}

static int check_targets(
	const struct recording *r, char *why, size_t why_size, char *hint, size_t hint_size)
{
	const struct session_filter *f = &r->request.filter;

	for (size_t i = 0; i < f->n_pids + f->n_tids; i++) {
		if (task_lives(r->ids[i], i < f->n_pids))
			continue;
		snprintf(why, why_size, "no %s %" PRIu32 " is running",
			i < f->n_pids ? "process" : "thread", r->ids[i]);
		snprintf(hint, hint_size, "look for it with ps -e%s or pgrep",
			i < f->n_pids ? "" : "L");
		return -ESRCH;
	}
	return 0;
}

bool recording_is_ready(const struct recording *r)
{
	return r->is_ready;
}

void recordings_handle(struct collector *c, const struct record *record)
{
	struct recording *r;

	DL_FOREACH (c->recordings, r)
		if (r->watch && !r->stopping)
			heap_watch_handle(r->watch, record);
}

void recordings_advance(struct collector *c, uint64_t horizon)
{
	struct recording *r, *next;

	DL_FOREACH_SAFE(c->recordings, r, next)
	if (r->watch && !r->stopping)
		heap_watch_advance(r->watch, horizon);
}

void recordings_settle(struct collector *c, uint64_t horizon)
{
	struct recording *r;

	DL_FOREACH (c->recordings, r)
		if (r->watch && !r->stopping)
			snapshot_taker_settle(&r->taker, horizon);
	DL_FOREACH (c->recordings, r)
		if (r->watch && !r->stopping)
			recording_blocks_settle(r, horizon);
}

bool recordings_wait(const struct collector *c)
{
	const struct recording *r;

	DL_FOREACH (c->recordings, r)
		if (r->watch && !r->stopping &&
			(!r->is_ready || snapshot_taker_waits(&r->taker) || r->blocks.wanted))
			return true;
	return false;
}

static void on_limit(void *userdata, uint32_t pid, uint32_t kept, uint64_t since)
{
	struct recording *r = userdata;

	stream_limit(r->stream, pid, kept, since);
}

static int watch_heap(struct recording *r)
{
	const struct heap_watch_config config = {
		.bpf = r->c->bpf,
		.processes = r->c->processes,
		.unwinder = r->c->unwinder,
		.spaces = r->c->spaces,
		.tables = r->c->tables,
		.uprobes = r->c->uprobes,
		.announced = r->request.announced,
		.filter = &r->request.filter,
		.session = stream_session(r->stream),
		.preload = r->c->preload,
		.max_cost = r->request.max_cost / 100.0,
		.limit = on_limit,
		.ready = on_watching,
		.userdata = r,
	};
	int e;

	if (r->request.type != SESSION_HEAP) {
		r->is_ready = true;
		return 0;
	}
	e = heap_watch_start(&r->watch, &config, monotonic_now());
	collector_drain_soon(r->c);
	return e;
}

static int begin(struct recording *r, char *why, size_t why_size, char *hint, size_t hint_size)
{
	struct stream_config config = {
		.session =
			{
				.kind = SESSION_RECORDING,
				.type = r->request.type,
				.frequency = r->request.frequency,
				.clock = (enum clock_choice)r->c->config->clock,
				.sample_bytes = r->request.sample_bytes,
			},
		.max_bytes = RECORDING_BYTES,
		.keep_times = r->request.timestamps,
		.keep_ages = r->request.ages,
		.temporary = r->request.temporary * 1000ULL,
		.keep_peak = r->request.peak,
		.booked = on_booked,
		.closing = on_closing,
		.finished = recording_finished,
		.userdata = r,
	};
	int e = copy_ids(r);

	if (e)
		return e;
	e = check_targets(r, why, why_size, hint, hint_size);
	if (e)
		return e;
	config.session.filter = r->request.filter;
	/* A JIT is often told to write its map just before: jcmd PID Compiler.perfmap. */
	processes_retry_jits(r->c->processes);
	e = stream_start(r->c, &config, &r->stream, why, why_size);
	r->taker = (struct snapshot_taker){
		.c = r->c, .stream = r->stream, .deliver = on_snapshot, .userdata = r};
	if (e == -EBUSY)
		snprintf(hint, hint_size, "wait for one to end: profctl status lists them");
	if (e)
		return e;
	e = watch_heap(r);
	if (e)
		snprintf(why, why_size, "probes cannot be attached: %s",
			e == -EBUSY ? "this kernel has no attach cookies (5.15), without which one "
				      "heap session is possible at a time"
				    : strerror(-e));
	if (!e && r->is_ready) {
		e = arm_deadline(r);
		if (e)
			snprintf(why, why_size, "no timer for its end: %s", strerror(-e));
	}
	if (e)
		stream_free(r->stream);
	return e;
}

int collector_record(struct collector *c, const struct recording_request *request,
	recording_ready ready, recording_done done, void *userdata, struct recording **out,
	char *why, size_t why_size, char *hint, size_t hint_size)
{
	struct recording *r;
	int e;

	*why = *hint = '\0';
	if (c->shutting_down) {
		snprintf(why, why_size, "profd is stopping");
		snprintf(hint, hint_size, "try again when it has started: systemctl status profd");
		return -ESHUTDOWN;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	r->c = c;
	r->request = *request;
	r->ready = ready;
	r->done = done;
	r->userdata = userdata;
	DL_APPEND(c->recordings, r);
	e = begin(r, why, why_size, hint, hint_size);
	if (e) {
		if (!*why)
			snprintf(why, why_size, "%s", strerror(-e));
		recording_free(r);
		return e;
	}
	*out = r;
	return 0;
}

void recording_progress(struct recording *r, double *elapsed, uint64_t *samples, uint64_t *lost)
{
	struct ledger ledger;

	session_ledger(stream_session(r->stream), &ledger);
	*lost = 0;
	for (size_t i = 0; i < LOST_COUNT; i++)
		*lost += ledger.lost[i];
	*samples = ledger.taken - *lost;
	*elapsed = (double)stream_elapsed(r->stream) / (double)NS_PER_SECOND;
}

uint32_t recording_session(const struct recording *r)
{
	return session_id(stream_session(r->stream));
}
