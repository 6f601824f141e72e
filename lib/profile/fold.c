/* SPDX-License-Identifier: MIT */
#include "profile/fold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
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
	struct string_table *texts;
	int64_t *sums; /* by id of the text */
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

static const struct label *find_label(
	const struct profile *p, const struct sample *s, const char *key)
{
	for (size_t i = 0; i < s->n_labels; i++) {
		const struct label *l = &p->labels[s->first_label + i];
		if (!strcmp(profile_text(p, l->key), key))
			return l;
	}
	return NULL;
}

/* "comm-pid", or whichever of the two there is. */
static int append_process(struct folder *f, const struct sample *s)
{
	const struct label *comm = find_label(f->p, s, "comm");
	const struct label *pid = find_label(f->p, s, "pid");
	char number[32] = "";
	int r = comm && comm->str ? append(f, profile_text(f->p, comm->str)) : 0;
	if (pid && !pid->str)
		snprintf(number, sizeof(number), "%s%" PRId64, f->length ? "-" : "pid-", pid->num);
	return r < 0 ? r : append(f, number);
}

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* By what the code was mapped from. */
static const char *suffix(const char *file)
{
	if (starts_with(file, "[kernel") || starts_with(file, "[guest.kernel"))
		return "_[k]";
	if (starts_with(file, "//anon") || starts_with(file, "[anon") ||
		starts_with(file, "/memfd:") || strstr(file, "/perf-"))
		return "_[j]";
	return "";
}

static int append_unnamed(struct folder *f, const struct location *l, const char *file)
{
	char address[32];
	const char *slash = strrchr(file, '/');
	int r = append(f, "[");
	snprintf(address, sizeof(address), "+0x%" PRIx64 "]", l->address);
	if (r == 0)
		r = append(f, slash && slash[1] ? slash + 1 : *file ? file : "unknown");
	return r < 0 ? r : append(f, address);
}

static int append_location(struct folder *f, const struct location *l)
{
	const struct profile *p = f->p;
	const char *file = profile_text(p, p->mappings[l->mapping].file);
	size_t n = l->n_lines ? l->n_lines : 1;
	for (size_t k = n; k-- > 0;) {
		uint32_t function = l->n_lines ? p->lines[l->first_line + k].function : 0;
		const char *name = profile_text(p, p->functions[function].name);
		if (!*name)
			name = profile_text(p, p->functions[function].system_name);
		int r = append_separator(f);
		if (r == 0)
			r = *name ? append(f, name) : append_unnamed(f, l, file);
		if (r == 0)
			r = append(f, k == n - 1 ? suffix(file) : "_[i]");
		if (r < 0)
			return r;
	}
	return 0;
}

static int fold_sample(struct folder *f, size_t index)
{
	const struct sample *s = &f->p->samples[index];
	int64_t value = f->p->values[index * f->p->n_sample_types + f->options->sample_type];
	f->length = 0;
	int r = f->options->no_process ? 0 : append_process(f, s);
	for (size_t i = s->n_locations; r == 0 && i-- > 0;)
		r = append_location(f, &f->p->locations[f->p->location_ids[s->first_location + i]]);
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
	struct folder f = {.p = p, .options = options, .texts = strings_new()};
	int r = f.texts ? 0 : -ENOMEM;
	if (options->sample_type >= p->n_sample_types)
		r = -EINVAL;
	for (size_t i = 0; r == 0 && i < p->n_samples; i++)
		r = fold_sample(&f, i);
	if (r == 0)
		r = write_sorted(&f, out);
	strings_free(f.texts);
	free(f.line);
	free(f.sums);
	return r;
}
