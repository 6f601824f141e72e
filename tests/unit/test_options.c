// SPDX-License-Identifier: MIT
/* test_options.c - how profctl's command lines are read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../cli/commands.h"
#include "../../cli/options.h"

struct inner {
	bool cum;
	uint32_t number, limit;
	double fraction;
};

struct values {
	const char *text;
	struct inner inner;
	struct texts texts;
	struct ids ids;
	uint64_t last;
	time_t since;
};

static const struct option OUTER[] = {
	{"output", 'o', "FILE", OPTION_TEXT, offsetof(struct values, text), 0, 0, "a text"},
	{"label", 0, "L", OPTION_TEXTS, offsetof(struct values, texts), 0, 0, "texts"},
	{"pid", 0, "P", OPTION_IDS, offsetof(struct values, ids), 1, 100, "ids"},
	{"last", 0, "T", OPTION_DURATION, offsetof(struct values, last), 0, 0, "a duration"},
	{"since", 0, "T", OPTION_TIME, offsetof(struct values, since), 0, 0, "a time"},
	{0},
};

static const struct option INNER[] = {
	{"cum", 0, NULL, OPTION_FLAG, offsetof(struct inner, cum), 0, 0, "a flag"},
	{"sample_number", 0, "N", OPTION_NUMBER, offsetof(struct inner, number), 1, 1000, "N"},
	{"limit", 0, "N", OPTION_LIMIT, offsetof(struct inner, limit), 0, 0, "N"},
	{"fraction", 0, "F", OPTION_FRACTION, offsetof(struct inner, fraction), 0, 0, "F"},
	{0},
};

static const struct option_group GROUPS[] = {
	{"Outer", OUTER, 0},
	{"Inner", INNER, offsetof(struct values, inner)},
	{0},
};

static const struct command COMMAND = {
	.name = "try",
	.synopsis = "[OPTION...]",
	.summary = "Try",
	.groups = GROUPS,
};

#define MAX_ARGUMENTS 32

/* Splits at spaces, so that a case is one line. */
struct parsed {
	char line[256];
	char *argv[MAX_ARGUMENTS];
	struct values values;
	struct operands operands;
	enum options_result result;
};

