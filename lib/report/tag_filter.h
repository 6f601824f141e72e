/* SPDX-License-Identifier: MIT */
/*
 * tag_filter.h - what -tagfocus and -tagignore take: "[key=]regex[,regex…]" for text labels, or
 * "[key=]range" for numeric ones, a range being 32kb, :64kb, 4mb: or 12kb:64mb.
 */
#ifndef PROFD_REPORT_TAG_FILTER_H
#define PROFD_REPORT_TAG_FILTER_H

#include "profile/profile.h"
#include "report/label_units.h"
#include "util/pattern.h"

struct tag_filter {
	char *key; /* NULL: any */
	/* A range; else patterns. */
	bool is_range, has_least, has_most;
	double least, most;
	char *unit;
	struct pattern **patterns;
	size_t n, capacity;
	/* "key:value" of one label */
	char *buffer;
	size_t buffer_size;
};

/* `name` is the option's, for messages. 0; -EINVAL with a line in `why`; -ENOMEM. Free it also
 * after a failure. */
int tag_filter_parse(
	struct tag_filter *f, const char *name, const char *text, char *why, size_t why_size);
/* 1 or 0, or -ENOMEM. */
int tag_filter_matches(struct tag_filter *f, const struct profile *p, const struct sample *s,
	const struct label_units *units);
void tag_filter_free(struct tag_filter *f);

#endif
