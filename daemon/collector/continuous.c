/* SPDX-License-Identifier: MIT */
/* The continuous profiles: each window becomes a file in the store, with its .activity. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/collector_impl.h"
#include "collector/heap_watch.h"
#include "profile/pprof.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Of one window: 16 MiB hold about 100,000 different stacks of 30 frames. */
#define WINDOW_BYTES (16u << 20)

static unsigned rounded_seconds(uint64_t ns)
{
	uint64_t seconds = (ns + NS_PER_SECOND / 2) / NS_PER_SECOND;

	return seconds ? (unsigned)seconds : 1;
}

/* One line a second: unix_second TAB samples TAB pid:samples … */
static int activity_text(const struct stream_result *result, char **text, size_t *size)
{
	_cleanup_free_ struct window_activity *a = NULL;
	size_t n, i = 0;
	FILE *out;
	int r = window_activity(result->window, &a, &n);

	if (r)
		return r;
	out = open_memstream(text, size);
	if (!out)
		return -ENOMEM;
	while (i < n) {
		size_t end = i;
		uint64_t sum = 0;

		while (end < n && a[end].second == a[i].second)
			sum += a[end++].samples;
		fprintf(out, "%" PRId64 "\t%" PRIu64 "\t",
			(int64_t)result->start.tv_sec + a[i].second, sum);
		for (; i < end; i++)
			fprintf(out, "%" PRIu32 ":%" PRIu64 "%c", a[i].pid, a[i].samples,
				i + 1 < end ? ' ' : '\n');
	}
	return fclose(out) ? -ENOMEM : 0;
}

static int write_window(struct collector *c, const struct stream_result *result)
{
	_cleanup_free_ char *activity = NULL;
	size_t activity_size = 0;
	struct store_file file;
	char path[4096];
	int r = store_begin_window(c->store, session_type_name(result->type), result->start,
		rounded_seconds(result->duration), &file);

	if (r)
		return r;
	r = pprof_write(result->profile, file.fd);
	if (r) {
		store_abort(&file);
		return r;
	}
	r = store_commit(&file, path, sizeof(path));
	if (r)
		return r;
	c->files_written++;
	r = activity_text(result, &activity, &activity_size);
	if (!r)
		r = store_write_activity(c->store, path, activity, activity_size);
	if (r)
		log_warning("%s: no .activity beside it: %s", path, strerror(-r));
	return 0;
}

void continuous_retain(struct collector *c)
{
	int r = store_retain(c->store, c->config->max_age, c->config->max_size);

	if (r < 0)
		log_warning("%s: old profiles cannot be deleted: %s", store_path(c->store),
			strerror(-r));
	else
		c->files_deleted += (unsigned)r;
}

static int continuous_finished(void *userdata, const struct stream_result *result)
{
	static struct log_limit limit = {.seconds = 60};
	struct collector *c = userdata;
	int r = result->error;

	/* Room first: on a full disk, deleting what is over the limits may be what helps. */
	if (!r && !c->freeing) {
		continuous_retain(c);
		r = write_window(c, result);
	}
	if (r && !c->freeing) {
		c->write_errors++;
		snprintf(c->last_write_error, sizeof(c->last_write_error), "%s: %s",
			store_path(c->store), strerror(-r));
		if (log_allowed(&limit))
			log_error("%s: a window of %" PRIu64
				  " samples could not be written: %s; profiling goes on, and the "
				  "next window will be tried",
				store_path(c->store), window_samples(result->window), strerror(-r));
	} else if (!r) {
		c->last_write_error[0] = '\0';
	}
	return r;
}

/* ---- life ----------------------------------------------------------------------------------- */

bool continuous_wanted(const struct config *config, enum session_type type)
{
	return type == SESSION_HEAP ? *config->watch : config->cpu;
}

/* Do both want the same of it? Rate and period belong to a file. */
static bool is_same(const struct config *a, const struct config *b, enum session_type type)
{
	if (type == SESSION_HEAP)
		return !strcmp(a->watch, b->watch) && a->sample_bytes == b->sample_bytes;
	return a->frequency == b->frequency && a->clock == b->clock &&
	       a->exclude_self == b->exclude_self;
}

static void on_limit(void *userdata, uint32_t pid, uint32_t kept, uint64_t since)
{
	struct collector *c = userdata;

	stream_limit(c->continuous[SESSION_HEAP], pid, kept, since);
}

