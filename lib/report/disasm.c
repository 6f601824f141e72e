/* SPDX-License-Identifier: MIT */
/* disasm.c - the instructions of the functions that match, with flat and cum beside each. A
 * function matches by its symbol, as with go tool pprof, or by the name that the profile has for
 * it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/names.h"
#include "report/object.h"
#include "report/private.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"

/* A function of a binary, and the samples in it. */
struct routine {
	struct object *object; /* borrowed */
	const char *name;
	uint64_t start, end; /* in the file */
	uint32_t *nodes;     /* by address */
	size_t n, capacity;
	int64_t flat, cum;
};

struct disassembler {
	struct report *r;
	struct graph g;
	uint64_t address; /* the pattern as a number, 0 if it is none */
	bool has_address;
	struct object **objects; /* by mapping */
	struct routine *routines;
	size_t n, capacity;
	char problem[512]; /* of the first binary that could not be opened, or "" */
};

/* A sample's address in a file, and the name that matches. */
struct named {
	uint64_t address;
	const char *name;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	return x->address < y->address ? -1 : x->address > y->address;
}

static int compare_nodes(const void *a, const void *b, void *userdata)
{
	const struct graph *g = userdata;
	uint64_t x = graph_place(g, *(const uint32_t *)a)->address;
	uint64_t y = graph_place(g, *(const uint32_t *)b)->address;
	return x < y ? -1 : x > y;
}

static int compare_routines(const void *a, const void *b)
{
	const struct routine *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	return order ? order : (x->start < y->start ? -1 : x->start > y->start);
}

/* ---- finding ------------------------------------------------------------------------------ */

/* Whether a mapping has samples that match, or the address that is meant. */
static bool is_wanted(struct disassembler *d, const struct mapping *m)
{
	if (d->has_address && m->start <= d->address && d->address <= m->limit)
		return true;
	if (!m->file)
		return false;
	for (size_t i = 0; i < d->g.n_listed; i++) {
		uint32_t node = d->g.listed[i];
		if (graph_place(&d->g, node)->object == m->file &&
			pattern_matches(d->r->symbol, graph_name(&d->g, node)))
			return true;
	}
	return false;
}

/* The samples of the mapping's file in [start, end). */
static int take_nodes(struct disassembler *d, const struct mapping *m, struct routine *f)
{
	for (size_t i = 0; i < d->g.n_listed; i++) {
		uint32_t node = d->g.listed[i];
		const struct graph_place *place = graph_place(&d->g, node);
		uint64_t address;
		if (place->object != m->file ||
			!object_address(f->object, place->address, &address) ||
			address < f->start || address >= f->end)
			continue;
		int r = grow(f->nodes, f->n, f->capacity, 1);
		if (r < 0)
			return r;
		f->nodes[f->n++] = node;
		f->flat = wrapping_add(f->flat, d->g.nodes[node].flat);
		f->cum = wrapping_add(f->cum, d->g.nodes[node].cum);
	}
	if (f->n)
		qsort_r(f->nodes, f->n, sizeof(*f->nodes), compare_nodes, &d->g);
	return 0;
}

static int add_routine(struct disassembler *d, const struct mapping *m, struct routine *f)
{
	int r = take_nodes(d, m, f);
	if (r == 0 && f->n)
		r = grow(d->routines, d->n, d->capacity, 1);
	if (r == 0 && f->n)
		d->routines[d->n++] = *f;
	else
		free(f->nodes);
	return r;
}

/* The samples of a mapping's file whose function has a name in the profile that matches, by
 * address. The last one is beyond all. NULL without memory. */
static struct named *find_named(
	struct disassembler *d, const struct mapping *m, const struct object *o)
{
	struct named *named = calloc(d->g.n_listed + 1, sizeof(*named));
	size_t n = 0;
	for (size_t i = 0; named && i < d->g.n_listed; i++) {
		const struct graph_place *place = graph_place(&d->g, d->g.listed[i]);
		const char *name = profile_text(d->r->p, place->name);
		if (place->object == m->file && *name && pattern_matches(d->r->symbol, name) &&
			object_address(o, place->address, &named[n].address))
			named[n++].name = name;
	}
	if (n)
		qsort(named, n, sizeof(*named), compare_named);
	if (named)
		named[n] = (struct named){UINT64_MAX, NULL};
	return named;
}

/* The name of n symbols of one address that matches, or NULL. */
static const char *matching_name(struct disassembler *d, const struct object_symbol *symbols,
	size_t n, uint64_t start, uint64_t end)
{
	uint64_t address = d->address;
	if (d->has_address && address >= start && address <= end)
		return symbols[0].name;
	for (size_t i = 0; i < n; i++)
		if (pattern_matches(d->r->symbol, symbols[i].name))
			return symbols[i].name;
	return NULL;
}

