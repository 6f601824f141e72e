/* SPDX-License-Identifier: MIT */
#include "report/dot_tags.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define TAGS_MAX 4

/* A box: one tag, or a range of numeric ones. */
struct box {
	const char *text;  /* of a tag; NULL: it is in `name` */
	int64_t flat, cum; /* divided */
	int64_t sort_flat, sort_cum;
	const struct graph_tag *tag;
	uint32_t labels; /* string: whose box it is */
	char name[2 * FORMAT_VALUE_SIZE + 4];
};

static const char *box_text(const struct box *b)
{
	return b->text ? b->text : b->name;
}

static int compare(const struct box *a, const struct box *b, bool by_flat)
{
	if (!by_flat && a->sort_cum != b->sort_cum) {
		int64_t x = wrapping_abs(a->sort_cum), y = wrapping_abs(b->sort_cum);
		return x > y ? -1 : x < y;
	}
	if (a->sort_flat != b->sort_flat) {
		int64_t x = wrapping_abs(a->sort_flat), y = wrapping_abs(b->sort_flat);
		return x > y ? -1 : x < y;
	}
	return strcmp(box_text(a), box_text(b));
}

static int compare_boxes(const void *a, const void *b, void *by_flat)
{
	return compare(a, b, *(const bool *)by_flat);
}

static void sort_boxes(struct box *boxes, size_t n, bool by_flat)
{
	if (n > 1)
		qsort_r(boxes, n, sizeof(*boxes), compare_boxes, &by_flat);
}

static struct box tag_box(const struct profile *p, const struct graph_tag *t)
{
	return (struct box){
		.text = profile_text(p, t->name ? t->name : t->labels),
		.labels = t->labels,
		.flat = divided(t->flat, t->flat_div),
		.cum = divided(t->cum, t->cum_div),
		.sort_flat = t->flat,
		.sort_cum = t->cum,
		.tag = t,
	};
}

/* ---- ranges ------------------------------------------------------------------------------- */

/* Numeric tags whose first one stands for them all. */
struct range {
	const struct graph_tag *least, *most;
	int64_t flat, flat_div, cum, cum_div;
	size_t n;
};

static double distance(const struct graph_tag *a, const struct graph_tag *b)
{
	return fabs((double)a->value - (double)b->value);
}

static void range_add(struct range *range, const struct graph_tag *t)
{
	if (!range->n++)
		range->least = range->most = t;
	if (t->value < range->least->value)
		range->least = t;
	if (t->value > range->most->value)
		range->most = t;
	range->flat = wrapping_add(range->flat, t->flat);
	range->flat_div = wrapping_add(range->flat_div, t->flat_div);
	range->cum = wrapping_add(range->cum, t->cum);
	range->cum_div = wrapping_add(range->cum_div, t->cum_div);
}

static struct box range_box(const struct range *range, const char *unit)
{
	struct box b = {
		.flat = divided(range->flat, range->flat_div),
		.cum = divided(range->cum, range->cum_div),
	};
	char least[FORMAT_VALUE_SIZE], most[FORMAT_VALUE_SIZE];
	b.sort_flat = b.flat;
	b.sort_cum = b.cum;
	format_value(least, sizeof(least), range->least->value, unit, "auto");
	format_value(most, sizeof(most), range->most->value, unit, "auto");
	if (range->n == 1)
		snprintf(b.name, sizeof(b.name), "%s", least);
	else
		snprintf(b.name, sizeof(b.name), "%s..%s", least, most);
	return b;
}

/* Leaves at most four boxes: each of the others goes to the one of the four that is nearest. */
static size_t collapse(struct box *boxes, size_t n, const char *unit, bool by_flat)
{
	struct range ranges[TAGS_MAX] = {0};
	const struct graph_tag *firsts[TAGS_MAX];
	sort_boxes(boxes, n, by_flat);
	if (n <= TAGS_MAX)
		return n;
	for (size_t i = 0; i < n; i++) {
		size_t nearest = i;
		if (i < TAGS_MAX) {
			firsts[i] = boxes[i].tag;
		} else {
			nearest = 0;
			for (size_t k = 1; k < TAGS_MAX; k++)
				if (distance(boxes[i].tag, firsts[k]) <
					distance(boxes[i].tag, firsts[nearest]))
					nearest = k;
		}
		range_add(&ranges[nearest], boxes[i].tag);
	}
	for (size_t i = 0; i < TAGS_MAX; i++)
		boxes[i] = range_box(&ranges[i], unit);
	sort_boxes(boxes, TAGS_MAX, by_flat);
	return TAGS_MAX;
}

