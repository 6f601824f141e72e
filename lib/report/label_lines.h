/* SPDX-License-Identifier: MIT */
/* label_lines.h - a sample's labels by key, each key's values together, in the order of what is
 * written for them. */
#ifndef PROFD_REPORT_LABEL_LINES_H
#define PROFD_REPORT_LABEL_LINES_H

#include "report/private.h"

/* Writes the label with the n values labels[of[0]], labels[of[1]], … */
typedef void (*label_writer)(
	const struct report *r, FILE *out, const struct label *labels, const size_t *of, size_t n);

/* Prints the text labels, or the numeric ones, with `between` between two of them. 0 or -ENOMEM. */
int label_lines_print(const struct report *r, const struct sample *s, bool texts,
	label_writer write, const char *between);

#endif
