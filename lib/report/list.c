/* SPDX-License-Identifier: MIT */
/* list.c - the source of the functions that match, with flat and cum beside each line: as text, or
 * as a page (weblist). */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/private.h"
#include "report/source.h"
#include "report/weblist.h"
#include "util/cleanup.h"

#define MARGIN 5 /* lines shown before the first sample of a function and behind the last */

struct lister {
	struct report *r;
	struct graph *g;
	struct source_reader reader;
	/* Nodes that match, by function name, file, and line. */
	uint32_t *nodes;
	size_t n;
};

static int compare(const void *a, const void *b, void *userdata)
{
	const struct graph *g = userdata;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct graph_place *p = graph_place(g, x), *q = graph_place(g, y);
	int order = strcmp(profile_text(g->profile, p->name), profile_text(g->profile, q->name));
	if (!order)
		order = strcmp(
			profile_text(g->profile, p->file), profile_text(g->profile, q->file));
	if (!order)
		order = p->line < q->line ? -1 : p->line > q->line;
	return order ? order : (x < y ? -1 : x > y);
}

static int pick(struct lister *l)
{
	l->nodes = calloc(l->g->n_listed + 1, sizeof(*l->nodes));
	if (!l->nodes)
		return -ENOMEM;
	for (size_t i = 0; i < l->g->n_listed; i++) {
		uint32_t node = l->g->listed[i];
		const char *name = profile_text(l->r->p, graph_place(l->g, node)->name);
		if (pattern_matches(l->r->symbol, name))
			l->nodes[l->n++] = node;
	}
	qsort_r(l->nodes, l->n, sizeof(*l->nodes), compare, l->g);
	if (l->n)
		return 0;
	snprintf(l->r->why, l->r->why_size, "no matches found for regexp: %s",
		pattern_text(l->r->symbol));
	return -ENOENT;
}

static void sum(const struct graph *g, const uint32_t *nodes, size_t n, int64_t *flat, int64_t *cum)
{
	*flat = *cum = 0;
	for (size_t i = 0; i < n; i++) {
		*flat = wrapping_add(*flat, g->nodes[nodes[i]].flat);
		*cum = wrapping_add(*cum, g->nodes[nodes[i]].cum);
	}
}

/* From where the function starts, or a margin before the first sample, to a margin behind the last.
 */
static void find_range(
	const struct graph *g, const uint32_t *nodes, size_t n, int64_t *first, int64_t *last)
{
	const struct graph_place *p = graph_place(g, nodes[0]);
	*first = p->start_line ? p->start_line : p->line - MARGIN;
	*last = p->line + MARGIN;
	for (size_t i = 0; i < n; i++) {
		p = graph_place(g, nodes[i]);
		int64_t start = p->start_line ? p->start_line : p->line - MARGIN;
		if (start < *first)
			*first = start;
		else if (p->line + MARGIN > *last)
			*last = p->line + MARGIN;
	}
	if (*first < 1)
		*first = 1;
}

static void print_text_line(const struct report *r, const struct weblist_line *line)
{
	const struct report_config *c = &r->config;
	bool cold = *line->flat == '.' && *line->cum == '.';
	const char *plain = look(c, LOOK_PLAIN);
	const char *numbers = look(c, cold ? LOOK_DIM : line->heat >= 0.1 ? LOOK_HOT : LOOK_PLAIN);
	fprintf(r->out, "%s%10s %10s %s%6" PRId64 ":%s%s\n", numbers, line->flat, line->cum,
		cold ? "" : plain, line->number, line->text, cold ? plain : "");
}

static void print_line(const struct lister *l, const struct weblist_line *line)
{
	if (l->r->kind == REPORT_WEBLIST)
		weblist_line(l->r->out, line);
	else
		print_text_line(l->r, line);
}

static void print_lines(const struct lister *l, const struct source_file *file,
	const uint32_t *nodes, size_t n, int64_t function_cum)
{
	int64_t first, last;
	find_range(l->g, nodes, n, &first, &last);
	const char *text;
	for (int64_t line = first; line <= last && (text = source_line(file, line)); line++) {
		char flat_text[FORMAT_VALUE_SIZE], cum_text[FORMAT_VALUE_SIZE];
		int64_t flat, cum;
		size_t before = 0, here = 0;
		while (before < n && graph_place(l->g, nodes[before])->line < line)
			before++;
		while (before + here < n && graph_place(l->g, nodes[before + here])->line == line)
			here++;
		sum(l->g, nodes + before, here, &flat, &cum);
		report_format_or_dot(l->r, flat, flat_text);
		report_format_or_dot(l->r, cum, cum_text);
		print_line(
			l, &(struct weblist_line){.flat = flat_text,
				   .cum = cum_text,
				   .number = line,
				   .text = text,
				   .heat = function_cum ? (double)cum / (double)function_cum : 0});
	}
}

