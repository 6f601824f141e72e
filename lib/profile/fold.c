/* SPDX-License-Identifier: MIT */
#include "profile/fold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profile/frames.h"
#include "profile/strings.h"
#include "util/cleanup.h"
#include "util/grow.h"

/* A line without its number: the id of its text in `texts`, and the sum. */
struct folded {
	const char *text;
	int64_t sum;
};

struct folder {
	const struct profile *p;
	const struct fold_options *options;
	char *line; /* the one that is being built */
	size_t length, capacity;
	struct string_table *names;
	struct frame_table frames;
	struct string_table *texts; /* of whole lines */
	int64_t *sums;		    /* by id of the text */
	size_t sum_capacity;
};

/* ---- one line ----------------------------------------------------------------------------- */

static int append(struct folder *f, const char *text)
{
	size_t n = strlen(text);
	int r = grow(f->line, f->length, f->capacity, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		f->line[f->length++] = c == ';' ? ':' : c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
	return 0;
}

static int append_separator(struct folder *f)
{
	if (!f->length)
		return 0;
	int r = grow(f->line, f->length, f->capacity, 1);
	if (r == 0)
		f->line[f->length++] = ';';
	return r;
}

static int append_frame(struct folder *f, const struct frame *frame)
{
	static const char *const SUFFIXES[] = {[FRAME_NATIVE] = "",
		[FRAME_KERNEL] = "_[k]",
		[FRAME_INLINED] = "_[i]",
		[FRAME_JIT] = "_[j]"};
	int r = append_separator(f);
	if (r == 0)
		r = append(f, strings_text(f->names, frame->name));
	return r < 0 ? r : append(f, SUFFIXES[frame->kind]);
}

static int append_process(struct folder *f, const struct sample *s)
{
	_cleanup_free_ char *process = sample_process(f->p, s);
	return process ? append(f, process) : -ENOMEM;
}

static int fold_sample(struct folder *f, size_t index)
{
	const struct sample *s = &f->p->samples[index];
	int64_t value = f->p->values[index * f->p->n_sample_types + f->options->sample_type];
	f->length = 0;
	int r = f->options->no_process ? 0 : append_process(f, s);
	if (r == 0)
		r = frame_table_stack(&f->frames, s);
	for (size_t i = 0; r == 0 && i < f->frames.stack_n; i++)
		r = append_frame(f, &f->frames.frames[f->frames.stack[i]]);
	if (r < 0)
		return r;
	if (!f->length)
		return 0; /* no frames and no process: there is nothing to draw */
	int64_t id = strings_add(f->texts, f->line, f->length);
	if (id < 0)
		return (int)id;
	size_t known = f->sum_capacity;
	r = grow(f->sums, (size_t)id, f->sum_capacity, 1);
	if (r < 0)
		return r;
	if (f->sum_capacity > known)
		memset(f->sums + known, 0, (f->sum_capacity - known) * sizeof(*f->sums));
	if (__builtin_add_overflow(f->sums[id], value, &f->sums[id]))
		f->sums[id] = value < 0 ? INT64_MIN : INT64_MAX;
	return 0;
}

/* ---- all of them -------------------------------------------------------------------------- */

static int compare_folded(const void *a, const void *b)
{
	return strcmp(((const struct folded *)a)->text, ((const struct folded *)b)->text);
}

static int write_sorted(const struct folder *f, FILE *out)
{
	size_t n = strings_count(f->texts);
	if (!f->sums)
		return 0; /* no stacks */
	struct folded *lines = calloc(n, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	/* Text 0 is "", which no stack is. */
	for (size_t i = 1; i < n; i++)
		lines[i - 1] = (struct folded){strings_text(f->texts, (uint32_t)i), f->sums[i]};
	qsort(lines, n - 1, sizeof(*lines), compare_folded);
	errno = 0;
	for (size_t i = 0; i + 1 < n; i++) {
		if (lines[i].sum)
			fprintf(out, "%s %" PRId64 "\n", lines[i].text, lines[i].sum);
	}
	free(lines);
	if (fflush(out) == EOF || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}

int fold_write(const struct profile *p, const struct fold_options *options, FILE *out)
{
	struct folder f = {
		.p = p, .options = options, .texts = strings_new(), .names = strings_new()};
	int r = f.texts && f.names ? frame_table_init(&f.frames, p, f.names) : -ENOMEM;
	if (options->sample_type >= p->n_sample_types)
		r = -EINVAL;
	for (size_t i = 0; r == 0 && i < p->n_samples; i++)
		r = fold_sample(&f, i);
	if (r == 0)
		r = write_sorted(&f, out);
	frame_table_free(&f.frames);
	strings_free(f.names);
	strings_free(f.texts);
	free(f.line);
	free(f.sums);
	return r;
}
