/* SPDX-License-Identifier: MIT */
#include "report/code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/names.h"
#include "report/object.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"

#define NEAR	     512 /* bytes around samples that are shown of a function beyond WHOLE_MAX */
#define WHOLE_MAX    (16U << 10) /* bytes */
#define FUNCTION_MAX (4U << 20)	 /* of more no instruction is looked for */
#define NO_LINE_MAX                                                                   \
	32 /* bytes behind an instruction with a line that those without belong to it \
	    */

/* Where samples are: in the file of an object. */
struct hit {
	uint64_t address;
	uint32_t location;
};

/* A binary. Mappings of the same file share what is read. */
struct binary {
	struct object *object; /* NULL: not opened yet, or not to be opened */
	bool tried;
	uint32_t first; /* mapping that stands for all of its file */
	struct hit *hits;
	size_t n, capacity;
	bool sorted;
};

/* Addresses of a function in a binary. */
struct range {
	uint32_t binary;
	uint32_t mapping; /* of that file, whose object is open */
	uint64_t start, end;
};

struct coder {
	struct report *r;
	const struct graph *g;
	int64_t *flat, *cum;	 /* by location */
	struct binary *binaries; /* by mapping */
};

/* ---- costs -------------------------------------------------------------------------------- */

/* A location counts once for a sample, as functions do. */
static int count(struct coder *c)
{
	const struct profile *p = c->r->p;
	_cleanup_free_ size_t *seen = calloc(p->n_locations, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct sample *s = &p->samples[i];
		int64_t value = divided(report_value(c->r, i), report_divisor(c->r, i));
		for (size_t k = 0; k < s->n_locations; k++) {
			uint32_t id = p->location_ids[s->first_location + k];
			if (k == 0)
				c->flat[id] = wrapping_add(c->flat[id], value);
			if (seen[id] != i + 1)
				c->cum[id] = wrapping_add(c->cum[id], value);
			seen[id] = i + 1;
		}
	}
	return 0;
}

static void group_by_file(struct coder *c)
{
	const struct profile *p = c->r->p;
	for (uint32_t i = 1; i < p->n_mappings; i++) {
		uint32_t first = 1;
		while (p->mappings[first].file != p->mappings[i].file)
			first++;
		c->binaries[i].first = first;
	}
}

int coder_new(struct coder **out, struct report *r, const struct graph *g)
{
	struct coder *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->r = r;
	c->g = g;
	c->flat = calloc(r->p->n_locations, sizeof(*c->flat));
	c->cum = calloc(r->p->n_locations, sizeof(*c->cum));
	c->binaries = calloc(r->p->n_mappings, sizeof(*c->binaries));
	*out = c;
	if (!c->flat || !c->cum || !c->binaries)
		return -ENOMEM;
	group_by_file(c);
	return count(c);
}

void coder_free(struct coder *c)
{
	if (!c)
		return;
	for (size_t i = 0; c->binaries && i < c->r->p->n_mappings; i++) {
		object_close(c->binaries[i].object);
		free(c->binaries[i].hits);
	}
	free(c->binaries);
	free(c->flat);
	free(c->cum);
	free(c);
}

/* ---- binaries ----------------------------------------------------------------------------- */

/* The address of a location in the file of its mapping. */
static bool file_address(struct coder *c, uint32_t location, uint64_t *out)
{
	const struct location *l = &c->r->p->locations[location];
	struct binary *b = &c->binaries[l->mapping];
	uint64_t address = c->r->addresses[location];
	return b->object && address && object_address(b->object, address, out);
}

static int compare_hits(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* All samples of a file, by their addresses in it. */
static int find_hits(struct coder *c, uint32_t mapping)
{
	struct binary *b = &c->binaries[c->binaries[mapping].first];
	const struct profile *p = c->r->p;
	for (uint32_t i = 1; i < p->n_locations; i++) {
		uint64_t address;
		if (p->locations[i].mapping != mapping || !file_address(c, i, &address))
			continue;
		int r = grow(b->hits, b->n, b->capacity, 1);
		if (r < 0)
			return r;
		b->hits[b->n++] = (struct hit){address, i};
		b->sorted = false;
	}
	return 0;
}

static int open_binary(struct coder *c, uint32_t mapping)
{
	const struct mapping *m = &c->r->p->mappings[mapping];
	struct binary *b = &c->binaries[mapping];
	const char *name = profile_text(c->r->p, m->file);
	char why[512];
	if (b->tried)
		return 0;
	b->tried = true;
	/* "[kernel.kallsyms]", "//anon": no file. What the user named may be relative. */
	if (!*name || *name == '[' || !strncmp(name, "//", 2))
		return 0;
	int r = object_open(&b->object, c->r->p, m, why, sizeof(why));
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		log_warning("no instructions: %s", why);
		return 0;
	}
	return find_hits(c, mapping);
}

