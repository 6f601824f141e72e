/* SPDX-License-Identifier: MIT */
/* What `profctl status --json` prints. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/collector_impl.h"
#include "collector/heap.h"
#include "collector/heap_cost.h"
#include "collector/heap_watch.h"
#include "helper/process.h"
#include "util/cleanup.h"

static void add_u64(cJSON *object, const char *name, uint64_t value)
{
	/* Exact up to 2^53: at a million samples a second, for 285 years. */
	cJSON_AddNumberToObject(object, name, (double)value);
}

static void add_stacks(cJSON *samples, const struct ledger *l)
{
	static const char *const ways[PROFD_WAY_COUNT] = {
		[PROFD_WAY_FRAME_POINTER] = "frame_pointer",
		[PROFD_WAY_TABLE] = "tables",
		[PROFD_WAY_FINISHED] = "finished",
	};
	static const char *const ends[PROFD_END_COUNT] = {
		[PROFD_END_COMPLETE] = "complete",
		[PROFD_END_NO_USER] = "no_user_stack",
		[PROFD_END_UNREADABLE] = "stack_not_readable",
		[PROFD_END_FRAME_POINTER] = "no_frame_pointer",
		[PROFD_END_LIMIT] = "too_many_frames",
		[PROFD_END_UNMAPPED] = "no_code",
		[PROFD_END_RULE] = "rule_not_supported",
		[PROFD_END_IMPLAUSIBLE] = "stack_does_not_fall",
		[PROFD_END_NOT_LOADED] = "tables_not_loaded",
		[PROFD_END_CHANGED] = "code_replaced",
	};
	cJSON *stacks = cJSON_AddObjectToObject(samples, "user_stacks");

	for (size_t way = 0; way < PROFD_WAY_COUNT; way++) {
		cJSON *object = cJSON_AddObjectToObject(stacks, ways[way]);

		for (size_t end = 0; end < PROFD_END_COUNT; end++)
			add_u64(object, ends[end], l->stacks[way][end]);
	}
}

static void add_samples(cJSON *object, const struct ledger *l)
{
	cJSON *samples = cJSON_AddObjectToObject(object, "samples"), *lost;

	add_u64(samples, "ticks", l->ticks);
	add_u64(samples, "idle", l->idle);
	add_u64(samples, "filtered", l->filtered);
	add_u64(samples, "taken", l->taken);
	add_u64(samples, "written", l->written);
	add_u64(samples, "pending", l->pending);
	lost = cJSON_AddObjectToObject(samples, "lost");
	for (size_t i = 0; i < LOST_COUNT; i++)
		add_u64(lost, session_lost_name((enum session_lost)i), l->lost[i]);
	add_u64(samples, "outside_pid_namespace", l->invisible);
	add_u64(samples, "bpf_nanoseconds", l->spent);
	add_stacks(samples, l);
}

static void add_watch(cJSON *object, struct collector *c, const struct stream *s)
{
	const struct heap_watch *watch = s == c->continuous[SESSION_HEAP] ? c->watch
									  : recording_watch(c, s);
	struct heap_watch_stats stats;

	if (!watch)
		return;
	stats = heap_watch_stats(watch);
	cJSON_AddBoolToObject(object, "ready", heap_watch_is_ready(watch));
	add_u64(object, "processes", stats.processes);
	add_u64(object, "links", stats.links);
	add_u64(object, "links_failed", stats.failed);
	cJSON_AddStringToObject(object, "trouble",
		*heap_watch_trouble(watch) ? heap_watch_trouble(watch) : heap_watch_unseen(watch));
	heap_watch_describe(watch, object);
}

/* Of which processes only a share of what they announce is taken, and of all others. */
static void add_shares(cJSON *object, const struct profd_heap *heap)
{
	cJSON *list = cJSON_AddArrayToObject(object, "thinned_processes");

	for (size_t i = 0; i < PROFD_SHARES; i++) {
		uint64_t share = __atomic_load_n(&heap->shares[i], __ATOMIC_RELAXED);
		cJSON *one = share ? cJSON_CreateObject() : NULL;

		if (!one)
			break;
		add_u64(one, "pid", share >> 32);
		cJSON_AddNumberToObject(one, "kept", (double)(uint32_t)share / UINT32_MAX);
		cJSON_AddItemToArray(list, one);
	}
	cJSON_AddNumberToObject(object, "kept", (double)heap->keep / UINT32_MAX);
}

