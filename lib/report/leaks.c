// SPDX-License-Identifier: MIT
#include "report/leaks.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
#include "report/functions.h"
#include "report/names.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

#define MOST_OLDER  30 /* s, if the user does not say */
#define HARDLY_MORE 1.02
#define LONGEST	    1e9 /* s; what is older is as good as eternal */

/* ---- frames and stacks ---------------------------------------------------------------------- */

struct wanted_frame {
	const struct leaks *l;
	struct leak_frame frame;
};

static bool equal_frame(const void *userdata, uint32_t id)
{
	const struct wanted_frame *w = userdata;
	const struct leak_frame *have = &w->l->frames[id];

	return have->name == w->frame.name && have->file == w->frame.file &&
	       have->line == w->frame.line;
}

static int add_frame(
	struct leaks *l, const char *name, const char *file, int64_t line, uint32_t *id)
{
	int64_t n = strings_add(l->strings, name, strlen(name));
	int64_t f = strings_add(l->strings, file, strlen(file));
	struct wanted_frame w = {l, {.line = line}};
	int r;

	if (n < 0 || f < 0)
		return (int)(n < 0 ? n : f);
	w.frame.name = (uint32_t)n;
	w.frame.file = (uint32_t)f;
	const uint64_t key[] = {(uint64_t)n << 32 | (uint64_t)f, (uint64_t)line};
	uint64_t hash = hash_bytes(key, sizeof(key));
	*id = intern_find(&l->frame_index, hash, equal_frame, &w);
	if (*id)
		return 0;
	r = grow(l->frames, l->n_frames, l->frames_capacity, 1);
	if (!r)
		r = intern_add(&l->frame_index, hash, (uint32_t)l->n_frames);
	if (r)
		return r;
	*id = (uint32_t)l->n_frames;
	l->frames[l->n_frames++] = w.frame;
	return 0;
}

/* Appends the frames of a location to those of the stack that is being built. */
static int push_frame(
	struct leaks *l, const char *name, const char *file, int64_t line, uint32_t *n)
{
	size_t at = l->n_stack_frames + *n;
	uint32_t id = 0;
	int r = add_frame(l, name, file, line, &id);

	if (!r)
		r = grow(l->stack_frames, at, l->stack_frames_capacity, 1);
	if (r)
		return r;
	l->stack_frames[at] = id;
	++*n;
	return 0;
}

static int push_line(struct leaks *l, const struct profile *p, const struct line *line, uint32_t *n)
{
	const struct function *f = &p->functions[line->function];
	_cleanup_free_ char *buffer = malloc(strings_length(p->strings, f->system_name) + 1);

	if (!buffer)
		return -ENOMEM;
	return push_frame(l,
		shown_name(profile_text(p, f->name), profile_text(p, f->system_name), buffer),
		profile_text(p, f->filename), line->line, n);
}

static int push_location(
	struct leaks *l, const struct profile *p, const struct location *location, uint32_t *n)
{
	const char *file = profile_text(p, p->mappings[location->mapping].file);
	_cleanup_free_ char *name = NULL;
	size_t length;
	int r = 0;

	for (size_t i = 0; i < location->n_lines && !r; i++)
		r = push_line(l, p, &p->lines[location->first_line + i], n);
	if (r || location->n_lines)
		return r;
	file = base_name(file, &length);
	if (asprintf(&name, "[%.*s+0x%llx]", (int)length, file,
		    (unsigned long long)location->address) < 0)
		return -ENOMEM;
	return push_frame(l, name, "", 0, n);
}

struct wanted_stack {
	const struct leaks *l;
	const uint32_t *frames;
	uint32_t n;
};

static bool equal_stack(const void *userdata, uint32_t id)
{
	const struct wanted_stack *w = userdata;
	const struct leak_stack *s = &w->l->items[id - 1];

	return s->n_frames == w->n &&
	       !memcmp(&w->l->stack_frames[s->first], w->frames, w->n * sizeof(*w->frames));
}

static int find_or_add(struct leaks *l, uint32_t n_frames, struct leak_stack **out)
{
	/* An empty stack has no frames to point to. */
	static const uint32_t none;
	const uint32_t *frames = n_frames ? &l->stack_frames[l->n_stack_frames] : &none;
	struct wanted_stack w = {l, frames, n_frames};
	uint64_t hash = hash_bytes(frames, n_frames * sizeof(*frames));
	uint32_t id = intern_find(&l->stack_index, hash, equal_stack, &w);
	int r;

	if (id) {
		*out = &l->items[id - 1];
		return 0;
	}
	r = grow(l->items, l->n, l->capacity, 1);
	if (!r)
		r = intern_add(&l->stack_index, hash, (uint32_t)l->n + 1);
	if (r)
		return r;
	*out = &l->items[l->n++];
	memset(*out, 0, sizeof(**out));
	(*out)->first = (uint32_t)l->n_stack_frames;
	(*out)->n_frames = n_frames;
	l->n_stack_frames += n_frames;
	return 0;
}

