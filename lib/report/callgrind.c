/* SPDX-License-Identifier: MIT */
/* callgrind.c - the graph for KCachegrind (valgrind.org/docs/manual/cl-format.html), with its
 * compression of names and addresses. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
#include "profile/units.h"
#include "report/private.h"
#include "util/cleanup.h"
#include "util/hash.h"

/* Numbers for names, in the order in which they are first written. */
struct numbers {
	struct string_table *seen; /* ids are the numbers, since "" is 0 */
};

/* "(3) name", later "(3)"; nothing for "". */
static int print_name(struct numbers *n, const char *tag, const char *name, FILE *out)
{
	if (!*name) {
		fprintf(out, "%s\n", tag);
		return 0;
	}
	size_t known = strings_count(n->seen);
	int64_t id = strings_add(n->seen, name, strlen(name));
	if (id < 0)
		return (int)id;
	if ((size_t)id < known)
		fprintf(out, "%s(%" PRId64 ")\n", tag, id);
	else
		fprintf(out, "%s(%" PRId64 ") %s\n", tag, id, name);
	return 0;
}

/* Relative to the node before where that is shorter. */
static void write_address(
	const struct graph_place *before, uint64_t address, char *out, size_t size)
{
	char relative[24];
	snprintf(out, size, "0x%" PRIx64, address);
	if (!before)
		return;
	if (before->address == address) {
		snprintf(out, size, "*");
		return;
	}
	int n = snprintf(
		relative, sizeof(relative), "%+" PRId64, (int64_t)(address - before->address));
	if ((size_t)n < strlen(out))
		snprintf(out, size, "%s", relative);
}

/* ---- names of functions that are several -------------------------------------------------- */

/* The function that a node belongs to: in a tree, one for each caller. */
struct owner {
	uint32_t file, name;	 /* KCachegrind takes functions with these for one */
	uint32_t object, parent; /* what else tells them apart */
	int64_t start_line;
	uint32_t node; /* its place in the listing */
	uint32_t rank, of;
};

