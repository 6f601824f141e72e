/* SPDX-License-Identifier: MIT */
#include "profile/subtract.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "profile/private.h"
#include "util/cleanup.h"

static int64_t times(int64_t value, double factor)
{
	double product = round((double)value * factor);
	return product >= 0x1p63 ? INT64_MAX : product < -0x1p63 ? INT64_MIN : (int64_t)product;
}

int profile_mark_base(struct profile *p)
{
	int64_t key = profile_string(p, "pprof::base"), value = profile_string(p, "true");
	if (key < 0 || value < 0)
		return (int)(key < 0 ? key : value);
	size_t n = 0, capacity = p->n_samples + 1;
	for (size_t i = 0; i < p->n_samples; i++)
		capacity += p->samples[i].n_labels;
	_cleanup_free_ struct label *labels = calloc(capacity, sizeof(*labels));
	if (!labels)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_samples; i++) {
		struct sample *s = &p->samples[i];
		size_t first = n;
		for (size_t k = 0; k < s->n_labels; k++) {
			const struct label *l = &p->labels[s->first_label + k];
			if (!l->str || l->key != (uint32_t)key)
				labels[n++] = *l;
		}
		labels[n++] = (struct label){.key = (uint32_t)key, .str = (uint32_t)value};
		s->first_label = (uint32_t)first;
		s->n_labels = (uint32_t)(n - first);
	}
	free(p->labels);
	p->labels = take_ptr(labels);
	p->n_labels = n;
	p->private->label_capacity = capacity;
	return 0;
}

int profile_subtract(
	struct profile *p, struct profile *before, double scale, char *why, size_t why_size)
{
	int64_t duration = p->duration_nanos;
	int r = profile_mark_base(before);
	for (size_t i = 0; i < before->n_samples * before->n_sample_types; i++)
		before->values[i] = times(before->values[i], -scale);
	if (r == 0)
		r = profile_merge(p, before, why, why_size);
	/* Of both together it would say nothing. */
	p->duration_nanos = duration;
	return r;
}