/* ---- profiles ------------------------------------------------------------------------------- */

/* Which of a profile's values are what. */
struct columns {
	size_t alloc_objects, alloc_bytes, objects, bytes;
	bool has_alloc;
	double rate; /* mean bytes between samples; 0: all are there */
};

static bool find_column(const struct profile *p, const char *name, size_t *out)
{
	for (size_t i = 0; i < p->n_sample_types; i++)
		if (!strcmp(profile_text(p, p->sample_types[i].type), name)) {
			*out = i;
			return true;
		}
	return false;
}

static bool find_columns(const struct profile *p, struct columns *c)
{
	*c = (struct columns){.rate = p->period > 1 ? (double)p->period : 0};
	c->has_alloc = find_column(p, "alloc_objects", &c->alloc_objects) &&
		       find_column(p, "alloc_space", &c->alloc_bytes);
	return find_column(p, "inuse_objects", &c->objects) &&
	       find_column(p, "inuse_space", &c->bytes);
}

static struct leak_cell cell_of(const struct columns *c, double objects, double bytes)
{
	struct leak_cell cell = {.bytes = bytes, .events = objects};

	if (c->rate > 0 && objects > 0) {
		cell.events = functions_heap_events(objects, bytes, c->rate);
		cell.variance = cell.events > 0 ? bytes * bytes / cell.events : 0;
	}
	return cell;
}

static void add_cell(struct leak_cell *to, struct leak_cell more)
{
	to->bytes += more.bytes;
	to->variance += more.variance;
	to->events += more.events;
}

/* The step that a label of ages names, in *cells of the stack. */
static struct leak_cell *cell_of_label(
	struct leak_stack *s, const struct profile *p, const struct label *label)
{
	const char *key = profile_text(p, label->key);
	bool age = !strcmp(key, "age"), lifetime = !strcmp(key, "lifetime");

	if ((!age && !lifetime) || label->str || label->num < 0 ||
		strcmp(profile_text(p, label->num_unit), "milliseconds") != 0)
		return NULL;
	return &(age ? s->in_use : s->freed)[age_scale_step((uint64_t)label->num)];
}

static void add_ages(struct leaks *l, struct leak_stack *stack, const struct profile *p, size_t i,
	const struct columns *c)
{
	const struct sample *s = &p->samples[i];
	const int64_t *values = p->values + i * p->n_sample_types;

	for (uint32_t k = 0; k < s->n_labels; k++) {
		struct leak_cell *cell = cell_of_label(stack, p, &p->labels[s->first_label + k]);

		if (!cell)
			continue;
		l->has_ages = true;
		add_cell(cell, cell_of(c, (double)values[c->alloc_objects],
				       (double)values[c->alloc_bytes]));
		return;
	}
}

static void add_use(struct leak_use *to, const struct leak_use *more)
{
	to->bytes += more->bytes;
	to->objects += more->objects;
	to->variance += more->variance;
}

/* Many stacks are in few of many profiles: only what is in use takes memory. */
static int add_use_at(struct leak_stack *s, size_t moment, const struct leak_use *use)
{
	int r;

	if (use->bytes == 0 && use->objects == 0)
		return 0;
	if (!s->n_uses || s->uses[s->n_uses - 1].moment != moment) {
		r = grow(s->uses, s->n_uses, s->uses_capacity, 1);
		if (r)
			return r;
		s->uses[s->n_uses++] = (struct leak_use_at){.moment = moment};
	}
	add_use(&s->uses[s->n_uses - 1].use, use);
	return 0;
}

static void add_kind(struct leaks *l, struct leak_stack *stack, const struct profile *p, size_t i,
	const struct leak_use *use)
{
	const struct sample *s = &p->samples[i];

	for (uint32_t k = 0; k < s->n_labels; k++) {
		const struct label *label = &p->labels[s->first_label + k];

		if (strcmp(profile_text(p, label->key), "leak_kind") != 0)
			continue;
		for (unsigned kind = 0; kind < LEAK_KINDS; kind++)
			if (!strcmp(profile_text(p, label->str), leaks_kind_name(kind))) {
				l->has_scan = true;
				add_use(&stack->kinds[kind], use);
			}
	}
}

static int add_sample(
	struct leaks *l, const struct profile *p, size_t i, const struct columns *c, size_t moment)
{
	const struct sample *s = &p->samples[i];
	const int64_t *values = p->values + i * p->n_sample_types;
	struct leak_stack *stack;
	struct leak_use use;
	uint32_t n = 0;
	int r = 0;

