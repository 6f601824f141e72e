/* SPDX-License-Identifier: MIT */
#include "report/flame.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

/* Sums stop at the ends of the range: a width is then wrong, but still a width. */
static int64_t add_up(int64_t a, int64_t b)
{
	int64_t sum;
	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

int flame_init(struct flame *f)
{
	*f = (struct flame){.texts = strings_new()};
	int64_t all = f->texts ? strings_add(f->texts, "all", 3) : -ENOMEM;
	int err = all < 0 ? (int)all : grow(f->nodes, 0, f->capacity, 1);
	if (!err)
		f->nodes[f->n++] = (struct flame_node){.name = (uint32_t)all};
	return err;
}

void flame_free(struct flame *f)
{
	strings_free(f->texts);
	free(f->nodes);
	intern_free(&f->index);
	*f = (struct flame){0};
}

const char *flame_text(const struct flame *f, uint32_t text)
{
	return strings_text(f->texts, text);
}

uint32_t flame_depth(const struct flame *f)
{
	uint32_t depth = 0;
	for (size_t i = 0; i < f->n; i++)
		depth = f->nodes[i].depth > depth ? f->nodes[i].depth : depth;
	return depth;
}

/* ---- adding ------------------------------------------------------------------------------- */

struct wanted_node {
	const struct flame *f;
	const struct flame_node *node;
};

static bool equal_node(const void *userdata, uint32_t id)
{
	const struct wanted_node *w = userdata;
	const struct flame_node *a = w->node, *b = &w->f->nodes[id];
	return a->parent == b->parent && a->name == b->name && a->kind == b->kind &&
	       a->process == b->process;
}

static int descend(struct flame *f, uint32_t *at, struct flame_node node)
{
	node.parent = *at;
	node.depth = f->nodes[*at].depth + 1;
	struct wanted_node wanted = {f, &node};
	uint32_t words[] = {node.parent, node.name, node.kind, node.process};
	uint64_t hash = hash_bytes(words, sizeof(words));

	*at = intern_find(&f->index, hash, equal_node, &wanted);
	if (*at)
		return 0;
	int err = grow(f->nodes, f->n, f->capacity, 1);
	if (!err)
		err = intern_add(&f->index, hash, (uint32_t)f->n);
	if (err)
		return err;
	f->nodes[f->n] = node;
	*at = (uint32_t)f->n++;
	return 0;
}

static int descend_to_process(
	struct flame *f, uint32_t *at, const struct profile *p, const struct sample *s)
{
	_cleanup_free_ char *process = NULL;

	if (f->process == FLAME_NONE)
		return 0;
	process = f->process == FLAME_PID ? sample_process(p, s)
					  : strdup(sample_text(p, s, "comm"));
	if (!process)
		return -ENOMEM;
	if (!*process)
		return 0;
	int64_t name = strings_add(f->texts, process, strlen(process));
	if (name < 0)
		return (int)name;
	return descend(f, at, (struct flame_node){.name = (uint32_t)name, .process = true});
}

static int64_t scaled(int64_t value, double scale)
{
	double v = (double)value * scale;
	if (scale == 1)
		return value;
	if (fabs(v) >= 0x1p63)
		return v < 0 ? INT64_MIN : INT64_MAX;
	return llround(v);
}

static int add_sample(
	struct flame *f, struct frame_table *t, const struct sample *s, int64_t value, bool base)
{
	uint32_t at = 0;
	int err = descend_to_process(f, &at, t->profile, s);

	if (!err)
		err = frame_table_stack(t, s);
	for (size_t i = 0; i < t->stack_n && !err; i++) {
		const struct frame *frame = &t->frames[t->stack[i]];
		err = descend(f, &at,
			(struct flame_node){
				.name = frame->name, .module = frame->module, .kind = frame->kind});
	}
	if (err)
		return err;
	struct flame_node *node = &f->nodes[at];
	if (value < 0)
		base = !base;
	int64_t *side = base ? &node->base_self : &node->self;
	*side = add_up(*side, value == INT64_MIN ? INT64_MAX : llabs(value));
	f->differential |= base;
	return 0;
}

int flame_add(struct flame *f, const struct profile *p, size_t sample_type, double scale, bool base)
{
	struct frame_table t;

	if (sample_type >= p->n_sample_types)
		return -EINVAL;
	f->differential |= base;
	int err = frame_table_init(&t, p, f->texts);
	for (size_t i = 0; i < p->n_samples && !err; i++) {
		int64_t value = p->values[i * p->n_sample_types + sample_type];
		if (value)
			err = add_sample(f, &t, &p->samples[i], scaled(value, scale), base);
	}
	frame_table_free(&t);
	return err;
}

/* ---- arranging ---------------------------------------------------------------------------- */

/* The order of all nodes in which siblings stand together, the first one drawn first. */
static int compare_siblings(const void *a, const void *b, void *userdata)
{
	const struct flame *f = userdata;
	const struct flame_node *x = &f->nodes[*(const uint32_t *)a],
				*y = &f->nodes[*(const uint32_t *)b];

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	int names = strcmp(flame_text(f, x->name), flame_text(f, y->name));
	if (names)
		return names;
	if (x->process != y->process)
		return x->process ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

static void sum_up(struct flame *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct flame_node *node = &f->nodes[i];
		node->value = node->self;
		node->base = node->base_self;
		node->width = (double)(node->self > node->base_self ? node->self : node->base_self);
	}
	for (size_t i = f->n; i-- > 1;) {
		const struct flame_node *node = &f->nodes[i];
		struct flame_node *parent = &f->nodes[node->parent];
		parent->value = add_up(parent->value, node->value);
		parent->base = add_up(parent->base, node->base);
		parent->width += node->width;
	}
}

/* Children lie side by side from the left end of their parent. Parents must precede children. */
static int place(struct flame *f)
{
	_cleanup_free_ double *next = calloc(f->n + 1, sizeof(*next));

	if (!next)
		return -ENOMEM;
	for (size_t i = 1; i < f->n; i++) {
		struct flame_node *node = &f->nodes[i];
		node->x = next[node->parent];
		next[i] = node->x;
		next[node->parent] += node->width;
	}
	return 0;
}

/* Where the children of each node begin in `order`: first[i] to first[i + 1]. */
static void find_children(const struct flame *f, const uint32_t *order, uint32_t *first)
{
	uint32_t k = 1;
	for (uint32_t i = 0; i < f->n; i++) {
		while (k < f->n && f->nodes[order[k]].parent < i)
			k++;
		first[i] = k;
	}
	first[f->n] = (uint32_t)f->n;
}

/* Copies the nodes in the order of the walk, but for empty ones. Returns how many. */
static size_t walk(const struct flame *f, const uint32_t *order, const uint32_t *first,
	uint32_t *stack, struct flame_node *out)
{
	size_t n = 0, depth = 0;

	out[n++] = f->nodes[0];
	for (uint32_t k = first[1]; k-- > first[0];)
		stack[depth++] = order[k];
	/* A parent's place in `out` is known when its children are reached: the last one that is
	 * one level above them. */
	while (depth) {
		uint32_t id = stack[--depth];
		const struct flame_node *node = &f->nodes[id];
		if (node->width <= 0)
			continue;
		size_t parent = n - 1;
		while (out[parent].depth >= node->depth)
			parent = out[parent].parent;
		out[n] = *node;
		out[n++].parent = (uint32_t)parent;
		for (uint32_t k = first[id + 1]; k-- > first[id];)
			stack[depth++] = order[k];
	}
	return n;
}

int flame_arrange(struct flame *f)
{
	_cleanup_free_ uint32_t *order = calloc(f->n + 1, sizeof(*order));
	_cleanup_free_ uint32_t *first = calloc(f->n + 1, sizeof(*first));
	_cleanup_free_ uint32_t *stack = calloc(f->n + 1, sizeof(*stack));
	struct flame_node *out = calloc(f->n + 1, sizeof(*out));

	if (!order || !first || !stack || !out) {
		free(out);
		return -ENOMEM;
	}
	sum_up(f);
	for (uint32_t i = 0; i < f->n; i++)
		order[i] = i;
	/* The root, its own parent, stays in front. */
	qsort_r(order + 1, f->n - 1, sizeof(*order), compare_siblings, f);
	find_children(f, order, first);
	f->capacity = f->n;
	f->n = walk(f, order, first, stack, out);
	free(f->nodes);
	f->nodes = out;
	intern_free(&f->index);
	return place(f);
}

/* ---- cutting ------------------------------------------------------------------------------ */

static int compare_widths(const void *a, const void *b, void *userdata)
{
	const struct flame *f = userdata;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	double width_x = f->nodes[x].width, width_y = f->nodes[y].width;

	if (width_x != width_y)
		return width_x > width_y ? -1 : 1;
	return x < y ? -1 : 1;
}

/* Widest first, and parents before children as wide as they: so a parent is kept if a child is. */
static void choose(const struct flame *f, const uint32_t *order, double min_width, size_t max_bytes,
	size_t (*bytes)(const void *userdata, const struct flame_node *node), const void *userdata,
	bool *keep)
{
	size_t sum = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct flame_node *node = &f->nodes[order[i]];
		size_t size = bytes(userdata, node);
		if (i && (node->width < min_width || size > max_bytes - sum))
			return;
		sum += size < max_bytes - sum ? size : max_bytes - sum;
		keep[order[i]] = true;
	}
}

