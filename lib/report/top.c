/* SPDX-License-Identifier: MIT */
#include "report/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/format.h"
#include "report/graph.h"
#include "report/names.h"
#include "util/cleanup.h"

#define PERCENTAGE_SIZE 32

/* A row: a node, and whether it was inlined where it was called. */
struct row {
	const struct graph *graph;
	uint32_t node;
	bool called, inlined;
};

struct top {
	const struct profile *p;
	const struct top_options *options;
	struct graph graph;
	struct row *rows;
	size_t n_rows;
	size_t n_before; /* before node_count cut them */
	size_t n_dropped;
	int64_t total;
	const char *from, *unit; /* of the values: in the file, as printed */
};

/* A share of a sum, to cut at. */
static int64_t cutoff(int64_t sum, double fraction)
{
	double limit = (double)sum * fraction;
	if (!(limit > -9e18 && limit < 9e18))
		return INT64_MAX;
	return wrapping_abs((int64_t)limit);
}

/* ---- totals ------------------------------------------------------------------------------- */

/* pprof's -diff_base marks the samples of the base: percentages are then relative to it. */
static bool is_diff_base(const struct profile *p, const struct sample *s)
{
	for (size_t i = 0; i < s->n_labels; i++) {
		const struct label *l = &p->labels[s->first_label + i];
		if (l->str && !strcmp(profile_text(p, l->key), "pprof::base") &&
			!strcmp(profile_text(p, l->str), "true"))
			return true;
	}
	return false;
}

static int64_t total_value(const struct graph *g)
{
	const struct profile *p = g->profile;
	int64_t total = 0, base = 0;
	for (size_t i = 0; i < p->n_samples; i++) {
		int64_t value = wrapping_abs(graph_value(g, i));
		total = wrapping_add(total, value);
		if (is_diff_base(p, &p->samples[i]))
			base = wrapping_add(base, value);
	}
	return base > 0 ? base : total;
}

/* ---- rows --------------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b, void *userdata)
{
	const struct row *x = a, *y = b;
	const struct graph_node *m = &x->graph->nodes[x->node], *n = &y->graph->nodes[y->node];
	bool by_cum = *(const bool *)userdata;
	int64_t first = wrapping_abs(by_cum ? m->cum : m->flat);
	int64_t second = wrapping_abs(by_cum ? n->cum : n->flat);
	if (first != second)
		return first > second ? -1 : 1;
	int order = strcmp(graph_name(x->graph, m), graph_name(y->graph, n));
	if (order)
		return order;
	first = wrapping_abs(by_cum ? m->flat : m->cum);
	second = wrapping_abs(by_cum ? n->flat : n->cum);
	if (first != second)
		return first > second ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* Rows for the nodes that are left and have any value. */
static void collect_rows(struct top *t)
{
	t->n_rows = 0;
	for (size_t i = 1; i < t->graph.n_nodes; i++) {
		const struct graph_node *n = &t->graph.nodes[i];
		if (!n->dropped && (n->flat || n->cum))
			t->rows[t->n_rows++] = (struct row){
				.graph = &t->graph, .node = (uint32_t)i};
	}
}

static int64_t flat_sum(const struct top *t)
{
	int64_t sum = 0;
	for (size_t i = 0; i < t->n_rows; i++)
		sum = wrapping_add(sum, t->graph.nodes[t->rows[i].node].flat);
	return sum;
}

/* Drops nodes whose cum is below a share of everything. Returns how many. */
static size_t drop_small(struct top *t, int64_t limit)
{
	size_t n = 0;
	for (size_t i = 0; i < t->n_rows; i++) {
		struct graph_node *node = &t->graph.nodes[t->rows[i].node];
		node->dropped = wrapping_abs(node->cum) < limit;
		n += node->dropped;
	}
	return n;
}

static int recount(struct top *t)
{
	int r = graph_count(&t->graph);
	bool by_cum = t->options->cum_sort;
	if (r < 0)
		return r;
	collect_rows(t);
	qsort_r(t->rows, t->n_rows, sizeof(*t->rows), compare_rows, &by_cum);
	return 0;
}