static void add_heap(cJSON *session, struct collector *c, const struct stream *s)
{
	struct heap_stats stats = heap_stats(stream_heap(s));
	const struct profd_heap *heap = &bpf_host_heaps(c->bpf)[session_slot(stream_session(s))];
	cJSON *object = cJSON_AddObjectToObject(session, "heap");
	double elapsed = (double)stream_elapsed(s);
	struct heap_cost cost;

	heap_cost(c->bpf, stream_session(s), &cost);
	add_u64(object, "sample_bytes", session_sample_bytes(stream_session(s)));
	add_u64(object, "calls", cost.calls);
	cJSON_AddNumberToObject(object, "cost", elapsed > 0 ? (double)cost.ns / elapsed : 0);
	add_u64(object, "in_use", stats.live);
	add_u64(object, "bytes", stats.live_bytes);
	add_u64(object, "frees", stats.frees);
	add_u64(object, "not_remembered", stats.full);
	add_u64(object, "of_one_process", stats.crowded);
	add_u64(object, "not_waited_for", stats.begun);
	add_u64(object, "thinned", heap->thinned);
	add_shares(object, heap);
	add_u64(object, "frees_lost", heap->lost_frees);
	add_u64(object, "impossible", heap->nonsense);
	add_watch(object, c, s);
}

static void add_sessions(cJSON *status, struct collector *c)
{
	cJSON *list = cJSON_AddArrayToObject(status, "sessions");

	for (struct stream *s = c->streams; s; s = stream_next(s)) {
		struct session *session = stream_session(s);
		cJSON *one = cJSON_CreateObject();
		struct ledger ledger;

		session_ledger(session, &ledger);
		add_u64(one, "id", session_id(session));
		cJSON_AddStringToObject(one, "kind",
			session_kind(session) == SESSION_CONTINUOUS ? "continuous" : "recording");
		cJSON_AddStringToObject(one, "type", session_type_name(session_type(session)));
		cJSON_AddStringToObject(one, "clock", session_clock(session));
		add_u64(one, "frequency", session_frequency(session));
		if (stream_heap(s))
			add_heap(one, c, s);
		cJSON_AddStringToObject(one, "filter", session_filter_text(session));
		cJSON_AddNumberToObject(
			one, "elapsed", (double)stream_elapsed(s) / (double)NS_PER_SECOND);
		add_samples(one, &ledger);
		cJSON_AddItemToArray(list, one);
	}
}

static void add_processes(cJSON *status, struct collector *c)
{
	struct processes_stats p = processes_stats(c->processes);
	struct timeline_stats t = timeline_stats(c->timeline);
	cJSON *object = cJSON_AddObjectToObject(status, "processes");

	add_u64(object, "processes", p.processes);
	add_u64(object, "images", p.images);
	add_u64(object, "mappings", p.mappings);
	add_u64(object, "modules", p.modules);
	add_u64(object, "modules_open", p.modules_open);
	add_u64(object, "modules_failed", p.modules_failed);
	add_u64(object, "open_timeouts", opener_timeouts(c->opener));
	add_u64(object, "rescans", p.rescans);
	add_u64(object, "rescans_refused", p.rescans_refused);
	add_u64(object, "bytes", p.bytes);
	object = cJSON_AddObjectToObject(status, "records");
	add_u64(object, "handled", t.records);
	add_u64(object, "late", t.late);
	add_u64(object, "lost", t.lost);
	add_u64(object, "malformed", t.malformed);
	add_u64(object, "queued", t.queued);
}

static void add_troubles(cJSON *object, const struct troubles *t)
{
	cJSON *list = cJSON_AddArrayToObject(object, "limited");
	char text[256];

	for (size_t i = 0; i < t->n; i++) {
		const struct trouble_entry *e = &t->all[i];
		cJSON *one = cJSON_CreateObject();

		snprintf(text, sizeof(text), "%s: %s", trouble_text(e->trouble),
			trouble_rest_text(e->rest));
		cJSON_AddStringToObject(one, "module", e->module);
		cJSON_AddStringToObject(one, "why", trouble_word(e->trouble));
		cJSON_AddStringToObject(one, "text", text);
		cJSON_AddItemToArray(list, one);
	}
}

