/* SPDX-License-Identifier: MIT */
#include "report/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
#include "report/names.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

/* ---- nodes -------------------------------------------------------------------------------- */

struct wanted_node {
	const struct graph *g;
	struct graph_key key;
};

static bool equal_node(const void *userdata, uint32_t id)
{
	const struct wanted_node *w = userdata;
	const struct graph_key *a = &w->key, *b = &w->g->nodes[id].key;
	return a->name == b->name && a->unnamed == b->unnamed && a->file == b->file &&
	       a->start_line == b->start_line;
}

static int find_or_add_node(struct graph *g, struct graph_key key, uint32_t *out)
{
	struct wanted_node wanted = {g, key};
	uint64_t words[] = {
		(uint64_t)key.name << 32 | key.file, (uint64_t)key.start_line << 1 | key.unnamed};
	uint64_t hash = hash_bytes(words, sizeof(words));
	uint32_t id = intern_find(&g->node_index, hash, equal_node, &wanted);
	if (!id) {
		int r = grow(g->nodes, g->n_nodes, g->node_capacity, 1);
		if (r == 0)
			r = intern_add(&g->node_index, hash, (uint32_t)g->n_nodes);
		if (r < 0)
			return r;
		id = (uint32_t)g->n_nodes++;
		g->nodes[id] = (struct graph_node){.key = key};
	}
	*out = id;
	return 0;
}

/* "[module]" or "<unknown>" */
static int64_t unnamed_text(struct graph *g, uint32_t file)
{
	static const char unknown[] = "<unknown>";
	if (!file)
		return strings_add(g->names, unknown, sizeof(unknown) - 1);
	size_t length;
	const char *base = base_name(profile_text(g->profile, file), &length);
	_cleanup_free_ char *text = malloc(length + 2);
	if (!text)
		return -ENOMEM;
	text[0] = '[';
	memcpy(text + 1, base, length);
	text[length + 1] = ']';
	return strings_add(g->names, text, length + 2);
}

static int unnamed_node(
	struct graph *g, const struct location *l, int64_t start_line, uint32_t *out)
{
	uint32_t file = g->profile->mappings[l->mapping].file;
	int64_t name = unnamed_text(g, file);
	if (name < 0)
		return (int)name;
	return find_or_add_node(g,
		(struct graph_key){.name = (uint32_t)name,
			.unnamed = true,
			.file = file,
			.start_line = start_line},
		out);
}

/* Names by function, 0 for those without one. */
static int name_functions(struct graph *g, uint32_t *names)
{
	const struct profile *p = g->profile;
	_cleanup_free_ char *buffer = NULL;
	size_t capacity = 0;
	for (size_t i = 1; i < p->n_functions; i++) {
		const struct function *f = &p->functions[i];
		int r = grow(buffer, 0, capacity, strings_length(p->strings, f->system_name) + 1);
		if (r < 0)
			return r;
		const char *name = shown_name(
			profile_text(p, f->name), profile_text(p, f->system_name), buffer);
		int64_t id = strings_add(g->names, name, strlen(name));
		if (id < 0)
			return (int)id;
		names[i] = (uint32_t)id;
	}
	return 0;
}

static int make_nodes(struct graph *g, const uint32_t *names)
{
	const struct profile *p = g->profile;
	int r = 0;
	for (size_t i = 1; r == 0 && i < p->n_locations; i++) {
		const struct location *l = &p->locations[i];
		if (!l->n_lines)
			r = unnamed_node(g, l, 0, &g->location_nodes[i]);
		for (size_t k = l->first_line; r == 0 && k < l->first_line + l->n_lines; k++) {
			uint32_t function = p->lines[k].function;
			if (names[function])
				r = find_or_add_node(g, (struct graph_key){.name = names[function]},
					&g->line_nodes[k]);
			else
				r = unnamed_node(
					g, l, p->functions[function].start_line, &g->line_nodes[k]);
		}
	}
	return r;
}

int graph_init(struct graph *g, const struct profile *p, size_t sample_type)
{
	*g = (struct graph){.profile = p, .sample_type = sample_type};
	if (sample_type >= p->n_sample_types)
		return -EINVAL;
	g->names = strings_new();
	g->line_nodes = calloc(p->n_lines + 1, sizeof(*g->line_nodes));
	g->location_nodes = calloc(p->n_locations, sizeof(*g->location_nodes));
	_cleanup_free_ uint32_t *names = calloc(p->n_functions, sizeof(*names));
	if (!g->names || !g->line_nodes || !g->location_nodes || !names)
		return -ENOMEM;
	int r = grow(g->nodes, 0, g->node_capacity, 1);
	if (r == 0)
		r = grow(g->edges, 0, g->edge_capacity, 1);
	if (r < 0)
		return r;
	g->nodes[g->n_nodes++] = (struct graph_node){0};
	g->edges[g->n_edges++] = (struct graph_edge){0};
	r = name_functions(g, names);
	return r < 0 ? r : make_nodes(g, names);
}

