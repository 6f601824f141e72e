/* SPDX-License-Identifier: MIT */
/* legacy_java.c - what Java's agent wrote: attributes, samples of ids, then the name of each id. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/legacy_private.h"
#include "profile/private.h"
#include "util/cleanup.h"
#include "util/grow.h"

#define SAMPLING_RATE 524288 /* bytes between two samples of the heap */

struct java {
	struct span rest; /* not read yet */
	bool heap;	  /* else contention */
};

/* The next line that has an end; its start stays in *from. */
static bool take_line(struct span *rest, struct span *line, struct span *from)
{
	const char *newline = rest->length ? memchr(rest->at, '\n', rest->length) : NULL;
	*from = *rest;
	if (!newline)
		return false;
	size_t length = (size_t)(newline - rest->at);
	*line = span_trim((struct span){rest->at, length});
	rest->at += length + 1;
	rest->length -= length + 1;
	return true;
}

/* ---- attributes --------------------------------------------------------------------------- */

static int set_types(struct legacy *l, bool heap, struct span unit)
{
	l->p->n_sample_types = 0;
	int r = legacy_add_type(l, heap ? "inuse_objects" : "contentions", "count", 5);
	return r < 0 ? r : legacy_add_type(l, heap ? "inuse_space" : "delay", unit.at, unit.length);
}

static int read_attribute(
	struct legacy *l, bool heap, struct span line, struct span name, struct span value)
{
	int64_t number;
	if (span_equals(name, "format"))
		return span_equals(value, "java") ? 0 : -ENODATA;
	if (span_equals(name, "resolution"))
		return set_types(l, heap, value);
	bool period = span_equals(name, "sampling period");
	if (heap || (!period && !span_equals(name, "ms since reset")))
		return -ENODATA;
	if (span_number(value, 0, &number))
		return legacy_refuse(l, line, "this attribute is no number");
	if (period)
		return legacy_set_period(l, "contentions", "count", number);
	l->p->duration_nanos = (int64_t)((uint64_t)number * 1000000);
	return 0;
}

