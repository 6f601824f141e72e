/* SPDX-License-Identifier: MIT */
/*
 * palette.h - the colours of pictures. A name always has the same colour: it picks the shade of a
 * palette by a hash that no build, machine or file changes. Shades of a palette look equally bright
 * (they are chosen in OKLCH: bottosson.github.io/posts/oklab), for light and for dark pages; dark
 * text is readable on all of them.
 */
#ifndef PROFD_REPORT_PALETTE_H
#define PROFD_REPORT_PALETTE_H

#include <stdbool.h>
#include <stdint.h>

enum palette {
	PALETTE_HOT,	/* red to yellow */
	PALETTE_MEM,	/* greens */
	PALETTE_IO,	/* blues */
	PALETTE_MODULE, /* a hue for each module, grey for the kernel */
	PALETTE_KIND,	/* by kind of frame: kernel orange, inlined aqua, JIT green, others red */
	PALETTE_DIFF,	/* red for more than in the base, blue for less */
	N_PALETTES,
};

#define PALETTE_MAX_SHADES 97

/* "hot", "mem", …; palette_find() returns N_PALETTES for what is none of them. */
const char *palette_name(enum palette palette);
enum palette palette_find(const char *name);
/* The one that suits values of this type and unit. */
enum palette palette_for(const char *type, const char *unit);

/* How many shades it has, and one of them as 0xRRGGBB. */
unsigned palette_shades(enum palette palette);
uint32_t palette_colour(enum palette palette, unsigned shade, bool dark);

/* What the colour of a frame depends on: texts' hashes, and the frame's kind (enum frame_kind). */
uint32_t palette_hash(const char *text);
unsigned palette_shade(
	enum palette palette, uint32_t name_hash, uint32_t module_hash, unsigned kind);
/* Of PALETTE_DIFF: change is from -1 (only in the base) to 1. */
unsigned palette_diff_shade(double change);

#endif
