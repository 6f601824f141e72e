// SPDX-License-Identifier: MIT
/* merge.c - profctl merge: several profiles into one. */
#include <stddef.h>

#include "commands.h"
#include "output.h"
#include "profile/pprof.h"
#include "query.h"

struct merge {
	struct query query; /* all samples of the files, as they are */
	const char *output;
};

static const struct option OPTIONS[] = {
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct merge, output), 0, 0,
		"write FILE, whole or not at all (standard output)"},
	{0},
};

static const struct option_group GROUPS[] = {{"Output", OPTIONS, 0}, {0}};

static int write_profile(void *what, int fd)
{
	return pprof_write(what, fd);
}

/* The result is opened after all inputs were read: it may be one of them. */
static int merge_files(const struct merge *m, const struct operands *files)
{
	struct profile *p = NULL;
	size_t skipped;

	int err = query_load(&COMMAND_MERGE, &m->query, files, &p, &skipped);
	if (!err)
		err = output_write(m->output, true, write_profile, p);
	profile_free(p);
	return query_exit(err, skipped);
}

static int run(int argc, char **argv)
{
	struct merge m = {.query.symbolize = "none"};
	struct operands files;

	enum options_result parsed = command_parse(&COMMAND_MERGE, argc, argv, &m, &files);
	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_BAD ? 2 : 0;
	if (!files.n)
		return command_usage(&COMMAND_MERGE, "which files?");
	return merge_files(&m, &files);
}

const struct command COMMAND_MERGE = {
	.name = "merge",
	.synopsis = "[-o FILE] FILE...",
	.summary = "Merge profiles into one",
	.groups = GROUPS,
	.run = run,
};