static void add_symbolizer(cJSON *status, struct collector *c)
{
	struct symbolizer_stats s = symbolizer_stats(c->symbolizer);
	cJSON *object = cJSON_AddObjectToObject(status, "symbolizer");

	add_u64(object, "requests", s.requests);
	add_u64(object, "addresses", s.addresses);
	add_u64(object, "cache_hits", s.cache_hits);
	add_u64(object, "cache_bytes", s.cache_bytes);
	add_u64(object, "disk_hits", s.disk_hits);
	add_u64(object, "files_read", s.files_read);
	add_u64(object, "crashes", s.crashes);
	add_u64(object, "timeouts", s.timeouts);
	add_u64(object, "modules_skipped", s.bad_modules);
	add_u64(object, "answers_refused", s.refused_answers);
	cJSON_AddBoolToObject(object, "seccomp", s.seccomp);
	add_u64(object, "memory_limit", c->config->symbolizer);
	add_troubles(object, symbolizer_troubles(c->symbolizer));
}

static void add_tables(cJSON *unwinder, struct collector *c)
{
	struct tables_stats t = tables_stats(c->tables);
	struct spaces_stats s = spaces_stats(c->spaces);
	cJSON *object = cJSON_AddObjectToObject(unwinder, "tables");

	add_u64(object, "bytes", t.bytes);
	add_u64(object, "budget", t.budget);
	add_u64(object, "used", t.used);
	add_u64(object, "modules", t.modules);
	add_u64(object, "pages", t.pages);
	add_u64(object, "loads", t.loads);
	add_u64(object, "evictions", t.evictions);
	add_u64(object, "refused", t.refused);
	add_u64(object, "failures", t.failures);
	object = cJSON_AddObjectToObject(unwinder, "mappings");
	add_u64(object, "processes", s.processes);
	add_u64(object, "arrays", s.arrays);
	add_u64(object, "maps", s.maps);
	add_u64(object, "published", s.published);
	add_u64(object, "refused", s.refused);
}

static void add_unwinder(cJSON *status, struct collector *c)
{
	static const char *const missing[PROFD_MISSING_COUNT] = {
		[PROFD_MISSING_PROCESS] = "process",
		[PROFD_MISSING_MAPPING] = "mapping",
		[PROFD_MISSING_MODULE] = "module",
		[PROFD_MISSING_PAGE] = "page",
		[PROFD_MISSING_REGISTER] = "register",
		[PROFD_MISSING_TRUST] = "trust",
	};
	struct finisher_stats f = finisher_stats(c->finisher);
	struct unwinder_stats u = unwinder_stats(c->unwinder);
	cJSON *unwinder = cJSON_AddObjectToObject(status, "unwinder"), *object;

	cJSON_AddStringToObject(unwinder, "way",
		c->config->unwind == CONFIG_UNWIND_FRAME_POINTER ? "frame-pointer" : "table");
	add_tables(unwinder, c);
	object = cJSON_AddObjectToObject(unwinder, "misses");
	for (size_t i = 1; i < PROFD_MISSING_COUNT; i++)
		add_u64(object, missing[i], f.misses[i]);
	add_u64(object, "waiting", f.waiting);
	add_u64(object, "overdue", f.overdue);
	add_u64(object, "refused", f.refused);
	object = cJSON_AddObjectToObject(unwinder, "helper");
	add_u64(object, "compiled", u.compiled);
	add_u64(object, "cached", u.cached);
	add_u64(object, "crashes", u.crashes);
	add_u64(object, "timeouts", u.timeouts);
	add_u64(object, "answers_refused", u.refused_answers);
	add_u64(object, "modules_skipped", u.bad_modules);
	cJSON_AddBoolToObject(object, "seccomp", u.seccomp);
}

