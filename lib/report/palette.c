/* SPDX-License-Identifier: MIT */
#include "report/palette.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "profile/frames.h"

#define SHADES	    32 /* of a range of hues */
#define HUES	    24 /* of modules; one more is the kernel's */
#define TINTS	    4  /* of one hue, to tell neighbours apart */
#define DIFF_STEPS  8  /* to each side of no change */
#define DARKER	    0.07
#define KIND_SHADES 8

/* Lightness 0 to 1, chroma, hue in degrees. */
struct oklch {
	double l, c, h;
};

/* The ends between which the shades of a palette lie. */
struct range {
	double hue_from, hue_to, chroma;
};

static const struct {
	const char *name;
	unsigned shades;
} PALETTES[N_PALETTES] = {
	[PALETTE_HOT] = {"hot", SHADES},
	[PALETTE_MEM] = {"mem", SHADES},
	[PALETTE_IO] = {"io", SHADES},
	[PALETTE_MODULE] = {"module", (HUES + 1) * TINTS - 3},
	[PALETTE_KIND] = {"kind", 4 * KIND_SHADES},
	[PALETTE_DIFF] = {"diff", 2 * DIFF_STEPS + 1},
};

static const struct range RANGES[] = {
	[PALETTE_HOT] = {30, 86, 0.14},
	[PALETTE_MEM] = {128, 168, 0.13},
	[PALETTE_IO] = {218, 262, 0.105},
};

static const struct range KINDS[] = {
	[FRAME_NATIVE] = {18, 34, 0.14},
	[FRAME_KERNEL] = {62, 78, 0.14},
	[FRAME_INLINED] = {192, 208, 0.10},
	[FRAME_JIT] = {138, 154, 0.14},
};

const char *palette_name(enum palette palette)
{
	return PALETTES[palette].name;
}

enum palette palette_find(const char *name)
{
	enum palette p = 0;
	while (p < N_PALETTES && strcmp(name, PALETTES[p].name) != 0)
		p++;
	return p;
}

enum palette palette_for(const char *type, const char *unit)
{
	if (!strcmp(unit, "bytes") || strstr(type, "alloc") || strstr(type, "inuse"))
		return PALETTE_MEM;
	if (!strcmp(type, "delay") || !strcmp(type, "contentions"))
		return PALETTE_IO;
	return PALETTE_HOT;
}

unsigned palette_shades(enum palette palette)
{
	return PALETTES[palette].shades;
}

/* ---- colours ------------------------------------------------------------------------------ */

static uint32_t channel(double linear)
{
	double v = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
	return (uint32_t)lround(fmin(fmax(v, 0), 1) * 255);
}

/* Oklab to linear sRGB, as the page named in the header gives it. */
static uint32_t to_rgb(struct oklch colour)
{
	double angle = colour.h * M_PI / 180;
	double a = colour.c * cos(angle), b = colour.c * sin(angle);
	double l = pow(colour.l + 0.3963377774 * a + 0.2158037573 * b, 3);
	double m = pow(colour.l - 0.1055613458 * a - 0.0638541728 * b, 3);
	double s = pow(colour.l - 0.0894841775 * a - 1.2914855480 * b, 3);

	return channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s) << 16 |
	       channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s) << 8 |
	       channel(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s);
}

/* Hues go evenly through the range, lightness in steps of its own, so that neighbours in the one
 * differ in the other. */
static struct oklch in_range(const struct range *r, unsigned shade, unsigned shades)
{
	return (struct oklch){
		.l = 0.78 + 0.10 * (shade * 5 % shades) / shades,
		.c = r->chroma,
		.h = r->hue_from + (r->hue_to - r->hue_from) * shade / (shades - 1),
	};
}

static struct oklch of_module(unsigned shade)
{
	unsigned hue = shade / TINTS;
	return (struct oklch){
		.l = 0.78 + 0.025 * (shade % TINTS),
		.c = hue == HUES ? 0.01 : 0.095,
		.h = 360.0 * hue / HUES,
	};
}

static struct oklch of_change(unsigned shade)
{
	double change = ((double)shade - DIFF_STEPS) / DIFF_STEPS;
	return (struct oklch){
		.l = 0.9 - 0.2 * fabs(change),
		.c = 0.004 + 0.165 * fabs(change),
		.h = change > 0 ? 25 : 255,
	};
}

uint32_t palette_colour(enum palette palette, unsigned shade, bool dark)
{
	struct oklch colour;

	if (palette == PALETTE_MODULE)
		colour = of_module(shade);
	else if (palette == PALETTE_DIFF)
		colour = of_change(shade);
	else if (palette == PALETTE_KIND)
		colour = in_range(&KINDS[shade / KIND_SHADES], shade % KIND_SHADES, KIND_SHADES);
	else
		colour = in_range(&RANGES[palette], shade, SHADES);
	if (dark)
		colour.l -= DARKER;
	return to_rgb(colour);
}

/* ---- shades ------------------------------------------------------------------------------- */

/* FNV-1a, and a finish that lets all bits of a short text reach the low ones. */
uint32_t palette_hash(const char *text)
{
	uint32_t hash = 2166136261U;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619U;
	hash ^= hash >> 16;
	hash *= 0x7feb352dU;
	return hash ^ hash >> 15;
}

unsigned palette_shade(
	enum palette palette, uint32_t name_hash, uint32_t module_hash, unsigned kind)
{
	if (palette == PALETTE_KIND)
		return kind * KIND_SHADES + name_hash % KIND_SHADES;
	if (palette != PALETTE_MODULE)
		return name_hash % palette_shades(palette);
	if (kind == FRAME_KERNEL)
		return HUES * TINTS;
	return module_hash % HUES * TINTS + name_hash % TINTS;
}

unsigned palette_diff_shade(double change)
{
	return (unsigned)lround(DIFF_STEPS + DIFF_STEPS * fmin(fmax(change, -1), 1));
}
