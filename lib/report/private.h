/* SPDX-License-Identifier: MIT */
/* private.h - what the kinds of reports share: the report itself, its numbers and its header. */
#ifndef PROFD_REPORT_PRIVATE_H
#define PROFD_REPORT_PRIVATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "report/format.h"
#include "report/graph.h"
#include "report/label_units.h"
#include "report/look.h"
#include "report/report.h"
#include "report/trim.h"
#include "util/pattern.h"

#define PERCENTAGE_SIZE 32

struct report {
	struct profile *p;
	enum report_kind kind;
	struct report_config config; /* with what the kind demands */
	size_t sample_type;
	struct pattern *symbol;
	struct label_units label_units;
	uint64_t *addresses; /* weblist: of locations, which are by line otherwise */
	/* disasm: by mapping, a function that one that matches is inlined into; 0: there is none */
	uint32_t *inlined_into;
	int64_t total;
	double ratio;
	const char *from, *unit; /* of the values: in the file, as printed */
	FILE *out;
	char *why;
	size_t why_size;
};

/* 0, -EINVAL, -ENOENT with a line in report.why, -ENOMEM, -E2BIG. Errors of r->out are looked at
 * when it returns. */
int report_top(struct report *r);
int report_tree(struct report *r);
int report_traces(struct report *r);
int report_tags(struct report *r);
int report_raw(struct report *r);
int report_list(struct report *r);
int report_disasm(struct report *r);
/* Finds r->inlined_into, before the report forgets what is inlined. 0 or -ENOMEM. */
int report_find_inlined(struct report *r);
int report_dot(struct report *r);
int report_callgrind(struct report *r);
int report_proto(struct report *r);
int report_topproto(struct report *r);

/* ---- numbers ------------------------------------------------------------------------------ */

int64_t report_value(const struct report *r, size_t sample);
/* 0 without -mean. */
int64_t report_divisor(const struct report *r, size_t sample);
void report_format(const struct report *r, int64_t value, char out[FORMAT_VALUE_SIZE]);
/* The same, "." for 0. */
void report_format_or_dot(const struct report *r, int64_t value, char out[FORMAT_VALUE_SIZE]);
/* Divides all values by -divide_by. */
void report_scale(struct profile *p, const struct report_config *config);
/* Right-aligned in so many characters (not bytes). */
void report_pad(FILE *out, const char *text, int width);

/* The name of a node, behind so many columns; files are dim. `mark` follows it. */
void report_print_name(const struct report *r, const struct graph *g, uint32_t node, unsigned used,
	const char *mark);

/* ---- graphs ------------------------------------------------------------------------------- */

/* A graph as the kind of report wants it. graph_free also after a failure. */
int report_graph(struct report *r, struct graph *g);
/* That, trimmed, and a unit that suits it chosen. */
int report_trimmed_graph(struct report *r, struct graph *g, struct trimmed *trimmed);

/* ---- headers ------------------------------------------------------------------------------ */

/* What the profile is: file, type, time, duration. */
void report_print_profile(const struct report *r, FILE *out);
/* Everything above a report on a graph. */
void report_print_header(
	const struct report *r, const struct graph *g, const struct trimmed *trimmed, FILE *out);
/* The base name of the main program, "" if it is unknown. Not NUL-terminated. */
const char *report_title(const struct report *r, size_t *length);

#endif