void graph_free(struct graph *g)
{
	strings_free(g->names);
	free(g->nodes);
	free(g->edges);
	free(g->line_nodes);
	free(g->location_nodes);
	intern_free(&g->node_index);
	intern_free(&g->edge_index);
	*g = (struct graph){0};
}

const char *graph_name(const struct graph *g, const struct graph_node *node)
{
	return strings_text(g->names, node->key.name);
}

int64_t graph_value(const struct graph *g, size_t sample)
{
	return g->profile->values[sample * g->profile->n_sample_types + g->sample_type];
}

/* ---- counting ----------------------------------------------------------------------------- */

struct wanted_edge {
	const struct graph *g;
	uint32_t from, to;
};

static bool equal_edge(const void *userdata, uint32_t id)
{
	const struct wanted_edge *w = userdata;
	return w->g->edges[id].from == w->from && w->g->edges[id].to == w->to;
}

static int find_or_add_edge(struct graph *g, uint32_t from, uint32_t to, struct graph_edge **out)
{
	struct wanted_edge wanted = {g, from, to};
	uint64_t word = (uint64_t)from << 32 | to;
	uint64_t hash = hash_bytes(&word, sizeof(word));
	uint32_t id = intern_find(&g->edge_index, hash, equal_edge, &wanted);
	if (!id) {
		int r = grow(g->edges, g->n_edges, g->edge_capacity, 1);
		if (r == 0)
			r = intern_add(&g->edge_index, hash, (uint32_t)g->n_edges);
		if (r < 0)
			return r;
		id = (uint32_t)g->n_edges++;
		g->edges[id] = (struct graph_edge){.from = from, .to = to, .is_inline = true};
	}
	*out = &g->edges[id];
	return 0;
}

/* The walk along one stack, root first. */
struct walk {
	size_t sample; /* index + 1, to mark what it has counted */
	int64_t weight;
	uint32_t parent; /* 0: none yet */
	bool residual;	 /* nodes were dropped since the parent */
};

static int step(struct graph *g, struct walk *w, uint32_t id, bool is_inline)
{
	struct graph_node *node = &g->nodes[id];
	if (node->dropped) {
		w->residual = true;
		return 0;
	}
	if (node->seen != w->sample) {
		node->seen = w->sample;
		node->cum = wrapping_add(node->cum, w->weight);
	}
	if (w->parent && w->parent != id) {
		struct graph_edge *edge;
		int r = find_or_add_edge(g, w->parent, id, &edge);
		if (r < 0)
			return r;
		if (edge->seen != w->sample) {
			edge->seen = w->sample;
			edge->weight = wrapping_add(edge->weight, w->weight);
			edge->residual |= w->residual;
			edge->is_inline &= is_inline;
		}
	}
	w->parent = id;
	w->residual = false;
	return 0;
}

static int count_sample(struct graph *g, size_t index)
{
	const struct profile *p = g->profile;
	const struct sample *s = &p->samples[index];
	struct walk w = {.sample = index + 1, .weight = graph_value(g, index)};
	if (!w.weight)
		return 0;
	for (size_t i = s->n_locations; i-- > 0;) {
		uint32_t id = p->location_ids[s->first_location + i];
		const struct location *l = &p->locations[id];
		int r = 0;
		if (!l->n_lines)
			r = step(g, &w, g->location_nodes[id], false);
		for (size_t k = l->n_lines; r == 0 && k-- > 0;)
			r = step(g, &w, g->line_nodes[l->first_line + k], k != l->n_lines - 1);
		if (r < 0)
			return r;
	}
	/* If the leaf was dropped, nobody gets its flat value. */
	if (w.parent && !w.residual)
		g->nodes[w.parent].flat = wrapping_add(g->nodes[w.parent].flat, w.weight);
	return 0;
}

int graph_count(struct graph *g)
{
	for (size_t i = 1; i < g->n_nodes; i++) {
		g->nodes[i].flat = g->nodes[i].cum = 0;
		g->nodes[i].seen = 0;
	}
	g->n_edges = 1;
	intern_free(&g->edge_index);
	int r = 0;
	for (size_t i = 0; r == 0 && i < g->profile->n_samples; i++)
		r = count_sample(g, i);
	return r;
}
