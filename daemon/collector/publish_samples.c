// SPDX-License-Identifier: MIT
/* publish_samples.c - the samples of a window: values, labels, ages. */
#include "collector/publish_impl.h"
#include "util/age_scale.h"
#include "util/brief_scale.h"

#define MAX_LABELS    8
#define MAX_LOCATIONS (PROFD_MAX_KERNEL_FRAMES + PROFD_MAX_USER_FRAMES + 1)

static const char *end_name(enum profd_unwind_end end)
{
	switch (end) {
	case PROFD_END_UNREADABLE:
		return "[unfinished: stack not readable]";
	case PROFD_END_FRAME_POINTER:
		return "[unfinished: no frame pointer]";
	case PROFD_END_LIMIT:
		return "[unfinished: too many frames]";
	case PROFD_END_UNMAPPED:
		return "[unfinished: no code where the stack leads]";
	case PROFD_END_RULE:
		return "[unfinished: unwind rule not supported]";
	case PROFD_END_IMPLAUSIBLE:
		return "[unfinished: stack does not fall]";
	case PROFD_END_NOT_LOADED:
		return "[unfinished: unwind tables not loaded]";
	case PROFD_END_CHANGED:
		return "[unfinished: code was replaced]";
	case PROFD_END_COMPLETE:
	case PROFD_END_NO_USER:
	case PROFD_END_COUNT:
		break;
	}
	return NULL;
}

static size_t labels_of(struct publication *p, const struct window_stack *s, struct label *out)
{
	static const char *const keys[] = {"comm", "exe", "cgroup", "container"};
	const char *const values[] = {
		window_comm(p->window, s->comm),
		s->process ? process_exe(s->process) : "",
		s->process ? process_cgroup(s->process) : "",
		s->process ? process_container(s->process) : "",
	};
	size_t n = 0;

	out[n++] = (struct label){.key = publication_text(p, "pid"), .num = s->pid};
	out[n++] = (struct label){.key = publication_text(p, "tid"), .num = s->tid};
	/* Consumers drop an empty string label when they decode: leave it out. */
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (*values[i])
			out[n++] = (struct label){.key = publication_text(p, keys[i]),
				.str = publication_text(p, values[i])};
	if (s->time)
		out[n++] = (struct label){.key = publication_text(p, "timestamp"),
			.num = p->start + (int64_t)(s->time - window_start(p->window)),
			.num_unit = publication_text(p, "nanoseconds")};
	return n;
}

/* Out of fixed point: the only place where heap values are rounded. */
static int64_t whole(uint64_t value)
{
	return (int64_t)((value + (1ULL << (PROFD_WEIGHT_SHIFT - 1))) >> PROFD_WEIGHT_SHIFT);
}

static void whole_sums(const struct window_heap *heap, int64_t values[MAX_VALUES])
{
	values[0] = whole(heap->alloc_objects);
	values[1] = whole(heap->alloc_bytes);
	values[2] = whole(heap->inuse_objects);
	values[3] = whole(heap->inuse_bytes);
}

static void values_of(const struct publication *p, const struct window_stack *s, size_t i,
	int64_t values[MAX_VALUES])
{
	if (p->type == SESSION_HEAP) {
		whole_sums(window_heap(p->window, (uint32_t)i), values);
	} else {
		values[0] = (int64_t)s->count;
		values[1] = (int64_t)(s->count * p->period);
	}
}

static bool is_nothing(const struct publication *p, const int64_t values[MAX_VALUES])
{
	for (size_t i = 0; i < p->profile->n_sample_types; i++)
		if (values[i])
			return false;
	return true;
}

static size_t locations_of(
	struct publication *p, const struct window_stack *s, uint32_t locations[MAX_LOCATIONS])
{
	const uint32_t *ids = window_stack_frames(p->window, s);
	const char *unfinished = end_name(s->end);
	size_t n = 0;

	while (n < s->n_frames && n < MAX_LOCATIONS - 1) {
		locations[n] = p->location_of[ids[n]];
		n++;
	}
	if (unfinished) {
		if (!p->end_location[s->end])
			p->end_location[s->end] = publication_pseudo_location(p, 0, 0, unfinished);
		locations[n++] = p->end_location[s->end];
	}
	if (!n)
		locations[n++] = publication_pseudo_location(p, 0, 0, "[no stack]");
	return n;
}