static int find_routines(struct disassembler *d, const struct mapping *m, struct object *o)
{
	size_t n;
	const struct object_symbol *symbols = object_symbols(o, &n);
	_cleanup_free_ struct named *all_named = find_named(d, m, o);
	const struct named *named = all_named;
	int r = named ? 0 : -ENOMEM;
	for (size_t i = 0, next; r == 0 && i < n; i = next) {
		next = i + 1;
		while (next < n && symbols[next].address == symbols[i].address)
			next++;
		uint64_t start = symbols[i].address;
		uint64_t end = next < n ? symbols[next].address - 1 : UINT64_MAX;
		while (named->address < start)
			named++;
		const char *name = matching_name(d, &symbols[i], next - i, start, end);
		if (!name && named->address < end)
			name = named->name;
		if (name)
			r = add_routine(d, m,
				&(struct routine){
					.object = o, .name = name, .start = start, .end = end});
	}
	return r;
}

/* Each once: a file may have several mappings. */
static void note_problem(struct disassembler *d, const char *why)
{
	if (!*d->problem)
		snprintf(d->problem, sizeof(d->problem), "%s", why);
	else if (strcmp(d->problem, why) != 0)
		log_warning("%s", why);
}

static int find_all(struct disassembler *d)
{
	struct profile *p = d->r->p;
	char why[512];
	int r = 0;
	d->objects = calloc(p->n_mappings, sizeof(struct object *));
	if (!d->objects)
		return -ENOMEM;
	for (size_t i = 1; r == 0 && i < p->n_mappings; i++) {
		const struct mapping *m = &p->mappings[i];
		if (!is_wanted(d, m))
			continue;
		int err = object_open(&d->objects[i], p, m, why, sizeof(why));
		if (err == -ENOMEM)
			return err;
		if (err)
			note_problem(d, why);
		else
			r = find_routines(d, m, d->objects[i]);
	}
	if (d->n)
		qsort(d->routines, d->n, sizeof(*d->routines), compare_routines);
	return r;
}

/* ---- nothing found ------------------------------------------------------------------------ */

int report_find_inlined(struct report *r)
{
	const struct profile *p = r->p;
	r->inlined_into = calloc(p->n_mappings, sizeof(*r->inlined_into));
	if (!r->inlined_into)
		return -ENOMEM;
	for (size_t i = 1; i < p->n_locations; i++) {
		const struct location *l = &p->locations[i];
		for (uint32_t k = 0; k + 1 < l->n_lines; k++) {
			const struct line *line = &p->lines[l->first_line + k];
			const char *name = profile_text(p, p->functions[line->function].name);
			if (p->mappings[l->mapping].file && pattern_matches(r->symbol, name))
				r->inlined_into[l->mapping] =
					p->lines[l->first_line + l->n_lines - 1].function;
		}
	}
	return 0;
}

/* Why a binary gives nothing that matches what is inlined in it. 0 or -ENOMEM. */
static int explain_inlined(struct disassembler *d, size_t mapping)
{
	const struct profile *p = d->r->p;
	struct object *o = NULL;
	char why[512];
	int err = object_open(&o, p, &p->mappings[mapping], why, sizeof(why));
	object_close(o);
	if (err == -ENOMEM)
		return err;
	if (err)
		snprintf(d->r->why, d->r->why_size, "no instructions: %s", why);
	else
		snprintf(d->r->why, d->r->why_size,
			"no instructions of its own: what matches %s is inlined, as into %s; "
			"disassemble that, or use weblist",
			pattern_text(d->r->symbol),
			profile_text(p, p->functions[d->r->inlined_into[mapping]].name));
	return 0;
}

static int explain_nothing(struct disassembler *d)
{
	struct report *r = d->r;
	size_t i = 1;
	while (i < r->p->n_mappings && !r->inlined_into[i])
		i++;
	if (*d->problem)
		snprintf(r->why, r->why_size, "no instructions: %s", d->problem);
	else if (i < r->p->n_mappings)
		return explain_inlined(d, i) ? -ENOMEM : -ENOENT;
	else
		snprintf(r->why, r->why_size, "no matches found for regexp %s",
			pattern_text(r->symbol));
	return -ENOENT;
}

/* ---- printing ----------------------------------------------------------------------------- */

/* One routine's instructions. Each is printed when the next is known, since samples count for the
 * instruction that they lie in. */
struct listing {
	struct disassembler *d;
	const struct routine *f;
	size_t next; /* node */
	bool any;
	struct instruction last;
	/* What was said last of where we are. */
	char function[512], file[512];
	int line;
};

/* What the samples know where the binary does not. */
struct origin {
	const char *function, *file;
	int line;
};

/* Adds up the nodes before the address of the next instruction. */
static struct origin take_samples(struct listing *l, uint64_t before, int64_t *flat, int64_t *cum)
{
	const struct graph *g = &l->d->g;
	struct graph_node sum = {0};
	struct origin o = {.function = l->f->name, .file = l->last.file, .line = l->last.line};
	for (; l->next < l->f->n; l->next++) {
		const struct graph_node *node = &g->nodes[l->f->nodes[l->next]];
		const struct graph_place *place = graph_place(g, l->f->nodes[l->next]);
		uint64_t address;
		object_address(l->f->object, place->address, &address);
		if (address >= before)
			break;
		sum.flat = wrapping_add(sum.flat, node->flat);
		sum.flat_div = wrapping_add(sum.flat_div, node->flat_div);
		sum.cum = wrapping_add(sum.cum, node->cum);
		sum.cum_div = wrapping_add(sum.cum_div, node->cum_div);
		if (!o.file && place->file)
			o.file = profile_text(g->profile, place->file);
		if (!o.line)
			o.line = (int)place->line;
	}
	*flat = divided(sum.flat, sum.flat_div);
	*cum = divided(sum.cum, sum.cum_div);
	return o;
}

