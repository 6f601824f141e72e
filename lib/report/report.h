/* SPDX-License-Identifier: MIT */
/*
 * report.h - a profile as text: line for line what google/pprof prints for the same file and
 * options (internal/driver/driver.go, internal/report/report.go).
 */
#ifndef PROFD_REPORT_REPORT_H
#define PROFD_REPORT_REPORT_H

#include <stdio.h>

#include "profile/profile.h"
#include "report/config.h"

enum report_kind {
	REPORT_TOP,
	REPORT_TREE,
	REPORT_PEEK, /* tree of the nodes that match */
	REPORT_TRACES,
	REPORT_TAGS,
	REPORT_RAW,
	REPORT_COMMENTS,
	REPORT_LIST,
	REPORT_WEBLIST, /* a page of HTML */
	REPORT_DISASM,
	REPORT_DOT,
	REPORT_CALLGRIND,
	REPORT_PROTO,	 /* the profile that the filters leave; binary */
	REPORT_TOPPROTO, /* a profile of what top shows; binary */
	N_REPORT_KINDS,
};

/* PEEK, LIST, WEBLIST and DISASM are about the functions that match a pattern. */
bool report_needs_symbol(enum report_kind kind);

/* Writes a report; a binary one to a stream that has a descriptor. The profile, from
 * report_prepare(), is changed: filtered, aggregated. `symbol` is the pattern of the kinds that
 * need one, else NULL. What matched nothing is logged. 0; -EINVAL (an option makes no sense),
 * -ENOENT (nothing matches `symbol`), -ENOMEM, -E2BIG, each with a line in `why`; or -errno of a
 * failed write. */
int report_write(struct profile *p, enum report_kind kind, const struct report_config *config,
	size_t sample_type, const char *symbol, FILE *out, char *why, size_t why_size);

/* What the filters of a config, its tag_root, tag_leaf, no_inlines and divide_by leave of a
 * profile, in place of *p: for writers of other formats. Names stay as they are, but the frames
 * that the file asks to drop go, as in reports; what no sample needs any more is left out. 0;
 * -EINVAL with a line in `why` (an option makes no sense); -ENOMEM, -E2BIG. */
int report_filter(
	struct profile **p, const struct report_config *config, char *why, size_t why_size);

/* What the profile is, as reports have it in their headers. 0 or -errno of a failed write. */
int report_write_labels(
	struct profile *p, const struct report_config *config, size_t sample_type, FILE *out);

#endif