	for (uint32_t k = 0; k < s->n_locations && !r; k++)
		r = push_location(l, p, &p->locations[p->location_ids[s->first_location + k]], &n);
	if (!r)
		r = find_or_add(l, n, &stack);
	if (r)
		return r;
	use = (struct leak_use){
		.bytes = (double)values[c->bytes],
		.objects = (double)values[c->objects],
		.variance =
			cell_of(c, (double)values[c->objects], (double)values[c->bytes]).variance,
	};
	r = add_use_at(stack, moment, &use);
	if (r || moment != l->latest)
		return r;
	add_kind(l, stack, p, i, &use);
	if (c->has_alloc)
		add_ages(l, stack, p, i, c);
	return 0;
}

/* The ages of an earlier profile are none of what is in use now. */
static void begin_latest(struct leaks *l, const struct profile *p)
{
	l->latest = l->n_moments;
	l->looked = fmax(0, (double)p->duration_nanos / 1e9);
	l->has_ages = l->has_scan = false;
	for (size_t i = 0; i < l->n; i++) {
		memset(l->items[i].in_use, 0, sizeof(l->items[i].in_use));
		memset(l->items[i].freed, 0, sizeof(l->items[i].freed));
		memset(l->items[i].kinds, 0, sizeof(l->items[i].kinds));
	}
}

int leaks_begin(struct leaks *l, size_t max_moments)
{
	*l = (struct leaks){.max_moments = max_moments, .n_frames = 1};
	l->strings = strings_new();
	l->times = calloc(max_moments + 1, sizeof(*l->times));
	if (!l->strings || !l->times || grow(l->frames, 0, l->frames_capacity, 1))
		return -ENOMEM;
	return 0;
}

int leaks_add(struct leaks *l, const struct profile *p, double time, char *why, size_t why_size)
{
	struct columns columns;
	int r = 0;

	if (l->n_moments == l->max_moments)
		return -E2BIG;
	if (!find_columns(p, &columns)) {
		snprintf(why, why_size, "it is no heap profile with inuse_space");
		return -EINVAL;
	}
	if (!l->n_moments || time >= l->times[l->latest])
		begin_latest(l, p);
	for (size_t i = 0; i < p->n_samples && !r; i++)
		r = add_sample(l, p, i, &columns, l->n_moments);
	l->times[l->n_moments++] = time;
	return r;
}

double leaks_time(const struct profile *p)
{
	return p->time_nanos ? ((double)p->time_nanos + (double)p->duration_nanos) / 1e9 : 0;
}

void leaks_free(struct leaks *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i].uses);
	strings_free(l->strings);
	free(l->frames);
	free(l->stack_frames);
	free(l->items);
	free(l->times);
	intern_free(&l->frame_index);
	intern_free(&l->stack_index);
	*l = (struct leaks){0};
}

/* ---- judging -------------------------------------------------------------------------------- */

static double seconds_from(unsigned step)
{
	uint64_t ms = age_scale_from(step);

	return ms == UINT64_MAX ? INFINITY : (double)ms / 1000;
}

/* How long the latest profile has really looked: whatever it says, until the oldest that it has
 * seen was that old; a recording that waited for its probes did not look from its start on. */
static double really_looked(const struct leaks *l)
{
	unsigned step = 0;

	for (size_t i = 0; i < l->n; i++)
		for (unsigned k = step; k < AGE_SCALE_STEPS; k++)
			if (l->items[i].in_use[k].bytes > 0 || l->items[i].freed[k].bytes > 0)
				step = k;
	return fmax(fmin(l->looked, seconds_from(step + 1)), HARDLY_MORE * seconds_from(step));
}

static void set_older(struct leaks *l, double older)
{
	double suits = fmin(MOST_OLDER, l->span / 3);

	older = fmin(older, LONGEST);
	unsigned step = age_scale_step((uint64_t)(1000 * (older > 0 ? older : suits)));

	l->older = older > 0 ? older : suits;
	if (!l->has_ages)
		return;
	if (older > 0 && seconds_from(step) < older)
		step++;
	l->older = seconds_from(step);
}

static void ages_of(const struct leak_cell *cells, struct leak_age *out)
{
	for (unsigned i = 0; i < AGE_SCALE_STEPS; i++)
		out[i] = (struct leak_age){
			.from = seconds_from(i),
			.to = seconds_from(i + 1),
			.bytes = cells[i].bytes,
			.variance = cells[i].variance,
			.events = cells[i].events,
		};
}

