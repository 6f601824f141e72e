// SPDX-License-Identifier: MIT
/* flame.c - profctl flame: a flame graph of what a query selects, as an SVG or a page. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "output.h"
#include "query.h"
#include "report/format.h"
#include "report/picture.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MIN_WIDTH   300 /* pixels: titles and the search field */
#define MAX_WIDTH   20000
#define ON_TERMINAL "flame.svg"

struct flame_command {
	struct query query;
	const char *output, *format;
	const char *title, *colors, *min_width;
	uint32_t width;
	bool inverted, no_process;
	const char *diff_base;
	bool normalize;
};

static const struct option PICTURE_OPTIONS[] = {
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct flame_command, output), 0, 0,
		"write FILE, whole or not at all (standard output; on a terminal " ON_TERMINAL ")"},
	{"format", 0, "FORMAT", OPTION_TEXT, offsetof(struct flame_command, format), 0, 0,
		"svg or html (what FILE ends in, else svg)"},
	{"title", 0, "TEXT", OPTION_TEXT, offsetof(struct flame_command, title), 0, 0,
		"title of the picture (Flame graph)"},
	{"width", 0, "N", OPTION_NUMBER, offsetof(struct flame_command, width), MIN_WIDTH,
		MAX_WIDTH, "width of an SVG in pixels (1200); a page fills its window"},
	{"minwidth", 0, "N", OPTION_TEXT, offsetof(struct flame_command, min_width), 0, 0,
		"leave out frames narrower than N pixels, or N% of all (0.25; what "
		"fits into 2 MB in a page)"},
	{"colors", 0, "PALETTE", OPTION_TEXT, offsetof(struct flame_command, colors), 0, 0,
		"hot, mem, io, module or kind (hot; mem for memory, io for waiting)"},
	{"inverted", 0, NULL, OPTION_FLAG, offsetof(struct flame_command, inverted), 0, 0,
		"draw an icicle: the root on top"},
	{"no_process", 0, NULL, OPTION_FLAG, offsetof(struct flame_command, no_process), 0, 0,
		"leave out the frames that stand for processes: all are drawn as one"},
	{"diff_base", 0, "FILE", OPTION_TEXT, offsetof(struct flame_command, diff_base), 0, 0,
		"compare with the profile in FILE: red is more than there, blue is less; "
		"processes of one name are drawn as one"},
	{"normalize", 0, NULL, OPTION_FLAG, offsetof(struct flame_command, normalize), 0, 0,
		"scale that profile to the same total first"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Picture", PICTURE_OPTIONS, 0},
	{"Which samples", QUERY_SAMPLE_OPTIONS, offsetof(struct flame_command, query)},
	{"Which profiles of the store", QUERY_STORE_OPTIONS, offsetof(struct flame_command, query)},
	{"Places", PLACE_OPTIONS, offsetof(struct flame_command, query.place)},
	{0},
};

/* ---- options ------------------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && !strcasecmp(text + n - m, end);
}

static int choose_format(const struct flame_command *c, bool *page)
{
	*page = c->output && (ends_with(c->output, ".html") || ends_with(c->output, ".htm"));
	if (!c->format)
		return 0;
	*page = !strcmp(c->format, "html");
	if (*page || !strcmp(c->format, "svg"))
		return 0;
	command_usage(&COMMAND_FLAME, "--format: '%s' is not svg or html", c->format);
	return -EINVAL;
}

/* "0.5": pixels; "0.1%": of the picture. */
static int choose_min_width(const struct flame_command *c, struct picture *picture)
{
	char *end;

	if (!c->min_width)
		return 0;
	double number = strtod(c->min_width, &end);
	if (end != c->min_width && !strcmp(end, "%"))
		number /= 100;
	else if (end != c->min_width && !*end)
		number /= picture->width;
	else
		number = -1;
	if (!(number >= 0 && number <= 1)) {
		command_usage(&COMMAND_FLAME,
			"--minwidth: '%s' is not a number of pixels up to the picture's width, nor "
			"a percentage",
			c->min_width);
		return -EINVAL;
	}
	picture->min_share = number;
	return 0;
}

static int choose_palette(const struct flame_command *c, bool differential, struct picture *picture)
{
	if (differential)
		picture->palette = PALETTE_DIFF;
	if (!c->colors)
		return 0;
	picture->palette = palette_find(c->colors);
	if (picture->palette < PALETTE_DIFF || (picture->palette == PALETTE_DIFF && differential))
		return 0;
	command_usage(&COMMAND_FLAME, "--colors: '%s' is not hot, mem, io, module, kind%s",
		c->colors, picture->palette == PALETTE_DIFF ? " (diff needs --diff_base)" : "");
	return -EINVAL;
}

/* ---- drawing ------------------------------------------------------------------------------ */

struct drawing {
	struct flame flame;
	struct picture picture;
	bool page;
};

