/* SPDX-License-Identifier: MIT */
/* legacy_cpu.c - gperftools' CPU profiles: words of 32 or 64 bits in either byte order. Five of
 * them are the header, then come samples (count, depth, addresses) up to (0, 1, 0), then text: the
 * map of memory, or Java's names. */
#include <errno.h>
#include <string.h>

#include "profile/legacy_private.h"

#define STRIPPED_MAX 2	/* frames of the profiler's own above the leaf */
#define ONE_DIFFERS  32 /* samples of which one may lack such a frame */

struct words {
	const uint8_t *at, *end;
	size_t size;
	bool big_endian;
	bool over; /* a word was cut off */
};

static uint64_t next_word(struct words *w)
{
	uint64_t value = 0;
	if (w->over || (size_t)(w->end - w->at) < w->size) {
		w->over = true;
		w->at = w->end;
		return 0;
	}
	for (size_t i = 0; i < w->size; i++)
		value |= (uint64_t)w->at[w->big_endian ? w->size - 1 - i : i] << 8 * i;
	w->at += w->size;
	return value;
}

static int read_sample(struct legacy *l, struct words *w, bool returns, bool *last)
{
	uint64_t count = next_word(w), depth = next_word(w);
	if (w->over || depth > (uint64_t)(w->end - w->at) / 4)
		return -ENODATA;
	int64_t values[] = {(int64_t)count, (int64_t)(count * (uint64_t)l->p->period)};
	int r = legacy_add_sample(l, values, 2);
	for (uint64_t i = 0; r == 0 && i < depth; i++) {
		/* A return address is behind the call; the leaf is none. */
		uint64_t address = next_word(w);
		r = legacy_add_address(l, address - (returns && i > 0));
	}
	if (r < 0)
		return r;
	const struct legacy_sample *s = &l->samples[l->n_samples - 1];
	*last = !count && depth == 1 && !legacy_frame(l, s, 0);
	if (*last)
		l->n_samples--;
	return 0;
}

static int read_samples(struct legacy *l, struct words *w, bool returns)
{
	bool last = false;
	int r = 0;
	while (r == 0 && !last && w->at < w->end)
		r = read_sample(l, w, returns, &last);
	return r;
}

/* The address that nearly all samples have above their leaf; false if there is none. */
static bool find_common_caller(const struct legacy *l, uint64_t *address)
{
	size_t n = l->n_samples, needed = n - n / ONE_DIFFERS;
	/* Only the winner of a vote of pairs can have nearly all. */
	size_t votes = 0, count = 0;
	for (size_t i = 0; i < n; i++) {
		if (l->samples[i].n < 2)
			continue;
		uint64_t caller = legacy_frame(l, &l->samples[i], 1);
		if (!votes)
			*address = caller;
		votes = votes && *address != caller ? votes - 1 : votes + 1;
	}
	for (size_t i = 0; votes && i < n; i++)
		count += l->samples[i].n > 1 && legacy_frame(l, &l->samples[i], 1) == *address;
	return count && count >= needed;
}

/* The signal's own frame, which says nothing. */
static void strip_common_callers(struct legacy *l)
{
	uint64_t address = 0;
	for (int round = 0; round < STRIPPED_MAX && find_common_caller(l, &address); round++)
		for (size_t i = 0; i < l->n_samples; i++)
			if (l->samples[i].n > 1 && legacy_frame(l, &l->samples[i], 1) == address)
				legacy_remove_frame(l, &l->samples[i], 1);
}

static int set_types(struct legacy *l, uint64_t period)
{
	int r = legacy_set_period(l, "cpu", "nanoseconds", (int64_t)(period * 1000));
	if (r == 0)
		r = legacy_add_type(l, "samples", "count", 5);
	return r < 0 ? r : legacy_add_type(l, "cpu", "nanoseconds", 11);
}

static int read_profile(struct legacy *l, struct words *w, bool java, uint64_t period)
{
	int r = set_types(l, period);
	if (r == 0)
		r = read_samples(l, w, !java);
	if (r < 0)
		return r;
	if (java)
		return legacy_read_java_cpu(l, w->at, (size_t)(w->end - w->at));
	strip_common_callers(l);
	struct lines s = lines_of(w->at, (size_t)(w->end - w->at));
	r = legacy_read_maps(l, &s);
	if (r == 0)
		legacy_remove_double_leaves(l);
	return r;
}

int legacy_read_cpu(struct legacy *l)
{
	for (int i = 0; i < 4; i++) {
		struct words w = {.at = l->data,
			.end = l->data + l->size,
			.size = i < 2 ? 4 : 8,
			.big_endian = i % 2};
		uint64_t header[5];
		for (size_t k = 0; k < 5; k++)
			header[k] = next_word(&w);
		if (!w.over && header[0] == 0 && header[1] == 3 && header[2] <= 1 && header[3] &&
			header[4] == 0)
			return read_profile(l, &w, header[2] == 1, header[3]);
	}
	return -ENODATA;
}