static void parse(struct parsed *p, const char *line)
{
	int argc = 0;
	char *save = NULL;

	memset(p, 0, sizeof(*p));
	snprintf(p->line, sizeof(p->line), "try %s", line);
	for (char *word = strtok_r(p->line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(argc < MAX_ARGUMENTS - 1);
		p->argv[argc++] = word;
	}
	p->result = command_parse(&COMMAND, argc, p->argv, &p->values, &p->operands);
}

static void release(struct parsed *p)
{
	texts_free(&p->values.texts);
	ids_free(&p->values.ids);
}

static void test_spellings(void **state)
{
	static const char *const lines[] = {
		"--sample_number 7 --cum -o out",
		"-sample-number=7 -cum --output=out",
		"--sample-number=7 --cum=yes -output out",
		"-sample_number 7 -cum=true -o=out",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct parsed p;
		parse(&p, lines[i]);
		assert_int_equal(p.result, OPTIONS_OK);
		assert_int_equal(p.values.inner.number, 7);
		assert_true(p.values.inner.cum);
		assert_string_equal(p.values.text, "out");
		assert_int_equal(p.operands.n, 0);
		release(&p);
	}
}

static void test_values(void **state)
{
	struct parsed p;

	parse(&p, "--cum --cum=no --pid 1,2 --pid=100 --label a=b --label c --last 1h30m --since "
		  "@1700000000 --fraction 0.25 --output=");
	assert_int_equal(p.result, OPTIONS_OK);
	assert_false(p.values.inner.cum);
	assert_int_equal(p.values.ids.n, 3);
	assert_int_equal(p.values.ids.items[1], 2);
	assert_int_equal(p.values.ids.items[2], 100);
	assert_int_equal(p.values.texts.n, 2);
	assert_string_equal(p.values.texts.items[0], "a=b");
	assert_int_equal(p.values.last, 5400);
	assert_int_equal(p.values.since, 1700000000);
	assert_true(p.values.inner.fraction == 0.25);
	assert_string_equal(p.values.text, "");
	release(&p);
}

static void test_limits(void **state)
{
	static const struct {
		const char *line;
		uint32_t wanted;
	} cases[] = {
		{"--limit 12", 12},
		{"--limit=0", 0},
		{"-limit=-1", UINT32_MAX},
		{"--limit -1", UINT32_MAX},
		{"--limit=-7", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parsed p;
		parse(&p, cases[i].line);
		assert_int_equal(p.result, OPTIONS_OK);
		assert_int_equal(p.values.inner.limit, cases[i].wanted);
		release(&p);
	}
}

static void test_operands(void **state)
{
	struct parsed p;

	parse(&p, "a -cum b - --pid 3 c -- -d --cum=no");
	assert_int_equal(p.result, OPTIONS_OK);
	assert_true(p.values.inner.cum);
	assert_int_equal(p.operands.n, 6);
	assert_true(p.operands.dashes);
	assert_int_equal(p.operands.after, 4);
	assert_string_equal(p.operands.items[2], "-");
	assert_string_equal(p.operands.items[4], "-d");
	assert_string_equal(p.operands.items[5], "--cum=no");
	assert_null(p.operands.items[6]);
	release(&p);

	parse(&p, "a");
	assert_false(p.operands.dashes);
	assert_int_equal(p.operands.after, 1);
	release(&p);
}

static void test_mistakes(void **state)
{
	static const char *const lines[] = {
		"--nothing",
		"-x",
		"--cu",
		"---cum",
		"--=3",
		"--sample_number",
		"--sample_number --",
		"--sample_number 0",
		"--sample_number 1001",
		"--sample_number=",
		"--sample_number 7x",
		"--sample_number -1",
		"--limit x",
		"--limit --1",
		"--limit=-",
		"--pid 0",
		"--pid 101",
		"--pid 1,",
		"--pid ,1",
		"--pid=",
		"--pid 99999999999999999999",
		"--cum=maybe",
		"--fraction 1.1",
		"--fraction nan",
		"--fraction -0.1",
		"--last 0",
		"--last soon",
		"--since someday",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct parsed p;
		parse(&p, lines[i]);
		if (p.result != OPTIONS_BAD)
			fail_msg("accepted: %s", lines[i]);
		release(&p);
	}
}

static void test_distance(void **state)
{
	char long_name[200];

	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(name_distance("", ""), 0);
	assert_int_equal(name_distance("", "abc"), 3);
	assert_int_equal(name_distance("abc", ""), 3);
	assert_int_equal(name_distance("secnods", "seconds"), 2);
	assert_int_equal(name_distance("sample-index", "sample_index"), 0);
	assert_int_equal(name_distance("pids", "pid"), 1);
	assert_int_equal(name_distance(long_name, long_name), 0);
	assert_int_equal(name_distance(long_name, "b"), 63);
	/* What was begun is meant rather than what is as long. */
	assert_int_equal(name_miss("rec", "record"), 0);
	assert_int_equal(name_miss("sample-i", "sample_index"), 0);
	assert_int_equal(name_miss("rec", "tree"), 1 + name_distance("rec", "tree"));
	assert_int_equal(name_miss("records", "record"), 2);
	assert_int_equal(name_miss("", "ls"), 3);
}

static const struct command *const COMMANDS[] = {&COMMAND_RECORD, &COMMAND_EXPORT, &COMMAND_TOP,
	&COMMAND_PEEK, &COMMAND_PROMPT, &COMMAND_LS, &COMMAND_STATUS, &COMMAND_MERGE,
	&COMMAND_SYMBOLIZE, &COMMAND_SYMBOLS, NULL};

/* Whatever a command has, its --help names it, within the width of a terminal. */
static void test_help_is_complete(void **state)
{
	for (const struct command *const *c = COMMANDS; *c; c++) {
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);
		assert_non_null(out);
		command_help(*c, out);
		assert_int_equal(fclose(out), 0);
		for (const struct option_group *g = (*c)->groups; g->title; g++)
			for (const struct option *o = g->options; o->name; o++) {
				char wanted[64];
				snprintf(wanted, sizeof(wanted), "--%s", o->name);
				assert_non_null(strstr(text, wanted));
				assert_int_equal(o->kind == OPTION_FLAG, !o->argument);
			}
		for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= 88);
		free(text);
	}
}

/* So does the manual, where a dash is written \-. */
static void test_manual_is_complete(void **state)
{
	static char text[1 << 17];
	FILE *f = fopen("man/profctl.1", "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	for (const struct command *const *c = COMMANDS; *c; c++)
		for (const struct option_group *g = (*c)->groups; g->title; g++)
			for (const struct option *o = g->options; o->name; o++) {
				char wanted[64];
				snprintf(wanted, sizeof(wanted), "\\-\\-%s", o->name);
				if (!strstr(text, wanted))
					fail_msg("profctl(1) does not say what --%s is", o->name);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_help_is_complete),
		cmocka_unit_test(test_manual_is_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
