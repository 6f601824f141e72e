// SPDX-License-Identifier: MIT
/* export.c - profctl export: what a query selects, as one file in a format of other tools. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "output.h"
#include "profile/fold.h"
#include "profile/pprof.h"
#include "query.h"
#include "report/export.h"
#include "report/picture.h"
#include "util/cleanup.h"

struct export
{
	struct query query;
	const char *format, *output;
};

static const struct option OUTPUT_OPTIONS[] = {
	{"format", 0, "FORMAT", OPTION_TEXT, offsetof(struct export, format), 0, 0,
		"pprof, folded, svg, html, speedscope, firefox, perfetto or "
		"json (pprof)"},
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct export, output), 0, 0,
		"write FILE, whole or not at all (standard output)"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Output", OUTPUT_OPTIONS, 0},
	{"Which samples", QUERY_SAMPLE_OPTIONS, offsetof(struct export, query)},
	{"Which profiles of the store", QUERY_STORE_OPTIONS, offsetof(struct export, query)},
	{"Places", PLACE_OPTIONS, offsetof(struct export, query.place)},
	{0},
};

/* What is written: a profile, and which of its values. */
struct content {
	const struct profile *p;
	size_t index;
	bool chosen; /* by --sample_index */
};

static int write_folded(const struct content *c, FILE *out)
{
	return fold_write(c->p, &(struct fold_options){.sample_type = c->index}, out);
}

static int write_flame(const struct content *c, FILE *out,
	int (*write)(struct flame *f, const struct picture *picture, FILE *out))
{
	struct picture picture;
	struct flame f;
	size_t index = c->index;
	int64_t each;

	flame_sample_type(c->p, c->chosen, &index, &each);
	picture_init(&picture, c->p, index, each);
	int err = flame_init(&f);
	if (!err)
		err = flame_add(&f, c->p, index, 1, false);
	if (!err)
		err = flame_arrange(&f);
	if (f.differential)
		picture.palette = PALETTE_DIFF;
	if (!err)
		err = write(&f, &picture, out);
	flame_free(&f);
	return err;
}

static int write_svg(const struct content *c, FILE *out)
{
	return write_flame(c, out, flame_svg_write);
}

static int write_html(const struct content *c, FILE *out)
{
	return write_flame(c, out, flame_page_write);
}

static int write_speedscope(const struct content *c, FILE *out)
{
	return speedscope_write(c->p, c->index, out);
}

static int write_firefox(const struct content *c, FILE *out)
{
	return firefox_write(c->p, c->index, out);
}

static int write_perfetto(const struct content *c, FILE *out)
{
	return perfetto_write(c->p, c->index, out);
}

static int write_json(const struct content *c, FILE *out)
{
	return json_profile_write(c->p, c->index, out);
}

static const struct format {
	const char *name;
	bool binary;
	int (*write)(const struct content *c, FILE *out); /* NULL: pprof */
} FORMATS[] = {
	{"pprof", true, NULL},
	{"folded", false, write_folded},
	{"svg", false, write_svg},
	{"html", false, write_html},
	{"speedscope", false, write_speedscope},
	{"firefox", false, write_firefox},
	{"perfetto", true, write_perfetto},
	{"json", false, write_json},
	{0},
};

static const struct format *find_format(const char *name)
{
	const char *nearest = FORMATS[0].name;

	for (const struct format *f = FORMATS; f->name; f++) {
		if (!strcmp(f->name, name))
			return f;
		if (name_distance(name, f->name) < name_distance(name, nearest))
			nearest = f->name;
	}
	command_usage(&COMMAND_EXPORT, "there is no format '%s'; the nearest is %s", name, nearest);
	return NULL;
}

struct job {
	const struct format *format;
	struct content content;
};

static int write_job(void *what, int fd)
{
	const struct job *job = what;

	if (!job->format->write)
		return pprof_write(job->content.p, fd);
	FILE *out = output_stream(fd);
	if (!out)
		return -errno;
	int err = job->format->write(&job->content, out);
	if (fclose(out) && !err)
		err = -errno;
	return err;
}

static int write_output(const struct export *e, const struct format *format, struct profile *p)
{
	struct job job = {
		.format = format, .content = {.p = p, .chosen = e->query.sample_index != NULL}};

	int err = query_sample_index(&COMMAND_EXPORT, &e->query, p, &job.content.index);
	if (err)
		return err;
	/* pprof holds all values: the one that was asked for is the one to be shown first. */
	if (e->query.sample_index)
		p->default_sample_type = p->sample_types[job.content.index].type;
	return output_write(e->output, format->binary, write_job, &job);
}

static int run(int argc, char **argv)
{
	struct export e = {.query.place = place_default(), .format = FORMATS[0].name};
	const struct format *format = NULL;
	struct operands files;
	struct profile *p = NULL;
	size_t skipped = 0;
	int code = 0;

	enum options_result parsed = command_parse(&COMMAND_EXPORT, argc, argv, &e, &files);
	if (parsed == OPTIONS_OK) {
		format = find_format(e.format);
		if (!format)
			parsed = OPTIONS_BAD;
	}
	if (parsed == OPTIONS_OK) {
		int err = query_load(&COMMAND_EXPORT, &e.query, &files, &p, &skipped);
		if (!err)
			err = write_output(&e, format, p);
		code = query_exit(err, skipped);
	}
	profile_free(p);
	query_free(&e.query);
	return parsed == OPTIONS_BAD ? 2 : code;
}

const struct command COMMAND_EXPORT = {
	.name = "export",
	.synopsis = "[--format FORMAT] [-o FILE] [OPTION...] [FILE...]",
	.summary = "Write what a query selects for other tools",
	.details = "Reads the FILEs, of profd or any other producer of pprof. Without them: your "
		   "newest\n"
		   "recording if it is under an hour old, else the last five minutes of the store.",
	.groups = GROUPS,
	.run = run,
};
