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
#include "profile/prune.h"
#include "query.h"
#include "report.h"
#include "report/export.h"
#include "report/picture.h"
#include "report_job.h"
#include "report_options.h"
#include "util/cleanup.h"

struct export
{
	struct query query;
	struct report_request report;
	const char *format, *output;
};

static const struct option OUTPUT_OPTIONS[] = {
	{"format", 0, "FORMAT", OPTION_TEXT, offsetof(struct export, format), 0, 0,
		"pprof, folded, svg, html, speedscope, firefox, perfetto, json, "
		"dot or callgrind (pprof)"},
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct export, output), 0, 0,
		"write FILE, whole or not at all (standard output)"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Output", OUTPUT_OPTIONS, 0},
	{"Which samples", QUERY_SAMPLE_OPTIONS, offsetof(struct export, query)},
	{"Names", QUERY_NAME_OPTIONS, offsetof(struct export, query)},
	{"Which profiles of the store", QUERY_STORE_OPTIONS, offsetof(struct export, query)},
	{"Filters", REPORT_FILTER_OPTIONS, offsetof(struct export, report)},
	{"Values, and graphs (dot, callgrind)", REPORT_OPTIONS, offsetof(struct export, report)},
	{"Places", PLACE_OPTIONS, offsetof(struct export, query.place)},
	{0},
};

struct job {
	const struct export *export;
	const struct format *format;
	struct profile *p;
	size_t index; /* which of its values */
};

static int write_folded(const struct job *job, FILE *out)
{
	return fold_write(job->p, &(struct fold_options){.sample_type = job->index}, out);
}

static int write_flame(const struct job *job, FILE *out,
	int (*write)(struct flame *f, const struct picture *picture, FILE *out))
{
	struct picture picture;
	struct flame f;
	size_t index = job->index;
	int64_t each;

	flame_sample_type(job->p, job->export->query.sample_index != NULL, &index, &each);
	picture_init(&picture, job->p, index, each);
	int err = flame_init(&f);
	if (!err)
		err = profile_prune(job->p);
	if (!err)
		err = flame_add(&f, job->p, index, 1, false);
	if (!err)
		err = flame_arrange(&f);
	if (f.differential)
		picture.palette = PALETTE_DIFF;
	if (!err)
		err = write(&f, &picture, out);
	flame_free(&f);
	return err;
}

static int write_svg(const struct job *job, FILE *out)
{
	return write_flame(job, out, flame_svg_write);
}

static int write_html(const struct job *job, FILE *out)
{
	return write_flame(job, out, flame_page_write);
}

static int write_speedscope(const struct job *job, FILE *out)
{
	return speedscope_write(job->p, job->index, out);
}

static int write_firefox(const struct job *job, FILE *out)
{
	return firefox_write(job->p, job->index, out);
}

static int write_perfetto(const struct job *job, FILE *out)
{
	return perfetto_write(job->p, job->index, out);
}

static int write_json(const struct job *job, FILE *out)
{
	return json_profile_write(job->p, job->index, out);
}

static int write_report(const struct job *job, FILE *out);

static const struct format {
	const char *name;
	int (*write)(const struct job *job, FILE *out); /* NULL: pprof */
	enum report_kind report;			/* with write_report */
	bool binary;
} FORMATS[] = {
	{"pprof", NULL, 0, true},
	{"folded", write_folded, 0, false},
	{"svg", write_svg, 0, false},
	{"html", write_html, 0, false},
	{"speedscope", write_speedscope, 0, false},
	{"firefox", write_firefox, 0, false},
	{"perfetto", write_perfetto, 0, true},
	{"json", write_json, 0, false},
	{"dot", write_report, REPORT_DOT, false},
	{"callgrind", write_report, REPORT_CALLGRIND, false},
	{0},
};

static const struct format *find_format(const char *name)
{
	const char *nearest = FORMATS[0].name;

	for (const struct format *f = FORMATS; f->name; f++) {
		if (!strcmp(f->name, name))
			return f;
		if (name_miss(name, f->name) < name_miss(name, nearest))
			nearest = f->name;
	}
	command_usage(&COMMAND_EXPORT, "there is no format '%s'; the nearest is %s", name, nearest);
	return NULL;
}

static int write_report(const struct job *job, FILE *out)
{
	struct report_job report = {.p = job->p,
		.kind = job->format->report,
		.config = &job->export->report.config,
		.index = job->index};

	return report_job_print(&report, out);
}

static int write_job(void *what, int fd)
{
	const struct job *job = what;

	if (!job->format->write)
		return pprof_write(job->p, fd);
	FILE *out = output_stream(fd);
	if (!out)
		return -errno;
	int err = job->format->write(job, out);
	if (fclose(out) && !err)
		err = -errno;
	return err;
}

static int write_output(const struct export *e, const struct format *format, struct profile *p)
{
	struct job job = {.export = e, .format = format, .p = p};

	int err = query_sample_index(&COMMAND_EXPORT, &e->query, p, &job.index);
	if (err)
		return err;
	/* pprof holds all values: the one that was asked for is the one to be shown first. */
	if (e->query.sample_index)
		p->default_sample_type = p->sample_types[job.index].type;
	return output_write(e->output, format->binary, write_job, &job);
}

static int load(struct export *e, const struct format *format, const struct operands *files,
	struct profile **p, size_t *skipped)
{
	int err = report_request_settle(&COMMAND_EXPORT, &e->report, &e->query);
	if (err)
		return err;
	if (format->write == write_report)
		return report_load(&COMMAND_EXPORT, &e->report, &e->query, files, p, skipped);
	/* As it is in the files, unless something else is asked for. */
	if (report_request_takes_all(&e->report))
		return query_load(&COMMAND_EXPORT, &e->query, files, p, skipped);
	return report_load_samples(&COMMAND_EXPORT, &e->report, &e->query, files, p, skipped);
}

/* Whether all that is asked for means something in the format; explained. */
static bool takes_options(const struct format *format, const struct report_request *report)
{
	const char *look = format->write != write_report ? report_request_look(report) : NULL;

	if (!look)
		return true;
	command_usage(&COMMAND_EXPORT,
		"--%s is for reports and graphs (--format dot, callgrind): it means nothing in %s",
		look, format->name);
	return false;
}

static int run(int argc, char **argv)
{
	struct export e = {.query.place = place_default(),
		.report = report_request_default(),
		.format = FORMATS[0].name};
	const struct format *format = NULL;
	struct operands files;
	struct profile *p = NULL;
	size_t skipped = 0;
	int code = 0;

	enum options_result parsed = command_parse(&COMMAND_EXPORT, argc, argv, &e, &files);
	if (parsed == OPTIONS_OK) {
		format = find_format(e.format);
		if (!format || !takes_options(format, &e.report))
			parsed = OPTIONS_BAD;
	}
	if (parsed == OPTIONS_OK) {
		query_take_program(&e.query, &files);
		int err = load(&e, format, &files, &p, &skipped);
		if (!err)
			err = write_output(&e, format, p);
		code = query_exit(err, skipped);
	}
	profile_free(p);
	query_free(&e.query);
	report_request_free(&e.report);
	return parsed == OPTIONS_BAD ? 2 : code;
}

const struct command COMMAND_EXPORT = {
	.name = "export",
	.synopsis = "[--format FORMAT] [-o FILE] [OPTION...] [[PROGRAM] FILE...]",
	.summary = "Write what a query selects for other tools",
	.details = REPORT_DETAILS,
	.groups = GROUPS,
	.run = run,
};