int flame_cut(struct flame *f, double min_width, size_t max_bytes,
	size_t (*bytes)(const void *userdata, const struct flame_node *node), const void *userdata)
{
	_cleanup_free_ uint32_t *order = calloc(f->n + 1, sizeof(*order));
	_cleanup_free_ bool *keep = calloc(f->n + 1, sizeof(*keep));
	size_t n = 0;

	if (!order || !keep)
		return -ENOMEM;
	for (uint32_t i = 0; i < f->n; i++)
		order[i] = i;
	qsort_r(order, f->n, sizeof(*order), compare_widths, f);
	choose(f, order, min_width, max_bytes, bytes, userdata, keep);
	/* From here on order[i] is where node i has gone. */
	for (uint32_t i = 0; i < f->n; i++) {
		if (!keep[i])
			continue;
		f->nodes[n] = f->nodes[i];
		f->nodes[n].parent = order[f->nodes[i].parent];
		order[i] = (uint32_t)n++;
	}
	f->n_dropped += f->n - n;
	f->n = n;
	return place(f);
}

/* ---- which values ------------------------------------------------------------------------- */

static size_t find_type(const struct profile *p, const char *type, const char *unit)
{
	size_t i = 0;
	while (i < p->n_sample_types &&
		(strcmp(profile_text(p, p->sample_types[i].type), type) != 0 ||
			strcmp(profile_text(p, p->sample_types[i].unit), unit) != 0))
		i++;
	return i;
}

/* The length of one sample, if it is the same for all. */
static int64_t length_of_each(const struct profile *p, size_t count, size_t time)
{
	int64_t each = 0;

	for (size_t i = 0; i < p->n_samples; i++) {
		int64_t n = p->values[i * p->n_sample_types + count];
		int64_t ns = p->values[i * p->n_sample_types + time], product;
		if (!n && !ns)
			continue;
		if (!each && n > 0)
			each = ns / n;
		if (each <= 0 || __builtin_mul_overflow(n, each, &product) || product != ns)
			return 0;
	}
	return each;
}

void flame_sample_type(const struct profile *p, bool chosen, size_t *sample_type, int64_t *each)
{
	size_t count = find_type(p, "samples", "count");
	size_t time = find_type(p, "cpu", "nanoseconds");

	*each = 0;
	if (count == p->n_sample_types || time == p->n_sample_types)
		return;
	if (*sample_type != count && (chosen || *sample_type != time))
		return;
	*each = length_of_each(p, count, time);
	if (*each)
		*sample_type = count;
}