/* ---- printing ----------------------------------------------------------------------------- */

static void print_box(const struct report *r, const char *from, const char *name, const char *label,
	int64_t value, bool dotted)
{
	char weight[FORMAT_VALUE_SIZE];
	report_format(r, value, weight);
	fprintf(r->out, "%s [label = \"%s\" id=\"%s\" fontsize=8 shape=box3d tooltip=\"%s\"]\n",
		name, label, name, weight);
	fprintf(r->out,
		"%s -> %s [label=\" %s\" weight=100 tooltip=\"%s\" labeltooltip=\"%s\"%s]\n", from,
		name, weight, weight, weight, dotted ? " style=\"dotted\"" : "");
}

/* Boxes for the numeric tags below some labels, which `from` stands for. */
static int print_numbers(const struct report *r, const struct graph *g, uint32_t node,
	uint32_t labels, const char *from, bool by_flat, bool *any)
{
	_cleanup_free_ struct box *boxes = NULL;
	size_t n = 0;
	for (size_t i = 1; i < g->n_tags; i++)
		n += g->tags[i].node == node && g->tags[i].name && g->tags[i].labels == labels;
	if (!n)
		return 0;
	boxes = calloc(n, sizeof(*boxes));
	if (!boxes)
		return -ENOMEM;
	n = 0;
	for (size_t i = 1; i < g->n_tags; i++)
		if (g->tags[i].node == node && g->tags[i].name && g->tags[i].labels == labels)
			boxes[n++] = tag_box(r->p, &g->tags[i]);
	n = collapse(boxes, n, g->options.bytes_unit, by_flat);
	for (size_t i = 0; i < n; i++) {
		char name[64];
		bool flat = by_flat || boxes[i].flat == boxes[i].cum;
		int64_t value = flat ? boxes[i].flat : boxes[i].cum;
		if (!value)
			continue;
		*any = true;
		/* The letter stands twice, as google/pprof writes it. */
		snprintf(name, sizeof(name), "N%s_%zu", from, i);
		print_box(r, from, name, box_text(&boxes[i]), value, !flat);
	}
	return 0;
}

/* The heaviest boxes of labels. Returns how many, or -ENOMEM. */
static int pick_labels(const struct report *r, const struct graph *g, uint32_t node, bool by_flat,
	struct box picked[TAGS_MAX])
{
	size_t n = 0;
	for (size_t i = 1; i < g->n_tags; i++)
		n += g->tags[i].node == node && !g->tags[i].name;
	_cleanup_free_ struct box *boxes = calloc(n + 1, sizeof(*boxes));
	if (!boxes)
		return -ENOMEM;
	n = 0;
	for (size_t i = 1; i < g->n_tags; i++)
		if (g->tags[i].node == node && !g->tags[i].name)
			boxes[n++] = tag_box(r->p, &g->tags[i]);
	sort_boxes(boxes, n, by_flat);
	n = n < TAGS_MAX ? n : TAGS_MAX;
	memcpy(picked, boxes, n * sizeof(*picked));
	return (int)n;
}

int dot_tags_print(
	const struct report *r, const struct graph *g, uint32_t node, size_t id, bool *any)
{
	/* Of inner nodes only what was measured in them; a leaf also has what was cut below it. */
	bool by_flat = g->out.first[node + 1] > g->out.first[node];
	struct box labels[TAGS_MAX];
	char from[32], name[64];
	int n = pick_labels(r, g, node, by_flat, labels);
	if (n < 0)
		return n;
	snprintf(from, sizeof(from), "N%zu", id);
	for (int i = 0; i < n; i++) {
		int64_t value = by_flat ? labels[i].flat : labels[i].cum;
		if (!value)
			continue;
		*any = true;
		snprintf(name, sizeof(name), "N%zu_%d", id, i);
		print_box(r, from, name, box_text(&labels[i]), value, false);
		int err = print_numbers(r, g, node, labels[i].labels, name, by_flat, any);
		if (err < 0)
			return err;
	}
	return print_numbers(r, g, node, 0, from, by_flat, any);
}
