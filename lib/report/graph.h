/* SPDX-License-Identifier: MIT */
/*
 * graph.h - the call graph behind the reports: places in the code with what was measured in them
 * (flat) and below them (cum), and the calls between them, as google/pprof's
 * internal/graph/graph.go counts: each inlined line is a node of its own, a node's cum and an
 * edge's weight count a sample once, flat goes to the innermost line of the leaf, and calls over
 * nodes that were dropped are residual. As a tree, a place is one node for each way to it.
 *
 * How fine places are depends on what report_aggregate() has left of names, lines and addresses.
 */
#ifndef PROFD_REPORT_GRAPH_H
#define PROFD_REPORT_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "report/numbers.h"
#include "util/intern.h"

struct graph_options {
	size_t sample_type;
	bool mean;	   /* count a divisor along: the sample's first value */
	bool object_names; /* tell equal names of different binaries apart */
	bool tree;
	bool drop_negative;
	bool tags;		/* collect the labels of each node */
	const char *tag_unit;	/* what numeric tags are shown in */
	const char *bytes_unit; /* of the numeric label "bytes" */
};

/* A place in the code. Strings of the profile. */
struct graph_place {
	uint32_t name, file, object;
	uint64_t address;
	int64_t start_line, line, column;
};

struct graph_node {
	uint32_t place;
	uint32_t parent; /* trees: node id, 0 at the root */
	int64_t flat, flat_div, cum, cum_div;
	size_t seen;  /* the last sample that counted */
	bool dropped; /* kept by graph_count: calls go over it */
};

struct graph_edge {
	uint32_t from, to; /* node ids */
	int64_t weight, weight_div;
	size_t seen;
	bool residual;	/* over nodes that were dropped */
	bool is_inline; /* all of these calls are inlined */
	bool removed;
};

/* The text labels of samples, together ("key:value\nkey:value"), or a numeric one below them. */
struct graph_tag {
	uint32_t node;
	uint32_t labels; /* string; 0: none */
	uint32_t name;	 /* string; 0: this is the labels' own tag */
	int64_t value;
	int64_t flat, flat_div, cum, cum_div;
};

/* Edge ids of each node: edges[first[node]] to before edges[first[node + 1]]. */
struct graph_edges {
	uint32_t *edges;
	uint32_t *first;
};

struct graph {
	struct profile *profile; /* borrowed; gets strings */
	struct graph_options options;
	struct graph_place *places; /* entry 0 is unused, as everywhere here */
	size_t n_places, place_capacity;
	char **names; /* of places, as they are shown, made when asked for */
	struct graph_node *nodes;
	size_t n_nodes, node_capacity;
	struct graph_edge *edges;
	size_t n_edges, edge_capacity;
	struct graph_tag *tags;
	size_t n_tags, tag_capacity;
	uint32_t *line_places;	   /* by index in profile.lines */
	uint32_t *location_places; /* by location, for those without lines */
	struct intern place_index, node_index, edge_index, tag_index;
	/* Nodes that have any value and are not dropped, in the order of graph_sort(). */
	uint32_t *listed;
	size_t n_listed;
	struct graph_edges in, out;
};

enum graph_order {
	GRAPH_BY_FLAT,
	GRAPH_BY_CUM,
	GRAPH_BY_ENTROPY, /* what tells most about the program: for pictures */
};

/* Finds all places. 0, -ENOMEM, -E2BIG. graph_free also after a failure. */
int graph_init(struct graph *g, struct profile *p, const struct graph_options *options);
void graph_free(struct graph *g);
/* Counts all samples anew over the nodes that are not dropped, and lists what has a value. 0,
 * -ENOMEM, -E2BIG. */
int graph_count(struct graph *g);
/* The same without edges and tags, which are most of the work: to see what to drop. */
int graph_count_nodes(struct graph *g);
int graph_sort(struct graph *g, enum graph_order order);
/* Fills `in` and `out` anew after edges were moved or removed. 0 or -ENOMEM. */
int graph_link(struct graph *g);
/* Puts the edges of each node in order: the heaviest first, then by name. */
void graph_order_edges(struct graph *g);
/* Two edge ids in that order. */
int graph_compare_edges(const struct graph *g, uint32_t a, uint32_t b);

/* "address name file:line:column", as far as there is each. NULL without memory. */
const char *graph_name(const struct graph *g, uint32_t node);
/* For each part of that name, which is `part` of `arg`. */
void graph_each_name_part(const struct profile *p, const struct graph_place *place,
	const char *name, const char *file, void (*each)(void *arg, const char *part), void *arg);

static inline const struct graph_place *graph_place(const struct graph *g, uint32_t node)
{
	return &g->places[g->nodes[node].place];
}

static inline int64_t graph_flat(const struct graph *g, uint32_t node)
{
	return divided(g->nodes[node].flat, g->nodes[node].flat_div);
}

static inline int64_t graph_cum(const struct graph *g, uint32_t node)
{
	return divided(g->nodes[node].cum, g->nodes[node].cum_div);
}

/* Sums over what is listed: as counted, and with divisors applied. */
int64_t graph_flat_sum(const struct graph *g);
int64_t graph_shown_sum(const struct graph *g);

#endif
