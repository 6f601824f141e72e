/* SPDX-License-Identifier: MIT */
/* dot.c - the call graph for graphviz (google/pprof internal/graph/dotgraph.go): boxes grow with
 * flat, are red with cum, and have small boxes for the labels of their samples. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/dot_tags.h"
#include "report/names.h"
#include "report/private.h"
#include "report/short_name.h"
#include "util/cleanup.h"

/* Backslashes and quotes get a backslash, a newline becomes dot's own, to the left. */
static void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\l", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void print_share(const struct report *r, int64_t value, FILE *out)
{
	char share[PERCENTAGE_SIZE];
	format_percentage(share, sizeof(share), value, r->total);
	fputs(share + strspn(share, " "), out);
}

/* ---- colours ------------------------------------------------------------------------------ */

static unsigned channel(double value)
{
	return (unsigned)(to_int64(value * 255) & 0xff);
}

/* Grey at 0, red towards 1, green towards -1; pale for what is written on. */
static void print_color(double score, bool background, FILE *out)
{
	double saturation = background ? 0.1 : 1.0, value = background ? 0.93 : 0.7;
	/* A share of nothing is no number, and stays so. */
	if (!isnan(score))
		score = fmax(-1, fmin(1, score));
	if (fabs(score) < 0.2)
		saturation *= fabs(score) / 0.2;
	/* Away from grey, so that signs are told apart. */
	if (score > 0)
		score = pow(score, 1 - 0.7);
	else if (score < 0)
		score = -pow(-score, 1 - 0.7);
	double red = score < 0 ? value * (1 + saturation * score) : value;
	double green = score < 0 ? value : value * (1 - saturation * score);
	fprintf(out, "#%02x%02x%02x", channel(red), channel(green),
		channel(value * (1 - saturation)));
}

/* ---- nodes -------------------------------------------------------------------------------- */

