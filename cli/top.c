// SPDX-License-Identifier: MIT
/* top.c - profctl top: the functions that cost most, as `go tool pprof -top` prints them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "live.h"
#include "query.h"
#include "report/top.h"
#include "util/log.h"

struct top {
	struct query query;
	bool cum;
	uint32_t node_count;
	double node_fraction, edge_fraction;
	const char *unit;
};

static const struct option REPORT_OPTIONS[] = {
	{"cum", 0, NULL, OPTION_FLAG, offsetof(struct top, cum), 0, 0,
		"sort by cumulative value (functions with all that they call)"},
	{"nodecount", 0, "N", OPTION_NUMBER, offsetof(struct top, node_count), 0, INT32_MAX,
		"at most N functions (0: all)"},
	{"nodefraction", 0, "F", OPTION_FRACTION, offsetof(struct top, node_fraction), 0, 0,
		"leave out functions below this share of the total (0.005)"},
	{"edgefraction", 0, "F", OPTION_FRACTION, offsetof(struct top, edge_fraction), 0, 0,
		"leave out calls below this share; it decides the (inline) marks (0.001)"},
	{"unit", 0, "UNIT", OPTION_TEXT, offsetof(struct top, unit), 0, 0,
		"unit of the values, such as ms or MB (minimum: one that suits)"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Report", REPORT_OPTIONS, 0},
	{"Which samples", QUERY_SAMPLE_OPTIONS, offsetof(struct top, query)},
	{"Which profiles of the store", QUERY_STORE_OPTIONS, offsetof(struct top, query)},
	{"Places", PLACE_OPTIONS, offsetof(struct top, query.place)},
	{0},
};

static int print(const struct top *t, const struct profile *p)
{
	struct top_options options = TOP_DEFAULTS(0);

	options.cum_sort = t->cum;
	options.node_count = t->node_count;
	options.node_fraction = t->node_fraction;
	options.edge_fraction = t->edge_fraction;
	options.unit = t->unit;
	int err = query_sample_index(&COMMAND_TOP, &t->query, p, &options.sample_type);
	if (err)
		return err;
	err = top_write(p, &options, stdout);
	if (!err && fflush(stdout))
		err = -errno;
	/* A reader that has seen enough, such as head, is no failure worth a word. */
	if (err && err != -EPIPE)
		log_error("cannot print the table: %s", strerror(-err));
	return err ? -EIO : 0;
}

static int run(int argc, char **argv)
{
	const struct top_options defaults = TOP_DEFAULTS(0);
	struct top t = {
		.query.place = place_default(),
		.node_fraction = defaults.node_fraction,
		.edge_fraction = defaults.edge_fraction,
		.unit = defaults.unit,
	};
	struct operands files;
	struct profile *p = NULL;
	size_t skipped = 0;
	int code = 0;

	if (live_is_wanted(argc, argv))
		return live_run(argc, argv);
	enum options_result parsed = command_parse(&COMMAND_TOP, argc, argv, &t, &files);
	if (parsed == OPTIONS_OK) {
		int err = query_load(&COMMAND_TOP, &t.query, &files, &p, &skipped);
		if (!err)
			err = print(&t, p);
		code = query_exit(err, skipped);
	}
	profile_free(p);
	query_free(&t.query);
	return parsed == OPTIONS_BAD ? 2 : code;
}

const struct command COMMAND_TOP = {
	.name = "top",
	.synopsis = "[OPTION...] [FILE...]",
	.summary = "Print the functions that cost most",
	.details =
		"Reads the FILEs, of profd or any other producer of pprof. Without them: your "
		"newest\n"
		"recording if it is under an hour old, else the last five minutes of the store.\n"
		"With --live: the host as it is now, again and again (profctl top --live --help).",
	.groups = GROUPS,
	.run = run,
};
