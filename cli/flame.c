// SPDX-License-Identifier: MIT
/* flame.c - profctl flame: a flame graph of what a query selects, as an SVG or a page. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "fetch.h"
#include "output.h"
#include "profile/fold.h"
#include "profile/prune.h"
#include "query.h"
#include "report.h"
#include "report/format.h"
#include "report/picture.h"
#include "report_options.h"
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
	struct time_range diff_range;
	bool normalize;
	struct report_request filters;
	/* go-torch's */
	const char *url, *suffix;
	uint32_t seconds;
	bool print, raw;
	bool inuse_space, inuse_objects, alloc_space, alloc_objects;
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
	{"diff_since", 0, "TIME", OPTION_TIME, offsetof(struct flame_command, diff_range.since), 0,
		0, "compare with the store's windows that end after TIME, ..."},
	{"diff_until", 0, "TIME", OPTION_TIME, offsetof(struct flame_command, diff_range.until), 0,
		0, "... and begin before TIME"},
	{"normalize", 0, NULL, OPTION_FLAG, offsetof(struct flame_command, normalize), 0, 0,
		"scale what is compared with to the same total first"},
	{0},
};

static const struct option TORCH_OPTIONS[] = {
	{"url", 'u', "URL", OPTION_TEXT, offsetof(struct flame_command, url), 0, 0,
		"fetch from this server; also URLs in place of FILEs are fetched"},
	{"suffix", 's', "PATH", OPTION_TEXT, offsetof(struct flame_command, suffix), 0, 0,
		"of the profile there (/debug/pprof/profile; for memory /debug/pprof/heap)"},
	{"seconds", 't', "N", OPTION_NUMBER, offsetof(struct flame_command, seconds), 1, 86400,
		"let servers collect for so long (their default; a CPU profile: 30)"},
	{"file", 'f', "FILE", OPTION_TEXT, offsetof(struct flame_command, output), 0, 0,
		"the same as --output"},
	{"print", 'p', NULL, OPTION_FLAG, offsetof(struct flame_command, print), 0, 0,
		"write to standard output, also where that is a terminal"},
	{"raw", 'r', NULL, OPTION_FLAG, offsetof(struct flame_command, raw), 0, 0,
		"write folded stacks instead of a picture"},
	{"inuse_space", 0, NULL, OPTION_FLAG, offsetof(struct flame_command, inuse_space), 0, 0,
		"of a heap profile: bytes in use"},
	{"inuse_objects", 0, NULL, OPTION_FLAG, offsetof(struct flame_command, inuse_objects), 0, 0,
		"objects in use"},
	{"alloc_space", 0, NULL, OPTION_FLAG, offsetof(struct flame_command, alloc_space), 0, 0,
		"bytes allocated so far"},
	{"alloc_objects", 0, NULL, OPTION_FLAG, offsetof(struct flame_command, alloc_objects), 0, 0,
		"objects allocated so far"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Picture", PICTURE_OPTIONS, 0},
	{"Filters", REPORT_FILTER_OPTIONS, offsetof(struct flame_command, filters)},
	{"As go-torch has them", TORCH_OPTIONS, 0},
	{"Which samples", QUERY_SAMPLE_OPTIONS, offsetof(struct flame_command, query)},
	{"Names", QUERY_NAME_OPTIONS, offsetof(struct flame_command, query)},
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

/* What the name promises is never what would be in it. */
static bool is_other_picture(const char *name)
{
	static const char *const ends[] = {".png", ".jpg", ".jpeg", ".gif", ".pdf", ".ps"};

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (ends_with(name, ends[i]))
			return true;
	return false;
}

static int choose_format(const struct flame_command *c, bool *page)
{
	if (c->format) {
		*page = !strcmp(c->format, "html");
		if (*page || !strcmp(c->format, "svg"))
			return 0;
		command_usage(&COMMAND_FLAME, "--format: '%s' is not svg or html", c->format);
		return -EINVAL;
	}
	*page = c->output && (ends_with(c->output, ".html") || ends_with(c->output, ".htm"));
	if (!c->output || !is_other_picture(c->output))
		return 0;
	command_usage(&COMMAND_FLAME,
		"a flame graph is an SVG or a page: name %s with .svg or .html at its end",
		c->output);
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
		c->colors,
		picture->palette == PALETTE_DIFF ? " (diff needs something to compare with)" : "");
	return -EINVAL;
}

/* -inuse_space and its kin are --sample_index in short. */
static int choose_sample_index(struct flame_command *c, bool *memory)
{
	const struct {
		bool set;
		const char *name;
	} SHORT[] = {{c->inuse_space, "inuse_space"}, {c->inuse_objects, "inuse_objects"},
		{c->alloc_space, "alloc_space"}, {c->alloc_objects, "alloc_objects"}};

	*memory = false;
	for (size_t i = 0; i < sizeof(SHORT) / sizeof(SHORT[0]); i++) {
		if (!SHORT[i].set)
			continue;
		if (c->query.sample_index) {
			command_usage(&COMMAND_FLAME, "--%s does not go with --sample_index %s",
				SHORT[i].name, c->query.sample_index);
			return -EINVAL;
		}
		c->query.sample_index = SHORT[i].name;
		*memory = true;
	}
	/* Nothing of it is in use. */
	if (c->filters.config.temporary && !c->query.sample_index)
		c->query.sample_index = "alloc_space";
	return 0;
}

/* ---- where from --------------------------------------------------------------------------- */

/* What is read: the operands, with --seconds in those that are URLs, and --url. */
struct inputs {
	struct operands operands;
	char **made; /* URLs, to free */
};

static void inputs_free(struct inputs *in)
{
	for (size_t i = 0; in->made && in->made[i]; i++)
		free(in->made[i]);
	free(in->made);
	free(in->operands.items);
}

static int check_inputs(const struct flame_command *c, const struct operands *files)
{
	bool urls = c->url;
	const char *wrong = NULL;

	for (size_t i = 0; i < files->n; i++)
		urls |= fetch_is_url(files->items[i]);
	if (c->suffix && !c->url)
		wrong = "--suffix goes with --url";
	else if (c->suffix && c->suffix[0] != '/')
		wrong = "--suffix is a path: it begins with /";
	else if (c->suffix && strchr(c->url, '?'))
		wrong = "--suffix goes behind --url, which ends in a query already";
	else if (c->seconds && !urls)
		wrong = "--seconds goes with a URL; 'profctl record' records";
	else if (c->print && c->output)
		wrong = "--print does not go with a file";
	if (!wrong)
		return 0;
	command_usage(&COMMAND_FLAME, "%s", wrong);
	return -EINVAL;
}

/* A server may have a path of its own in front of /debug/pprof, which --suffix is put behind. */
static char *make_url(const struct flame_command *c, bool memory)
{
	_cleanup_free_ char *url = NULL;
	size_t n = strlen(c->url);

	if (!c->suffix)
		return fetch_make_url(c->url, memory ? "/debug/pprof/heap" : NULL, c->seconds);
	while (n && c->url[n - 1] == '/')
		n--;
	if (asprintf(&url, "%.*s%s", (int)n, c->url, c->suffix) < 0)
		url = NULL;
	return url ? fetch_make_url(url, NULL, c->seconds) : NULL;
}

static int make_inputs(
	const struct flame_command *c, const struct operands *files, bool memory, struct inputs *in)
{
	size_t n = 0;

	*in = (struct inputs){
		.operands = {.items = calloc(files->n + 2, sizeof(char *))},
		.made = calloc(files->n + 2, sizeof(char *)),
	};
	if (!in->operands.items || !in->made)
		return -ENOMEM;
	for (size_t i = 0; i < files->n; i++) {
		char *item = files->items[i];
		if (fetch_is_url(item))
			item = in->made[n] = fetch_make_url(item, NULL, c->seconds);
		if (!item)
			return -EINVAL;
		n += item != files->items[i];
		in->operands.items[in->operands.n++] = item;
	}
	if (c->url) {
		in->made[n] = make_url(c, memory);
		if (!in->made[n])
			return -EINVAL;
		in->operands.items[in->operands.n++] = in->made[n];
	}
	return 0;
}

static bool is_differential(const struct flame_command *c)
{
	return c->diff_base || c->diff_range.since || c->diff_range.until;
}

/* ---- drawing ------------------------------------------------------------------------------ */

struct drawing {
	struct flame flame;
	struct picture picture;
	bool page, folded;
	const struct profile *p; /* borrowed: for folded */
	size_t sample_type;
};

static int draw(void *what, int fd)
{
	struct drawing *d = what;
	FILE *out = output_stream(fd);
	int err;

	if (!out)
		return -errno;
	if (d->folded)
		err = fold_write(d->p, &(struct fold_options){.sample_type = d->sample_type}, out);
	else if (d->page)
		err = flame_page_write(&d->flame, &d->picture, out);
	else
		err = flame_svg_write(&d->flame, &d->picture, out);
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
		log_error("what is compared with: %s", why);
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
	d->p = p;
	d->sample_type = sample_type;
	d->folded = c->raw;
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
	bool terminal = !c->output && !c->print && !c->raw && isatty(STDOUT_FILENO);

	int err = output_write(terminal ? ON_TERMINAL : c->output, false, draw, d);
	if (!err && terminal)
		log_info(ON_TERMINAL " is written: open it in a browser");
	return err;
}

/* Without the frames that the file's producer asks not to show, as in all reports. */
static int load(const struct flame_command *c, const struct query *query,
	const struct operands *files, struct profile **p, size_t *skipped)
{
	int err = query_load(&COMMAND_FLAME, query, files, p, skipped);

	if (err)
		return err;
	err = profile_prune(*p);
	if (err == -ENOMEM)
		log_error("out of memory");
	return err || report_request_takes_all(&c->filters) ? err
							    : report_filter_samples(&c->filters, p);
}

static int load_base(const struct flame_command *c, struct profile **base, size_t *skipped)
{
	char *path = (char *)c->diff_base;
	struct operands file = {.items = &path, .n = path ? 1 : 0};
	struct query query = c->query;
	size_t passed_over = 0;

	if (!is_differential(c))
		return 0;
	query.range = c->diff_range;
	if (path)
		query.type = NULL;
	int err = load(c, &query, &file, base, &passed_over);
	*skipped += passed_over;
	return err;
}

static int check_base(const struct flame_command *c)
{
	const char *wrong = NULL;

	if (c->normalize && !is_differential(c))
		wrong = "--normalize goes with --diff_base, or --diff_since and --diff_until";
	else if (c->diff_base && (c->diff_range.since || c->diff_range.until))
		wrong = "--diff_base does not go with --diff_since and --diff_until";
	else if (c->diff_range.until && !c->diff_range.since)
		wrong = "--diff_until goes with --diff_since";
	else if (c->raw && is_differential(c))
		wrong = "--raw is of one profile, not of a difference";
	if (!wrong)
		return 0;
	command_usage(&COMMAND_FLAME, "%s", wrong);
	return -EINVAL;
}

static int check_options(
	struct flame_command *c, const struct operands *files, bool *page, bool *memory)
{
	int err = choose_format(c, page);

	if (!err)
		err = choose_sample_index(c, memory);
	if (!err)
		err = check_inputs(c, files);
	if (!err)
		err = check_base(c);
	return err;
}

static int flame(struct flame_command *c, const struct operands *files)
{
	struct profile *p = NULL, *base = NULL;
	struct drawing d = {0};
	struct inputs in = {0};
	size_t skipped = 0;
	bool memory = false;

	int err = check_options(c, files, &d.page, &memory);
	if (!err)
		err = make_inputs(c, files, memory, &in);
	if (!err)
		err = load(c, &c->query, &in.operands, &p, &skipped);
	if (!err)
		err = load_base(c, &base, &skipped);
	if (!err)
		err = make_drawing(c, p, base, &d);
	if (!err)
		err = write_picture(c, &d);
	inputs_free(&in);
	flame_free(&d.flame);
	profile_free(base);
	profile_free(p);
	return query_exit(err, skipped);
}

static int run(int argc, char **argv)
{
	struct flame_command c = {
		.query.place = place_default(), .filters = report_request_default()};
	struct operands files;
	int code = 0;

	enum options_result parsed = command_parse(&COMMAND_FLAME, argc, argv, &c, &files);
	if (parsed == OPTIONS_OK) {
		query_take_program(&c.query, &files);
		code = flame(&c, &files);
	}
	query_free(&c.query);
	return parsed == OPTIONS_BAD ? 2 : code;
}

const struct command COMMAND_FLAME = {
	.name = "flame",
	.synopsis = "[-o FILE] [OPTION...] [[PROGRAM] FILE|URL...]",
	.summary = "Draw a flame graph to zoom and search in, as an SVG or a page",
	.details = REPORT_DETAILS,
	.groups = GROUPS,
	.run = run,
};