/* Which rows were inlined, by the calls that weigh enough. Rows by node come and go with `of`. */
static int mark_inlined(struct top *t, int64_t limit)
{
	_cleanup_free_ struct row **of = calloc(t->graph.n_nodes, sizeof(struct row *));
	if (!of)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_rows; i++)
		of[t->rows[i].node] = &t->rows[i];
	for (size_t i = 1; i < t->graph.n_edges; i++) {
		const struct graph_edge *e = &t->graph.edges[i];
		struct row *row = of[e->to];
		if (!row || wrapping_abs(e->weight) < limit)
			continue;
		row->inlined |= e->is_inline;
		row->called |= !e->is_inline;
	}
	return 0;
}

static int select_rows(struct top *t)
{
	const struct top_options *o = t->options;
	int r = recount(t);
	if (r < 0)
		return r;
	int64_t sum = flat_sum(t);
	int64_t limit = cutoff(sum, o->node_fraction);
	if (limit > 0) {
		t->n_dropped = drop_small(t, limit);
		if (t->n_dropped)
			r = recount(t);
	}
	t->n_before = t->n_rows;
	if (r == 0 && o->node_count && o->node_count < t->n_rows) {
		for (size_t i = o->node_count; i < t->n_rows; i++)
			t->graph.nodes[t->rows[i].node].dropped = true;
		r = recount(t);
	}
	return r < 0 ? r : mark_inlined(t, cutoff(sum, o->edge_fraction));
}

/* ---- the unit ----------------------------------------------------------------------------- */

/* One that shows the smallest value; if the total needs a larger unit and is more than 100 times as
 * much, a hundredth is enough. */
static void choose_unit(struct top *t)
{
	int64_t least = 0;
	t->unit = t->options->unit;
	if (strcmp(t->unit, "minimum") != 0 || !t->n_rows)
		return;
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct graph_node *n = &t->graph.nodes[t->rows[i].node];
		int64_t value = wrapping_abs(n->flat ? n->flat : n->cum);
		if (value > 0 && (!least || value < least))
			least = value;
	}
	if (!least)
		least = t->total;
	const char *small, *large, *chosen;
	int64_t hundredfold = (int64_t)((uint64_t)least * 100);
	format_scale(least, t->from, "minimum", &small);
	format_scale(t->total, t->from, "minimum", &large);
	chosen = small;
	if (strcmp(small, large) != 0 && hundredfold < t->total)
		format_scale(hundredfold, t->from, "minimum", &chosen);
	t->unit = *chosen ? chosen : t->from;
}

/* ---- printing ----------------------------------------------------------------------------- */

static void print_value(const struct top *t, int64_t value, char *out)
{
	format_value(out, FORMAT_VALUE_SIZE, value, t->from, t->unit);
}

static void print_duration(const struct top *t, FILE *out)
{
	char duration[FORMAT_VALUE_SIZE], total[FORMAT_VALUE_SIZE], share[PERCENTAGE_SIZE] = "";
	const char *unit;
	int64_t nanoseconds = t->p->duration_nanos;
	format_value(duration, sizeof(duration), nanoseconds, "nanoseconds", "auto");
	print_value(t, t->total, total);
	double measured = format_scale(t->total, t->from, "nanoseconds", &unit);
	fprintf(out, "Duration: %s, Total samples = %s ", duration, total);
	/* Samples that measure time: how busy it was. */
	if (!strcmp(unit, "ns") && measured != 0) {
		int64_t busy = measured < 9e18 ? (int64_t)measured : INT64_MAX;
		format_percentage(share, sizeof(share), busy, nanoseconds);
		fprintf(out, "(%s)", share);
	}
	fputc('\n', out);
}