static int compare_times(const void *a, const void *b, void *times)
{
	double x = ((const double *)times)[*(const size_t *)a];
	double y = ((const double *)times)[*(const size_t *)b];

	return (x > y) - (x < y);
}

/* Who was looked at needs no guess. */
static void judge_by_scan(struct leak_stack *s)
{
	if (s->kinds[LEAK_DEFINITE].bytes > 0 || s->kinds[LEAK_INDIRECT].bytes > 0)
		s->judgement.verdict = LEAK_LOST;
	else if (s->kinds[LEAK_POSSIBLE].bytes > 0)
		s->judgement.verdict = LEAK_POSSIBLY_LOST;
	else if (s->kinds[LEAK_STILL_REACHABLE].bytes > 0)
		s->judgement.verdict = LEAK_REACHABLE;
}

bool leaks_is_leak(const struct leak_stack *s)
{
	return s->judgement.verdict == LEAK_LOST || s->judgement.verdict == LEAK_GROWS;
}

struct leak_use leaks_leaked(const struct leak_stack *s)
{
	struct leak_use lost = s->kinds[LEAK_DEFINITE];

	if (s->judgement.verdict != LEAK_LOST)
		return s->live;
	add_use(&lost, &s->kinds[LEAK_INDIRECT]);
	return lost;
}

/* moments: with their times, and room for the rest; places: where each of l->times is there. */
static int judge_stack(const struct leaks *l, struct leak_stack *s, const size_t *places,
	struct leak_moment *moments)
{
	struct leak_age in_use[AGE_SCALE_STEPS], freed[AGE_SCALE_STEPS];
	struct leak_history history = {
		.moments = moments,
		.n_moments = l->n_moments,
		.in_use = in_use,
		.freed = freed,
		.n_in_use = l->has_ages ? AGE_SCALE_STEPS : 0,
		.n_freed = l->has_ages ? AGE_SCALE_STEPS : 0,
		.span = l->span,
		.older = l->older,
	};
	int r;

	for (size_t i = 0; i < l->n_moments; i++)
		moments[i].bytes = moments[i].variance = 0;
	for (size_t i = 0; i < s->n_uses; i++) {
		const struct leak_use_at *at = &s->uses[i];

		moments[places[at->moment]].bytes = at->use.bytes;
		moments[places[at->moment]].variance = at->use.variance;
		if (at->moment == l->latest)
			s->live = at->use;
	}
	ages_of(s->in_use, in_use);
	ages_of(s->freed, freed);
	r = leak_judge(&history, &s->judgement);
	judge_by_scan(s);
	return r;
}

int leaks_judge(struct leaks *l, double older)
{
	_cleanup_free_ size_t *order = calloc(l->n_moments + 1, sizeof(*order));
	_cleanup_free_ size_t *places = calloc(l->n_moments + 1, sizeof(*places));
	_cleanup_free_ struct leak_moment *moments = calloc(l->n_moments + 1, sizeof(*moments));
	int r = 0;

	if (!order || !places || !moments)
		return -ENOMEM;
	for (size_t i = 0; i < l->n_moments; i++)
		order[i] = i;
	qsort_r(order, l->n_moments, sizeof(*order), compare_times, l->times);
	for (size_t i = 0; i < l->n_moments; i++) {
		places[order[i]] = i;
		moments[i].time = l->times[order[i]] - l->times[order[0]];
	}
	l->span = l->n_moments ? moments[l->n_moments - 1].time : 0;
	if (l->has_ages)
		l->span = really_looked(l);
	set_older(l, older);
	for (size_t i = 0; i < l->n && !r; i++)
		r = judge_stack(l, &l->items[i], places, moments);
	return r;
}

static int compare_stacks(const void *a, const void *b)
{
	const struct leak_stack *x = a, *y = b;

	if (x->hidden != y->hidden)
		return x->hidden ? 1 : -1;
	if (x->judgement.verdict != y->judgement.verdict)
		return x->judgement.verdict < y->judgement.verdict ? -1 : 1;
	if (x->judgement.verdict == LEAK_GROWS && x->judgement.growth != y->judgement.growth)
		return x->judgement.growth > y->judgement.growth ? -1 : 1;
	if (leaks_leaked(x).bytes != leaks_leaked(y).bytes)
		return leaks_leaked(x).bytes > leaks_leaked(y).bytes ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

void leaks_sort(struct leaks *l)
{
	if (l->n)
		qsort(l->items, l->n, sizeof(*l->items), compare_stacks);
}

const struct leak_frame *leaks_frame(const struct leaks *l, const struct leak_stack *s, uint32_t i)
{
	return &l->frames[l->stack_frames[s->first + i]];
}

const char *leaks_text(const struct leaks *l, uint32_t string)
{
	return strings_text(l->strings, string);
}