static void add_store(cJSON *status, struct collector *c)
{
	cJSON *object = cJSON_AddObjectToObject(status, "store");

	cJSON_AddStringToObject(object, "path", store_path(c->store));
	add_u64(object, "files_written", c->files_written);
	add_u64(object, "files_deleted", c->files_deleted);
	add_u64(object, "write_errors", c->write_errors);
	cJSON_AddStringToObject(object, "last_error", c->last_write_error);
	add_u64(object, "window", c->config->window);
	add_u64(object, "max_age", c->config->max_age);
	add_u64(object, "max_size", c->config->max_size);
}

/* Resident bytes that belong to this process alone: mmapped BPF maps and files show up as
 * RssFile and RssShmem, and are counted where they are made. */
static uint64_t private_bytes(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %" SCNu64, &kb) == 1)
			break;
	return kb * 1024;
}

/* What is not done any more for the helpers that cannot be killed. */
static void add_stuck(cJSON *notes)
{
	static const char *const lost[][2] = {
		{"opener", "files are opened"},
		{"symbolizer", "names are found"},
		{"unwinder", "tables for unwinding are made"},
	};
	char text[256];

	for (size_t i = 0; i < sizeof(lost) / sizeof(*lost); i++) {
		if (!helper_is_refused(lost[i][0]))
			continue;
		snprintf(text, sizeof(text),
			"no %s: %d %s helpers hang on file systems whose servers do not answer",
			lost[i][1], HELPER_MAX_STUCK, lost[i][0]);
		cJSON_AddItemToArray(notes, cJSON_CreateString(text));
	}
}

static void add_host(cJSON *status, struct collector *c)
{
	const struct bpf_features *f = bpf_host_features(c->bpf);
	const struct symbolizer_stats symbols = symbolizer_stats(c->symbolizer);
	cJSON *object = cJSON_AddObjectToObject(status, "kernel"), *notes;
	char text[256];

	cJSON_AddBoolToObject(object, "hardware_clock", f->hardware_clock);
	cJSON_AddBoolToObject(object, "nested_pid_namespace", f->nested_pidns);
	cJSON_AddNumberToObject(object, "perf_event_paranoid", f->perf_event_paranoid);
	object = cJSON_AddObjectToObject(status, "memory");
	add_u64(object, "private", private_bytes());
	add_u64(object, "bpf_maps", bpf_host_map_bytes(c->bpf));
	notes = cJSON_CreateArray();
	debuginfod_add_status(c->debuginfod, status, notes);
	add_stuck(notes);
	cJSON_AddItemToObject(status, "notes", notes);
	if (f->nested_pidns)
		cJSON_AddItemToArray(notes,
			cJSON_CreateString("profd runs in a pid namespace: processes outside of it "
					   "cannot be seen, and are counted as filtered"));
	/* It says so when it starts, which is when the first names are asked for. */
	if (symbols.requests && !symbols.seccomp)
		cJSON_AddItemToArray(
			notes, cJSON_CreateString("the symbolizer runs without a seccomp filter"));
	if (*c->last_write_error) {
		snprintf(text, sizeof(text), "the last window could not be written: %.200s",
			c->last_write_error);
		cJSON_AddItemToArray(notes, cJSON_CreateString(text));
	}
}

cJSON *collector_status(struct collector *c)
{
	cJSON *status = cJSON_CreateObject();
	struct ledger total;

	if (!status)
		return NULL;
	sessions_ledger(c->sessions, &total);
	cJSON_AddStringToObject(status, "version", PROFD_VERSION);
	cJSON_AddNumberToObject(status, "pid", getpid());
	cJSON_AddNumberToObject(
		status, "uptime", (double)(monotonic_now() - c->started) / (double)NS_PER_SECOND);
	add_samples(status, &total);
	add_sessions(status, c);
	add_processes(status, c);
	add_unwinder(status, c);
	add_symbolizer(status, c);
	add_store(status, c);
	add_host(status, c);
	return status;
}

void collector_status_line(struct collector *c, char *text, size_t size)
{
	struct ledger total;
	uint64_t lost = 0;

	sessions_ledger(c->sessions, &total);
	for (size_t i = 0; i < LOST_COUNT; i++)
		lost += total.lost[i];
	snprintf(text, size, "%" PRIu64 " samples, %" PRIu64 " lost, %" PRIu64 " files written%s",
		total.taken, lost, c->files_written,
		*c->last_write_error ? ", the store cannot be written" : "");
}
