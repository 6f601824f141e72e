/* SPDX-License-Identifier: MIT */
#include "profile/subtract.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile/private.h"
#include "util/cleanup.h"

static int64_t times(int64_t value, double factor)
{
	double product = round((double)value * factor);
	return product >= 0x1p63 ? INT64_MAX : product < -0x1p63 ? INT64_MIN : (int64_t)product;
}

static int mark_as_base(struct profile *p)
{
	int64_t key = profile_string(p, "pprof::base"), value = profile_string(p, "true");
	if (key < 0 || value < 0)
		return (int)(key < 0 ? key : value);
	size_t n = p->n_samples;
	for (size_t i = 0; i < p->n_samples; i++)
		n += p->samples[i].n_labels;
	struct label *labels = calloc(n + 1, sizeof(*labels));
	if (!labels)
		return -ENOMEM;
	size_t at = 0;
	for (size_t i = 0; i < p->n_samples; i++) {
		struct sample *s = &p->samples[i];
		memcpy(labels + at, p->labels + s->first_label, s->n_labels * sizeof(*labels));
		s->first_label = (uint32_t)at;
		at += s->n_labels++;
		labels[at++] = (struct label){.key = (uint32_t)key, .str = (uint32_t)value};
	}
	free(p->labels);
	p->labels = labels;
	p->n_labels = at;
	p->private->label_capacity = n + 1;
	return 0;
}

int profile_subtract(
	struct profile *p, struct profile *before, double scale, char *why, size_t why_size)
{
	int64_t duration = p->duration_nanos;
	int r = mark_as_base(before);
	for (size_t i = 0; i < before->n_samples * before->n_sample_types; i++)
		before->values[i] = times(before->values[i], -scale);
	if (r == 0)
		r = profile_merge(p, before, why, why_size);
	/* Of both together it would say nothing. */
	p->duration_nanos = duration;
	return r;
}
