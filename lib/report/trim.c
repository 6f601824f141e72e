/* SPDX-License-Identifier: MIT */
#include "report/trim.h"

#include <errno.h>
#include <stdlib.h>

#include "report/graph_tags.h"
#include "util/cleanup.h"

#define NODELETS_MAX 4 /* boxes for tags beside a node in a picture */

/* ---- edges -------------------------------------------------------------------------------- */

/* Removes the calls of listed nodes that are below a weight. *n counts them. */
static int trim_edges(struct graph *g, int64_t least, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < g->n_listed; i++) {
		uint32_t node = g->listed[i];
		for (size_t k = g->in.first[node]; k < g->in.first[node + 1]; k++) {
			struct graph_edge *e = &g->edges[g->in.edges[k]];
			if (wrapping_abs(e->weight) < least) {
				e->removed = true;
				(*n)++;
			}
		}
	}
	return *n ? graph_link(g) : 0;
}

/* Where a search for ways has been. */
struct search {
	uint32_t *queue;
	size_t *seen; /* by node: number of the last search */
	size_t number;
};

/* Whether there is a way from the edge's start to its end without the edge. */
static bool is_redundant(const struct graph *g, struct search *s, uint32_t edge)
{
	uint32_t from = g->edges[edge].from, to = g->edges[edge].to;
	size_t head = 0, tail = 0;
	s->number++;
	s->queue[tail++] = to;
	s->seen[to] = s->number;
	while (head < tail) {
		uint32_t node = s->queue[head++];
		for (size_t k = g->in.first[node]; k < g->in.first[node + 1]; k++) {
			const struct graph_edge *e = &g->edges[g->in.edges[k]];
			if (e->removed || g->in.edges[k] == edge || s->seen[e->from] == s->number)
				continue;
			if (e->from == from)
				return true;
			s->seen[e->from] = s->number;
			s->queue[tail++] = e->from;
		}
	}
	return false;
}

/* Lightest first; never one that is heavier than a direct call. */
static int remove_redundant_edges(struct graph *g)
{
	struct search s = {0};
	_cleanup_free_ uint32_t *queue = calloc(g->n_nodes, sizeof(*queue));
	_cleanup_free_ size_t *seen = calloc(g->n_nodes, sizeof(*seen));
	if (!queue || !seen)
		return -ENOMEM;
	s.queue = queue;
	s.seen = seen;
	graph_order_edges(g);
	for (size_t i = g->n_listed; i-- > 0;) {
		uint32_t node = g->listed[i];
		for (size_t k = g->in.first[node + 1]; k-- > g->in.first[node];) {
			struct graph_edge *e = &g->edges[g->in.edges[k]];
			if (!e->residual)
				break;
			e->removed = is_redundant(g, &s, g->in.edges[k]);
		}
	}
	return graph_link(g);
}

/* ---- nodes -------------------------------------------------------------------------------- */

/* Drops what is not marked from a graph, by counting it anew. */
static int keep_in_graph(struct graph *g, const bool *keep)
{
	for (size_t i = 1; i < g->n_nodes; i++)
		g->nodes[i].dropped = !keep[i];
	return graph_count(g);
}

/* Takes one node out of a tree: its calls become its caller's. */
static void bypass(struct graph *g, uint32_t node, uint32_t in_edge, const uint32_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct graph_edge *e = &g->edges[out[i]];
		if (!in_edge) {
			e->removed = true;
			continue;
		}
		e->from = g->edges[in_edge].from;
		e->residual = true;
		e->is_inline &= g->edges[in_edge].is_inline;
	}
	if (in_edge)
		g->edges[in_edge].removed = true;
}

/* The edge that leads to each node of a tree, 0 at roots. */
static uint32_t *find_callers(const struct graph *g)
{
	uint32_t *of = calloc(g->n_nodes, sizeof(*of));
	for (size_t i = 1; of && i < g->n_edges; i++)
		if (!g->edges[i].removed)
			of[g->edges[i].to] = (uint32_t)i;
	return of;
}

static int keep_in_tree(struct graph *g, const bool *keep)
{
	_cleanup_free_ uint32_t *callers = find_callers(g);
	_cleanup_free_ bool *drop = calloc(g->n_nodes, sizeof(*drop));
	size_t kept = 0;
	if (!callers || !drop)
		return -ENOMEM;
	for (size_t i = 0; i < g->n_listed; i++)
		drop[g->listed[i]] = !keep[g->listed[i]];
	/* Ids grow with depth, so a caller is bypassed before what it calls: the edges that leave a
	 * node are the ones that it had from the start. */
	for (uint32_t node = 1; node < g->n_nodes; node++) {
		if (!drop[node])
			continue;
		uint32_t caller = callers[node];
		if (caller && g->edges[caller].removed)
			caller = 0;
		bypass(g, node, caller, g->out.edges + g->out.first[node],
			g->out.first[node + 1] - g->out.first[node]);
	}
	for (size_t i = 0; i < g->n_listed; i++)
		if (keep[g->listed[i]])
			g->listed[kept++] = g->listed[i];
	g->n_listed = kept;
	return graph_link(g);
}

