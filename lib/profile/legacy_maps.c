/* SPDX-License-Identifier: MIT */
/* legacy_maps.c - the map of memory at the end of a legacy profile, in the format of
 * /proc/PID/maps or a shorter one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/legacy_private.h"
#include "profile/private.h"
#include "util/cleanup.h"
#include "util/grow.h"

bool legacy_is_map_start(struct span line)
{
	return span_contains(line, "--- Memory map: ---") ||
	       span_contains(line, "MAPPED_LIBRARIES:");
}

/* ---- lines -------------------------------------------------------------------------------- */

/* "name=value" lines: $name stands for the value in the lines behind. */
struct variable {
	char *name, *value; /* with the $ */
};

struct variables {
	struct variable *items;
	size_t n, capacity;
};

static void variables_free(struct variables *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->items[i].name);
		free(v->items[i].value);
	}
	free(v->items);
}

static int add_variable(struct variables *v, struct span line)
{
	const char *equals = memchr(line.at, '=', line.length);
	if (!equals)
		return 0;
	size_t before = (size_t)(equals - line.at);
	struct span name = span_trim((struct span){line.at, before});
	struct span value = span_trim((struct span){equals + 1, line.length - before - 1});
	int r = grow(v->items, v->n, v->capacity, 1);
	if (r < 0)
		return r;
	struct variable *item = &v->items[v->n++];
	*item = (struct variable){.value = strndup(value.at, value.length)};
	if (asprintf(&item->name, "$%.*s", (int)name.length, name.at) < 0)
		item->name = NULL;
	return item->name && item->value ? 0 : -ENOMEM;
}

static const struct variable *variable_at(const struct variables *v, struct span text)
{
	for (size_t i = 0; i < v->n; i++)
		if (span_starts(text, v->items[i].name))
			return &v->items[i];
	return NULL;
}

#define EXPANDED_MAX (1 << 20)

/* The line with its variables replaced: in *buffer if there are any. */
static int expand(const struct variables *v, struct span *line, char **buffer)
{
	size_t size;
	if (!v->n || !line->length || !memchr(line->at, '$', line->length))
		return 0;
	FILE *out = open_memstream(buffer, &size);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < line->length && ftell(out) < EXPANDED_MAX;) {
		struct span rest = {line->at + i, line->length - i};
		const struct variable *known = variable_at(v, rest);
		if (known)
			fputs(known->value, out);
		else
			fputc(*rest.at, out);
		i += known ? strlen(known->name) : 1;
	}
	if (fclose(out))
		return -ENOMEM;
	*line = (struct span){*buffer, size};
	return 0;
}

static int64_t span_string(struct profile *p, struct span s)
{
	return s.length ? profile_string_n(p, s.at, s.length) : 0;
}

/* One entry; *recognized is false if the line is none. */
static int read_entry(struct legacy *l, struct span line, bool *recognized)
{
	struct span g[LEGACY_GROUPS_MAX], file, offset, build_id = {0};
	struct mapping m = {0};
	*recognized = false;
	if (legacy_find(l, LEGACY_MAPS, line, g)) {
		offset = g[4];
		file = g[5];
	} else if (legacy_find(l, LEGACY_BRIEF_MAPS, line, g)) {
		file = g[4];
		offset = g[5];
		build_id = g[6];
	} else {
		return 0;
	}
	/* What cannot be run has no addresses of functions. */
	*recognized = g[3].length && !span_contains(g[3], "x");
	if (*recognized)
		return 0;
	if (span_address(g[1], 16, &m.start) || span_address(g[2], 16, &m.limit) ||
		(offset.length && span_address(offset, 16, &m.offset)))
		return 0;
	*recognized = true;
	int64_t file_id = span_string(l->p, file), build = span_string(l->p, build_id);
	if (file_id < 0 || build < 0)
		return -ENOMEM;
	m.file = (uint32_t)file_id;
	m.build_id = (uint32_t)build;
	int64_t id = profile_append_mapping(l->p, &m);
	return id < 0 ? (int)id : 0;
}

static int read_entries(struct legacy *l, struct lines *s, struct variables *v)
{
	struct span g[LEGACY_GROUPS_MAX];
	while (lines_next(s)) {
		_cleanup_free_ char *buffer = NULL;
		struct span line = s->line;
		bool recognized;
		/* What a logger puts before a line. */
		if (legacy_find(l, LEGACY_LOG, line, g)) {
			line.at += g[0].length;
			line.length -= g[0].length;
		}
		int r = expand(v, &line, &buffer);
		if (r == 0)
			r = read_entry(l, line, &recognized);
		if (r == 0 && !recognized)
			r = add_variable(v, line);
		if (r < 0)
			return r;
	}
	return s->too_long ? legacy_refuse(l, s->line, "a line is too long") : 0;
}

