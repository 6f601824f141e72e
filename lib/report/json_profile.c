/* SPDX-License-Identifier: MIT */
/* json_profile.c - the format that profctl(1) describes under "JSON". */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profile/frames.h"
#include "report/export.h"
#include "report/json_writer.h"
#include "report/threads.h"
#include "util/cleanup.h"

#define SCHEMA_VERSION 1

struct json_export {
	const struct profile *p;
	struct json_writer json;
	size_t *first_frame; /* of each location, in the file */
	struct thread_table threads;
};

static void write_value_type(
	struct json_writer *j, const struct profile *p, const char *key, struct value_type v)
{
	json_open(j, key, '{');
	json_text(j, "type", profile_text(p, v.type));
	json_text(j, "unit", profile_text(p, v.unit));
	json_close(j, '}');
}

static void write_header(struct json_export *e, size_t sample_type)
{
	struct json_writer *j = &e->json;
	const struct profile *p = e->p;

	json_int(j, "version", SCHEMA_VERSION);
	json_int(j, "time_nanos", p->time_nanos);
	json_int(j, "duration_nanos", p->duration_nanos);
	json_int(j, "period", p->period);
	write_value_type(j, p, "period_type", p->period_type);
	json_open(j, "sample_types", '[');
	for (size_t i = 0; i < p->n_sample_types; i++)
		write_value_type(j, p, NULL, p->sample_types[i]);
	json_close(j, ']');
	json_int(j, "default_sample_type", (int64_t)sample_type);
	json_open(j, "comments", '[');
	for (size_t i = 0; i < p->n_comments; i++)
		json_text(j, NULL, profile_text(p, p->comments[i]));
	json_close(j, ']');
}

/* Not every reader of JSON takes numbers of 64 bits. */
static void write_address(struct json_writer *j, const char *key, uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	json_text(j, key, text);
}

static void write_mappings(struct json_export *e)
{
	struct json_writer *j = &e->json;
	const struct profile *p = e->p;

	json_open(j, "mappings", '[');
	for (size_t i = 1; i < p->n_mappings; i++) {
		const struct mapping *m = &p->mappings[i];
		json_open(j, NULL, '{');
		json_text(j, "file", profile_text(p, m->file));
		json_text(j, "build_id", profile_text(p, m->build_id));
		write_address(j, "start", m->start);
		write_address(j, "limit", m->limit);
		write_address(j, "offset", m->offset);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void write_frame(struct json_export *e, const struct location *l, uint32_t k)
{
	static const char *const KINDS[] = {[FRAME_NATIVE] = "native",
		[FRAME_KERNEL] = "kernel",
		[FRAME_INLINED] = "inlined",
		[FRAME_JIT] = "jit"};
	struct json_writer *j = &e->json;
	const struct profile *p = e->p;
	const struct line *line = l->n_lines ? &p->lines[l->first_line + k] : &(struct line){0};
	const struct function *f = &p->functions[line->function];
	bool inlined = l->n_lines && k + 1 < l->n_lines;

	json_open(j, NULL, '{');
	json_text(j, "name", profile_text(p, f->name));
	json_text(j, "system_name", profile_text(p, f->system_name));
	json_text(j, "file", profile_text(p, f->filename));
	json_int(j, "line", line->line);
	json_int(j, "start_line", f->start_line);
	json_int(j, "mapping", (int64_t)l->mapping - 1);
	write_address(j, "address", l->address);
	json_text(j, "kind",
		KINDS[inlined ? FRAME_INLINED
			      : frame_kind_of_file(profile_text(p, p->mappings[l->mapping].file))]);
	json_close(j, '}');
}

static void write_frames(struct json_export *e)
{
	size_t n = 0;

	json_open(&e->json, "frames", '[');
	for (size_t i = 1; i < e->p->n_locations; i++) {
		const struct location *l = &e->p->locations[i];
		e->first_frame[i] = n;
		for (uint32_t k = 0; k < l->n_lines || k == 0; k++, n++)
			write_frame(e, l, k);
	}
	json_close(&e->json, ']');
}

static void write_stack(struct json_export *e, const struct sample *s)
{
	json_open(&e->json, "stack", '[');
	for (uint32_t i = s->n_locations; i-- > 0;) {
		uint32_t id = e->p->location_ids[s->first_location + i];
		uint32_t n = e->p->locations[id].n_lines;
		for (uint32_t k = n ? n : 1; k-- > 0;)
			json_int(&e->json, NULL, (int64_t)(e->first_frame[id] + k));
	}
	json_close(&e->json, ']');
}

static void write_labels(struct json_export *e, const struct sample *s)
{
	struct json_writer *j = &e->json;
	const struct profile *p = e->p;

	json_open(j, "labels", '[');
	for (size_t i = 0; i < s->n_labels; i++) {
		const struct label *l = &p->labels[s->first_label + i];
		json_open(j, NULL, '{');
		json_text(j, "key", profile_text(p, l->key));
		if (l->str)
			json_text(j, "value", profile_text(p, l->str));
		else
			json_int(j, "value", l->num);
		if (l->num_unit)
			json_text(j, "unit", profile_text(p, l->num_unit));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void write_samples(struct json_export *e)
{
	struct json_writer *j = &e->json;
	const struct profile *p = e->p;

	json_open(j, "samples", '[');
	for (size_t i = 0; i < p->n_samples; i++) {
		json_open(j, NULL, '{');
		write_stack(e, &p->samples[i]);
		json_open(j, "values", '[');
		for (size_t k = 0; k < p->n_sample_types; k++)
			json_int(j, NULL, p->values[i * p->n_sample_types + k]);
		json_close(j, ']');
		write_labels(e, &p->samples[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void write_threads(struct json_export *e)
{
	struct json_writer *j = &e->json;

	json_open(j, "threads", '[');
	for (size_t i = 0; i < e->threads.n; i++) {
		const struct thread *t = &e->threads.threads[i];
		json_open(j, NULL, '{');
		json_int(j, "pid", t->pid);
		json_int(j, "tid", t->tid);
		json_text(j, "comm", t->comm);
		json_text(j, "process", t->process);
		json_open(j, "samples", '[');
		for (size_t k = 0; k < t->n; k++)
			json_int(j, NULL, (int64_t)e->threads.samples[t->first + k]);
		json_close(j, ']');
		json_close(j, '}');
	}
	json_close(j, ']');
}

int json_profile_write(const struct profile *p, size_t sample_type, FILE *out)
{
	struct json_export e = {.p = p, .json.out = out};
	_cleanup_free_ size_t *first_frame = calloc(p->n_locations, sizeof(*first_frame));
	int err = first_frame ? thread_table_init(&e.threads, p) : -ENOMEM;

	e.first_frame = first_frame;
	errno = 0;
	if (!err) {
		json_open(&e.json, NULL, '{');
		write_header(&e, sample_type);
		write_mappings(&e);
		write_frames(&e);
		write_samples(&e);
		write_threads(&e);
		json_close(&e.json, '}');
		fputc('\n', out);
		err = export_end(out);
	}
	thread_table_free(&e.threads);
	return err;
}
