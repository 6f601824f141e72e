/* SPDX-License-Identifier: MIT */
/* list.c - the source of the functions that match, with flat and cum beside each line: as text, or
 * as a page (weblist). */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/code.h"
#include "report/private.h"
#include "report/source.h"
#include "report/weblist.h"
#include "util/cleanup.h"

#define MARGIN	  5 /* lines shown before the first sample of a function and behind the last */
#define LAST_LINE (INT64_MAX - 1) /* so that one can count beyond it */

struct lister {
	struct report *r;
	struct graph *g;
	struct source_reader reader;
	struct coder *coder;   /* weblist only */
	int64_t flat_for_code; /* what a function must have at least so that its code is shown */
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

/* Lines are what a file says they are. */
static int64_t line_near(int64_t line, int64_t by)
{
	int64_t near;
	if (__builtin_add_overflow(line, by, &near))
		return by < 0 ? INT64_MIN : LAST_LINE;
	return near < LAST_LINE ? near : LAST_LINE;
}

/* From where the function starts, or a margin before the first sample, to a margin behind the last.
 */
static void find_range(
	const struct graph *g, const uint32_t *nodes, size_t n, int64_t *first, int64_t *last)
{
	const struct graph_place *p = graph_place(g, nodes[0]);
	*first = p->start_line ? p->start_line : line_near(p->line, -MARGIN);
	*last = line_near(p->line, MARGIN);
	for (size_t i = 0; i < n; i++) {
		p = graph_place(g, nodes[i]);
		int64_t start = p->start_line ? p->start_line : line_near(p->line, -MARGIN);
		if (start < *first)
			*first = start;
		else if (line_near(p->line, MARGIN) > *last)
			*last = line_near(p->line, MARGIN);
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

static int print_line(struct lister *l, const struct weblist_line *line)
{
	if (l->coder)
		return weblist_line(l->r, line, &l->reader);
	print_text_line(l->r, line);
	return 0;
}

/* What is shown of a function in one file: lines, samples in them, and in weblist their code. */
struct lines {
	const struct source_file *file;
	const uint32_t *nodes;
	size_t n_nodes;
	int64_t cum;
	struct code code;
};

/* The parts of both that are of a line; *node and *in are where it begins. */
static void find_line(const struct lister *l, const struct lines *s, int64_t line, size_t *node,
	size_t *n_nodes, size_t *in, size_t *n_code)
{
	while (*node < s->n_nodes && graph_place(l->g, s->nodes[*node])->line < line)
		++*node;
	while (*in < s->code.n && s->code.items[*in].line < line)
		++*in;
	for (*n_nodes = 0; *node + *n_nodes < s->n_nodes; ++*n_nodes)
		if (graph_place(l->g, s->nodes[*node + *n_nodes])->line != line)
			break;
	for (*n_code = 0; *in + *n_code < s->code.n; ++*n_code)
		if (s->code.items[*in + *n_code].line != line)
			break;
}

/* Where the source ends, or is not to be had, weblist goes on with the lines that have something.
 */
static int64_t next_line(const struct lister *l, const struct lines *s, size_t node, size_t in)
{
	int64_t next = INT64_MAX;
	if (node < s->n_nodes)
		next = graph_place(l->g, s->nodes[node])->line;
	if (in < s->code.n && s->code.items[in].line < next)
		next = s->code.items[in].line;
	return next;
}

static const struct code_instruction *code_at(const struct lines *s, size_t i)
{
	return s->code.n ? s->code.items + i : NULL;
}

static int print_found_line(struct lister *l, const struct lines *s, int64_t number,
	const char *text, const uint32_t *nodes, size_t n_nodes,
	const struct code_instruction *code, size_t n_code)
{
	char flat_text[FORMAT_VALUE_SIZE], cum_text[FORMAT_VALUE_SIZE];
	int64_t flat, cum;
	sum(l->g, nodes, n_nodes, &flat, &cum);
	report_format_or_dot(l->r, flat, flat_text);
	report_format_or_dot(l->r, cum, cum_text);
	return print_line(l, &(struct weblist_line){.flat = flat_text,
				     .cum = cum_text,
				     .number = number,
				     .text = text ? text : "",
				     .heat = s->cum ? (double)cum / (double)s->cum : 0,
				     .code = code,
				     .n_code = n_code});
}

static int print_lines(struct lister *l, const struct lines *s)
{
	int64_t first, last;
	size_t node = 0, n_nodes, in = 0, n_code;
	int r = 0;
	find_range(l->g, s->nodes, s->n_nodes, &first, &last);
	if (s->code.n && s->code.items[0].line > 0 && s->code.items[0].line < first)
		first = s->code.items[0].line;
	if (s->code.n && s->code.items[s->code.n - 1].line > last)
		last = s->code.items[s->code.n - 1].line;
	for (int64_t line = first; r == 0 && line <= last; line++) {
		const char *text = source_line(s->file, line);
		find_line(l, s, line, &node, &n_nodes, &in, &n_code);
		if (!text && !l->coder)
			break;
		if (text || n_nodes || n_code)
			r = print_found_line(
				l, s, line, text, s->nodes + node, n_nodes, code_at(s, in), n_code);
		else if (next_line(l, s, node, in) > last)
			break;
		else
			line = next_line(l, s, node, in) - 1;
	}
	return r;
}

static void print_head(const struct lister *l, const struct weblist_function *f)
{
	const struct report_config *c = &l->r->config;
	const char *plain = look(c, LOOK_PLAIN);
	FILE *out = l->r->out;
	if (l->coder) {
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

/* Of a mapping of this file. */
static const char *build_id(const struct profile *p, uint32_t file)
{
	for (size_t i = 1; i < p->n_mappings; i++)
		if (p->mappings[i].file == file && p->mappings[i].build_id)
			return profile_text(p, p->mappings[i].build_id);
	return "";
}

/* The part of a function that is in one file. */
static int print_file(struct lister *l, const uint32_t *nodes, size_t n)
{
	const struct graph_place *p = graph_place(l->g, nodes[0]);
	const char *path = profile_text(l->r->p, p->file);
	l->reader.build_id = build_id(l->r->p, p->object);
	const struct source_file *found = source_file(&l->reader, path);
	char flat_text[FORMAT_VALUE_SIZE], cum_text[FORMAT_VALUE_SIZE], share[PERCENTAGE_SIZE];
	int64_t flat, cum;
	if (!found)
		return -ENOMEM;
	/* Of what it points to, nothing moves when others are read. */
	struct source_file file = *found;
	struct lines lines = {.file = &file, .nodes = nodes, .n_nodes = n};
	sum(l->g, nodes, n, &flat, &cum);
	lines.cum = cum;
	report_format(l->r, flat, flat_text);
	report_format(l->r, cum, cum_text);
	format_percentage(share, sizeof(share), cum, l->r->total);
	print_head(l, &(struct weblist_function){.name = profile_text(l->r->p, p->name),
			      .file = path,
			      .flat = flat_text,
			      .cum = cum_text,
			      .share = share,
			      .problem = file.problem});
	int r = 0;
	if (l->coder && wrapping_abs(flat) >= l->flat_for_code)
		r = coder_find(l->coder, p, &lines.code);
	if (r == 0 && (!file.problem || l->coder))
		r = print_lines(l, &lines);
	code_free(&lines.code);
	if (l->coder)
		weblist_end_function(l->r->out);
	return r;
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
	if (!any && !l->coder)
		fprintf(l->r->out, "No source information for %s\n",
			profile_text(l->r->p, graph_place(l->g, l->nodes[first])->name));
	return r;
}

static int compare_falling(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x > y ? -1 : x < y;
}

/* Of many functions only those that cost most show their code: nobody reads more. */
static int limit_code(struct lister *l)
{
	_cleanup_free_ int64_t *flats = calloc(l->n, sizeof(*flats));
	size_t n = 0;
	if (!flats)
		return -ENOMEM;
	for (size_t i = 0; i < l->n;) {
		size_t run = run_length(l, i, true);
		int64_t flat, cum;
		sum(l->g, l->nodes + i, run, &flat, &cum);
		flats[n++] = wrapping_abs(flat);
		i += run;
	}
	if (n <= WEBLIST_CODE_MAX)
		return 0;
	qsort(flats, n, sizeof(*flats), compare_falling);
	l->flat_for_code = flats[WEBLIST_CODE_MAX - 1] ? flats[WEBLIST_CODE_MAX - 1] : 1;
	return 0;
}

static int print(struct lister *l)
{
	char total[FORMAT_VALUE_SIZE];
	int r = pick(l);
	if (r == 0)
		r = source_reader_init(&l->reader, l->r->config.source_path, l->r->config.trim_path,
			l->r->config.debuginfod);
	if (r == 0 && l->r->kind == REPORT_WEBLIST)
		r = coder_new(&l->coder, l->r, l->g);
	if (r == 0 && l->coder)
		r = limit_code(l);
	if (r < 0)
		return r;
	report_format(l->r, l->r->total, total);
	if (l->coder)
		weblist_begin(l->r, total, l->flat_for_code > 0);
	else
		fprintf(l->r->out, "Total: %s\n", total);
	for (size_t i = 0; r == 0 && i < l->n;) {
		size_t n = run_length(l, i, false);
		r = print_function(l, i, n);
		i += n;
	}
	if (l->coder)
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
	coder_free(l.coder);
	source_reader_free(&l.reader);
	free(l.nodes);
	graph_free(&g);
	return n;
}
