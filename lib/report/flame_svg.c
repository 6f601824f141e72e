/* SPDX-License-Identifier: MIT */
/* flame_svg.c - a flame graph as an SVG that shows all without its script, and zooms with it. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "profile/strings.h"
#include "report/assets.h"
#include "report/picture.h"

#define ROW	     18	  /* from one level to the next */
#define SIDE	     10	  /* free to the left and right */
#define TOP	     58	  /* for titles */
#define BOTTOM	     30	  /* for the details of a frame */
#define COLUMN	     7.2  /* of the 12-pixel fixed-width font of flame_svg.css */
#define ELEMENT	     250  /* bytes of a frame's elements without texts */
#define MIN_WIDTH    0.25 /* pixels, of the frames that are drawn */
#define MAX_BYTES    1900000
#define LONGEST_BYTE 6 /* an escaped byte */

struct svg {
	const struct flame *f;
	const struct picture *picture;
	uint32_t depth;
	double scale; /* pixels for a unit of width */
	double greatest;
	FILE *out;
};

static double scale_of(const struct flame *f, const struct picture *picture)
{
	double width = f->nodes[0].width;
	return width > 0 ? (picture->width - 2.0 * SIDE) / width : 0;
}

/* ---- size --------------------------------------------------------------------------------- */

struct sizing {
	const struct flame *f;
	double scale;
};

static size_t bytes_of(const void *userdata, const struct flame_node *node)
{
	const struct sizing *s = userdata;
	const char *name = flame_text(s->f, node->name);
	size_t length = strings_length(s->f->texts, node->name);
	size_t escaped = length, shown = (size_t)(node->width * s->scale / COLUMN);

	for (const char *c = name; *c; c++)
		if (strchr("&<>\"'\n\t\r", *c) || (unsigned char)*c < 0x20)
			escaped += LONGEST_BYTE - 1;
	return ELEMENT + escaped + strings_length(s->f->texts, node->module) +
	       (shown < escaped ? shown : escaped) + (s->f->differential ? 80 : 0);
}

/* ---- text --------------------------------------------------------------------------------- */

/* Bytes of the character at text, and the columns it takes in a fixed-width font. */
static size_t character(const char *text, size_t *columns)
{
	unsigned char lead = (unsigned char)*text;
	size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	*columns = lead >= 0xe3 ? 2 : 1; /* from U+3000 on */
	return strnlen(text, n);
}

/* What fits into so many columns, with dots if that is not all; as flameFit() of flame.js. */
static void write_fitting(const char *name, size_t room, FILE *out)
{
	size_t used = 0, fits = 0, columns = 0;
	char part[4096];

	if (room < 3)
		return;
	const char *c = name;
	while (*c) {
		size_t n = character(c, &columns);
		used += columns;
		if (used > room || (size_t)(c - name) + n >= sizeof(part))
			break;
		c += n;
		if (used < room)
			fits = (size_t)(c - name);
	}
	if (!*c) {
		picture_escape(name, out);
		return;
	}
	memcpy(part, name, fits);
	part[fits] = '\0';
	picture_escape(part, out);
	fputs("…", out);
}

static double share(int64_t part, int64_t total)
{
	return total ? 100.0 * (double)part / (double)total : 0;
}

/* "1,234 samples, 12.34%", and the base where there is one. */
static void write_figures(const struct svg *s, const struct flame_node *node)
{
	const struct flame_node *root = &s->f->nodes[0];
	char text[PICTURE_LABEL_SIZE];

	picture_value(s->picture, node->value, text, sizeof(text));
	fprintf(s->out, "%s, %.2f%%", text, share(node->value, root->value));
	if (!s->f->differential)
		return;
	picture_value(s->picture, node->base, text, sizeof(text));
	fprintf(s->out, "; base %s, %.2f%%", text, share(node->base, root->base));
}

/* The second line: "1.2s, kernel, vmlinux". */
static void write_more(const struct svg *s, const struct flame_node *node)
{
	const char *kind = picture_kind(node->kind), *module = flame_text(s->f, node->module);
	char text[PICTURE_LABEL_SIZE];
	const char *before = "\n";
	int64_t time;

	if (s->picture->each && !__builtin_mul_overflow(node->value, s->picture->each, &time)) {
		picture_value(&(struct picture){.type = "", .unit = "nanoseconds"}, time, text,
			sizeof(text));
		fprintf(s->out, "%s%s", before, text);
		before = ", ";
	}
	if (*kind) {
		fprintf(s->out, "%s%s", before, kind);
		before = ", ";
	}
	if (*module) {
		/* A line of its own is what the script looks for. */
		fputs(before, s->out);
		picture_escape(module, s->out);
	}
}

/* ---- elements ----------------------------------------------------------------------------- */

