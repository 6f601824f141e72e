/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/frames.h"
#include "profile/strings.h"
#include "report/export.h"
#include "report/json_writer.h"
#include "report/threads.h"
#include "util/cleanup.h"

struct speedscope {
	const struct profile *p;
	struct string_table *texts;
	struct frame_table frames;
	struct thread_table threads;
	struct json_writer json;
};

/* Frames of the file: those of the profile, then two for each thread. */
static size_t frame_index(uint32_t frame)
{
	return frame - 1;
}

static size_t process_index(const struct speedscope *s, size_t thread)
{
	/* Threads of a process share the frame of its first. */
	return s->frames.n - 1 + 2 * s->threads.threads[thread].leader;
}

static size_t thread_index(const struct speedscope *s, size_t thread)
{
	return s->frames.n + 2 * thread;
}

static bool is_labelled(const struct thread *t)
{
	return t->pid || t->tid || *t->comm;
}

static int write_title(struct speedscope *s, const char *comm, const char *what, int64_t id)
{
	_cleanup_free_ char *title = thread_title(comm, what, id);

	if (!title)
		return -ENOMEM;
	json_open(&s->json, NULL, '{');
	json_text(&s->json, "name", title);
	json_close(&s->json, '}');
	return 0;
}

static int write_frames(struct speedscope *s)
{
	const struct profile *p = s->p;
	int err = 0;

	json_open(&s->json, "shared", '{');
	json_open(&s->json, "frames", '[');
	for (size_t i = 1; i < s->frames.n; i++) {
		const struct frame *f = &s->frames.frames[i];
		const struct function *function = &p->functions[f->function];
		const char *file = profile_text(p, function->filename);
		json_open(&s->json, NULL, '{');
		json_text(&s->json, "name", strings_text(s->texts, f->name));
		if (!*file)
			file = profile_text(p, p->mappings[f->mapping].file);
		if (*file)
			json_text(&s->json, "file", file);
		if (function->start_line > 0)
			json_int(&s->json, "line", function->start_line);
		json_close(&s->json, '}');
	}
	for (size_t i = 0; i < s->threads.n && !err; i++) {
		const struct thread *t = &s->threads.threads[i];
		err = write_title(s, t->process, "process", t->pid);
		if (!err)
			err = write_title(s, t->comm, "thread", t->tid);
	}
	json_close(&s->json, ']');
	json_close(&s->json, '}');
	return err;
}

static int write_stack(struct speedscope *s, size_t sample, size_t thread, bool with_thread)
{
	int err = frame_table_stack(&s->frames, &s->p->samples[sample]);

	if (err)
		return err;
	json_open(&s->json, NULL, '[');
	if (with_thread && is_labelled(&s->threads.threads[thread])) {
		json_int(&s->json, NULL, (int64_t)process_index(s, thread));
		json_int(&s->json, NULL, (int64_t)thread_index(s, thread));
	}
	for (size_t i = 0; i < s->frames.stack_n; i++)
		json_int(&s->json, NULL, (int64_t)frame_index(s->frames.stack[i]));
	json_close(&s->json, ']');
	return 0;
}

static int64_t value_of(const struct speedscope *s, size_t sample, size_t type)
{
	return s->p->values[sample * s->p->n_sample_types + type];
}

/* The units that the format has. */
static const char *unit_of(const char *unit)
{
	static const char *const UNITS[] = {
		"nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"};
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++)
		if (!strcmp(unit, UNITS[i]))
			return UNITS[i];
	return "none";
}

static void begin_profile(struct speedscope *s, const char *name, const char *unit)
{
	json_open(&s->json, NULL, '{');
	json_text(&s->json, "type", "sampled");
	json_text(&s->json, "name", name);
	json_text(&s->json, "unit", unit);
}

static void end_profile(struct speedscope *s, double end)
{
	json_close(&s->json, ']');
	json_int(&s->json, "startValue", 0);
	json_real(&s->json, "endValue", end);
	json_close(&s->json, '}');
}

