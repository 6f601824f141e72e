/* SPDX-License-Identifier: MIT */
/* legacy_stacks.c - texts of counts and stacks: Go's debug=1, threads, contention. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/legacy_private.h"
#include "util/cleanup.h"

static int too_long(struct legacy *l, const struct lines *s)
{
	return s->too_long ? legacy_refuse(l, s->line, "a line is too long") : 0;
}

/* ---- Go's counts: "NAME profile: total N", "N @ addresses" ----------------------------------- */

static int set_count_type(struct legacy *l, struct span name)
{
	_cleanup_free_ char *type = strndup(name.at, name.length);
	if (!type)
		return -ENOMEM;
	int r = legacy_set_period(l, type, "count", 1);
	return r < 0 ? r : legacy_add_type(l, type, "count", 5);
}

static int read_count(struct legacy *l, struct span line)
{
	struct span g[LEGACY_GROUPS_MAX];
	int64_t count;
	if (!legacy_find(l, LEGACY_COUNT, line, g) || span_number(g[1], 0, &count))
		return legacy_refuse(l, line, "this is no line of counts");
	int r = legacy_add_sample(l, &count, 1);
	return r < 0 ? r : legacy_add_addresses(l, g[2], 1, 1);
}

int legacy_read_count(struct legacy *l)
{
	struct lines s = lines_of(l->data, l->size);
	struct span g[LEGACY_GROUPS_MAX];
	while (lines_next(&s) && span_is_comment(s.line))
		;
	int r = too_long(l, &s);
	if (r == 0 && !legacy_find(l, LEGACY_COUNT_HEAD, s.line, g))
		r = -ENODATA;
	if (r == 0)
		r = set_count_type(l, g[1]);
	while (r == 0 && lines_next(&s)) {
		if (span_starts(s.line, "---"))
			break;
		if (!span_is_comment(s.line))
			r = read_count(l, s.line);
	}
	if (r == 0)
		r = too_long(l, &s);
	return r < 0 ? r : legacy_read_sections(l, &s);
}

/* ---- threads --------------------------------------------------------------------------------- */

/* One thread's stack; *next is the line behind it. A thread "same as previous" counts for that. */
static int read_thread(struct legacy *l, struct lines *s, struct span *next)
{
	int64_t one = 1;
	bool same = false;
	int r = legacy_add_sample(l, &one, 1);
	*next = (struct span){s->end, 0};
	while (r == 0 && lines_next(s)) {
		*next = span_trim(s->line);
		if (span_starts(*next, "---"))
			break;
		if (span_contains(*next, "same as previous thread"))
			same = true;
		else
			r = legacy_add_addresses(l, *next, 0, 1);
	}
	if (r == 0)
		r = too_long(l, s);
	struct legacy_sample *last = &l->samples[l->n_samples - 1];
	if (r < 0 || (!same && last->n))
		return r;
	l->n_addresses -= last->n;
	l->n_samples--;
	if (l->n_samples)
		l->samples[l->n_samples - 1].values[0]++;
	return 0;
}

static int read_threads(struct legacy *l, struct lines *s, struct span line)
{
	struct span g[LEGACY_GROUPS_MAX];
	int r = 0;
	while (r == 0 && !legacy_is_map_start(line)) {
		if (span_starts(line, "---- no stack trace for"))
			break;
		if (!legacy_find(l, LEGACY_THREAD, line, g))
			return -ENODATA;
		r = read_thread(l, s, &line);
	}
	return r;
}

int legacy_read_thread(struct legacy *l)
{
	struct lines s = lines_of(l->data, l->size);
	struct span g[LEGACY_GROUPS_MAX];
	while (lines_next(&s) && span_is_comment(s.line))
		;
	struct span line = s.line;
	if (legacy_find(l, LEGACY_THREADZ, line, g)) {
		while (lines_next(&s)) {
			line = s.line;
			if (legacy_is_map_start(line) || span_starts(line, "-"))
				break;
		}
	} else if (!legacy_find(l, LEGACY_THREAD, line, g)) {
		return -ENODATA;
	}
	int r = legacy_set_period(l, "thread", "count", 1);
	if (r == 0)
		r = legacy_add_type(l, "thread", "count", 5);
	if (r == 0)
		r = read_threads(l, &s, line);
	if (r == 0)
		r = legacy_read_sections(l, &s);
	if (r == 0)
		legacy_remove_double_leaves(l);
	return r;
}

/* ---- contention: "cycles count @ addresses" -------------------------------------------------- */

struct contention {
	int64_t hertz; /* of the cycles; 0: they are nanoseconds */
};

/* An attribute; -ENODATA for one that this format does not have. */
static int read_attribute(
	struct legacy *l, struct contention *c, struct span name, struct span value)
{
	int64_t number;
	if (span_equals(name, "discarded samples"))
		return 0;
	if (span_number(value, 0, &number))
		return -ENODATA;
	if (span_equals(name, "cycles/second"))
		c->hertz = number;
	else if (span_equals(name, "sampling period"))
		l->p->period = number;
	else if (span_equals(name, "ms since reset"))
		l->p->duration_nanos = (int64_t)((uint64_t)number * 1000000);
	else
		return -ENODATA;
	return 0;
}

static int read_attributes(struct legacy *l, struct lines *s, struct contention *c)
{
	while (lines_next(s)) {
		struct span line = span_trim(s->line);
		if (span_is_comment(line))
			continue;
		const char *equals = memchr(line.at, '=', line.length);
		if (span_starts(line, "---") || !equals)
			break;
		size_t before = (size_t)(equals - line.at);
		int r = read_attribute(l, c, span_trim((struct span){line.at, before}),
			span_trim((struct span){equals + 1, line.length - before - 1}));
		if (r < 0)
			return r;
	}
	return too_long(l, s);
}

static int read_contention(struct legacy *l, const struct contention *c, struct span line)
{
	struct span g[LEGACY_GROUPS_MAX];
	int64_t delay, count, period = l->p->period;
	if (!legacy_find(l, LEGACY_CONTENTION, line, g))
		return -ENODATA;
	if (span_number(g[1], 10, &delay) || span_number(g[2], 10, &count))
		return legacy_refuse(l, line, "a number has more than 64 bits");
	if (period > 0) {
		if (c->hertz > 0)
			delay = legacy_integer(
				(double)delay * (double)period / ((double)c->hertz / 1e9));
		count = (int64_t)((uint64_t)count * (uint64_t)period);
	}
	int r = legacy_add_sample(l, (int64_t[]){count, delay}, 2);
	return r < 0 ? r : legacy_add_addresses(l, g[3], 1, 1);
}

int legacy_read_contention(struct legacy *l)
{
	struct lines s = lines_of(l->data, l->size);
	struct contention c = {0};
	if (!lines_next(&s) ||
		!(span_starts(s.line, "--- contentionz ") || span_starts(s.line, "--- mutex:") ||
			span_starts(s.line, "--- contention:")))
		return -ENODATA;
	int r = legacy_set_period(l, "contentions", "count", 1);
	if (r == 0)
		r = legacy_add_type(l, "contentions", "count", 5);
	if (r == 0)
		r = legacy_add_type(l, "delay", "nanoseconds", 11);
	if (r == 0)
		r = read_attributes(l, &s, &c);
	if (r < 0)
		return r;
	do {
		struct span line = span_trim(s.line);
		if (span_starts(line, "---"))
			break;
		if (!span_is_comment(line))
			r = read_contention(l, &c, line);
	} while (r == 0 && lines_next(&s));
	if (r == 0)
		r = too_long(l, &s);
	return r < 0 ? r : legacy_read_sections(l, &s);
}
