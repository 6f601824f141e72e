/* SPDX-License-Identifier: MIT */
/*
 * firefox.c - the processed profile format of the Firefox Profiler. Each thread has tables of its
 * own, as columns; a stack is a row that names its frame and the row of its caller.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profile/frames.h"
#include "profile/strings.h"
#include "report/export.h"
#include "report/json_writer.h"
#include "report/threads.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"
#include "util/intern.h"

#define FORMAT_VERSION 48 /* preprocessedProfileVersion */
#define GECKO_VERSION  27 /* the version of the raw format that goes with it */
#define NONE	       UINT32_MAX
#define LIBRARY	       1 /* resourceTypes.library of src/profile-logic/data-structures.js */

/* By kind of frame, in meta.categories; the first must be grey, the default. */
static const struct {
	const char *name, *colour;
} CATEGORIES[] = {
	{"Other", "grey"},
	[1 + FRAME_NATIVE] = {"User", "yellow"},
	[1 + FRAME_KERNEL] = {"Kernel", "orange"},
	[1 + FRAME_INLINED] = {"Inlined", "lightblue"},
	[1 + FRAME_JIT] = {"JIT", "green"},
};
#define N_CATEGORIES (sizeof(CATEGORIES) / sizeof(CATEGORIES[0]))

struct stack {
	uint32_t frame, prefix; /* rows of the thread's tables; NONE: no caller */
};

/* The tables of one thread: rows are made as its samples need them. */
struct tables {
	uint32_t *frames; /* ids in the frame table of the profile; also the rows of funcTable */
	size_t n_frames, frame_capacity;
	uint32_t *row_of_frame; /* by id; NONE: not in this thread */
	struct stack *stacks;
	size_t n_stacks, stack_capacity;
	struct intern stack_index; /* by row + 1 */
	uint32_t *of_sample;	   /* row of the stack of each sample, or NONE */
	uint32_t *libs;		   /* mappings: the rows of resourceTable */
	size_t n_libs, lib_capacity;
	uint32_t *row_of_lib; /* by mapping; NONE: not in this thread */
};

struct firefox {
	const struct profile *p;
	size_t sample_type;
	struct string_table *texts;
	struct frame_table frames;
	struct thread_table threads;
	struct thread_clock clock;
	struct json_writer json;
};

/* ---- tables ------------------------------------------------------------------------------- */

static void tables_free(struct tables *t)
{
	free(t->frames);
	free(t->row_of_frame);
	free(t->stacks);
	free(t->of_sample);
	free(t->libs);
	free(t->row_of_lib);
	intern_free(&t->stack_index);
}

struct wanted_stack {
	const struct tables *t;
	struct stack stack;
};

static bool equal_stack(const void *userdata, uint32_t id)
{
	const struct wanted_stack *w = userdata;
	const struct stack *s = &w->t->stacks[id - 1];
	return s->frame == w->stack.frame && s->prefix == w->stack.prefix;
}

static int find_stack(struct tables *t, struct stack stack, uint32_t *row)
{
	struct wanted_stack wanted = {t, stack};
	uint64_t hash = hash_bytes(&stack, sizeof(stack));
	uint32_t id = intern_find(&t->stack_index, hash, equal_stack, &wanted);

	if (!id) {
		int err = grow(t->stacks, t->n_stacks, t->stack_capacity, 1);
		id = (uint32_t)t->n_stacks + 1;
		if (!err)
			err = intern_add(&t->stack_index, hash, id);
		if (err)
			return err;
		t->stacks[t->n_stacks++] = stack;
	}
	*row = id - 1;
	return 0;
}

/* The row of something in a list of ids, added if it is new. */
static int find_row(uint32_t **list, size_t *n, size_t *capacity, uint32_t *row_of, uint32_t id)
{
	if (row_of[id] == NONE) {
		int err = grow(*list, *n, *capacity, 1);
		if (err)
			return err;
		row_of[id] = (uint32_t)*n;
		(*list)[(*n)++] = id;
	}
	return 0;
}

