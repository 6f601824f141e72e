/* SPDX-License-Identifier: MIT */
/*
 * top.h - the table of functions, row for row what `go tool pprof -top` prints
 * (google/pprof internal/report/report.go).
 */
#ifndef PROFD_REPORT_TOP_H
#define PROFD_REPORT_TOP_H

#include <stdbool.h>
#include <stdio.h>

#include "profile/profile.h"

struct top_options {
	size_t sample_type;   /* format_sample_index() */
	bool cum_sort;	      /* -cum */
	size_t node_count;    /* -nodecount; 0: all */
	double node_fraction; /* -nodefraction: drop functions below this share */
	double edge_fraction; /* -edgefraction: matters for the "(inline)" marks */
	const char *unit;     /* -unit: "minimum" picks one */
};

/* go tool pprof's defaults, for a sample type. */
#define TOP_DEFAULTS(type)                           \
	((struct top_options){.sample_type = (type), \
		.node_fraction = 0.005,              \
		.edge_fraction = 0.001,              \
		.unit = "minimum"})

/* Header and table. 0, -EINVAL (no such sample type), -ENOMEM, or -errno of a failed write. */
int top_write(const struct profile *p, const struct top_options *options, FILE *out);

#endif