static void print_time(int64_t nanoseconds, FILE *out)
{
	char text[96];
	struct tm tm;
	/* Rounds down, also before 1970. */
	time_t seconds = nanoseconds / 1000000000 - (nanoseconds % 1000000000 < 0);
	if (localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%F %T %Z", &tm))
		fprintf(out, "Time: %s\n", text);
}

static void print_labels(const struct top *t, FILE *out)
{
	const struct profile *p = t->p;
	if (p->n_mappings > 1) {
		const struct mapping *m = &p->mappings[1];
		size_t length;
		const char *base = base_name(profile_text(p, m->file), &length);
		if (m->file)
			fprintf(out, "File: %.*s\n", (int)length, base);
		if (m->build_id)
			fprintf(out, "Build ID: %s\n", profile_text(p, m->build_id));
	}
	for (size_t i = 0; i < p->n_comments; i++) {
		const char *comment = profile_text(p, p->comments[i]);
		if (*comment != '#')
			fprintf(out, "%s\n", comment);
	}
	const char *type = profile_text(p, p->sample_types[t->options->sample_type].type);
	if (*type)
		fprintf(out, "Type: %s\n", type);
	if (p->doc_url)
		fprintf(out, "Doc: %s\n", profile_text(p, p->doc_url));
	if (p->time_nanos)
		print_time(p->time_nanos, out);
	if (p->duration_nanos)
		print_duration(t, out);
}

static void print_summary(const struct top *t, FILE *out)
{
	char shown[FORMAT_VALUE_SIZE], total[FORMAT_VALUE_SIZE], limit[FORMAT_VALUE_SIZE];
	char share[PERCENTAGE_SIZE];
	int64_t sum = flat_sum(t);
	print_value(t, sum, shown);
	print_value(t, t->total, total);
	format_percentage(share, sizeof(share), sum, t->total);
	fprintf(out, "Showing nodes accounting for %s, %s of %s total\n", shown,
		share + strspn(share, " "), total);
	if (!t->total)
		return;
	if (t->n_dropped) {
		print_value(t, cutoff(t->total, t->options->node_fraction), limit);
		fprintf(out, "Dropped %zu node%s (cum <= %s)\n", t->n_dropped,
			t->n_dropped == 1 ? "" : "s", limit);
	}
	if (t->n_rows && t->n_rows < t->n_before)
		fprintf(out, "Showing top %zu nodes out of %zu\n", t->n_rows, t->n_before);
}

static const char *inline_mark(const struct row *row)
{
	if (!row->inlined)
		return "";
	return row->called ? " (partial-inline)" : " (inline)";
}

static void print_rows(const struct top *t, FILE *out)
{
	int64_t sum = 0;
	fprintf(out, "%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum");
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct graph_node *n = &t->graph.nodes[t->rows[i].node];
		char flat[FORMAT_VALUE_SIZE], cum[FORMAT_VALUE_SIZE];
		char flat_share[PERCENTAGE_SIZE], sum_share[PERCENTAGE_SIZE],
			cum_share[PERCENTAGE_SIZE];
		sum = wrapping_add(sum, n->flat);
		print_value(t, n->flat, flat);
		print_value(t, n->cum, cum);
		format_percentage(flat_share, sizeof(flat_share), n->flat, t->total);
		format_percentage(sum_share, sizeof(sum_share), sum, t->total);
		format_percentage(cum_share, sizeof(cum_share), n->cum, t->total);
		fprintf(out, "%10s %s %s %10s %s  %s%s\n", flat, flat_share, sum_share, cum,
			cum_share, graph_name(&t->graph, n), inline_mark(&t->rows[i]));
	}
}

int top_write(const struct profile *p, const struct top_options *options, FILE *out)
{
	struct top t = {.p = p, .options = options};
	int r = graph_init(&t.graph, p, options->sample_type);
	if (r == 0) {
		t.rows = calloc(t.graph.n_nodes, sizeof(*t.rows));
		r = t.rows ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = select_rows(&t);
	if (r == 0) {
		t.from = profile_text(p, p->sample_types[options->sample_type].unit);
		t.total = total_value(&t.graph);
		choose_unit(&t);
		errno = 0;
		print_labels(&t, out);
		print_summary(&t, out);
		print_rows(&t, out);
		if (fflush(out) == EOF || ferror(out))
			r = errno ? -errno : -EIO;
	}
	free(t.rows);
	graph_free(&t.graph);
	return r;
}
