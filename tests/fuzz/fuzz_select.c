/* SPDX-License-Identifier: MIT */
/*
 * fuzz_select.c - what people type to choose samples and times: any words, one behind each NUL, are
 * taken or refused, and what was taken chooses from a profile without touching anything else.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../cli/query.h"
#include "util/log.h"

#define MAX_WORDS 32
#define NOW	  1795132800

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static const struct option_group GROUPS[] = {
	{"Which samples", QUERY_SAMPLE_OPTIONS, 0},
	{"Which profiles of the store", QUERY_STORE_OPTIONS, 0},
	{0},
};
static const struct command COMMAND = {
	.name = "try", .synopsis = "", .summary = "Try", .groups = GROUPS};

static uint32_t id(int64_t result)
{
	must(result >= 0);
	return (uint32_t)result;
}

/* One sample with the labels that profd writes. */
static struct profile *make_profile(void)
{
	struct profile *p = profile_new();

	must(p && profile_add_sample_type(p, "samples", "count") == 0);
	struct label labels[] = {
		{.key = id(profile_string(p, "pid")), .num = 1},
		{.key = id(profile_string(p, "comm")), .str = id(profile_string(p, "a"))},
		{.key = id(profile_string(p, "cgroup")), .str = id(profile_string(p, "/a/b"))},
	};
	must(profile_add_sample(p, NULL, 0, labels, 3, (int64_t[]){1}) == 0);
	return p;
}

static void check_times(const struct time_range *range)
{
	if (time_range_check(range))
		return;
	struct span span = time_range_span(range, NOW);
	must(!range->last || (span.open && span.until == NOW));
	must(!range->around || (span.since <= range->around && span.until >= range->around));
}

static void check_samples(const struct query *q)
{
	struct selection selection = {0};
	struct profile *p = make_profile(), *some;
	size_t index;

	if (query_selection(&COMMAND, q, &selection) == 0) {
		bool chosen = select_sample(&selection, p, &p->samples[0]);
		must(chosen || !selection_is_empty(&selection));
		must(profile_select(&some, p, &selection) == 0 && some->n_samples == chosen);
		profile_free(some);
	}
	if (query_sample_index(&COMMAND, q, p, &index) == 0)
		must(index == 0);
	selection_free(&selection);
	profile_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[MAX_WORDS + 2] = {(char *)"try"}, *text = malloc(size + 1);
	struct query q = {0};
	struct operands rest;
	int argc = 1;

	must(text != NULL);
	/* What is refused is explained, which is not of interest here; nor is --help. */
	log_setup("try", (enum log_level)0);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	for (char *at = text; at <= text + size && argc <= MAX_WORDS; at += strlen(at) + 1)
		argv[argc++] = at;
	for (int i = 1; i < argc; i++)
		if (strstr(argv[i], "-h"))
			argv[i] = (char *)"x";
	if (command_parse(&COMMAND, argc, argv, &q, &rest) == OPTIONS_OK) {
		must(rest.n < (size_t)argc);
		check_times(&q.range);
		check_samples(&q);
	}
	query_free(&q);
	free(text);
	return 0;
}
