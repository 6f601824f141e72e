/* SPDX-License-Identifier: MIT */
/* fuzz_leaks.c - leaks of a series that is one profile over and over, and of files of suppressions.
 * The input: how many moments, a line of seconds that count as old, lines of suppressions until an
 * empty one, then the profile. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../cli/leaks_report.h"
#include "profile/pprof.h"
#include "report/leaks.h"
#include "util/log.h"

#define MOMENTS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* The length of what is before the first empty line, and with it. */
static size_t take_lines(const uint8_t *data, size_t size)
{
	const uint8_t *end = memmem(data, size, "\n\n", 2);

	return end ? (size_t)(end - data) + 2 : 0;
}

static void load(struct suppressions *s, const uint8_t *data, size_t size)
{
	FILE *f = size ? fmemopen((void *)data, size, "r") : NULL;

	if (!f)
		return;
	(void)suppressions_read(s, f, "it");
	fclose(f);
}

static void look(
	const struct profile *p, unsigned moments, double older, const struct leaks_view *view)
{
	static FILE *out;
	struct leaks l;
	char why[256];

	if (!out)
		out = fopen("/dev/null", "we");
	must(out && !leaks_begin(&l, moments));
	for (unsigned i = 0; i < moments; i++)
		if (leaks_add(&l, p, leaks_time(p) + 10 * i, why, sizeof(why)))
			break;
	if (!leaks_report_prepare(&l, view, older)) {
		leaks_report_print(&l, view, out);
		cJSON_Delete(leaks_report_describe(&l, view));
	}
	leaks_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct leaks_view view = {.n_stacks = 5};
	struct profile *p;
	char why[512];

	if (size < 2)
		return 0;
	log_setup("fuzz", (enum log_level)0);
	unsigned moments = 1 + data[0] % MOMENTS;
	double older = data[1] < 128 ? 0 : (double)(1ULL << (data[1] - 128) % 64);
	data += 2;
	size -= 2;
	size_t n = take_lines(data, size);
	load(&view.known, data, n);
	if (pprof_parse(&p, data + n, size - n, why, sizeof(why)) == 0) {
		look(p, moments, older, &view);
		profile_free(p);
	}
	suppressions_free(&view.known);
	return 0;
}