/* ---- mappings ----------------------------------------------------------------------------- */

/* Two entries of one mapping that was split. */
static bool are_adjacent(const struct mapping *a, const struct mapping *b)
{
	if ((a->file && b->file && a->file != b->file) ||
		(a->build_id && b->build_id && a->build_id != b->build_id) || a->limit != b->start)
		return false;
	return !a->offset || !b->offset || a->offset + (a->limit - a->start) == b->offset;
}

static void join_adjacent(struct profile *p)
{
	size_t n = 2;
	for (size_t i = 2; i < p->n_mappings; i++) {
		struct mapping *last = &p->mappings[n - 1], *m = &p->mappings[i];
		if (!are_adjacent(last, m)) {
			p->mappings[n++] = *m;
			continue;
		}
		last->limit = m->limit;
		last->file = m->file ? m->file : last->file;
		last->build_id = m->build_id ? m->build_id : last->build_id;
	}
	p->n_mappings = p->n_mappings > 1 ? n : 1;
}

/* The first that is neither a library nor the kernel's becomes the first of all. */
static void put_main_first(const struct legacy *l)
{
	struct profile *p = l->p;
	struct span g[LEGACY_GROUPS_MAX];
	for (size_t i = 1; i < p->n_mappings; i++) {
		const char *text = profile_text(p, p->mappings[i].file);
		struct span file = {text, strlen(text)};
		const char *deleted = strstr(text, "(deleted)");
		if (deleted && !deleted[strlen("(deleted)")])
			file.length = (size_t)(deleted - text);
		file = span_trim(file);
		if (!file.length || *file.at == '[' || legacy_find(l, LEGACY_LIBRARY, file, g))
			continue;
		struct mapping first = p->mappings[1];
		p->mappings[1] = p->mappings[i];
		p->mappings[i] = first;
		return;
	}
}

/* What some writers get wrong of the first mapping. */
static void mend_first(struct profile *p)
{
	static const char huge[] = "/anon_hugepage";
	if (p->n_mappings > 2) {
		const struct mapping *m = &p->mappings[1];
		if (!strncmp(profile_text(p, m->file), huge, sizeof(huge) - 1) &&
			m->limit == p->mappings[2].start) {
			memmove(&p->mappings[1], &p->mappings[2],
				(p->n_mappings - 2) * sizeof(*p->mappings));
			p->n_mappings--;
		}
	}
	if (p->n_mappings > 1) {
		struct mapping *m = &p->mappings[1];
		if (m->start - m->offset == 0x400000) {
			m->start = 0x400000;
			m->offset = 0;
		}
	}
}

/* The mapping that holds an address, 0 if none does. */
static uint32_t find_mapping(struct profile *p, uint64_t address)
{
	for (size_t i = 1; i < p->n_mappings; i++)
		if (p->mappings[i].start <= address && address < p->mappings[i].limit)
			return (uint32_t)i;
	/* The first part of a mapping may be missing. */
	for (size_t i = 1; i < p->n_mappings; i++) {
		struct mapping *m = &p->mappings[i];
		if (m->offset && m->start - m->offset <= address && address < m->start) {
			m->start -= m->offset;
			m->offset = 0;
			return (uint32_t)i;
		}
	}
	return 0;
}

int legacy_place_locations(struct legacy *l)
{
	struct profile *p = l->p;
	mend_first(p);
	for (size_t i = 1; i < p->n_locations; i++) {
		struct location *location = &p->locations[i];
		if (!location->address)
			continue;
		int64_t mapping = find_mapping(p, location->address);
		if (!mapping)
			mapping = profile_append_mapping(p, &(struct mapping){.limit = UINT64_MAX});
		if (mapping < 0)
			return (int)mapping;
		location->mapping = (uint32_t)mapping;
	}
	return 0;
}

int legacy_read_maps(struct legacy *l, struct lines *s)
{
	struct variables v = {0};
	int r = read_entries(l, s, &v);
	variables_free(&v);
	if (r < 0)
		return r;
	join_adjacent(l->p);
	put_main_first(l);
	r = legacy_make_locations(l);
	return r < 0 ? r : legacy_place_locations(l);
}

int legacy_read_sections(struct legacy *l, struct lines *s)
{
	while (!legacy_is_map_start(s->line) && lines_next(s))
		;
	if (s->too_long)
		return legacy_refuse(l, s->line, "a line is too long");
	return legacy_read_maps(l, s);
}
