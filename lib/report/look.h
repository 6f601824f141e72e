/* SPDX-License-Identifier: MIT */
/* look.h - how reports look on a terminal: a few colours, and names that fit a row. Nothing of it
 * is in what goes elsewhere, which is byte for byte what google/pprof prints. */
#ifndef PROFD_REPORT_LOOK_H
#define PROFD_REPORT_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "report/config.h"

enum look {
	LOOK_PLAIN,
	LOOK_HEAD,
	LOOK_DIM, /* there, but seldom what is looked for */
	LOOK_HOT, /* a share that matters */
};

/* What begins it, or ends all that was begun; "" without colours. */
const char *look(const struct report_config *config, enum look look);
/* HOT from a tenth on, if it is what the report is about; DIM below a two-hundredth. */
enum look look_of_share(int64_t value, int64_t total, bool is_about);
/* Whether the text begins one of the sequences that look() returns; *whole: it is one of them. For
 * whoever lets no other control sequence through. */
bool look_is_sequence(const char *text, size_t length, bool *whole);

/* Prints n bytes of a name. On a terminal a newline in it is a '?', as other control characters are
 * there, so that rows stay rows. */
void look_name(const struct report_config *config, const char *name, size_t n, FILE *out);

/* Prints a name of which the last `dim` bytes are dim, and so much of its middle left out that it
 * fits behind `used` columns of a terminal. */
void look_print(
	const struct report_config *config, const char *text, size_t dim, unsigned used, FILE *out);

#endif
