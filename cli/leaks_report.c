// SPDX-License-Identifier: MIT
#include "leaks_report.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "profile/pprof.h"
#include "report/format.h"
#include "report/look.h"
#include "report/names.h"
#include "terminal.h"
#include "util/log.h"
#include "util/plural.h"

#define MAX_FRAMES 12 /* of a stack; the outer ones seldom tell more */
#define WORDS	   512

int leaks_report_read(struct leaks *l, int fd, double seconds)
{
	struct profile *p = NULL;
	char why[256] = "";
	int err = leaks_begin(l, 1);

	if (!err && lseek(fd, 0, SEEK_SET))
		err = -errno;
	if (!err)
		err = pprof_read(&p, fd, "the profile", why, sizeof(why));
	if (!err)
		err = leaks_add(l, p, leaks_time(p), why, sizeof(why));
	if (err)
		log_error("what was recorded cannot be read: %s", *why ? why : strerror(-err));
	l->looked = fmin(l->looked, seconds);
	profile_free(p);
	return err;
}

int leaks_report_prepare(struct leaks *l, const struct leaks_view *v, double older)
{
	int r = leaks_judge(l, older);

	for (size_t i = 0; i < l->n && !r; i++) {
		struct leak_stack *s = &l->items[i];

		for (uint32_t k = 0; k < s->n_frames && !s->hidden; k++)
			s->hidden = suppressions_match(
				&v->known, leaks_text(l, leaks_frame(l, s, k)->name));
	}
	if (!r)
		leaks_sort(l);
	return r;
}

static bool is_large(const struct leaks_view *v, const struct leak_stack *s)
{
	double bytes = leaks_leaked(s).bytes;

	return !s->hidden && bytes >= (double)v->min && bytes > 0;
}

static bool is_shown(const struct leaks_view *v, const struct leak_stack *s)
{
	return is_large(v, s) && (!v->only_leaks || leaks_is_leak(s));
}

size_t leaks_report_count(const struct leaks *l, const struct leaks_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += is_shown(v, &l->items[i]) && leaks_is_leak(&l->items[i]);
	return n;
}

/* What there is, and of that what is shown. */
struct counts {
	double bytes;
	struct leak_use kinds[LEAK_KINDS];
	size_t stacks, large, hidden;
};

static struct counts count(const struct leaks *l, const struct leaks_view *v)
{
	struct counts c = {0};

	for (size_t i = 0; i < l->n; i++) {
		c.bytes += l->items[i].live.bytes;
		for (unsigned k = 0; k < LEAK_KINDS; k++) {
			c.kinds[k].bytes += l->items[i].kinds[k].bytes;
			c.kinds[k].objects += l->items[i].kinds[k].objects;
		}
		c.stacks += l->items[i].live.bytes > 0;
		c.large += is_large(v, &l->items[i]);
		c.hidden += l->items[i].hidden && l->items[i].live.bytes > 0;
	}
	return c;
}

/* ---- text ----------------------------------------------------------------------------------- */

static void size_text(double bytes, char out[FORMAT_VALUE_SIZE])
{
	format_value(out, FORMAT_VALUE_SIZE, llround(bytes), "bytes", "auto");
}

static void print_kinds(const struct leak_use *kinds, FILE *out)
{
	static const char *const words[LEAK_KINDS] = {
		[LEAK_DEFINITE] = "lost",
		[LEAK_INDIRECT] = "lost with others",
		[LEAK_POSSIBLE] = "possibly lost",
		[LEAK_STILL_REACHABLE] = "still reachable",
	};

	for (unsigned i = 0; i < LEAK_KINDS; i++) {
		char bytes[FORMAT_VALUE_SIZE];

		size_text(kinds[i].bytes, bytes);
		fprintf(out, "%s%s: %s in %.0f block%s", i ? ", " : "", words[i], bytes,
			kinds[i].objects, plural(kinds[i].objects));
	}
	fputc('\n', out);
}