/* All of a stack's samples have these locations and labels; those of its ages come behind. */
struct parts {
	uint32_t locations[MAX_LOCATIONS];
	size_t n_locations;
	struct label labels[MAX_LABELS];
	size_t n_labels;
	struct window_heap so_far; /* of the parts that were added */
};

static void add_sample(
	struct publication *p, const struct parts *s, size_t n_labels, const int64_t *values)
{
	if (!p->error)
		publication_keep_error(p, profile_add_sample(p->profile, s->locations,
						  s->n_locations, s->labels, n_labels, values));
}

/* So much more of the stack's sums: what is rounded are the sums so far, so that the parts add up
 * to what the whole is. */
static void add_part(struct publication *p, struct parts *s, size_t n_labels,
	const struct window_heap *sums, bool even_nothing)
{
	int64_t before[MAX_VALUES], values[MAX_VALUES], any = even_nothing;

	whole_sums(&s->so_far, before);
	whole_sums(sums, values);
	for (size_t i = 0; i < MAX_VALUES; i++) {
		values[i] -= before[i];
		any |= values[i];
	}
	s->so_far = *sums;
	if (any)
		add_sample(p, s, n_labels, values);
}

/* Returns how many labels there are then. */
static size_t label_age(struct publication *p, struct parts *s, const struct age_cell *cell)
{
	static const char *const kinds[AGE_KINDS] = {
		[AGE_DEFINITE] = "definite",
		[AGE_INDIRECT] = "indirect",
		[AGE_POSSIBLE] = "possible",
		[AGE_REACHABLE] = "reachable",
	};
	size_t n = s->n_labels;

	if (p->moment->has_steps)
		s->labels[n++] = (struct label){
			.key = publication_text(p, cell->kind == AGE_FREED ? "lifetime" : "age"),
			.num = (int64_t)age_scale_from(cell->step),
			.num_unit = publication_text(p, "milliseconds"),
		};
	if (kinds[cell->kind])
		s->labels[n++] = (struct label){.key = publication_text(p, "leak_kind"),
			.str = publication_text(p, kinds[cell->kind])};
	if (cell->brief)
		s->labels[n++] = (struct label){
			.key = publication_text(p, "temporary"),
			.num = (int64_t)brief_scale_within(cell->brief - 1),
			.num_unit = publication_text(p, "microseconds"),
		};
	return n;
}

static void add_ages(struct publication *p, struct parts *s, size_t i, bool has_samples)
{
	const struct age_cell *cell = NULL;
	bool none = true;

	while ((cell = heap_ages_next(&p->moment->ages, (uint32_t)i, cell))) {
		struct window_heap sums = s->so_far;

		sums.alloc_objects += cell->objects;
		sums.alloc_bytes += cell->bytes;
		if (cell->kind != AGE_FREED) {
			sums.inuse_objects += cell->objects;
			sums.inuse_bytes += cell->bytes;
		}
		add_part(p, s, label_age(p, s, cell), &sums, false);
		none = false;
	}
	/* And what has no age. */
	add_part(
		p, s, s->n_labels, &p->moment->sums[i], none && has_samples && !p->moment->is_past);
}

static void add_stack(struct publication *p, const struct window_stack *s, size_t i)
{
	struct parts parts;
	int64_t values[MAX_VALUES];

	parts.n_locations = locations_of(p, s, parts.locations);
	parts.n_labels = labels_of(p, s, parts.labels);
	if (p->moment) {
		parts.so_far = (struct window_heap){0};
		add_ages(p, &parts, i, s->count);
	} else {
		values_of(p, s, i, values);
		/* What was carried into the window, and freed in it, has nothing to show. */
		if (s->count || !is_nothing(p, values))
			add_sample(p, &parts, parts.n_labels, values);
	}
}

uint64_t publication_add_samples(struct publication *p)
{
	uint64_t samples = 0;

	for (size_t i = 0; i < p->n_stacks && !p->error; i++) {
		const struct window_stack *s = window_stack(p->window, i);

		add_stack(p, s, i);
		samples += s->count;
	}
	return samples;
}