static void print_head(const struct lister *l, const struct weblist_function *f)
{
	const struct report_config *c = &l->r->config;
	const char *plain = look(c, LOOK_PLAIN);
	FILE *out = l->r->out;
	if (l->r->kind == REPORT_WEBLIST) {
		weblist_begin_function(out, f);
		return;
	}
	fprintf(out,
		"ROUTINE ======================== %s%s%s in %s%s%s\n%10s %10s (flat, cum) %s of "
		"Total\n",
		look(c, LOOK_HEAD), f->name, plain, look(c, LOOK_DIM), f->file, plain, f->flat,
		f->cum, f->share);
	if (f->problem)
		fprintf(out, " Error: %s\n", f->problem);
}

/* The part of a function that is in one file. */
static int print_file(struct lister *l, const uint32_t *nodes, size_t n)
{
	const struct graph_place *p = graph_place(l->g, nodes[0]);
	const char *path = profile_text(l->r->p, p->file);
	const struct source_file *file = source_file(&l->reader, path);
	char flat_text[FORMAT_VALUE_SIZE], cum_text[FORMAT_VALUE_SIZE], share[PERCENTAGE_SIZE];
	int64_t flat, cum;
	if (!file)
		return -ENOMEM;
	sum(l->g, nodes, n, &flat, &cum);
	report_format(l->r, flat, flat_text);
	report_format(l->r, cum, cum_text);
	format_percentage(share, sizeof(share), cum, l->r->total);
	print_head(l, &(struct weblist_function){.name = profile_text(l->r->p, p->name),
			      .file = path,
			      .flat = flat_text,
			      .cum = cum_text,
			      .share = share,
			      .problem = file->problem});
	if (!file->problem)
		print_lines(l, file, nodes, n, cum);
	if (l->r->kind == REPORT_WEBLIST)
		weblist_end_function(l->r->out);
	return 0;
}

/* How many nodes from the first on have its name and, if that matters, its file. */
static size_t run_length(const struct lister *l, size_t first, bool file)
{
	const struct graph_place *p = graph_place(l->g, l->nodes[first]);
	size_t n = 1;
	while (first + n < l->n) {
		const struct graph_place *q = graph_place(l->g, l->nodes[first + n]);
		if (p->name != q->name || (file && p->file != q->file))
			break;
		n++;
	}
	return n;
}

static int print_function(struct lister *l, size_t first, size_t n)
{
	int r = 0;
	bool any = false;
	for (size_t i = first; r == 0 && i < first + n;) {
		size_t run = run_length(l, i, true);
		if (graph_place(l->g, l->nodes[i])->file) {
			r = print_file(l, l->nodes + i, run);
			any = true;
		}
		i += run;
	}
	/* A page has nothing to show then. */
	if (!any && l->r->kind != REPORT_WEBLIST)
		fprintf(l->r->out, "No source information for %s\n",
			profile_text(l->r->p, graph_place(l->g, l->nodes[first])->name));
	return r;
}

static int print(struct lister *l)
{
	char total[FORMAT_VALUE_SIZE];
	int r = pick(l);
	if (r == 0)
		r = source_reader_init(
			&l->reader, l->r->config.source_path, l->r->config.trim_path);
	if (r < 0)
		return r;
	report_format(l->r, l->r->total, total);
	if (l->r->kind == REPORT_WEBLIST)
		weblist_begin(l->r, total);
	else
		fprintf(l->r->out, "Total: %s\n", total);
	for (size_t i = 0; r == 0 && i < l->n;) {
		size_t n = run_length(l, i, false);
		r = print_function(l, i, n);
		i += n;
	}
	if (l->r->kind == REPORT_WEBLIST)
		weblist_end(l->r->out);
	return r;
}

int report_list(struct report *r)
{
	struct graph g;
	struct lister l = {.r = r, .g = &g};
	int n = report_graph(r, &g);
	if (n == 0)
		n = graph_count(&g);
	if (n == 0)
		n = print(&l);
	source_reader_free(&l.reader);
	free(l.nodes);
	graph_free(&g);
	return n;
}