static int watch(struct collector *c, char *why, size_t why_size)
{
	const struct session_filter filter = {0};
	const struct heap_watch_config config = {
		.bpf = c->bpf,
		.processes = c->processes,
		.unwinder = c->unwinder,
		.spaces = c->spaces,
		.tables = c->tables,
		.uprobes = c->uprobes,
		.filter = &filter,
		.list = &c->watched,
		.session = stream_session(c->continuous[SESSION_HEAP]),
		.preload = c->preload,
		.max_cost = c->config->max_cost / 100.0,
		.limit = on_limit,
		.userdata = c,
	};
	int r = watch_list_parse(&c->watched, c->config->watch, why, why_size);

	if (r)
		return r;
	r = heap_watch_start(&c->watch, &config, monotonic_now());
	if (r)
		snprintf(why, why_size, "probes cannot be attached: %s", strerror(-r));
	return r;
}

int continuous_start(struct collector *c, enum session_type type, char *why, size_t why_size)
{
	const struct stream_config config = {
		.session =
			{
				.kind = SESSION_CONTINUOUS,
				.type = type,
				.frequency = c->config->frequency,
				.clock = (enum clock_choice)c->config->clock,
				.sample_bytes = c->config->sample_bytes,
				.filter.watch = type == SESSION_HEAP ? c->config->watch : NULL,
				.exclude_self = type == SESSION_CPU && c->config->exclude_self,
			},
		.window = c->config->window * NS_PER_SECOND,
		.max_bytes = WINDOW_BYTES,
		.booked = continuous_snapshots_booked,
		.finished = continuous_finished,
		.userdata = c,
	};
	int r = stream_start(c, &config, &c->continuous[type], why, why_size);

	if (r || type != SESSION_HEAP)
		return r;
	r = watch(c, why, why_size);
	if (r) {
		stream_free(c->continuous[type]);
		c->continuous[type] = NULL;
		watch_list_free(&c->watched);
		return r;
	}
	continuous_snapshots_begin(c);
	return 0;
}

void continuous_stop(struct collector *c, enum session_type type)
{
	if (!c->continuous[type])
		return;
	stream_stop(c->continuous[type]);
	if (type == SESSION_HEAP) {
		continuous_snapshots_end(c);
		heap_watch_stop(c->watch);
		c->watch = NULL;
		watch_list_free(&c->watched);
	}
	c->continuous[type] = NULL;
}

/* Of a heap that goes on as it did. */
static void change_heap(struct collector *c, const struct config *old)
{
	heap_watch_hold_to(c->watch, c->config->max_cost / 100.0);
	if (!strcmp(old->snapshot_every, c->config->snapshot_every))
		return;
	continuous_snapshots_end(c);
	continuous_snapshots_begin(c);
}

static int start_again(struct collector *c, enum session_type type)
{
	static struct log_limit limits[SESSION_TYPES] = {{.seconds = 60}, {.seconds = 60}};
	char why[512];
	int r = continuous_start(c, type, why, sizeof(why));

	if (r && log_allowed(&limits[type]))
		log_error("the continuous profile of type %s does not run, and is tried again: %s",
			session_type_name(type), why);
	return r;
}

void continuous_retry(struct collector *c)
{
	for (unsigned i = 0; i < SESSION_TYPES && !c->shutting_down; i++) {
		enum session_type type = (enum session_type)i;

		if (!c->continuous[type] && continuous_wanted(c->config, type) &&
			!start_again(c, type))
			log_info("the continuous profile of type %s runs", session_type_name(type));
	}
}

int continuous_reload(struct collector *c, const struct config *old)
{
	int r = 0;

	for (unsigned i = 0; i < SESSION_TYPES; i++) {
		enum session_type type = (enum session_type)i;
		bool wanted = continuous_wanted(c->config, type);

		if (c->continuous[type] && wanted && is_same(old, c->config, type)) {
			if (old->window != c->config->window)
				stream_set_window(
					c->continuous[type], c->config->window * NS_PER_SECOND);
			if (type == SESSION_HEAP)
				change_heap(c, old);
			continue;
		}
		continuous_stop(c, type);
		if (wanted && start_again(c, type))
			r = -EAGAIN;
	}
	return r;
}

/* ---- what is watched ------------------------------------------------------------------------ */

void continuous_handle(struct collector *c, const struct record *record)
{
	if (c->watch)
		heap_watch_handle(c->watch, record);
}

void continuous_advance(struct collector *c, uint64_t horizon)
{
	if (c->watch)
		heap_watch_advance(c->watch, horizon);
}

void continuous_tick(struct collector *c)
{
	if (c->watch)
		heap_watch_tick(c->watch);
}
