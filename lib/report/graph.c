/* SPDX-License-Identifier: MIT */
#include "report/graph.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
#include "report/graph_tags.h"
#include "report/names.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

/* ---- places ------------------------------------------------------------------------------- */

struct wanted_place {
	const struct graph *g;
	struct graph_place place;
};

static bool equal_place(const void *userdata, uint32_t id)
{
	const struct wanted_place *w = userdata;
	const struct graph_place *a = &w->place, *b = &w->g->places[id];
	return a->name == b->name && a->file == b->file && a->object == b->object &&
	       a->address == b->address && a->start_line == b->start_line && a->line == b->line &&
	       a->column == b->column;
}

static int find_or_add_place(struct graph *g, struct graph_place place, uint32_t *out)
{
	struct wanted_place wanted = {g, place};
	uint64_t words[] = {(uint64_t)place.name << 32 | place.file, place.object, place.address,
		(uint64_t)place.start_line, (uint64_t)place.line, (uint64_t)place.column};
	uint64_t hash = hash_bytes(words, sizeof(words));
	uint32_t id = intern_find(&g->place_index, hash, equal_place, &wanted);
	if (!id) {
		int r = grow(g->places, g->n_places, g->place_capacity, 1);
		if (r == 0)
			r = intern_add(&g->place_index, hash, (uint32_t)g->n_places);
		if (r < 0)
			return r;
		id = (uint32_t)g->n_places++;
		g->places[id] = place;
	}
	*out = id;
	return 0;
}

/* Cleaned file names by function. */
static int clean_files(struct profile *p, uint32_t *files)
{
	_cleanup_free_ char *buffer = NULL;
	size_t capacity = 0;
	for (size_t i = 1; i < p->n_functions; i++) {
		uint32_t file = p->functions[i].filename;
		if (!file)
			continue;
		int r = grow(buffer, 0, capacity, strings_length(p->strings, file) + 2);
		if (r < 0)
			return r;
		int64_t id = profile_string(p, clean_path(profile_text(p, file), buffer));
		if (id < 0)
			return (int)id;
		files[i] = (uint32_t)id;
	}
	return 0;
}

static struct graph_place place_of_line(const struct graph *g, const struct location *l,
	const struct line *line, const uint32_t *files)
{
	const struct function *f = &g->profile->functions[line->function];
	struct graph_place place = {
		.name = f->name,
		.file = files[line->function],
		.address = l->address,
		.line = line->line,
		.column = line->column,
	};
	if (g->options.object_names || !f->name) {
		place.object = g->profile->mappings[l->mapping].file;
		place.start_line = f->start_line;
	}
	return place;
}

static int find_places(struct graph *g, const uint32_t *files)
{
	const struct profile *p = g->profile;
	int r = 0;
	for (size_t i = 1; r == 0 && i < p->n_locations; i++) {
		const struct location *l = &p->locations[i];
		if (!l->n_lines)
			r = find_or_add_place(g,
				(struct graph_place){.address = l->address,
					.object = p->mappings[l->mapping].file},
				&g->location_places[i]);
		for (size_t k = l->first_line; r == 0 && k < l->first_line + l->n_lines; k++)
			r = find_or_add_place(
				g, place_of_line(g, l, &p->lines[k], files), &g->line_places[k]);
	}
	return r;
}

/* Outside of a tree, a place is a node. */
static int make_nodes(struct graph *g)
{
	int r = grow(g->nodes, 0, g->node_capacity, g->n_places);
	if (r < 0)
		return r;
	for (size_t i = 0; i < g->n_places; i++)
		g->nodes[i] = (struct graph_node){.place = (uint32_t)i};
	g->n_nodes = g->n_places;
	return 0;
}

static int first_entries(struct graph *g)
{
	int r = grow(g->places, 0, g->place_capacity, 1);
	if (r == 0)
		r = grow(g->nodes, 0, g->node_capacity, 1);
	if (r == 0)
		r = grow(g->edges, 0, g->edge_capacity, 1);
	if (r == 0)
		r = grow(g->tags, 0, g->tag_capacity, 1);
	if (r < 0)
		return r;
	g->places[g->n_places++] = (struct graph_place){0};
	g->nodes[g->n_nodes++] = (struct graph_node){0};
	g->edges[g->n_edges++] = (struct graph_edge){0};
	g->tags[g->n_tags++] = (struct graph_tag){0};
	return 0;
}

int graph_init(struct graph *g, struct profile *p, const struct graph_options *options)
{
	*g = (struct graph){.profile = p, .options = *options};
	g->line_places = calloc(p->n_lines + 1, sizeof(*g->line_places));
	g->location_places = calloc(p->n_locations, sizeof(*g->location_places));
	_cleanup_free_ uint32_t *files = calloc(p->n_functions, sizeof(*files));
	if (!g->line_places || !g->location_places || !files)
		return -ENOMEM;
	int r = first_entries(g);
	if (r == 0)
		r = clean_files(p, files);
	if (r == 0)
		r = find_places(g, files);
	if (r < 0)
		return r;
	g->names = calloc(g->n_places, sizeof(*g->names));
	if (!g->names)
		return -ENOMEM;
	return g->options.tree ? 0 : make_nodes(g);
}