/* One value of all samples, thread after thread. */
static int write_type(struct speedscope *s, size_t type)
{
	const struct value_type *v = &s->p->sample_types[type];
	double total = 0;
	int err = 0;

	begin_profile(s, profile_text(s->p, v->type), unit_of(profile_text(s->p, v->unit)));
	json_open(&s->json, "samples", '[');
	for (size_t t = 0; t < s->threads.n; t++) {
		const struct thread *thread = &s->threads.threads[t];
		for (size_t i = 0; i < thread->n && !err; i++) {
			size_t sample = s->threads.samples[thread->first + i];
			if (value_of(s, sample, type) > 0)
				err = write_stack(s, sample, t, true);
		}
	}
	json_close(&s->json, ']');
	json_open(&s->json, "weights", '[');
	for (size_t i = 0; i < s->p->n_samples; i++) {
		int64_t value = value_of(s, s->threads.samples[i], type);
		if (value <= 0)
			continue;
		json_int(&s->json, NULL, value);
		total += (double)value;
	}
	end_profile(s, total);
	return err;
}

/* A timeline: a sample begins when it was taken and lasts as long as it counts for; between them
 * are empty stacks. */
static int write_thread(struct speedscope *s, size_t t, size_t type)
{
	const struct thread *thread = &s->threads.threads[t];
	_cleanup_free_ char *title = thread_title(thread->comm, "thread", thread->tid);
	_cleanup_free_ double *weights = calloc(2 * thread->n + 1, sizeof(*weights));
	struct thread_clock clock = thread_clock(s->p, type);
	double at = 0;
	size_t n = 0;
	int err = title && weights ? 0 : -ENOMEM;

	if (err)
		return err;
	begin_profile(s, title, "nanoseconds");
	json_open(&s->json, "samples", '[');
	for (size_t i = 0; i < thread->n && !err; i++) {
		size_t sample = s->threads.samples[thread->first + i];
		double length = (double)value_of(s, sample, type) * clock.per_unit;
		double begin = (double)(sample_timestamp(s->p, sample) - s->threads.start);
		if (length <= 0)
			continue;
		if (begin > at) {
			json_open(&s->json, NULL, '[');
			json_close(&s->json, ']');
			weights[n++] = begin - at;
			at = begin;
		}
		err = write_stack(s, sample, t, false);
		weights[n++] = length;
		at += length;
	}
	json_close(&s->json, ']');
	json_open(&s->json, "weights", '[');
	for (size_t i = 0; i < n; i++)
		json_real(&s->json, NULL, weights[i]);
	end_profile(s, at);
	return err;
}

static int write_profiles(struct speedscope *s, size_t sample_type)
{
	int err = 0;

	json_open(&s->json, "profiles", '[');
	for (size_t i = 0; i < s->threads.n && s->threads.timed && !err; i++)
		err = write_thread(s, i, sample_type);
	for (size_t i = 0; i < s->p->n_sample_types && !s->threads.timed && !err; i++)
		err = write_type(s, i);
	json_close(&s->json, ']');
	return err;
}

/* Of the timelines, that of the busiest thread is shown first. */
static size_t first_shown(const struct speedscope *s, size_t sample_type)
{
	size_t busiest = 0;

	if (!s->threads.timed)
		return sample_type;
	for (size_t i = 1; i < s->threads.n; i++)
		if (s->threads.threads[i].n > s->threads.threads[busiest].n)
			busiest = i;
	return busiest;
}

int speedscope_write(const struct profile *p, size_t sample_type, FILE *out)
{
	struct speedscope s = {.p = p, .texts = strings_new(), .json.out = out};
	int err = s.texts ? frame_table_init(&s.frames, p, s.texts) : -ENOMEM;

	if (!err)
		err = thread_table_init(&s.threads, p);
	errno = 0;
	if (!err) {
		json_open(&s.json, NULL, '{');
		json_text(&s.json, "$schema", "https://www.speedscope.app/file-format-schema.json");
		json_text(&s.json, "exporter", "profctl " PROFD_VERSION);
		json_int(&s.json, "activeProfileIndex", (int64_t)first_shown(&s, sample_type));
		err = write_frames(&s);
	}
	if (!err)
		err = write_profiles(&s, sample_type);
	if (!err) {
		json_close(&s.json, '}');
		fputc('\n', out);
		err = export_end(out);
	}
	thread_table_free(&s.threads);
	frame_table_free(&s.frames);
	strings_free(s.texts);
	return err;
}