static int read_attributes(struct legacy *l, struct java *j)
{
	struct span line, from, g[LEGACY_GROUPS_MAX];
	while (take_line(&j->rest, &line, &from)) {
		if (!line.length)
			continue;
		if (!legacy_find(l, LEGACY_JAVA_ATTRIBUTE, line, g)) {
			j->rest = from;
			return 0;
		}
		int r = read_attribute(l, j->heap, line, span_trim(g[1]), span_trim(g[2]));
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- samples ------------------------------------------------------------------------------ */

static int read_sample(struct legacy *l, bool heap, struct span line, const struct span *g)
{
	int64_t values[2];
	/* The other way round than in other formats. */
	if (span_number(g[2], 0, &values[0]) || span_number(g[1], 0, &values[1]))
		return legacy_refuse(l, line, "a sample has a number that is none");
	if (heap && !values[0])
		return legacy_refuse(l, line, "a sample of no objects");
	int64_t block = heap ? values[1] / values[0] : 0;
	if (heap) {
		legacy_unsample(&values[0], &values[1], SAMPLING_RATE);
	} else if (l->p->period) {
		for (int i = 0; i < 2; i++)
			values[i] = (int64_t)((uint64_t)values[i] * (uint64_t)l->p->period);
	}
	int r = legacy_add_sample(l, values, 2);
	if (r < 0)
		return r;
	l->samples[l->n_samples - 1].has_bytes = heap;
	l->samples[l->n_samples - 1].bytes = block;
	return legacy_add_addresses(l, g[3], 0, 0);
}

static int read_samples(struct legacy *l, struct java *j)
{
	struct span line, from, g[LEGACY_GROUPS_MAX];
	while (take_line(&j->rest, &line, &from)) {
		if (!line.length)
			continue;
		if (!legacy_find(l, LEGACY_JAVA_SAMPLE, line, g)) {
			j->rest = from;
			return 0;
		}
		int r = read_sample(l, j->heap, line, g);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- names -------------------------------------------------------------------------------- */

/* What a line says of a function. */
struct named {
	struct span function, file;
	int64_t line;
};

static struct span base_of(struct span path)
{
	while (path.length > 1 && path.at[path.length - 1] == '/')
		path.length--;
	const char *slash = path.length ? memrchr(path.at, '/', path.length) : NULL;
	if (!path.length)
		return (struct span){".", 1};
	if (slash && path.length > 1) {
		path.length -= (size_t)(slash + 1 - path.at);
		path.at = slash + 1;
	}
	return path;
}

/* "function (File.java:12)", "function (/lib/libx.so)", or a state of the machine such as GC. */
static struct named parse_name(const struct legacy *l, struct span text)
{
	struct span g[LEGACY_GROUPS_MAX];
	struct named n = {.function = text};
	if (legacy_find(l, LEGACY_JAVA_FILE_LINE, text, g)) {
		n.function = g[1];
		n.file = g[2];
		if (span_number(g[3], 10, &n.line) || n.line < 0)
			n.line = 0;
	} else if (legacy_find(l, LEGACY_JAVA_PATH, text, g)) {
		n.function = g[1];
		n.file = base_of(g[2]);
	} else if (span_contains(text, "generated stub/JIT")) {
		n.function = (struct span){"STUB", 4};
	}
	return n;
}

/* Names of locations, as they come; functions are numbered later, by the samples. */
struct naming {
	uint32_t location;
	uint32_t name, file; /* strings */
	int64_t line;
};

struct namings {
	struct naming *items;
	size_t n, capacity;
};

static int64_t intern_span(struct profile *p, struct span s)
{
	return s.length ? profile_string_n(p, s.at, s.length) : 0;
}

static int read_location(struct legacy *l, struct span line, struct namings *names)
{
	struct span g[LEGACY_GROUPS_MAX];
	uint64_t address;
	if (!line.length || !legacy_find(l, LEGACY_JAVA_LOCATION, line, g))
		return 0;
	if (span_address(g[1], 16, &address))
		return legacy_refuse(l, line, "an address has more than 64 bits");
	uint32_t location = legacy_location(l, address);
	if (!location)
		return 0;
	struct named named = parse_name(l, g[2]);
	int64_t name = intern_span(l->p, named.function), file = intern_span(l->p, named.file);
	int r = name < 0 || file < 0 ? -ENOMEM : grow(names->items, names->n, names->capacity, 1);
	if (r == 0)
		names->items[names->n++] = (struct naming){
			location, (uint32_t)name, (uint32_t)file, named.line};
	return r;
}

/* Of one name there is one function, with the file that it was first seen with. */
static int make_functions(struct legacy *l, const struct namings *names)
{
	struct profile *p = l->p;
	_cleanup_free_ const struct naming **of = calloc(p->n_locations, sizeof(*of));
	if (!of)
		return -ENOMEM;
	for (size_t i = 0; i < names->n; i++)
		of[names->items[i].location] = &names->items[i];
	for (size_t i = 1; i < p->n_locations; i++) {
		if (!of[i])
			continue;
		struct function f = {.name = of[i]->name, .system_name = of[i]->name};
		for (size_t k = 0; k < names->n; k++) {
			if (names->items[k].name == f.name) {
				f.filename = names->items[k].file;
				break;
			}
		}
		int64_t function = profile_add_function(p, &f);
		if (function < 0)
			return (int)function;
		int r = grow(p->lines, p->n_lines, p->private->line_capacity, 1);
		if (r < 0)
			return r;
		p->locations[i].first_line = (uint32_t)p->n_lines;
		p->locations[i].n_lines = 1;
		p->lines[p->n_lines++] = (struct line){
			.function = (uint32_t)function, .line = of[i]->line};
		p->locations[i].address = 0;
	}
	return 0;
}

static int read_locations(struct legacy *l, struct span rest)
{
	struct namings names = {0};
	int r = legacy_make_locations(l);
	while (r == 0 && rest.length) {
		const char *newline = memchr(rest.at, '\n', rest.length);
		size_t length = newline ? (size_t)(newline - rest.at) : rest.length;
		r = read_location(l, span_trim((struct span){rest.at, length}), &names);
		length += newline != NULL;
		rest.at += length;
		rest.length -= length;
	}
	if (r == 0)
		r = make_functions(l, &names);
	free(names.items);
	if (r == 0)
		r = legacy_place_locations(l);
	/* They are ids, not addresses. */
	for (size_t i = 1; i < l->p->n_locations; i++)
		l->p->locations[i].address = 0;
	return r;
}

int legacy_read_java_cpu(struct legacy *l, const uint8_t *rest, size_t size)
{
	return read_locations(l, (struct span){(const char *)rest, size});
}

int legacy_read_java(struct legacy *l)
{
	struct java j = {.rest = {(const char *)l->data, l->size}};
	struct span header, from;
	if (!take_line(&j.rest, &header, &from))
		return -ENODATA;
	j.heap = span_equals(header, "--- heapz 1 ---");
	if (!j.heap && !span_equals(header, "--- contentionz 1 ---"))
		return -ENODATA;
	int r = read_attributes(l, &j);
	if (r == 0)
		r = read_samples(l, &j);
	if (r == 0 && l->n_samples && !l->p->n_sample_types)
		r = legacy_refuse(l, header, "it does not say what it measures (resolution)");
	return r < 0 ? r : read_locations(l, j.rest);
}