/* A name in lines: one for each namespace or package. */
static char *name_in_lines(const char *name)
{
	_cleanup_free_ char *brief = short_name(name);
	char *text = NULL;
	size_t size;
	FILE *out = brief ? open_memstream(&text, &size) : NULL;
	if (!out)
		return NULL;
	for (const char *at = brief; *at;) {
		if (!strncmp(at, "::", 2)) {
			fputs("\\n", out);
			at += 2;
		} else if (!strncmp(at, "[...]", 5)) {
			fputs("[…]", out); /* Go's type parameters */
			at += 5;
		} else if (*at == '.') {
			fputs("\\n", out);
			at++;
		} else {
			char one[] = {*at++, '\0'};
			print_escaped(out, one);
		}
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static void print_line(void *arg, const char *part)
{
	fprintf(arg, "%s\\n", part);
}

static int print_name(const struct report *r, const struct graph_place *place)
{
	_cleanup_free_ char *name = name_in_lines(profile_text(r->p, place->name));
	const char *path = profile_text(r->p, place->file);
	size_t length;
	const char *base = base_name(path, &length);
	_cleanup_free_ char *file = strndup(base, *path ? length : 0);
	if (!name || !file)
		return -ENOMEM;
	graph_each_name_part(r->p, place, name, file, print_line, r->out);
	return 0;
}

/* The smallest integer, which has no positive counterpart, becomes no size at all, as in the
 * reference. */
static int64_t font_size(int64_t flat, double max_flat)
{
	double size = (double)wrapping_abs(flat);
	if (max_flat == 0 || !flat || size > max_flat)
		return 8;
	return wrapping_add(8, to_int64(ceil(16 * sqrt(size / max_flat))));
}

static int print_node(
	const struct report *r, const struct graph *g, uint32_t node, size_t id, double max_flat)
{
	int64_t flat = graph_flat(g, node), cum = graph_cum(g, node);
	double score = (double)cum / (double)wrapping_abs(r->total);
	char flat_text[FORMAT_VALUE_SIZE], cum_text[FORMAT_VALUE_SIZE];
	FILE *out = r->out;
	report_format(r, flat, flat_text);
	report_format(r, cum, cum_text);
	fprintf(out, "N%zu [label=\"", id);
	int n = print_name(r, graph_place(g, node));
	fputs(flat ? flat_text : "0", out);
	if (flat) {
		fputs(" (", out);
		print_share(r, flat, out);
		fputc(')', out);
	}
	if (cum != flat) {
		fprintf(out, "%sof %s (", flat ? "\\n" : " ", cum_text);
		print_share(r, cum, out);
		fputc(')', out);
	}
	fprintf(out, "\" id=\"node%zu\" fontsize=%" PRId64 " shape=box tooltip=\"", id,
		font_size(flat, max_flat));
	print_escaped(out, graph_name(g, node));
	fprintf(out, " (%s)\" color=\"", cum_text);
	print_color(score, false, out);
	fputs("\" fillcolor=\"", out);
	print_color(score, true, out);
	fputs("\"]\n", out);
	return n;
}

/* ---- edges -------------------------------------------------------------------------------- */

static int64_t up_to(int64_t value, int64_t most)
{
	return value < most ? value : most;
}

static void print_ends(const struct report *r, const struct graph *g, const struct graph_edge *e,
	const char *weight)
{
	fputc('"', r->out);
	print_escaped(r->out, graph_name(g, e->from));
	fputs(e->residual ? " ... " : " -> ", r->out);
	print_escaped(r->out, graph_name(g, e->to));
	fprintf(r->out, " (%s)\"", weight);
}

static void print_edge(const struct report *r, const struct graph *g, const struct graph_edge *e,
	const size_t *ids, const bool *has_tags)
{
	int64_t value = divided(e->weight, e->weight_div), total = r->total;
	char weight[FORMAT_VALUE_SIZE];
	FILE *out = r->out;
	report_format(r, value, weight);
	fprintf(out, "N%zu -> N%zu [label=\" %s%s\"", ids[e->from], ids[e->to], weight,
		e->is_inline ? "\\n (inline)" : "");
	if (total) {
		int64_t share = 1 +
				up_to(wrapping_abs(divided(wrapping_mul(value, 100), total)), 100);
		int64_t width = 1 + up_to(wrapping_abs(divided(wrapping_mul(value, 5), total)), 5);
		if (share > 1)
			fprintf(out, " weight=%d", (int)share);
		if (width > 1)
			fprintf(out, " penwidth=%d", (int)width);
		fputs(" color=\"", out);
		print_color((double)value / (double)wrapping_abs(total), false, out);
		fputc('"', out);
	}
	fputs(" tooltip=", out);
	print_ends(r, g, e, weight);
	fputs(" labeltooltip=", out);
	print_ends(r, g, e, weight);
	fprintf(out, "%s%s]\n", e->residual ? " style=\"dotted\"" : "",
		has_tags[e->from] ? " minlen=2" : "");
}

static int compare_edges(const void *a, const void *b, void *userdata)
{
	return graph_compare_edges(userdata, *(const uint32_t *)a, *(const uint32_t *)b);
}

static int print_edges(
	const struct report *r, struct graph *g, const size_t *ids, const bool *has_tags)
{
	_cleanup_free_ uint32_t *edges = calloc(g->n_edges, sizeof(*edges));
	size_t n = 0;
	if (!edges)
		return -ENOMEM;
	for (size_t i = 1; i < g->n_edges; i++)
		if (!g->edges[i].removed && ids[g->edges[i].from])
			edges[n++] = (uint32_t)i;
	/* The order is a hint to the layout. */
	qsort_r(edges, n, sizeof(*edges), compare_edges, g);
	for (size_t i = 0; i < n; i++)
		print_edge(r, g, &g->edges[edges[i]], ids, has_tags);
	return 0;
}

/* ---- the graph ---------------------------------------------------------------------------- */

static int print_legend(
	const struct report *r, const struct graph *g, const struct trimmed *trimmed)
{
	_cleanup_free_ char *text = NULL;
	size_t size, length;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	report_print_header(r, g, trimmed, out);
	if (fclose(out))
		return -ENOMEM;
	const char *title = report_title(r, &length);
	_cleanup_free_ char *first = strndup(text, strcspn(text, "\n"));
	if (!first)
		return -ENOMEM;
	fputs("subgraph cluster_L { \"", r->out);
	print_escaped(r->out, first);
	fputs("\" [shape=box fontsize=16 label=\"", r->out);
	print_escaped(r->out, text);
	fputc('"', r->out);
	if (length)
		fprintf(r->out, " tooltip=\"%.*s\"", (int)length, title);
	fputs("] }\n", r->out);
	return 0;
}

static double largest_flat(const struct graph *g)
{
	double largest = 0;
	for (size_t i = 0; i < g->n_listed; i++) {
		double flat = (double)wrapping_abs(graph_flat(g, g->listed[i]));
		if (!i || flat > largest)
			largest = flat;
	}
	return largest;
}

static int print_nodes(const struct report *r, struct graph *g)
{
	_cleanup_free_ size_t *ids = calloc(g->n_nodes, sizeof(*ids));
	_cleanup_free_ bool *has_tags = calloc(g->n_nodes, sizeof(*has_tags));
	double largest = largest_flat(g);
	int n = ids && has_tags ? 0 : -ENOMEM;
	for (size_t i = 0; n == 0 && i < g->n_listed; i++)
		ids[g->listed[i]] = i + 1;
	for (size_t i = 0; n == 0 && i < g->n_listed; i++) {
		uint32_t node = g->listed[i];
		n = print_node(r, g, node, i + 1, largest);
		if (n == 0)
			n = dot_tags_print(r, g, node, i + 1, &has_tags[node]);
	}
	return n < 0 ? n : print_edges(r, g, ids, has_tags);
}

int report_dot(struct report *r)
{
	struct graph g;
	struct trimmed trimmed;
	int n = report_trimmed_graph(r, &g, &trimmed);
	if (n == 0) {
		size_t length;
		const char *title = report_title(r, &length);
		fprintf(r->out, "digraph \"%.*s\" {\n", length ? (int)length : 7,
			length ? title : "unnamed");
		fprintf(r->out, "node [style=filled fillcolor=\"#f8f8f8\"]\n");
		n = print_legend(r, &g, &trimmed);
	}
	if (n == 0)
		n = print_nodes(r, &g);
	if (n == 0)
		fprintf(r->out, "}\n");
	graph_free(&g);
	return n;
}