static int compare_group(const struct owner *x, const struct owner *y)
{
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static int compare_owner(const struct owner *x, const struct owner *y)
{
	int order = compare_group(x, y);
	if (!order)
		order = x->object < y->object ? -1 : x->object > y->object;
	if (!order)
		order = x->start_line < y->start_line ? -1 : x->start_line > y->start_line;
	if (!order)
		order = x->parent < y->parent ? -1 : x->parent > y->parent;
	return order;
}

static int by_owner(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;
	int order = compare_owner(x, y);
	return order ? order : (x->node < y->node ? -1 : x->node > y->node);
}

static int by_group_and_first(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;
	int order = compare_group(x, y);
	return order ? order : (x->node < y->node ? -1 : x->node > y->node);
}

/* owners[i] for the i-th listed node; rank and of say "the rank-th of so many" functions with the
 * same file and name, numbered as they are first listed. */
static struct owner *find_owners(const struct graph *g)
{
	size_t n = g->n_listed, n_firsts = 0;
	struct owner *owners = calloc(n + 1, sizeof(*owners));
	_cleanup_free_ struct owner *sorted = calloc(n + 1, sizeof(*sorted));
	_cleanup_free_ struct owner *firsts = calloc(n + 1, sizeof(*firsts));
	_cleanup_free_ uint32_t *ranks = calloc(n + 1, sizeof(*ranks));
	if (!owners || !sorted || !firsts || !ranks) {
		free(owners);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		const struct graph_place *place = graph_place(g, g->listed[i]);
		sorted[i] = (struct owner){.file = place->file,
			.name = place->name,
			.object = place->object,
			.parent = g->nodes[g->listed[i]].parent,
			.start_line = place->start_line,
			.node = (uint32_t)i};
	}
	qsort(sorted, n, sizeof(*sorted), by_owner);
	for (size_t i = 0; i < n; i++)
		if (!i || compare_owner(&sorted[i - 1], &sorted[i]))
			firsts[n_firsts++] = sorted[i];
	qsort(firsts, n_firsts, sizeof(*firsts), by_group_and_first);
	for (size_t i = 0, group = 0; i < n_firsts; i++) {
		if (i && compare_group(&firsts[i - 1], &firsts[i]))
			group = i;
		size_t end = i + 1;
		while (end < n_firsts && !compare_group(&firsts[i], &firsts[end]))
			end++;
		firsts[i].rank = (uint32_t)(i - group + 1);
		firsts[i].of = (uint32_t)(end - group);
	}
	for (size_t i = 0; i < n_firsts; i++)
		owners[firsts[i].node] = firsts[i];
	/* The others of each owner have what its first has. */
	for (size_t i = 0, first = 0; i < n; i++) {
		if (!i || compare_owner(&sorted[i - 1], &sorted[i]))
			first = sorted[i].node;
		owners[sorted[i].node].rank = owners[first].rank;
		owners[sorted[i].node].of = owners[first].of;
	}
	return owners;
}

/* ---- printing ----------------------------------------------------------------------------- */

struct printer {
	struct report *r;
	struct graph *g;
	struct numbers objects, files, names;
	struct owner *owners; /* by place in the listing */
	uint32_t *positions;  /* by node: place in the listing + 1 */
	const struct graph_place *before;
};

static int64_t whole_value(const struct report *r, int64_t value)
{
	const char *unit;
	return to_int64(units_scale(value, r->from, r->unit, &unit));
}

static const char *text(const struct printer *pr, uint32_t string)
{
	return profile_text(pr->r->p, string);
}

static int print_callee(struct printer *pr, const struct graph_edge *e)
{
	const struct graph_place *callee = graph_place(pr->g, e->to);
	_cleanup_free_ char *ranked = NULL;
	const char *name = text(pr, callee->name);
	uint32_t position = pr->positions[e->to];
	char address[24];
	if (!position) {
		name = ""; /* not shown itself */
	} else if (pr->owners[position - 1].of > 1) {
		const struct owner *o = &pr->owners[position - 1];
		if (asprintf(&ranked, "%s [%u/%u]", name, o->rank, o->of) < 0) {
			ranked = NULL;
			return -ENOMEM;
		}
		name = ranked;
	}
	int n = print_name(&pr->files, "cfl=", text(pr, callee->file), pr->r->out);
	if (n == 0)
		n = print_name(&pr->names, "cfn=", name, pr->r->out);
	write_address(pr->before, callee->address, address, sizeof(address));
	fprintf(pr->r->out, "calls=0 %s %" PRId64 "\n* * %" PRId64 "\n", address, callee->line,
		whole_value(pr->r, e->weight));
	return n;
}

static int print_node(struct printer *pr, uint32_t node)
{
	const struct graph_place *place = graph_place(pr->g, node);
	const struct graph_place *before = pr->before;
	FILE *out = pr->r->out;
	char address[24];
	int n = 0;
	if (!before || before->object != place->object || before->file != place->file ||
		before->name != place->name) {
		fputc('\n', out);
		n = print_name(&pr->objects, "ob=", text(pr, place->object), out);
		if (n == 0)
			n = print_name(&pr->files, "fl=", text(pr, place->file), out);
		if (n == 0)
			n = print_name(&pr->names, "fn=", text(pr, place->name), out);
	}
	write_address(before, place->address, address, sizeof(address));
	fprintf(out, "%s %" PRId64 " %" PRId64 "\n", address, place->line,
		whole_value(pr->r, graph_flat(pr->g, node)));
	for (size_t i = pr->g->out.first[node]; n == 0 && i < pr->g->out.first[node + 1]; i++)
		n = print_callee(pr, &pr->g->edges[pr->g->out.edges[i]]);
	pr->before = place;
	return n;
}

static int print_nodes(struct printer *pr)
{
	const struct report *r = pr->r;
	int n = 0;
	graph_order_edges(pr->g);
	pr->owners = find_owners(pr->g);
	pr->positions = calloc(pr->g->n_nodes, sizeof(*pr->positions));
	pr->objects.seen = strings_new();
	pr->files.seen = strings_new();
	pr->names.seen = strings_new();
	if (!pr->owners || !pr->positions || !pr->objects.seen || !pr->files.seen ||
		!pr->names.seen)
		return -ENOMEM;
	for (size_t i = 0; i < pr->g->n_listed; i++)
		pr->positions[pr->g->listed[i]] = (uint32_t)i + 1;
	fprintf(r->out, "positions: instr line\nevents: %s%s(%s)\n", r->config.mean ? "mean_" : "",
		profile_text(r->p, r->p->sample_types[r->sample_type].type), r->unit);
	for (size_t i = 0; n == 0 && i < pr->g->n_listed; i++)
		n = print_node(pr, pr->g->listed[i]);
	return n;
}

int report_callgrind(struct report *r)
{
	struct graph g;
	struct trimmed trimmed;
	struct printer printer = {.r = r, .g = &g};
	int n = report_trimmed_graph(r, &g, &trimmed);
	if (n == 0)
		n = print_nodes(&printer);
	free(printer.owners);
	free(printer.positions);
	strings_free(printer.objects.seen);
	strings_free(printer.files.seen);
	strings_free(printer.names.seen);
	graph_free(&g);
	return n;
}
