/* SPDX-License-Identifier: MIT */
/*
 * trim.h - a graph without what is too small to matter (google/pprof internal/report/report.go,
 * newTrimmedGraph): nodes below a share of the total, all but the first so many, thin edges, and
 * in pictures the edges that only repeat a longer way.
 */
#ifndef PROFD_REPORT_TRIM_H
#define PROFD_REPORT_TRIM_H

#include "report/graph.h"

struct trim_options {
	double node_fraction, edge_fraction;
	uint32_t node_count; /* 0: all */
	enum graph_order order;
};

/* What was left out, for the header. */
struct trimmed {
	size_t n_before; /* nodes before node_count cut them */
	size_t n_dropped_nodes, n_dropped_edges;
};

/* `g` fresh from graph_init(). Counts, trims and sorts it. 0, -ENOMEM, -E2BIG. */
int graph_trim(struct graph *g, const struct trim_options *options, struct trimmed *out);

#endif