static int draw(void *what, int fd)
{
	struct drawing *d = what;
	FILE *out = output_stream(fd);

	if (!out)
		return -errno;
	int err = d->page ? flame_page_write(&d->flame, &d->picture, out)
			  : flame_svg_write(&d->flame, &d->picture, out);
	if (fclose(out) && !err)
		err = -errno;
	return err;
}

static double total_of(const struct profile *p, size_t sample_type)
{
	double total = 0;

	for (size_t i = 0; i < p->n_samples; i++)
		total += fabs((double)p->values[i * p->n_sample_types + sample_type]);
	return total;
}

/* The same type of the base, whatever its index there. */
static int add_base(const struct flame_command *c, const struct profile *p, size_t sample_type,
	const struct profile *base, struct flame *f)
{
	char why[512] = "";
	size_t type;

	int err = format_sample_index(
		base, profile_text(p, p->sample_types[sample_type].type), &type, why, sizeof(why));
	if (err) {
		log_error("%s: %s", c->diff_base, why);
		return err;
	}
	double all = total_of(base, type), scale = 1;
	if (c->normalize && all > 0)
		scale = total_of(p, sample_type) / all;
	return flame_add(f, base, type, scale, true);
}

static int make_drawing(const struct flame_command *c, const struct profile *p,
	const struct profile *base, struct drawing *d)
{
	size_t sample_type;
	int64_t each;

	int err = query_sample_index(&COMMAND_FLAME, &c->query, p, &sample_type);
	if (err)
		return err;
	flame_sample_type(p, c->query.sample_index, &sample_type, &each);
	picture_init(&d->picture, p, sample_type, each);
	d->picture.inverted = c->inverted;
	d->picture.title = c->title ? c->title : d->picture.title;
	d->picture.width = c->width ? c->width : d->picture.width;
	err = flame_init(&d->flame);
	d->flame.process = c->no_process ? FLAME_NONE : base ? FLAME_COMM : FLAME_PID;
	if (!err)
		err = flame_add(&d->flame, p, sample_type, 1, false);
	if (!err && base)
		err = add_base(c, p, sample_type, base, &d->flame);
	if (!err)
		err = flame_arrange(&d->flame);
	if (err == -ENOMEM)
		log_error("out of memory");
	if (!err)
		err = choose_min_width(c, &d->picture);
	if (!err)
		err = choose_palette(c, d->flame.differential, &d->picture);
	return err;
}

static int write_picture(const struct flame_command *c, struct drawing *d)
{
	bool terminal = !c->output && isatty(STDOUT_FILENO);

	int err = output_write(terminal ? ON_TERMINAL : c->output, false, draw, d);
	if (!err && terminal)
		log_info(ON_TERMINAL " is written: open it in a browser");
	return err;
}

static int load_base(const struct flame_command *c, struct profile **base, size_t *skipped)
{
	char *path = (char *)c->diff_base;
	struct operands file = {.items = &path, .n = 1};
	struct query query = c->query;
	size_t passed_over = 0;

	if (!path)
		return 0;
	query.type = NULL;
	query.range = (struct time_range){0};
	int err = query_load(&COMMAND_FLAME, &query, &file, base, &passed_over);
	*skipped += passed_over;
	return err;
}

static int flame(const struct flame_command *c, const struct operands *files)
{
	struct profile *p = NULL, *base = NULL;
	struct drawing d = {0};
	size_t skipped = 0;

	int err = choose_format(c, &d.page);
	if (!err && c->normalize && !c->diff_base) {
		command_usage(&COMMAND_FLAME, "--normalize goes with --diff_base");
		err = -EINVAL;
	}
	if (!err)
		err = query_load(&COMMAND_FLAME, &c->query, files, &p, &skipped);
	if (!err)
		err = load_base(c, &base, &skipped);
	if (!err)
		err = make_drawing(c, p, base, &d);
	if (!err)
		err = write_picture(c, &d);
	flame_free(&d.flame);
	profile_free(base);
	profile_free(p);
	return query_exit(err, skipped);
}

static int run(int argc, char **argv)
{
	struct flame_command c = {.query.place = place_default()};
	struct operands files;
	int code = 0;

	enum options_result parsed = command_parse(&COMMAND_FLAME, argc, argv, &c, &files);
	if (parsed == OPTIONS_OK)
		code = flame(&c, &files);
	query_free(&c.query);
	return parsed == OPTIONS_BAD ? 2 : code;
}

const struct command COMMAND_FLAME = {
	.name = "flame",
	.synopsis = "[-o FILE] [OPTION...] [FILE...]",
	.summary = "Draw a flame graph to zoom and search in, as an SVG or a page",
	.details = "Reads the FILEs, of profd or any other producer of pprof. Without them: your "
		   "newest\n"
		   "recording if it is under an hour old, else the last five minutes of the store.",
	.groups = GROUPS,
	.run = run,
};