void graph_free(struct graph *g)
{
	for (size_t i = 0; g->names && i < g->n_places; i++)
		free(g->names[i]);
	free(g->names);
	free(g->places);
	free(g->nodes);
	free(g->edges);
	free(g->tags);
	free(g->line_places);
	free(g->location_places);
	intern_free(&g->place_index);
	intern_free(&g->node_index);
	intern_free(&g->edge_index);
	intern_free(&g->tag_index);
	free(g->listed);
	free(g->in.edges);
	free(g->in.first);
	free(g->out.edges);
	free(g->out.first);
	*g = (struct graph){0};
}

/* ---- names -------------------------------------------------------------------------------- */

void graph_each_name_part(const struct profile *p, const struct graph_place *place,
	const char *name, const char *file, void (*each)(void *arg, const char *part), void *arg)
{
	char address[24];
	if (place->address) {
		snprintf(address, sizeof(address), "%016" PRIx64, place->address);
		each(arg, address);
	}
	if (*name)
		each(arg, name);
	_cleanup_free_ char *text = NULL;
	int n = 0;
	if (place->line && place->column)
		n = asprintf(&text, "%s:%" PRId64 ":%" PRId64, file, place->line, place->column);
	else if (place->line)
		n = asprintf(&text, "%s:%" PRId64, file, place->line);
	else if (*file)
		n = asprintf(&text, "%s", file);
	else if (!*name && place->object) {
		size_t length;
		const char *base = base_name(profile_text(p, place->object), &length);
		n = asprintf(&text, "[%.*s]", (int)length, base);
	} else if (!*name) {
		n = asprintf(&text, "<unknown>");
	}
	if (n < 0)
		text = NULL;
	if (text)
		each(arg, text);
}

static void append_part(void *arg, const char *part)
{
	FILE *out = arg;
	fprintf(out, "%s%s", ftell(out) > 0 ? " " : "", part);
}

const char *graph_name(const struct graph *g, uint32_t node)
{
	uint32_t id = g->nodes[node].place;
	const struct graph_place *place = &g->places[id];
	if (!g->names[id]) {
		size_t size;
		FILE *out = open_memstream(&g->names[id], &size);
		if (!out)
			return "";
		graph_each_name_part(g->profile, place, profile_text(g->profile, place->name),
			profile_text(g->profile, place->file), append_part, out);
		fclose(out);
	}
	return g->names[id] ? g->names[id] : "";
}

/* ---- counting ----------------------------------------------------------------------------- */

struct wanted_pair {
	const struct graph *g;
	uint32_t from, to;
};

static uint64_t hash_pair(uint32_t from, uint32_t to)
{
	uint64_t word = (uint64_t)from << 32 | to;
	return hash_bytes(&word, sizeof(word));
}

static bool equal_edge(const void *userdata, uint32_t id)
{
	const struct wanted_pair *w = userdata;
	return w->g->edges[id].from == w->from && w->g->edges[id].to == w->to;
}

