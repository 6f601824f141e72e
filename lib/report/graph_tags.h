/* SPDX-License-Identifier: MIT */
/* graph_tags.h - the labels of samples, counted by node while the graph is counted. */
#ifndef PROFD_REPORT_GRAPH_TAGS_H
#define PROFD_REPORT_GRAPH_TAGS_H

#include "report/graph.h"

/* What a sample's labels say, of the profile that is counted. */
struct sample_tags {
	uint32_t labels; /* string: its text labels, sorted; 0 for none */
	const struct sample *sample;
};

/* 0 or -ENOMEM, -E2BIG. */
int graph_sample_tags(struct graph *g, const struct sample *s, struct sample_tags *out);
/* Adds a sample's values to the tags of a node. 0, -ENOMEM, -E2BIG. */
int graph_tag_node(struct graph *g, const struct sample_tags *tags, uint32_t node, int64_t weight,
	int64_t divisor, bool flat);
/* Forgets tags whose flat and cum are both below a value. */
void graph_trim_tags(struct graph *g, int64_t least);

#endif