/* "function file:line", or "" if that is what was said last. */
static void write_origin(struct listing *l, const struct origin *o, char *out, size_t size)
{
	size_t length = 0;
	const char *base = o->file ? base_name(o->file, &length) : "";
	char file[512];
	snprintf(file, sizeof(file), "%.*s", (int)length, base);
	*out = '\0';
	if (!strcmp(o->function, l->function) && !strcmp(file, l->file) && o->line == l->line)
		return;
	snprintf(l->function, sizeof(l->function), "%s", o->function);
	snprintf(l->file, sizeof(l->file), "%s", file);
	l->line = o->line;
	if (!*file)
		snprintf(out, size, "%s ", o->function);
	else if (!o->line)
		snprintf(out, size, "%s %s", o->function, file);
	else
		snprintf(out, size, "%s %s:%d", o->function, file, o->line);
}

static void print_last(struct listing *l, uint64_t before)
{
	char flat_text[FORMAT_VALUE_SIZE], cum_text[FORMAT_VALUE_SIZE], where[1100];
	FILE *out = l->d->r->out;
	int64_t flat, cum;
	if (!l->any)
		return;
	struct origin o = take_samples(l, before, &flat, &cum);
	write_origin(l, &o, where, sizeof(where));
	report_format_or_dot(l->d->r, flat, flat_text);
	report_format_or_dot(l->d->r, cum, cum_text);
	bool beside = *where && strlen(l->last.text) < 40;
	const struct report_config *c = &l->d->r->config;
	const char *plain = look(c, LOOK_PLAIN), *dim = look(c, LOOK_DIM);
	if (*where && !beside)
		fprintf(out, "%74s%s;%s%s\n", "", dim, where, plain);
	fprintf(out,
		beside ? "%s%10s %10s%s %10" PRIx64 ": %-40s%s;%s%s\n"
		       : "%s%10s %10s%s %10" PRIx64 ": %s%s%s%s\n",
		look(c, look_of_share(cum, l->f->cum, true)), flat_text, cum_text, plain,
		l->last.address, l->last.text, dim, beside ? where : "", plain);
}

static void take_instruction(void *arg, const struct instruction *i)
{
	struct listing *l = arg;
	print_last(l, i->address);
	l->last = *i;
	l->any = true;
}

static int print_routine(struct disassembler *d, const struct routine *f)
{
	char flat[FORMAT_VALUE_SIZE], cum[FORMAT_VALUE_SIZE], share[PERCENTAGE_SIZE];
	struct listing l = {.d = d, .f = f};
	report_format(d->r, f->flat, flat);
	report_format(d->r, f->cum, cum);
	format_percentage(share, sizeof(share), f->cum, d->r->total);
	fprintf(d->r->out,
		"ROUTINE ======================== %s%s%s\n%10s %10s (flat, cum) %s of Total\n",
		look(&d->r->config, LOOK_HEAD), f->name, look(&d->r->config, LOOK_PLAIN), flat, cum,
		share);
	int r = object_disassemble(
		f->object, f->start, f->end, d->r->config.intel_syntax, take_instruction, &l);
	print_last(&l, UINT64_MAX);
	if (r == -ENOTSUP)
		snprintf(d->r->why, d->r->why_size, "%s: only code of x86-64 can be disassembled",
			f->name);
	else if (r == -ENODATA)
		snprintf(d->r->why, d->r->why_size, "%s: its code is not in the file", f->name);
	return r;
}

static int print_all(struct disassembler *d)
{
	char total[FORMAT_VALUE_SIZE];
	report_format(d->r, d->r->total, total);
	fprintf(d->r->out, "Total: %s\n", total);
	if (!d->n)
		return explain_nothing(d);
	if (*d->problem)
		log_warning("%s", d->problem);
	int r = 0;
	for (size_t i = 0; r == 0 && i < d->n; i++)
		r = print_routine(d, &d->routines[i]);
	return r;
}

int report_disasm(struct report *r)
{
	struct disassembler d = {.r = r};
	char *end;
	d.address = strtoull(pattern_text(r->symbol), &end, 0);
	d.has_address = *pattern_text(r->symbol) && !*end;
	int n = report_graph(r, &d.g);
	if (n == 0)
		n = graph_count(&d.g);
	if (n == 0)
		n = find_all(&d);
	if (n == 0)
		n = print_all(&d);
	for (size_t i = 0; i < d.n; i++)
		free(d.routines[i].nodes);
	free(d.routines);
	for (size_t i = 1; d.objects && i < r->p->n_mappings; i++)
		object_close(d.objects[i]);
	free(d.objects);
	graph_free(&d.g);
	return n;
}