static void print_head(const struct leaks *l, const struct leaks_view *v, FILE *out)
{
	char all[FORMAT_VALUE_SIZE], min[FORMAT_VALUE_SIZE], span[32], older[32];
	struct counts c = count(l, v);
	size_t leaks = leaks_report_count(l, v);

	size_text(c.bytes, all);
	size_text((double)v->min, min);
	leaks_duration(l->span, span, sizeof(span));
	leaks_duration(l->older, older, sizeof(older));
	if (l->has_scan)
		fprintf(out, "%zu stack%s lost %s or more; in use at the end: %s of %zu stacks\n",
			leaks, leaks == 1 ? " has" : "s have", min, all, c.stacks);
	else
		fprintf(out,
			"%zu stack%s likely to leak; in use: %s of %zu stacks, %zu with %s or "
			"more\n",
			leaks, leaks == 1 ? " is" : "s are", all, c.stacks, c.large, min);
	if (c.hidden)
		fprintf(out, "%zu known stacks are left out (--suppressions)\n", c.hidden);
	if (l->has_scan) {
		print_kinds(c.kinds, out);
		return;
	}
	if (l->n_moments > 1)
		fprintf(out, "%zu moments in %s", l->n_moments, span);
	else if (l->has_ages)
		fprintf(out, "One moment, after %s", span);
	else
		fputs("One moment, without ages", out);
	fprintf(out, l->has_ages ? "; what is %s old counts as old\n" : "\n", older);
}

/* The first and the last step that holds anything. False: none does. */
static bool occupied(const struct leak_stack *s, unsigned *first, unsigned *last)
{
	*first = AGE_SCALE_STEPS;
	for (unsigned i = 0; i < AGE_SCALE_STEPS; i++) {
		if (!(s->in_use[i].bytes > 0))
			continue;
		if (*first == AGE_SCALE_STEPS)
			*first = i;
		*last = i;
	}
	return *first < AGE_SCALE_STEPS;
}

static void step_text(unsigned step, char *out, size_t size)
{
	leaks_duration((double)age_scale_from(step) / 1000, out, size);
}

static void print_bars(const struct leak_stack *s, unsigned first, unsigned last, FILE *out)
{
	static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	double most = 0;
	char from[32], to[32];

	for (unsigned i = first; i <= last; i++)
		most = fmax(most, s->in_use[i].bytes);
	step_text(first, from, sizeof(from));
	step_text(last, to, sizeof(to));
	fprintf(out, "      age %s ", from);
	for (unsigned i = first; i <= last; i++) {
		double height = s->in_use[i].bytes / most;

		fputs(height > 0 ? bars[(unsigned)fmin(7, 8 * height)] : " ", out);
	}
	fprintf(out, " %s\n", to);
}

static void print_ages(const struct leak_stack *s, FILE *out)
{
	unsigned first, last = 0;

	if (!occupied(s, &first, &last))
		return;
	if (out == stdout && terminal_is_output() && terminal_utf8()) {
		print_bars(s, first, last, out);
		return;
	}
	fprintf(out, "      age");
	for (unsigned i = first; i <= last; i++) {
		char from[32], bytes[FORMAT_VALUE_SIZE];

		if (!(s->in_use[i].bytes > 0))
			continue;
		step_text(i, from, sizeof(from));
		size_text(s->in_use[i].bytes, bytes);
		fprintf(out, "%s %s: %s", i == first ? "" : ",", from, bytes);
	}
	fputc('\n', out);
}

static void print_frames(const struct leaks *l, const struct leak_stack *s, FILE *out)
{
	for (uint32_t i = 0; i < s->n_frames && i < MAX_FRAMES; i++) {
		const struct leak_frame *f = leaks_frame(l, s, i);
		size_t length;
		const char *file = base_name(leaks_text(l, f->file), &length);

		fprintf(out, "        %s", leaks_text(l, f->name));
		if (f->file)
			fprintf(out, " %.*s:%lld", (int)length, file, (long long)f->line);
		fputc('\n', out);
	}
	if (s->n_frames > MAX_FRAMES)
		fprintf(out, "        and %u more\n", s->n_frames - MAX_FRAMES);
}

static void print_stack(const struct leaks *l, const struct leak_stack *s,
	const struct report_config *config, FILE *out)
{
	const struct leak_judgement *j = &s->judgement;
	struct leak_use leaked = leaks_leaked(s);
	char bytes[FORMAT_VALUE_SIZE], why[WORDS], older[32];

	size_text(leaked.bytes, bytes);
	leaks_explain(l, s, why, sizeof(why));
	leaks_duration(l->older, older, sizeof(older));
	fprintf(out, "\n%s%10s, %.0f object%s: %s%s\n",
		look(config, leaks_is_leak(s) ? LOOK_HOT : LOOK_PLAIN), bytes, leaked.objects,
		plural(leaked.objects), why, look(config, LOOK_PLAIN));
	if (!isnan(j->quick))
		fprintf(out, "      %.3g%% of what it allocates is freed within %s\n",
			100 * j->quick, older);
	print_ages(s, out);
	print_frames(l, s, out);
}