static int find_or_add_edge(struct graph *g, uint32_t from, uint32_t to, struct graph_edge **out)
{
	struct wanted_pair wanted = {g, from, to};
	uint64_t hash = hash_pair(from, to);
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

static bool equal_child(const void *userdata, uint32_t id)
{
	const struct wanted_pair *w = userdata;
	return w->g->nodes[id].parent == w->from && w->g->nodes[id].place == w->to;
}

/* The node of a place below `parent` in a tree. */
static int find_or_add_child(struct graph *g, uint32_t parent, uint32_t place, uint32_t *out)
{
	struct wanted_pair wanted = {g, parent, place};
	uint64_t hash = hash_pair(parent, place);
	uint32_t id = intern_find(&g->node_index, hash, equal_child, &wanted);
	if (!id) {
		int r = grow(g->nodes, g->n_nodes, g->node_capacity, 1);
		if (r == 0)
			r = intern_add(&g->node_index, hash, (uint32_t)g->n_nodes);
		if (r < 0)
			return r;
		id = (uint32_t)g->n_nodes++;
		g->nodes[id] = (struct graph_node){.place = place, .parent = parent};
	}
	*out = id;
	return 0;
}

/* The walk along one stack, root first. */
struct walk {
	size_t sample; /* index + 1, to mark what it has counted */
	int64_t weight, divisor;
	uint32_t parent; /* 0: none yet */
	bool residual;	 /* nodes were dropped since the parent */
	bool nodes_only; /* no edges, no tags */
	struct sample_tags tags;
};

static bool counts_tags(const struct graph *g, const struct walk *w)
{
	return g->options.tags && !w->nodes_only;
}

static int enter(struct graph *g, struct walk *w, uint32_t id)
{
	struct graph_node *node = &g->nodes[id];
	if (node->seen == w->sample)
		return 0;
	node->seen = w->sample;
	node->cum = wrapping_add(node->cum, w->weight);
	node->cum_div = wrapping_add(node->cum_div, w->divisor);
	return counts_tags(g, w) ? graph_tag_node(g, &w->tags, id, w->weight, w->divisor, false)
				 : 0;
}

static int step(struct graph *g, struct walk *w, uint32_t place, bool is_inline)
{
	uint32_t id = place;
	int r = g->options.tree ? find_or_add_child(g, w->parent, place, &id) : 0;
	if (r < 0)
		return r;
	if (g->nodes[id].dropped) {
		w->residual = true;
		return 0;
	}
	r = enter(g, w, id);
	if (r == 0 && w->parent && w->parent != id && !w->nodes_only) {
		struct graph_edge *edge;
		r = find_or_add_edge(g, w->parent, id, &edge);
		if (r < 0)
			return r;
		if (edge->seen != w->sample) {
			edge->seen = w->sample;
			edge->weight = wrapping_add(edge->weight, w->weight);
			edge->weight_div = wrapping_add(edge->weight_div, w->divisor);
			edge->residual |= w->residual;
			edge->is_inline &= is_inline;
		}
	}
	w->parent = id;
	w->residual = false;
	return r;
}

static int leave(struct graph *g, struct walk *w)
{
	/* If the leaf was dropped, nobody gets its flat value. */
	if (!w->parent || w->residual)
		return 0;
	struct graph_node *node = &g->nodes[w->parent];
	node->flat = wrapping_add(node->flat, w->weight);
	node->flat_div = wrapping_add(node->flat_div, w->divisor);
	return counts_tags(g, w)
		       ? graph_tag_node(g, &w->tags, w->parent, w->weight, w->divisor, true)
		       : 0;
}

static int count_sample(struct graph *g, size_t index, bool nodes_only)
{
	const struct profile *p = g->profile;
	const struct sample *s = &p->samples[index];
	const int64_t *values = p->values + index * p->n_sample_types;
	struct walk w = {
		.sample = index + 1,
		.weight = values[g->options.sample_type],
		.divisor = g->options.mean ? values[0] : 0,
		.nodes_only = nodes_only,
	};
	if (!w.weight && !w.divisor)
		return 0;
	int r = counts_tags(g, &w) ? graph_sample_tags(g, s, &w.tags) : 0;
	for (size_t i = s->n_locations; r == 0 && i-- > 0;) {
		uint32_t id = p->location_ids[s->first_location + i];
		const struct location *l = &p->locations[id];
		if (!l->n_lines)
			r = step(g, &w, g->location_places[id], false);
		for (size_t k = l->n_lines; r == 0 && k-- > 0;)
			r = step(g, &w, g->line_places[l->first_line + k], k != l->n_lines - 1);
	}
	return r < 0 ? r : leave(g, &w);
}

static bool is_negative(const struct graph_node *n)
{
	return n->flat < 0 || (n->flat == 0 && n->cum < 0);
}

static int list_nodes(struct graph *g)
{
	free(g->listed);
	g->n_listed = 0;
	g->listed = calloc(g->n_nodes, sizeof(*g->listed));
	if (!g->listed)
		return -ENOMEM;
	for (size_t i = 1; i < g->n_nodes; i++) {
		const struct graph_node *n = &g->nodes[i];
		if ((n->flat || n->cum) && !(g->options.drop_negative && is_negative(n)))
			g->listed[g->n_listed++] = (uint32_t)i;
	}
	return 0;
}

static int count(struct graph *g, bool nodes_only)
{
	for (size_t i = 1; i < g->n_nodes; i++) {
		struct graph_node *n = &g->nodes[i];
		n->flat = n->flat_div = n->cum = n->cum_div = 0;
		n->seen = 0;
	}
	g->n_edges = g->n_tags = 1;
	intern_free(&g->edge_index);
	intern_free(&g->tag_index);
	int r = 0;
	for (size_t i = 0; r == 0 && i < g->profile->n_samples; i++)
		r = count_sample(g, i, nodes_only);
	return r < 0 ? r : list_nodes(g);
}

int graph_count_nodes(struct graph *g)
{
	return count(g, true);
}

int graph_count(struct graph *g)
{
	int r = count(g, false);
	return r < 0 ? r : graph_link(g);
}

int64_t graph_flat_sum(const struct graph *g)
{
	int64_t sum = 0;
	for (size_t i = 0; i < g->n_listed; i++)
		sum = wrapping_add(sum, g->nodes[g->listed[i]].flat);
	return sum;
}

int64_t graph_shown_sum(const struct graph *g)
{
	int64_t sum = 0;
	for (size_t i = 0; i < g->n_listed; i++)
		sum = wrapping_add(sum, graph_flat(g, g->listed[i]));
	return sum;
}
