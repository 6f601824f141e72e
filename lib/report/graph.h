/* SPDX-License-Identifier: MIT */
/*
 * graph.h - the call graph behind the reports: functions with what was measured in them (flat) and
 * below them (cum), and the calls between them, as google/pprof's internal/graph/graph.go counts:
 * each inlined line is a node of its own, a node's cum and an edge's weight count a sample once,
 * flat goes to the innermost line of the leaf, and calls over nodes that were dropped are residual.
 */
#ifndef PROFD_REPORT_GRAPH_H
#define PROFD_REPORT_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "util/intern.h"

struct string_table;

/* What tells two functions apart: the name, or for those without one where they come from. */
struct graph_key {
	uint32_t name; /* graph.names; for the unnamed "[module]" or "<unknown>" */
	bool unnamed;
	uint32_t file; /* unnamed: a string of the profile */
	int64_t start_line;
};

struct graph_node {
	struct graph_key key;
	int64_t flat, cum;
	size_t seen;  /* the last sample that counted */
	bool dropped; /* set by the report, kept by graph_count */
};

struct graph_edge {
	uint32_t from, to; /* node ids */
	int64_t weight;
	size_t seen;
	bool residual;	/* over nodes that were dropped */
	bool is_inline; /* all of these calls are inlined */
};

struct graph {
	const struct profile *profile; /* borrowed */
	size_t sample_type;
	struct string_table *names;
	struct graph_node *nodes; /* ids are indices; entry 0 is unused */
	size_t n_nodes, node_capacity;
	struct graph_edge *edges; /* entry 0 is unused */
	size_t n_edges, edge_capacity;
	uint32_t *line_nodes;	  /* by index in profile.lines */
	uint32_t *location_nodes; /* by location, for those without lines */
	struct intern node_index, edge_index;
};

/* Makes the nodes of all lines and locations, none counted yet. 0, -EINVAL (no such sample type),
 * -ENOMEM, -E2BIG. graph_free also after a failure. */
int graph_init(struct graph *g, const struct profile *p, size_t sample_type);
void graph_free(struct graph *g);
/* Counts all samples anew over the nodes that are not dropped. 0, -ENOMEM, -E2BIG. */
int graph_count(struct graph *g);
const char *graph_name(const struct graph *g, const struct graph_node *node);
int64_t graph_value(const struct graph *g, size_t sample);

/* Sums wrap, as google/pprof's do: what is printed is then wrong, but no worse happens. */
static inline int64_t wrapping_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t wrapping_abs(int64_t a)
{
	return a < 0 ? (int64_t)(0 - (uint64_t)a) : a;
}

#endif
