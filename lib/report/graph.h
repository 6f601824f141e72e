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

struct graph_node {
	uint32_t name; /* string of the profile; 0: unnamed, known by the next two */
	uint32_t file; /* string: the mapping's file */
	int64_t start_line;
	int64_t flat, cum;
	uint64_t seen; /* the last sample that counted */
	bool dropped;
};

struct graph_edge {
	uint32_t from, to; /* node ids */
	int64_t weight;
	uint64_t seen;
	bool residual;	/* over nodes that were dropped */
	bool is_inline; /* all of these calls are inlined */
};

struct graph {
	const struct profile *profile;
	size_t sample_type;
	struct graph_node *nodes; /* ids are indices, entry 0 is unused */
	size_t n_nodes, node_capacity;
	struct graph_edge *edges; /* entry 0 is unused */
	size_t n_edges, edge_capacity;
	uint32_t *line_nodes; /* by index in profile.lines */
	uint32_t *bare_nodes; /* by location, for those without lines */
	struct intern node_index, edge_index;
};

/* Nodes for all lines and locations, none counted yet. The profile is borrowed. 0 or -ENOMEM,
 * -EINVAL (no such sample type). */
int graph_init(struct graph *g, const struct profile *p, size_t sample_type);
void graph_free(struct graph *g);
/* Counts all samples anew over the nodes that are not dropped. 0 or -ENOMEM. */
int graph_count(struct graph *g);
/* What the node is called in a report: its name, "[module]" or "<unknown>". */
void graph_node_name(const struct graph *g, const struct graph_node *node, char *out, size_t size);

#endif
