/* SPDX-License-Identifier: MIT */
/* graph_order.c - the order of nodes and edges in reports. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/graph.h"
#include "util/cleanup.h"

/* ---- edges by node ------------------------------------------------------------------------ */

static int link_edges(struct graph *g, struct graph_edges *of, bool incoming)
{
	free(of->edges);
	free(of->first);
	of->edges = calloc(g->n_edges, sizeof(*of->edges));
	of->first = calloc(g->n_nodes + 2, sizeof(*of->first));
	if (!of->edges || !of->first)
		return -ENOMEM;
	/* Counts two places up, so that filling leaves each start where it belongs. */
	for (size_t i = 1; i < g->n_edges; i++)
		if (!g->edges[i].removed)
			of->first[(incoming ? g->edges[i].to : g->edges[i].from) + 2]++;
	for (size_t i = 2; i < g->n_nodes + 2; i++)
		of->first[i] += of->first[i - 1];
	for (size_t i = 1; i < g->n_edges; i++)
		if (!g->edges[i].removed)
			of->edges[of->first[(incoming ? g->edges[i].to : g->edges[i].from) + 1]++] =
				(uint32_t)i;
	return 0;
}

int graph_link(struct graph *g)
{
	int r = link_edges(g, &g->in, true);
	return r < 0 ? r : link_edges(g, &g->out, false);
}

int graph_compare_edges(const struct graph *g, uint32_t a, uint32_t b)
{
	const struct graph_edge *x = &g->edges[a], *y = &g->edges[b];
	int64_t first = wrapping_abs(x->weight), second = wrapping_abs(y->weight);
	if (first != second)
		return first > second ? -1 : 1;
	/* A weight and its negative are neither before the other, whatever the names. */
	if (x->weight == y->weight) {
		int order = strcmp(graph_name(g, x->from), graph_name(g, y->from));
		if (!order)
			order = strcmp(graph_name(g, x->to), graph_name(g, y->to));
		if (order)
			return order;
	}
	return a < b ? -1 : a > b;
}

static int compare_edges(const void *a, const void *b, void *userdata)
{
	return graph_compare_edges(userdata, *(const uint32_t *)a, *(const uint32_t *)b);
}

static void order_edges(struct graph *g, struct graph_edges *of)
{
	for (size_t i = 1; i < g->n_nodes; i++) {
		size_t n = of->first[i + 1] - of->first[i];
		if (n > 1)
			qsort_r(of->edges + of->first[i], n, sizeof(*of->edges), compare_edges, g);
	}
}

void graph_order_edges(struct graph *g)
{
	order_edges(g, &g->in);
	order_edges(g, &g->out);
}

/* ---- nodes -------------------------------------------------------------------------------- */

/* How evenly calls spread over a node's edges, in bits. */
static double edge_entropy(const struct graph *g, const uint32_t *edges, size_t n, int64_t self)
{
	int64_t sum = self;
	double score = 0;
	for (size_t i = 0; i < n; i++)
		if (g->edges[edges[i]].weight > 0)
			sum = wrapping_add(sum, g->edges[edges[i]].weight);
	if (!sum)
		return 0;
	for (size_t i = 0; i < n; i++) {
		double share = (double)wrapping_abs(g->edges[edges[i]].weight) / (double)sum;
		score += -share * log2(share);
	}
	if (self > 0) {
		double share = (double)self / (double)sum;
		score += -share * log2(share);
	}
	return score;
}

/* How much a node says: one through which calls only pass says little. */
static int64_t entropy_score(const struct graph *g, uint32_t node)
{
	const struct graph_node *n = &g->nodes[node];
	size_t n_in = g->in.first[node + 1] - g->in.first[node];
	size_t n_out = g->out.first[node + 1] - g->out.first[node];
	double score = n_in ? edge_entropy(g, g->in.edges + g->in.first[node], n_in, 0) : 1;
	score += n_out ? edge_entropy(g, g->out.edges + g->out.first[node], n_out, n->flat) : 1;
	return wrapping_add(to_int64(score * (double)n->cum), n->flat);
}

struct sorting {
	const struct graph *g;
	int64_t *scores; /* by node */
	bool by_flat;
};

static int compare_names(const struct graph *g, uint32_t a, uint32_t b)
{
	const struct graph_place *x = graph_place(g, a), *y = graph_place(g, b);
	if (x->address && y->address && x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return strcmp(graph_name(g, a), graph_name(g, b));
}

static int compare_nodes(const void *a, const void *b, void *userdata)
{
	const struct sorting *s = userdata;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int64_t first = wrapping_abs(s->scores[x]), second = wrapping_abs(s->scores[y]);
	if (first != second)
		return first > second ? -1 : 1;
	int order = compare_names(s->g, x, y);
	if (order)
		return order;
	first = wrapping_abs(s->by_flat ? s->g->nodes[x].cum : s->g->nodes[x].flat);
	second = wrapping_abs(s->by_flat ? s->g->nodes[y].cum : s->g->nodes[y].flat);
	if (first != second)
		return first > second ? -1 : 1;
	return x < y ? -1 : x > y;
}

int graph_sort(struct graph *g, enum graph_order order)
{
	_cleanup_free_ int64_t *scores = calloc(g->n_nodes, sizeof(*scores));
	if (!scores)
		return -ENOMEM;
	if (order == GRAPH_BY_ENTROPY)
		graph_order_edges(g); /* sums of floats depend on it */
	for (size_t i = 0; i < g->n_listed; i++) {
		uint32_t node = g->listed[i];
		scores[node] = order == GRAPH_BY_FLAT  ? g->nodes[node].flat
			       : order == GRAPH_BY_CUM ? g->nodes[node].cum
						       : entropy_score(g, node);
	}
	struct sorting s = {g, scores, order == GRAPH_BY_FLAT};
	qsort_r(g->listed, g->n_listed, sizeof(*g->listed), compare_nodes, &s);
	return 0;
}