static int add_frame(const struct firefox *x, struct tables *t, uint32_t id)
{
	uint32_t mapping = x->frames.frames[id].mapping;
	int err = find_row(&t->frames, &t->n_frames, &t->frame_capacity, t->row_of_frame, id);

	if (!err && mapping)
		err = find_row(&t->libs, &t->n_libs, &t->lib_capacity, t->row_of_lib, mapping);
	return err;
}

static int add_sample(struct firefox *x, struct tables *t, size_t sample, uint32_t *row)
{
	int err = frame_table_stack(&x->frames, &x->p->samples[sample]);

	*row = NONE;
	for (size_t i = 0; i < x->frames.stack_n && !err; i++) {
		uint32_t id = x->frames.stack[i];
		err = add_frame(x, t, id);
		if (!err)
			err = find_stack(t, (struct stack){t->row_of_frame[id], *row}, row);
	}
	return err;
}

static uint32_t *all_none(size_t n)
{
	uint32_t *rows = malloc((n + 1) * sizeof(*rows));
	if (rows)
		memset(rows, 0xff, (n + 1) * sizeof(*rows));
	return rows;
}

static int make_tables(struct firefox *x, const struct thread *thread, struct tables *t)
{
	*t = (struct tables){
		.row_of_frame = all_none(x->frames.n),
		.row_of_lib = all_none(x->p->n_mappings),
		.of_sample = calloc(thread->n + 1, sizeof(*t->of_sample)),
	};
	int err = t->row_of_frame && t->row_of_lib && t->of_sample ? 0 : -ENOMEM;
	for (size_t i = 0; i < thread->n && !err; i++)
		err = add_sample(x, t, x->threads.samples[thread->first + i], &t->of_sample[i]);
	return err;
}

/* ---- columns ------------------------------------------------------------------------------ */

/* The same in each row. */
static void write_same(struct json_writer *j, const char *key, size_t n, const char *value)
{
	json_open(j, key, '[');
	for (size_t i = 0; i < n; i++)
		json_literal(j, value);
	json_close(j, ']');
}

static void write_number_or(struct json_writer *j, int64_t value, bool known)
{
	if (known)
		json_int(j, NULL, value);
	else
		json_null(j, NULL);
}

static const struct frame *frame_at(const struct firefox *x, const struct tables *t, size_t row)
{
	return &x->frames.frames[t->frames[row]];
}

static void write_frame_table(struct firefox *x, const struct tables *t)
{
	struct json_writer *j = &x->json;
	size_t n = t->n_frames;

	json_open(j, "frameTable", '{');
	json_int(j, "length", (int64_t)n);
	write_same(j, "address", n, "-1");
	write_same(j, "inlineDepth", n, "0");
	json_open(j, "category", '[');
	for (size_t i = 0; i < n; i++)
		json_int(j, NULL, 1 + (int64_t)frame_at(x, t, i)->kind);
	json_close(j, ']');
	write_same(j, "subcategory", n, "0");
	json_open(j, "func", '[');
	for (size_t i = 0; i < n; i++)
		json_int(j, NULL, (int64_t)i);
	json_close(j, ']');
	write_same(j, "nativeSymbol", n, "null");
	write_same(j, "innerWindowID", n, "0");
	write_same(j, "implementation", n, "null");
	write_same(j, "line", n, "null");
	write_same(j, "column", n, "null");
	json_close(j, '}');
}

/* Strings of a thread: names of functions, their files, names of resources. */
struct thread_strings {
	size_t files, libs; /* where these begin */
};

static void write_func_table(
	struct firefox *x, const struct tables *t, const struct thread_strings *strings)
{
	struct json_writer *j = &x->json;
	const struct profile *p = x->p;
	size_t n = t->n_frames;

