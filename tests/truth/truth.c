// SPDX-License-Identifier: MIT
/*
 * truth [--samples N] [[--least PERCENT] --program NAME]... FILE... - compares the stacks in
 * capture files with libdw's, frame by frame.
 *
 * Prints a table by program, each distinct disagreement, and TAP lines for the named programs (all,
 * if none is named). Exits with 0 if of each there are N samples, less than 0.1 % of the stacks are
 * wrong, and at least 99.5 %, or the PERCENT that was said before its name, reach the root.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "util/cleanup.h"
#include "util/parse.h"

struct wanted {
	const char *program;
	double complete; /* at least so many % */
};

static int usage(void)
{
	fprintf(stderr,
		"usage: truth [--samples N] [[--least PERCENT] --program NAME]... CAPTURE...\n");
	return 2;
}

static int compare_all(struct report *report, char **files)
{
	for (; *files; files++) {
		int r = compare_capture(report, *files);

		if (r) {
			fprintf(stderr, "truth: %s: %s\n", *files,
				r == -EBADMSG ? "it is broken, or was cut short" : strerror(-r));
			return r;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"samples", required_argument, NULL, 's'},
		{"least", required_argument, NULL, 'l'},
		{"program", required_argument, NULL, 'p'},
		{0},
	};
	struct report_limits limits = {.samples = 1, .wrong = 0.1, .complete = 99.5};
	_cleanup_free_ struct wanted *wanted = calloc((size_t)argc, sizeof(*wanted));
	struct report report = {0};
	int option, failed = 0;
	size_t n = 0;

	if (!wanted)
		return 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p')
			wanted[n++] = (struct wanted){optarg, limits.complete};
		else if (option == 'l')
			limits.complete = strtod(optarg, NULL);
		else if (option != 's' || parse_u64(optarg, 1, UINT64_MAX, &limits.samples))
			return usage();
	}
	if (optind == argc)
		return usage();
	if (compare_all(&report, argv + optind))
		return 1;
	report_table(&report, stdout);
	report_disagreements(&report, stdout);
	for (size_t i = 0; i < n; i++) {
		limits.complete = wanted[i].complete;
		failed += report_tap(&report, wanted[i].program, &limits, stdout);
	}
	for (size_t i = 0; i < report.n_programs && !n; i++)
		failed += report_tap(&report, report.programs[i].name, &limits, stdout);
	if (!report.n_programs)
		fprintf(stderr, "truth: there is no sample in what was captured\n");
	failed += !report.n_programs;
	report_free(&report);
	return failed != 0;
}