static int keep_nodes(struct graph *g, const bool *keep)
{
	return g->options.tree ? keep_in_tree(g, keep) : keep_in_graph(g, keep);
}

/* Drops nodes whose cum is below a value. *n counts them. */
static int drop_small(struct graph *g, int64_t least, size_t *n)
{
	_cleanup_free_ bool *keep = calloc(g->n_nodes, sizeof(*keep));
	if (!keep)
		return -ENOMEM;
	*n = 0;
	for (size_t i = 0; i < g->n_listed; i++) {
		uint32_t node = g->listed[i];
		keep[node] = wrapping_abs(g->nodes[node].cum) >= least;
		*n += !keep[node];
	}
	return *n ? keep_nodes(g, keep) : 0;
}

/* A share of a sum, to cut at. */
static int64_t cutoff(int64_t sum, double fraction)
{
	return wrapping_abs(to_int64((double)sum * fraction));
}

/* Counts, and counts anew without the nodes below a share of the sum. *least_node and *least_edge
 * are what the shares amount to. */
static int count_large(struct graph *g, const struct trim_options *o, struct trimmed *out,
	int64_t *least_node, int64_t *least_edge)
{
	/* A tree is not counted anew: its edges are moved. */
	bool twice = !g->options.tree && o->node_fraction > 0;
	int r = twice ? graph_count_nodes(g) : graph_count(g);
	int64_t sum = graph_flat_sum(g);
	*least_node = cutoff(sum, o->node_fraction);
	*least_edge = cutoff(sum, o->edge_fraction);
	if (r == 0 && *least_node > 0)
		r = drop_small(g, *least_node, &out->n_dropped_nodes);
	if (r == 0 && twice && !out->n_dropped_nodes)
		r = graph_count(g);
	return r;
}

/* In a picture tags take room too: how many nodes there is room for. */
static int count_with_tags(const struct graph *g, size_t *count)
{
	_cleanup_free_ size_t *tags = calloc(g->n_nodes, sizeof(*tags));
	size_t sum = 0;
	if (!tags)
		return -ENOMEM;
	for (size_t i = 1; i < g->n_tags; i++)
		if (g->tags[i].node && g->tags[i].flat)
			tags[g->tags[i].node]++;
	for (size_t i = 0; i < g->n_listed; i++) {
		size_t n = tags[g->listed[i]];
		sum += (n < NODELETS_MAX ? n : NODELETS_MAX) + 1;
		if (sum >= *count) {
			*count = i + 1;
			break;
		}
	}
	return 0;
}

static int keep_first(struct graph *g, const struct trim_options *o)
{
	size_t count = o->node_count;
	int r = o->order == GRAPH_BY_ENTROPY ? count_with_tags(g, &count) : 0;
	_cleanup_free_ bool *keep = calloc(g->n_nodes, sizeof(*keep));
	size_t kept = 0;
	if (r == 0 && !keep)
		r = -ENOMEM;
	if (r < 0)
		return r;
	for (size_t i = 0; i < g->n_listed && i < count; i++) {
		/* The absolute value of the smallest integer is itself: Go's drops that here. */
		bool keeps = g->nodes[g->listed[i]].cum != INT64_MIN;
		keep[g->listed[i]] = keeps;
		kept += keeps;
	}
	if (kept == g->n_listed)
		return 0;
	r = keep_nodes(g, keep);
	return r < 0 ? r : graph_sort(g, o->order);
}

int graph_trim(struct graph *g, const struct trim_options *o, struct trimmed *out)
{
	*out = (struct trimmed){0};
	int64_t least_node, least_edge;
	int r = count_large(g, o, out, &least_node, &least_edge);
	out->n_before = g->n_listed;
	if (r == 0)
		r = graph_sort(g, o->order);
	if (r == 0 && o->node_count) {
		graph_trim_tags(g, least_node);
		r = trim_edges(g, least_edge, &out->n_dropped_edges);
		if (r == 0)
			r = keep_first(g, o);
	}
	if (r < 0)
		return r;
	graph_trim_tags(g, least_node);
	r = trim_edges(g, least_edge, &out->n_dropped_edges);
	return r == 0 && o->order == GRAPH_BY_ENTROPY ? remove_redundant_edges(g) : r;
}
