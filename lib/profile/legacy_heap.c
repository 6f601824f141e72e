/* SPDX-License-Identifier: MIT */
/* legacy_heap.c - heap profiles as text: "objects: bytes [objects: bytes] @ addresses". */
#include <errno.h>
#include <string.h>

#include "profile/legacy_private.h"

struct heap {
	bool sampled; /* what was taken stands for more */
	bool has_allocs;
	int64_t rate;
};

static int read_header(struct legacy *l, struct span line, struct heap *h)
{
	struct span g[LEGACY_GROUPS_MAX];
	*h = (struct heap){0};
	if (!legacy_find(l, LEGACY_HEAP_HEAD, line, g)) {
		h->rate = 1;
		return legacy_find(l, LEGACY_GROWTH_HEAD, line, g) ? 0 : -ENODATA;
	}
	if (g[6].length && span_number(g[6], 10, &h->rate))
		return -ENODATA;
	for (int i = 1; i <= 2; i++) {
		bool same = g[i].length == g[i + 2].length &&
			    !memcmp(g[i].at, g[i + 2].at, g[i].length);
		h->has_allocs |= !same && !span_equals(g[i + 2], "0");
	}
	if (span_equals(g[5], "heap_v2") || span_equals(g[5], "heapz_v2")) {
		h->sampled = true;
	} else if (span_equals(g[5], "heap")) {
		h->sampled = true;
		h->rate /= 2;
	} else if (span_equals(g[5], "heapprofile")) {
		h->rate = 1;
	} else {
		return -ENODATA;
	}
	return 0;
}

static int add_types(struct legacy *l, const struct heap *h)
{
	static const char *const with_allocs[] = {
		"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"};
	static const char *const in_use[] = {"objects", "space"};
	int r = legacy_set_period(l, "space", "bytes", h->rate);
	for (size_t i = 0; r == 0 && i < (h->has_allocs ? 4 : 2); i++) {
		const char *unit = i % 2 ? "bytes" : "count";
		r = legacy_add_type(
			l, h->has_allocs ? with_allocs[i] : in_use[i], unit, strlen(unit));
	}
	return r;
}

/* A pair of numbers; *block is the size of one object. */
static int read_pair(struct legacy *l, struct span line, const struct heap *h, const struct span *g,
	int64_t *values, int64_t *block)
{
	int64_t count, size;
	if (span_number(g[0], 10, &count) || span_number(g[1], 10, &size))
		return legacy_refuse(l, line, "a number has more than 64 bits");
	if (!count && size)
		return legacy_refuse(l, line, "no objects cannot have bytes");
	if (count) {
		/* the smallest integer has no opposite */
		*block = count == -1 ? (int64_t)(0 - (uint64_t)size) : size / count;
		if (h->sampled)
			legacy_unsample(&count, &size, h->rate);
	}
	values[0] = count;
	values[1] = size;
	return 0;
}

static int read_sample(struct legacy *l, struct span line, const struct heap *h)
{
	struct span g[LEGACY_GROUPS_MAX];
	int64_t values[LEGACY_VALUES_MAX] = {0}, block = 0;
	size_t n = 0;
	int r = 0;
	if (!legacy_find(l, LEGACY_HEAP, line, g))
		return legacy_refuse(l, line, "this is no line of a heap profile");
	if (h->has_allocs) {
		r = read_pair(l, line, h, &g[3], values, &block);
		n = 2;
	}
	if (r == 0)
		r = read_pair(l, line, h, &g[1], values + n, &block);
	if (r == 0)
		r = legacy_add_sample(l, values, n + 2);
	if (r < 0)
		return r;
	l->samples[l->n_samples - 1].has_bytes = true;
	l->samples[l->n_samples - 1].bytes = block;
	return legacy_add_addresses(l, g[5], 1, 1);
}

int legacy_read_heap(struct legacy *l)
{
	struct lines s = lines_of(l->data, l->size);
	struct heap h;
	if (!lines_next(&s))
		return -ENODATA;
	int r = read_header(l, s.line, &h);
	if (r == 0)
		r = add_types(l, &h);
	while (r == 0 && lines_next(&s)) {
		struct span line = span_trim(s.line);
		if (span_is_comment(line))
			continue;
		if (legacy_is_map_start(line))
			break;
		r = read_sample(l, line, &h);
	}
	if (r == 0 && s.too_long)
		r = legacy_refuse(l, s.line, "a line is too long");
	return r < 0 ? r : legacy_read_sections(l, &s);
}