void leaks_report_print(const struct leaks *l, const struct leaks_view *v, FILE *out)
{
	struct report_config config = {0};
	size_t left = v->n_stacks ? v->n_stacks : SIZE_MAX, more = 0;

	if (out == stdout)
		terminal_dress(&config);
	print_head(l, v, out);
	for (size_t i = 0; i < l->n; i++) {
		if (!is_shown(v, &l->items[i]))
			continue;
		if (left) {
			print_stack(l, &l->items[i], &config, out);
			left--;
		} else {
			more++;
		}
	}
	if (more)
		fprintf(out, "\nand %zu more (--stacks 0 shows all)\n", more);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void add_known(cJSON *o, const char *key, double value)
{
	if (isfinite(value))
		cJSON_AddNumberToObject(o, key, value);
	else
		cJSON_AddNullToObject(o, key);
}

static void add_kinds(cJSON *o, const struct leak_use *kinds)
{
	cJSON *all = cJSON_AddObjectToObject(o, "kinds");

	for (unsigned i = 0; i < LEAK_KINDS; i++) {
		cJSON *one = cJSON_AddObjectToObject(all, leaks_kind_name(i));

		cJSON_AddNumberToObject(one, "bytes", kinds[i].bytes);
		cJSON_AddNumberToObject(one, "objects", kinds[i].objects);
	}
}

static void add_cells(cJSON *o, const char *key, const struct leak_cell *cells)
{
	cJSON *list = cJSON_AddArrayToObject(o, key);

	for (unsigned i = 0; i < AGE_SCALE_STEPS; i++) {
		cJSON *one;

		if (!(cells[i].bytes > 0))
			continue;
		one = cJSON_CreateObject();
		cJSON_AddNumberToObject(one, "seconds", (double)age_scale_from(i) / 1000);
		cJSON_AddNumberToObject(one, "bytes", cells[i].bytes);
		cJSON_AddItemToArray(list, one);
	}
}

static void describe_stack(cJSON *list, const struct leaks *l, const struct leak_stack *s)
{
	const struct leak_judgement *j = &s->judgement;
	cJSON *o = cJSON_CreateObject(), *frames;
	char why[WORDS];

	leaks_explain(l, s, why, sizeof(why));
	cJSON_AddStringToObject(o, "verdict", leaks_verdict_name(j->verdict));
	cJSON_AddStringToObject(o, "why", why);
	cJSON_AddNumberToObject(o, "bytes", s->live.bytes);
	cJSON_AddNumberToObject(o, "objects", s->live.objects);
	add_known(o, "growth_bytes_per_minute", 60 * j->growth);
	add_known(o, "growth_deviation", 60 * j->deviation);
	add_known(o, "quiet_seconds", j->since);
	add_known(o, "freed_quickly", j->quick);
	add_known(o, "freed_later", j->later);
	if (l->has_scan)
		add_kinds(o, s->kinds);
	add_cells(o, "ages", s->in_use);
	add_cells(o, "lifetimes", s->freed);
	frames = cJSON_AddArrayToObject(o, "frames");
	for (uint32_t i = 0; i < s->n_frames; i++) {
		const struct leak_frame *f = leaks_frame(l, s, i);
		cJSON *one = cJSON_CreateObject();

		cJSON_AddStringToObject(one, "function", leaks_text(l, f->name));
		cJSON_AddStringToObject(one, "file", leaks_text(l, f->file));
		cJSON_AddNumberToObject(one, "line", (double)f->line);
		cJSON_AddItemToArray(frames, one);
	}
	cJSON_AddItemToArray(list, o);
}

cJSON *leaks_report_describe(const struct leaks *l, const struct leaks_view *v)
{
	cJSON *all = cJSON_CreateObject();
	size_t left = v->n_stacks ? v->n_stacks : SIZE_MAX;
	struct counts c = count(l, v);
	cJSON *list;

	cJSON_AddNumberToObject(all, "leaks", (double)leaks_report_count(l, v));
	cJSON_AddNumberToObject(all, "bytes", c.bytes);
	cJSON_AddNumberToObject(all, "known", (double)c.hidden);
	cJSON_AddNumberToObject(all, "moments", (double)l->n_moments);
	cJSON_AddNumberToObject(all, "seconds", l->span);
	cJSON_AddNumberToObject(all, "older_seconds", l->older);
	cJSON_AddBoolToObject(all, "has_ages", l->has_ages);
	if (l->has_scan)
		add_kinds(all, c.kinds);
	list = cJSON_AddArrayToObject(all, "stacks");
	for (size_t i = 0; i < l->n && left; i++)
		if (is_shown(v, &l->items[i])) {
			describe_stack(list, l, &l->items[i]);
			left--;
		}
	return all;
}