	json_open(j, "funcTable", '{');
	json_int(j, "length", (int64_t)n);
	json_open(j, "name", '[');
	for (size_t i = 0; i < n; i++)
		json_int(j, NULL, (int64_t)i);
	json_close(j, ']');
	write_same(j, "isJS", n, "false");
	write_same(j, "relevantForJS", n, "false");
	json_open(j, "resource", '[');
	for (size_t i = 0; i < n; i++) {
		uint32_t mapping = frame_at(x, t, i)->mapping;
		json_int(j, NULL, mapping ? (int64_t)t->row_of_lib[mapping] : -1);
	}
	json_close(j, ']');
	json_open(j, "fileName", '[');
	for (size_t i = 0; i < n; i++)
		write_number_or(j, (int64_t)(strings->files + i),
			p->functions[frame_at(x, t, i)->function].filename);
	json_close(j, ']');
	json_open(j, "lineNumber", '[');
	for (size_t i = 0; i < n; i++) {
		int64_t line = p->functions[frame_at(x, t, i)->function].start_line;
		write_number_or(j, line, line > 0);
	}
	json_close(j, ']');
	write_same(j, "columnNumber", n, "null");
	json_close(j, '}');
}

static void write_stack_table(struct firefox *x, const struct tables *t)
{
	struct json_writer *j = &x->json;

	json_open(j, "stackTable", '{');
	json_int(j, "length", (int64_t)t->n_stacks);
	json_open(j, "prefix", '[');
	for (size_t i = 0; i < t->n_stacks; i++)
		write_number_or(j, t->stacks[i].prefix, t->stacks[i].prefix != NONE);
	json_close(j, ']');
	json_open(j, "frame", '[');
	for (size_t i = 0; i < t->n_stacks; i++)
		json_int(j, NULL, t->stacks[i].frame);
	json_close(j, ']');
	json_open(j, "category", '[');
	for (size_t i = 0; i < t->n_stacks; i++)
		json_int(j, NULL, 1 + (int64_t)frame_at(x, t, t->stacks[i].frame)->kind);
	json_close(j, ']');
	write_same(j, "subcategory", t->n_stacks, "0");
	json_close(j, '}');
}

static void write_resource_table(
	struct firefox *x, const struct tables *t, const struct thread_strings *strings)
{
	struct json_writer *j = &x->json;

	json_open(j, "resourceTable", '{');
	json_int(j, "length", (int64_t)t->n_libs);
	json_open(j, "lib", '[');
	for (size_t i = 0; i < t->n_libs; i++)
		json_int(j, NULL, t->libs[i] - 1);
	json_close(j, ']');
	json_open(j, "name", '[');
	for (size_t i = 0; i < t->n_libs; i++)
		json_int(j, NULL, (int64_t)(strings->libs + i));
	json_close(j, ']');
	write_same(j, "host", t->n_libs, "null");
	json_open(j, "type", '[');
	for (size_t i = 0; i < t->n_libs; i++)
		json_int(j, NULL, LIBRARY);
	json_close(j, ']');
	json_close(j, '}');
}