static void write_frame(const struct svg *s, const struct flame_node *node)
{
	double x = SIDE + node->x * s->scale, width = node->width * s->scale;
	uint32_t level = s->picture->inverted ? node->depth : s->depth - node->depth;
	uint32_t y = TOP + level * ROW;

	fprintf(s->out, "<g class=\"frame\" data-value=\"%.17g\"><title>", node->width);
	picture_escape(flame_text(s->f, node->name), s->out);
	fputs(" (", s->out);
	write_figures(s, node);
	fputs(")", s->out);
	write_more(s, node);
	fprintf(s->out,
		"</title><rect class=\"c%u\" x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\" "
		"rx=\"2\"/><text x=\"%.2f\" y=\"%u\">",
		picture_shade(s->picture, s->f, node, s->greatest), x, y, width, ROW - 1, x + 3,
		y + 13);
	write_fitting(flame_text(s->f, node->name), width > 6 ? (size_t)((width - 6) / COLUMN) : 0,
		s->out);
	fputs("</text></g>\n", s->out);
}

static void write_colours(const struct svg *s, bool dark)
{
	for (unsigned i = 0; i < palette_shades(s->picture->palette); i++)
		fprintf(s->out, ".c%u{fill:#%06x}%s", i,
			palette_colour(s->picture->palette, i, dark), i % 8 == 7 ? "\n" : "");
}

static void write_style(const struct svg *s)
{
	fputs("<style>\n", s->out);
	write_colours(s, false);
	fputs("\n@media (prefers-color-scheme: dark) {\n", s->out);
	write_colours(s, true);
	/* Behind the colours, since it overrides them. */
	fprintf(s->out, "\n}\n%s</style>\n", ASSET_FLAME_SVG_CSS);
}

static void write_head(const struct svg *s, uint32_t height)
{
	uint32_t width = s->picture->width;

	fprintf(s->out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%u\" "
		"height=\"%u\" viewBox=\"0 0 %u %u\" data-left=\"%d\" data-width=\"%u\" "
		"data-row=\"%d\" data-column=\"%g\"%s>\n",
		width, height, width, height, SIDE, width - 2 * SIDE, ROW, COLUMN,
		s->picture->inverted ? " data-inverted=\"\"" : "");
	/* The picture's own title would be the tooltip of all that has none. */
	fputs("<metadata>Drawn by profctl " PROFD_VERSION "</metadata>\n", s->out);
}

static void write_titles(const struct svg *s, uint32_t height)
{
	char subtitle[PICTURE_LABEL_SIZE];
	uint32_t right = s->picture->width - SIDE;

	picture_subtitle(s->picture, s->f, subtitle, sizeof(subtitle));
	fprintf(s->out,
		"<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n"
		"<text class=\"title\" x=\"%d\" y=\"26\">",
		SIDE);
	picture_escape(s->picture->title, s->out);
	fprintf(s->out, "</text>\n<text class=\"quiet\" x=\"%d\" y=\"45\">", SIDE);
	picture_escape(subtitle, s->out);
	fprintf(s->out,
		"</text>\n"
		"<text class=\"button hidden\" id=\"reset\" x=\"%u\" y=\"26\" "
		"text-anchor=\"end\">Reset zoom</text>\n"
		"<text class=\"button\" id=\"search\" x=\"%u\" y=\"26\" "
		"text-anchor=\"end\">Search</text>\n"
		"<text class=\"quiet\" id=\"matched\" x=\"%u\" y=\"45\" "
		"text-anchor=\"end\"></text>\n"
		"<text id=\"details\" x=\"%d\" y=\"%u\"></text>\n",
		right - 255, right, right, SIDE, height - 10);
}

static void write_script(const struct svg *s)
{
	fprintf(s->out, "<script><![CDATA[\n%s\n%s]]></script>\n", ASSET_FLAME_JS,
		ASSET_FLAME_SVG_JS);
}

int flame_svg_write(struct flame *f, const struct picture *picture, FILE *out)
{
	struct svg s = {.f = f, .picture = picture, .scale = scale_of(f, picture), .out = out};
	struct sizing sizing = {f, s.scale};
	double min_share = picture->min_share >= 0 ? picture->min_share
						   : MIN_WIDTH / picture->width;

	s.greatest = flame_greatest_change(f);
	int err = flame_cut(f, min_share * f->nodes[0].width, MAX_BYTES, bytes_of, &sizing);
	if (err)
		return err;
	s.depth = flame_depth(f);
	uint32_t height = TOP + (s.depth + 1) * ROW + BOTTOM;
	errno = 0;
	write_head(&s, height);
	write_style(&s);
	write_titles(&s, height);
	for (size_t i = 0; i < f->n; i++)
		write_frame(&s, &f->nodes[i]);
	write_script(&s);
	fputs("</svg>\n", out);
	if (fflush(out) == EOF || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
