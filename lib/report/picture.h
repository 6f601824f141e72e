/* SPDX-License-Identifier: MIT */
/*
 * picture.h - flame graphs to look at: an SVG, and a page. Both are one file that needs nothing
 * else, work without a network, zoom, search, and hold every name as it is in the profile (in the
 * SVG, control characters that XML has no way to write become their pictures, U+2400 and so on).
 * What could not be seen is left out, and the picture says how much that is.
 */
#ifndef PROFD_REPORT_PICTURE_H
#define PROFD_REPORT_PICTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "report/flame.h"
#include "report/palette.h"

#define PICTURE_WIDTH 1200 /* pixels */

struct picture {
	const char *title; /* borrowed */
	uint32_t width;	   /* pixels, at least 300; the page fills its window instead */
	bool inverted;	   /* an icicle: the root on top */
	double min_share;  /* leave out frames narrower than this part of all; < 0: as suits */
	enum palette palette;
	/* Of the profile; texts borrowed. */
	const char *type, *unit; /* of the values */
	int64_t each;		 /* ns that a sample stands for; 0: values are something else */
	int64_t time_nanos, duration_nanos;
};

/* Defaults, and what a profile says about a sample type (as flame_sample_type() left it). */
void picture_init(
	struct picture *picture, const struct profile *p, size_t sample_type, int64_t each);

/* Draw an arranged flame graph, and cut it to what is drawn. It may be empty. 0, -ENOMEM, or -errno
 * of a failed write. */
int flame_svg_write(struct flame *f, const struct picture *picture, FILE *out);
int flame_page_write(struct flame *f, const struct picture *picture, FILE *out);

/* ---- what the two share ------------------------------------------------------------------- */

#define PICTURE_LABEL_SIZE 512

/* "1,234 samples", "1.50MB", "12s". */
void picture_value(const struct picture *picture, int64_t value, char *out, size_t size);
/* "samples": what values are numbers of; "" if they have a unit. */
const char *picture_noun(const struct picture *picture);
/* "cpu, 1,598 samples (15.98s), 2026-11-21 13:12:17 UTC, 8.01s; 12 frames ... left out". */
void picture_subtitle(const struct picture *picture, const struct flame *f, char *out, size_t size);
/* "kernel", "inlined", "JIT", or "". */
const char *picture_kind(enum frame_kind kind);
/* The shade of the picture's palette. The greatest change is flame_greatest_change(). */
unsigned picture_shade(const struct picture *picture, const struct flame *f,
	const struct flame_node *node, double greatest);
double flame_greatest_change(const struct flame *f);
/* Text in XML or HTML, also in an attribute. */
void picture_escape(const char *text, FILE *out);

#endif