static const char *last_element(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

static struct thread_strings write_strings(struct firefox *x, const struct tables *t)
{
	struct json_writer *j = &x->json;
	const struct profile *p = x->p;

	json_open(j, "stringArray", '[');
	for (size_t i = 0; i < t->n_frames; i++)
		json_text(j, NULL, strings_text(x->texts, frame_at(x, t, i)->name));
	for (size_t i = 0; i < t->n_frames; i++)
		json_text(j, NULL,
			profile_text(p, p->functions[frame_at(x, t, i)->function].filename));
	for (size_t i = 0; i < t->n_libs; i++)
		json_text(j, NULL, last_element(profile_text(p, p->mappings[t->libs[i]].file)));
	json_close(j, ']');
	return (struct thread_strings){.files = t->n_frames, .libs = 2 * t->n_frames};
}

/* ---- samples ------------------------------------------------------------------------------ */

/* Factor from the values' unit to that of the weights, and its name. */
static const char *weight_type(const struct firefox *x, double *factor)
{
	static const struct {
		const char *unit;
		double factor;
	} TIMES[] = {{"nanoseconds", 1e-6}, {"microseconds", 1e-3}, {"milliseconds", 1},
		{"seconds", 1e3}};
	const char *unit = profile_text(x->p, x->p->sample_types[x->sample_type].unit);

	*factor = 1;
	for (size_t i = 0; i < sizeof(TIMES) / sizeof(TIMES[0]); i++)
		if (!strcmp(unit, TIMES[i].unit)) {
			*factor = TIMES[i].factor;
			return "tracing-ms";
		}
	return !strcmp(unit, "bytes") ? "bytes" : "samples";
}

static int64_t value_of(const struct firefox *x, const struct thread *thread, size_t i)
{
	size_t sample = x->threads.samples[thread->first + i];
	return x->p->values[sample * x->p->n_sample_types + x->sample_type];
}

/* Milliseconds from the start: when the sample was taken, or behind the one before. */
static void write_times(struct firefox *x, const struct thread *thread)
{
	double at = 0;

	json_open(&x->json, "time", '[');
	for (size_t i = 0; i < thread->n; i++) {
		int64_t time = sample_timestamp(x->p, x->threads.samples[thread->first + i]);
		double value = (double)value_of(x, thread, i);
		if (time)
			at = (double)(time - x->threads.start);
		json_real(&x->json, NULL, at / 1e6);
		if (!time && value > 0)
			at += value * x->clock.per_unit;
	}
	json_close(&x->json, ']');
}

static void write_samples(struct firefox *x, const struct thread *thread, const struct tables *t)
{
	struct json_writer *j = &x->json;
	double factor;
	const char *type = weight_type(x, &factor);

	json_open(j, "samples", '{');
	json_int(j, "length", (int64_t)thread->n);
	json_open(j, "stack", '[');
	for (size_t i = 0; i < thread->n; i++)
		write_number_or(j, t->of_sample[i], t->of_sample[i] != NONE);
	json_close(j, ']');
	write_times(x, thread);
	json_open(j, "weight", '[');
	for (size_t i = 0; i < thread->n; i++)
		json_real(j, NULL, (double)value_of(x, thread, i) * factor);
	json_close(j, ']');
	json_text(j, "weightType", type);
	json_close(j, '}');
}

/* ---- the file ----------------------------------------------------------------------------- */

/* A table without rows. */
static void write_empty(struct json_writer *j, const char *key, const char *const *columns)
{
	json_open(j, key, '{');
	json_int(j, "length", 0);
	for (; *columns; columns++) {
		json_open(j, *columns, '[');
		json_close(j, ']');
	}
	json_close(j, '}');
}

static void write_thread_header(struct firefox *x, const struct thread *thread)
{
	struct json_writer *j = &x->json;
	char pid[24];

	snprintf(pid, sizeof(pid), "%" PRId64, thread->pid);
	json_text(j, "processType", "default");
	json_int(j, "processStartupTime", 0);
	json_null(j, "processShutdownTime");
	json_int(j, "registerTime", 0);
	json_null(j, "unregisterTime");
	json_open(j, "pausedRanges", '[');
	json_close(j, ']');
	json_text(j, "name", *thread->comm ? thread->comm : "samples");
	json_text(j, "processName", thread->process);
	json_bool(j, "isMainThread", thread->pid == thread->tid);
	json_text(j, "pid", pid);
	json_int(j, "tid", thread->tid);
}

static int write_thread(struct firefox *x, const struct thread *thread)
{
	static const char *const MARKERS[] = {
		"category", "data", "endTime", "name", "phase", "startTime", NULL};
	static const char *const SYMBOLS[] = {"address", "functionSize", "libIndex", "name", NULL};
	struct tables t;

	int err = make_tables(x, thread, &t);
	if (!err) {
		json_open(&x->json, NULL, '{');
		write_thread_header(x, thread);
		struct thread_strings strings = write_strings(x, &t);
		write_samples(x, thread, &t);
		write_stack_table(x, &t);
		write_frame_table(x, &t);
		write_func_table(x, &t, &strings);
		write_resource_table(x, &t, &strings);
		write_empty(&x->json, "nativeSymbols", SYMBOLS);
		write_empty(&x->json, "markers", MARKERS);
		json_close(&x->json, '}');
	}
	tables_free(&t);
	return err;
}

static void write_meta(struct firefox *x)
{
	static const char *const EXTENSIONS[] = {"baseURL", "id", "name", NULL};
	struct json_writer *j = &x->json;
	double interval = 1; /* ms */

	if (x->p->period > 0 && !strcmp(profile_text(x->p, x->p->period_type.unit), "nanoseconds"))
		interval = (double)x->p->period / 1e6;
	json_open(j, "meta", '{');
	json_int(j, "preprocessedProfileVersion", FORMAT_VERSION);
	json_int(j, "version", GECKO_VERSION);
	json_text(j, "product", "profctl " PROFD_VERSION);
	json_real(j, "interval", interval);
	json_real(j, "startTime", (double)x->threads.start / 1e6);
	json_int(j, "processType", 0);
	json_int(j, "stackwalk", 1);
	json_bool(j, "debug", false);
	json_bool(j, "symbolicated", true);
	json_open(j, "categories", '[');
	for (size_t i = 0; i < N_CATEGORIES; i++) {
		json_open(j, NULL, '{');
		json_text(j, "name", CATEGORIES[i].name);
		json_text(j, "color", CATEGORIES[i].colour);
		json_open(j, "subcategories", '[');
		json_text(j, NULL, "Other");
		json_close(j, ']');
		json_close(j, '}');
	}
	json_close(j, ']');
	json_open(j, "markerSchema", '[');
	json_close(j, ']');
	write_empty(j, "extensions", EXTENSIONS);
	json_close(j, '}');
}

static void write_libs(struct firefox *x)
{
	struct json_writer *j = &x->json;
	const struct profile *p = x->p;

	json_open(j, "libs", '[');
	for (size_t i = 1; i < p->n_mappings; i++) {
		const char *path = profile_text(p, p->mappings[i].file);
		const char *build_id = profile_text(p, p->mappings[i].build_id);
		json_open(j, NULL, '{');
		json_text(j, "name", last_element(path));
		json_text(j, "path", path);
		json_text(j, "debugName", last_element(path));
		json_text(j, "debugPath", path);
		json_text(j, "breakpadId", "");
		if (*build_id)
			json_text(j, "codeId", build_id);
		else
			json_null(j, "codeId");
		json_null(j, "arch");
		json_close(j, '}');
	}
	json_close(j, ']');
}

int firefox_write(const struct profile *p, size_t sample_type, FILE *out)
{
	struct firefox x = {.p = p,
		.sample_type = sample_type,
		.texts = strings_new(),
		.clock = thread_clock(p, sample_type),
		.json.out = out};
	int err = x.texts ? frame_table_init(&x.frames, p, x.texts) : -ENOMEM;

	if (!err)
		err = thread_table_init(&x.threads, p);
	errno = 0;
	if (!err) {
		json_open(&x.json, NULL, '{');
		write_meta(&x);
		write_libs(&x);
		json_open(&x.json, "pages", '[');
		json_close(&x.json, ']');
		json_open(&x.json, "threads", '[');
		for (size_t i = 0; i < x.threads.n && !err; i++)
			err = write_thread(&x, &x.threads.threads[i]);
		json_close(&x.json, ']');
		json_close(&x.json, '}');
		fputc('\n', out);
	}
	if (!err)
		err = export_end(out);
	thread_table_free(&x.threads);
	frame_table_free(&x.frames);
	strings_free(x.texts);
	return err;
}