/* ---- where a function is ------------------------------------------------------------------ */

struct search {
	struct coder *c;
	const struct graph_place *place;
	const struct function *function; /* one of that name and file */
	struct range *ranges;
	size_t n_ranges, range_capacity;
	struct code *code;
	const struct range *range; /* that is read */
	/* What the last instruction with a line belongs to. */
	struct object_frame frames[OBJECT_FRAMES_MAX];
	size_t n_frames;
	uint64_t with_line;
	int error;
};

static struct object *object_of(const struct coder *c, const struct range *range)
{
	return c->binaries[range->mapping].object;
}

/* From the symbol that the address is in or behind to the next. */
static bool find_symbol(const struct object *o, uint64_t address, struct range *out)
{
	size_t n, low = 0;
	const struct object_symbol *symbols = object_symbols(o, &n);
	for (size_t high = n; low < high;) {
		size_t middle = low + (high - low) / 2;
		if (symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	out->start = symbols[low - 1].address;
	out->end = low < n ? symbols[low].address : UINT64_MAX;
	return true;
}

static int add_range(struct search *s, uint32_t location)
{
	uint32_t mapping = s->c->r->p->locations[location].mapping;
	uint64_t address;
	if (!mapping)
		return 0;
	int r = open_binary(s->c, mapping);
	if (r < 0 || !file_address(s->c, location, &address))
		return r;
	struct range range = {.binary = s->c->binaries[mapping].first, .mapping = mapping};
	if (!find_symbol(s->c->binaries[mapping].object, address, &range))
		return 0;
	for (size_t i = 0; i < s->n_ranges; i++)
		if (s->ranges[i].binary == range.binary && s->ranges[i].start == range.start)
			return 0;
	r = grow(s->ranges, s->n_ranges, s->range_capacity, 1);
	if (r == 0)
		s->ranges[s->n_ranges++] = range;
	return r;
}

static bool is_meant(const struct search *s, size_t line)
{
	const struct graph_place *p = &s->c->g->places[s->c->g->line_places[line]];
	return p->name == s->place->name && p->file == s->place->file &&
	       p->object == s->place->object;
}

static int find_ranges(struct search *s)
{
	const struct profile *p = s->c->r->p;
	int r = 0;
	for (uint32_t i = 1; r == 0 && i < p->n_locations; i++) {
		const struct location *l = &p->locations[i];
		for (size_t k = l->first_line; r == 0 && k < l->first_line + l->n_lines; k++) {
			if (!is_meant(s, k) || !s->c->cum[i])
				continue;
			s->function = &p->functions[p->lines[k].function];
			r = add_range(s, i);
		}
	}
	return r;
}

/* ---- instructions ------------------------------------------------------------------------- */

static bool same_name(const char *a, const char *b)
{
	return a && *b && !strcmp(a, b);
}

static bool same_base(const char *a, const char *b)
{
	size_t n, m;
	const char *x = base_name(a, &n), *y = base_name(b, &m);
	return n == m && !memcmp(x, y, n);
}

static bool is_function(const struct search *s, const struct object_frame *f)
{
	const struct profile *p = s->c->r->p;
	const char *name = profile_text(p, s->function->name);
	const char *system_name = profile_text(p, s->function->system_name);
	return (same_name(f->linkage_name, system_name) || same_name(f->name, name) ||
		       same_name(f->name, system_name)) &&
	       f->file && same_base(f->file, profile_text(p, s->place->file));
}

/* The first hit from the address on. */
static size_t find_hit(struct binary *b, uint64_t address)
{
	size_t low = 0;
	if (!b->sorted && b->n)
		qsort(b->hits, b->n, sizeof(*b->hits), compare_hits);
	b->sorted = true;
	for (size_t high = b->n; low < high;) {
		size_t middle = low + (high - low) / 2;
		if (b->hits[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_near(struct binary *b, const struct range *range, uint64_t address)
{
	if (range->end - range->start <= WHOLE_MAX)
		return true;
	size_t i = find_hit(b, address > NEAR ? address - NEAR : 0);
	return i < b->n && b->hits[i].address <= address + NEAR;
}

/* The frames that the profile has for the samples in an instruction. */
static size_t frames_of_samples(const struct search *s, const struct binary *b, size_t hit,
	struct object_frame frames[OBJECT_FRAMES_MAX])
{
	const struct profile *p = s->c->r->p;
	const struct location *l = &p->locations[b->hits[hit].location];
	size_t n = 0;
	for (; n < l->n_lines && n < OBJECT_FRAMES_MAX; n++) {
		const struct line *line = &p->lines[l->first_line + n];
		const struct function *f = &p->functions[line->function];
		frames[n] = (struct object_frame){.name = profile_text(p, f->name),
			.linkage_name = profile_text(p, f->system_name),
			.file = profile_text(p, f->filename),
			.line = (int)line->line};
	}
	return n;
}

static int add_instruction(struct search *s, const struct instruction *in,
	const struct object_frame *frames, size_t inner, size_t first, size_t end)
{
	struct binary *b = &s->c->binaries[s->range->binary];
	int r = grow(s->code->items, s->code->n, s->code->capacity, 1);
	if (r < 0)
		return r;
	struct code_instruction *out = &s->code->items[s->code->n++];
	*out = (struct code_instruction){
		.line = frames[inner].line,
		.address = in->address,
		.length = in->length,
		.text = strdup(in->text),
		.inlined = calloc(inner + 1, sizeof(*out->inlined)),
		.n_inlined = inner,
	};
	if (!out->text || !out->inlined)
		return -ENOMEM;
	for (size_t i = 0; i < inner; i++)
		out->inlined[i] = (struct code_place){frames[inner - 1 - i].file,
			frames[inner - 1 - i].directory, frames[inner - 1 - i].line};
	for (size_t i = first; i < end; i++) {
		uint32_t location = b->hits[i].location;
		out->flat = wrapping_add(out->flat, s->c->flat[location]);
		out->cum = wrapping_add(out->cum, s->c->cum[location]);
	}
	return 0;
}

static void take(void *arg, const struct instruction *in)
{
	struct search *s = arg;
	struct binary *b = &s->c->binaries[s->range->binary];
	struct object_frame found[OBJECT_FRAMES_MAX], *frames = found;
	if (s->error || !is_near(b, s->range, in->address))
		return;
	size_t first = find_hit(b, in->address), end = first;
	while (end < b->n && b->hits[end].address < in->address + in->length)
		end++;
	size_t n = object_frames(object_of(s->c, s->range), in->address, found);
	if (n && found[0].line) {
		memcpy(s->frames, found, sizeof(found));
		s->n_frames = n;
		s->with_line = in->address;
	} else if (s->n_frames && in->address - s->with_line <= NO_LINE_MAX) {
		frames = s->frames;
		n = s->n_frames;
	} else if (!n && first < end) {
		n = frames_of_samples(s, b, first, found);
	}
	for (size_t i = 0; i < n && !s->error; i++)
		if (is_function(s, &frames[i]))
			s->error = add_instruction(s, in, frames, i, first, end);
}

static int compare_instructions(const void *a, const void *b)
{
	const struct code_instruction *x = a, *y = b;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

static int read_range(struct search *s, const struct range *range)
{
	uint64_t end = range->end;
	if (end - range->start > FUNCTION_MAX)
		end = range->start + FUNCTION_MAX;
	s->range = range;
	s->n_frames = 0;
	int r = object_disassemble(
		object_of(s->c, range), range->start, end, s->c->r->config.intel_syntax, take, s);
	/* Of other machines, or of what is no code, there are none. */
	return s->error ? s->error : r == -ENOMEM ? r : 0;
}

int coder_find(struct coder *c, const struct graph_place *place, struct code *out)
{
	struct search s = {.c = c, .place = place, .code = out};
	*out = (struct code){0};
	int r = find_ranges(&s);
	for (size_t i = 0; r == 0 && i < s.n_ranges; i++)
		r = read_range(&s, &s.ranges[i]);
	if (out->n)
		qsort(out->items, out->n, sizeof(*out->items), compare_instructions);
	free(s.ranges);
	return r;
}

void code_free(struct code *code)
{
	for (size_t i = 0; i < code->n; i++) {
		free(code->items[i].text);
		free(code->items[i].inlined);
	}
	free(code->items);
	*code = (struct code){0};
}
