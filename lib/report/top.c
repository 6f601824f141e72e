/* SPDX-License-Identifier: MIT */
/* top.c - the table of nodes, and the same with their callers and callees (tree, peek). */
#include <errno.h>

#include "report/private.h"

#define SEPARATOR "----------------------------------------------------------+-------------"
#define TREE_HEAD "      flat  flat%   sum%        cum   cum%   calls calls% + context \t \t "

struct shares {
	char flat[PERCENTAGE_SIZE], sum[PERCENTAGE_SIZE], cum[PERCENTAGE_SIZE];
};

static void format_shares(
	const struct report *r, int64_t flat, int64_t sum, int64_t cum, struct shares *out)
{
	format_percentage(out->flat, sizeof(out->flat), flat, r->total);
	format_percentage(out->sum, sizeof(out->sum), sum, r->total);
	format_percentage(out->cum, sizeof(out->cum), cum, r->total);
}

/* "flat flat% sum% cum cum%": 42 columns. */
static void print_values(const struct report *r, int64_t flat, int64_t cum, const char *flat_text,
	const char *cum_text, const struct shares *shares)
{
	const char *plain = look(&r->config, LOOK_PLAIN);
	fprintf(r->out, "%s%10s %s%s %s %s%10s %s%s",
		look(&r->config, look_of_share(flat, r->total, !r->config.cum)), flat_text,
		shares->flat, plain, shares->sum,
		look(&r->config, look_of_share(cum, r->total, r->config.cum)), cum_text,
		shares->cum, plain);
}

/* ---- top ---------------------------------------------------------------------------------- */

/* Whether a node was inlined where it was called. */
static const char *inline_mark(const struct graph *g, uint32_t node)
{
	bool inlined = false, called = false;
	for (size_t i = g->in.first[node]; i < g->in.first[node + 1]; i++) {
		inlined |= g->edges[g->in.edges[i]].is_inline;
		called |= !g->edges[g->in.edges[i]].is_inline;
	}
	if (!inlined)
		return "";
	return called ? " (partial-inline)" : " (inline)";
}

static void print_rows(const struct report *r, const struct graph *g)
{
	int64_t sum = 0;
	fprintf(r->out, "%s%10s %5s%% %5s%% %10s %5s%%%s\n", look(&r->config, LOOK_HEAD), "flat",
		"flat", "sum", "cum", "cum", look(&r->config, LOOK_PLAIN));
	for (size_t i = 0; i < g->n_listed; i++) {
		uint32_t node = g->listed[i];
		int64_t flat = graph_flat(g, node), cum = graph_cum(g, node);
		char flat_text[FORMAT_VALUE_SIZE], cum_text[FORMAT_VALUE_SIZE];
		struct shares shares;
		sum = wrapping_add(sum, flat);
		report_format(r, flat, flat_text);
		report_format(r, cum, cum_text);
		format_shares(r, flat, sum, cum, &shares);
		print_values(r, flat, cum, flat_text, cum_text, &shares);
		fputs("  ", r->out);
		report_print_name(r, g, node, 44, inline_mark(g, node));
	}
}

int report_top(struct report *r)
{
	struct graph g;
	struct trimmed trimmed;
	int n = report_trimmed_graph(r, &g, &trimmed);
	if (n == 0) {
		report_print_header(r, &g, &trimmed, r->out);
		print_rows(r, &g);
	}
	graph_free(&g);
	return n;
}

/* ---- tree --------------------------------------------------------------------------------- */

static void print_separator(const struct report *r)
{
	fprintf(r->out, "%s%s%s\n", look(&r->config, LOOK_DIM), SEPARATOR,
		look(&r->config, LOOK_PLAIN));
}

/* The calls to a node, or those that it makes. */
static void print_calls(const struct report *r, const struct graph *g, uint32_t node, bool incoming)
{
	const struct graph_edges *of = incoming ? &g->in : &g->out;
	for (size_t i = of->first[node]; i < of->first[node + 1]; i++) {
		const struct graph_edge *e = &g->edges[of->edges[i]];
		char weight[FORMAT_VALUE_SIZE], share[PERCENTAGE_SIZE];
		report_format(r, e->weight, weight);
		format_percentage(share, sizeof(share), e->weight, graph_cum(g, node));
		fprintf(r->out, "%s%50s %s%s |   ",
			look(&r->config, look_of_share(e->weight, graph_cum(g, node), false)),
			weight, share, look(&r->config, LOOK_PLAIN));
		report_print_name(
			r, g, incoming ? e->from : e->to, 62, e->is_inline ? " (inline)" : "");
	}
}

static void print_node(const struct report *r, const struct graph *g, uint32_t node, int64_t sum)
{
	int64_t flat = graph_flat(g, node), cum = graph_cum(g, node);
	char flat_text[FORMAT_VALUE_SIZE], cum_text[FORMAT_VALUE_SIZE];
	struct shares shares;
	report_format(r, flat, flat_text);
	report_format(r, cum, cum_text);
	format_shares(r, flat, sum, cum, &shares);
	print_values(r, flat, cum, flat_text, cum_text, &shares);
	fprintf(r->out, "                | %s", look(&r->config, LOOK_HEAD));
	report_print_name(r, g, node, 60, "");
}

static size_t print_nodes(const struct report *r, const struct graph *g)
{
	int64_t sum = 0;
	size_t printed = 0;
	for (size_t i = 0; i < g->n_listed; i++) {
		uint32_t node = g->listed[i];
		if (r->symbol && !pattern_matches(r->symbol, graph_name(g, node)))
			continue;
		printed++;
		sum = wrapping_add(sum, graph_flat(g, node));
		print_separator(r);
		print_calls(r, g, node, true);
		print_node(r, g, node, sum);
		print_calls(r, g, node, false);
	}
	return printed;
}

int report_tree(struct report *r)
{
	struct graph g;
	struct trimmed trimmed;
	int n = report_trimmed_graph(r, &g, &trimmed);
	if (n == 0) {
		graph_order_edges(&g);
		report_print_header(r, &g, &trimmed, r->out);
		print_separator(r);
		fprintf(r->out, "%s%s%s\n", look(&r->config, LOOK_HEAD), TREE_HEAD,
			look(&r->config, LOOK_PLAIN));
		size_t printed = print_nodes(r, &g);
		if (g.n_listed)
			print_separator(r);
		if (r->symbol && !printed) {
			snprintf(r->why, r->why_size, "no matches found for regexp: %s",
				pattern_text(r->symbol));
			n = -ENOENT;
		}
	}
	graph_free(&g);
	return n;
}
