/* SPDX-License-Identifier: MIT */
/* legacy_build.c - samples of bare addresses into a profile. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile/legacy_private.h"
#include "profile/private.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

int legacy_add_type(struct legacy *l, const char *type, const char *unit, size_t unit_length)
{
	_cleanup_free_ char *text = strndup(unit, unit_length);
	return text ? profile_add_sample_type(l->p, type, text) : -ENOMEM;
}

int legacy_set_period(struct legacy *l, const char *type, const char *unit, int64_t period)
{
	int64_t type_id = profile_string(l->p, type), unit_id = profile_string(l->p, unit);
	if (type_id < 0 || unit_id < 0)
		return -ENOMEM;
	l->p->period_type = (struct value_type){(uint32_t)type_id, (uint32_t)unit_id};
	l->p->period = period;
	return 0;
}

int legacy_add_sample(struct legacy *l, const int64_t *values, size_t n_values)
{
	int r = grow(l->samples, l->n_samples, l->sample_capacity, 1);
	if (r < 0)
		return r;
	struct legacy_sample *s = &l->samples[l->n_samples++];
	*s = (struct legacy_sample){.first = (uint32_t)l->n_addresses};
	memcpy(s->values, values, n_values * sizeof(*values));
	return 0;
}

int legacy_add_address(struct legacy *l, uint64_t address)
{
	int r = grow(l->addresses, l->n_addresses, l->address_capacity, 1);
	if (r < 0)
		return r;
	l->addresses[l->n_addresses++] = address;
	l->samples[l->n_samples - 1].n++;
	return 0;
}

int legacy_add_addresses(struct legacy *l, struct span text, uint64_t back_first, uint64_t back)
{
	struct span groups[LEGACY_GROUPS_MAX], rest = text;
	while (legacy_find(l, LEGACY_HEX, rest, groups)) {
		uint64_t address;
		if (span_address(groups[0], 0, &address))
			return legacy_refuse(l, groups[0], "an address has more than 64 bits");
		bool first = !l->samples[l->n_samples - 1].n;
		int r = legacy_add_address(l, address - (first ? back_first : back));
		if (r < 0)
			return r;
		rest.length -= (size_t)(groups[0].at + groups[0].length - rest.at);
		rest.at = groups[0].at + groups[0].length;
	}
	return 0;
}

uint64_t legacy_frame(const struct legacy *l, const struct legacy_sample *s, size_t at)
{
	return l->addresses[s->first + at];
}

void legacy_remove_frame(struct legacy *l, struct legacy_sample *s, size_t at)
{
	uint64_t *frames = l->addresses + s->first;
	memmove(frames + at, frames + at + 1, (s->n - at - 1) * sizeof(*frames));
	s->n--;
}

void legacy_remove_double_leaves(struct legacy *l)
{
	for (size_t i = 0; i < l->n_samples; i++) {
		struct legacy_sample *s = &l->samples[i];
		if (s->n > 1 && legacy_frame(l, s, 0) == legacy_frame(l, s, 1) + 1)
			legacy_remove_frame(l, s, 1);
	}
}

/* ---- locations and samples ---------------------------------------------------------------- */

struct wanted_address {
	const struct legacy *l;
	uint64_t address;
};

static bool equal_address(const void *userdata, uint32_t id)
{
	const struct wanted_address *w = userdata;
	return w->l->location_addresses[id - 1] == w->address;
}

uint32_t legacy_location(const struct legacy *l, uint64_t address)
{
	struct wanted_address wanted = {l, address};
	return intern_find(
		&l->locations, hash_bytes(&address, sizeof(address)), equal_address, &wanted);
}

static int make_location(struct legacy *l, uint64_t address)
{
	if (legacy_location(l, address))
		return 0;
	int r = grow(l->location_addresses, l->n_locations, l->location_capacity, 1);
	if (r < 0)
		return r;
	int64_t id = profile_append_location(l->p, &(struct location){.address = address}, NULL, 0);
	if (id < 0)
		return (int)id;
	l->location_addresses[l->n_locations++] = address;
	return intern_add(&l->locations, hash_bytes(&address, sizeof(address)), (uint32_t)id);
}

int legacy_make_locations(struct legacy *l)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < l->n_samples; i++)
		for (size_t k = 0; r == 0 && k < l->samples[i].n; k++)
			r = make_location(l, legacy_frame(l, &l->samples[i], k));
	return r;
}

static int make_sample(struct legacy *l, const struct legacy_sample *s, uint32_t bytes)
{
	_cleanup_free_ uint32_t *stack = calloc((size_t)s->n + 1, sizeof(*stack));
	struct label label = {.key = bytes, .num = s->bytes};
	if (!stack)
		return -ENOMEM;
	for (size_t k = 0; k < s->n; k++)
		stack[k] = legacy_location(l, legacy_frame(l, s, k));
	return profile_append_sample(l->p, stack, s->n, &label, s->has_bytes, s->values);
}

int legacy_make_samples(struct legacy *l)
{
	int64_t bytes = profile_string(l->p, "bytes");
	int r = bytes < 0 ? (int)bytes : 0;
	for (size_t i = 0; r == 0 && i < l->n_samples; i++)
		r = make_sample(l, &l->samples[i], (uint32_t)bytes);
	return r;
}

void legacy_unsample(int64_t *count, int64_t *size, int64_t rate)
{
	if (*count == 0 || *size == 0) {
		*count = *size = 0;
		return;
	}
	if (rate <= 1)
		return; /* all were taken, or nobody knows */
	double average = (double)*size / (double)*count;
	double scale = 1 / (1 - exp(-average / (double)rate));
	*count = legacy_integer((double)*count * scale);
	*size = legacy_integer((double)*size * scale);
}
