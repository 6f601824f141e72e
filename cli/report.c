// SPDX-License-Identifier: MIT
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "output.h"
#include "picture.h"
#include "query.h"
#include "report_job.h"
#include "report_options.h"
#include "util/cleanup.h"
#include "util/log.h"

struct report_command {
	struct query query;
	struct report_request request;
	const char *output;
};

static const struct option OUTPUT_OPTIONS[] = {
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct report_command, output), 0, 0,
		"write FILE, whole or not at all (standard output)"},
	{0},
};

const struct option_group REPORT_GROUPS[] = {
	{"Report", REPORT_OPTIONS, offsetof(struct report_command, request)},
	{"Filters", REPORT_FILTER_OPTIONS, offsetof(struct report_command, request)},
	{"Which samples", QUERY_SAMPLE_OPTIONS, offsetof(struct report_command, query)},
	{"Names", QUERY_NAME_OPTIONS, offsetof(struct report_command, query)},
	{"Which profiles of the store", QUERY_STORE_OPTIONS,
		offsetof(struct report_command, query)},
	{"Output", OUTPUT_OPTIONS, 0},
	{"Places", PLACE_OPTIONS, offsetof(struct report_command, query.place)},
	{0},
};

static const struct kind {
	const struct command *command;
	enum report_kind kind;
	enum { TO_OUTPUT, TO_BINARY, TO_PICTURE, TO_VIEWER } way;
	const char *suffix; /* of the file that a viewer gets */
} KINDS[] = {
	{&COMMAND_TOP, REPORT_TOP, TO_OUTPUT, NULL},
	{&COMMAND_TOPPROTO, REPORT_TOPPROTO, TO_BINARY, NULL},
	{&COMMAND_TREE, REPORT_TREE, TO_OUTPUT, NULL},
	{&COMMAND_PEEK, REPORT_PEEK, TO_OUTPUT, NULL},
	{&COMMAND_TRACES, REPORT_TRACES, TO_OUTPUT, NULL},
	{&COMMAND_TAGS, REPORT_TAGS, TO_OUTPUT, NULL},
	{&COMMAND_RAW, REPORT_RAW, TO_OUTPUT, NULL},
	{&COMMAND_COMMENTS, REPORT_COMMENTS, TO_OUTPUT, NULL},
	{&COMMAND_LIST, REPORT_LIST, TO_OUTPUT, NULL},
	{&COMMAND_WEBLIST, REPORT_WEBLIST, TO_VIEWER, "html"},
	{&COMMAND_DISASM, REPORT_DISASM, TO_OUTPUT, NULL},
	{&COMMAND_GRAPH, REPORT_DOT, TO_PICTURE, NULL},
	{&COMMAND_WEB, REPORT_DOT, TO_VIEWER, "svg"},
};

static const struct kind *find_kind(const char *name)
{
	const struct kind *k = KINDS;

	while (strcmp(k->command->name, name) != 0)
		k++;
	return k;
}

static int deliver(const struct kind *k, const char *output, struct report_job *job)
{
	int err;

	if (k->way == TO_VIEWER && !output)
		err = picture_show(k->suffix, report_job_fill, job);
	else if (k->way == TO_BINARY)
		err = output_write(output, true, report_job_fill, job);
	else if (k->way != TO_OUTPUT)
		err = picture_write(output, k->suffix, report_job_fill, job);
	else if (output)
		err = output_write(output, false, report_job_fill, job);
	else
		err = report_job_show(job);
	if (job->err)
		return job->err == -EINVAL ? -EINVAL : -EIO;
	/* A reader that has seen enough, such as head, is no failure worth a word. */
	if (err && !output && k->way == TO_OUTPUT && err != -EPIPE)
		log_error("cannot print the report: %s", strerror(-err));
	return err ? -EIO : 0;
}

static int load_and_print(
	const struct kind *k, struct report_command *r, struct operands *files, size_t *skipped)
{
	struct report_job job = {.kind = k->kind, .config = &r->request.config};

	int err = report_request_settle(k->command, &r->request, &r->query);
	if (err)
		return err;
	if (report_needs_symbol(k->kind)) {
		if (!files->n) {
			command_usage(
				k->command, "which functions? A regular expression is missing");
			return -EINVAL;
		}
		job.symbol = files->items[0];
		files->items++;
		files->n--;
	}
	query_take_program(&r->query, files);
	err = report_load(k->command, &r->request, &r->query, files, &job.p, skipped);
	if (!err)
		err = query_sample_index(k->command, &r->query, job.p, &job.index);
	if (!err)
		err = deliver(k, r->output, &job);
	profile_free(job.p);
	return err;
}

int report_run(int argc, char **argv)
{
	const struct kind *k = find_kind(argv[0]);
	struct report_command r = {
		.query.place = place_default(),
		.request = report_request_default(),
	};
	struct operands files;
	size_t skipped = 0;
	int code = 0;

	enum options_result parsed = command_parse(k->command, argc, argv, &r, &files);
	if (parsed == OPTIONS_OK) {
		int err = load_and_print(k, &r, &files, &skipped);
		code = query_exit(err, skipped);
	}
	query_free(&r.query);
	report_request_free(&r.request);
	return parsed == OPTIONS_BAD ? 2 : code;
}

#define REPORT_COMMAND(text, operands, what)                                             \
	{                                                                                \
		.name = text, .synopsis = "[OPTION...] " operands "[[PROGRAM] FILE...]", \
		.summary = what, .details = REPORT_DETAILS, .groups = REPORT_GROUPS,     \
		.run = report_run                                                        \
	}

const struct command COMMAND_TOPPROTO = REPORT_COMMAND(
	"topproto", "", "Write what top shows as a profile of its own");
const struct command COMMAND_TREE = REPORT_COMMAND(
	"tree", "", "Print functions with their callers and callees");
const struct command COMMAND_PEEK = REPORT_COMMAND(
	"peek", "REGEX ", "Print callers and callees of the functions that match");
const struct command COMMAND_LIST = REPORT_COMMAND(
	"list", "REGEX ", "Print the source of functions, with the cost of each line");
const struct command COMMAND_WEBLIST = REPORT_COMMAND(
	"weblist", "REGEX ", "Show that as a page in a browser, or write it with -o FILE");
const struct command COMMAND_DISASM = REPORT_COMMAND(
	"disasm", "REGEX ", "Print the instructions of functions, with the cost of each");
const struct command COMMAND_TRACES = REPORT_COMMAND("traces", "", "Print all stacks");
const struct command COMMAND_TAGS = REPORT_COMMAND(
	"tags", "", "Print the labels of the samples and what each weighs");
const struct command COMMAND_RAW = REPORT_COMMAND("raw", "", "Print all of a profile as text");
const struct command COMMAND_COMMENTS = REPORT_COMMAND(
	"comments", "", "Print the comments of a profile");
const struct command COMMAND_GRAPH = REPORT_COMMAND(
	"graph", "", "Write the call graph: dot, or with -o FILE.svg a picture");
const struct command COMMAND_WEB = REPORT_COMMAND("web", "", "Show the call graph in a browser");
