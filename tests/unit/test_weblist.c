// SPDX-License-Identifier: MIT
/* test_weblist.c - instructions of functions, with this program as the binary; and how reports fit
 * a terminal. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/look.h"
#include "report/object.h"
#include "report/prepare.h"
#include "report/report.h"
#include "sample_profile.h"

/* ---- a function to look at ---------------------------------------------------------------- */

static volatile uint64_t sink;

static inline __attribute__((always_inline)) void inner(uint64_t by)
{
	sink += by; /* mark: inner */
}

__attribute__((noinline)) static void outer(uint64_t by)
{
	inner(by);
	inner(by + 1); /* mark: outer */
	sink ^= by;
}

/* The mapping of this program that has its code. */
static uint32_t add_own_mapping(struct profile *p)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t start, end, offset, code = (uint64_t)(uintptr_t)outer;
	char line[4096], path[4096];
	int64_t id = 0;

	assert_non_null(maps);
	while (!id && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %4095s", &start,
			    &end, &offset, path) != 4 ||
			code < start || code >= end)
			continue;
		struct mapping m = {.start = start,
			.limit = end,
			.offset = offset,
			.file = sp_string(p, path),
			.has_functions = true};
		id = profile_add_mapping(p, &m);
	}
	fclose(maps);
	assert_true(id > 0);
	return (uint32_t)id;
}

struct seen {
	struct object *object;
	uint64_t of_inner; /* an instruction that was inlined into outer() */
	int line, n;
};

static void see(void *arg, const struct instruction *i)
{
	struct seen *s = arg;
	struct object_frame frames[OBJECT_FRAMES_MAX];
	size_t n = object_frames(s->object, i->address, frames);

	assert_true(i->length > 0 && i->length < 16 && *i->text);
	s->n++;
	if (s->of_inner || n < 2 || strcmp(frames[0].name, "inner") != 0)
		return;
	assert_string_equal(frames[1].name, "outer");
	assert_non_null(strstr(frames[0].file, "test_weblist.c"));
	s->of_inner = i->address;
	s->line = frames[1].line;
}

static void find_instruction(struct profile *p, uint32_t mapping, struct seen *s)
{
	char why[256] = "";
	uint64_t address, start = (uint64_t)(uintptr_t)outer;

	outer(sink);
	assert_int_equal(object_open(&s->object, p, &p->mappings[mapping], why, sizeof(why)), 0);
	assert_true(object_address(s->object, start, &address));
	assert_int_equal(object_disassemble(s->object, address, address + 24, false, see, s), 0);
	assert_true(s->n > 2 && s->of_inner > 0 && s->line > 0);
	/* As a process has it. */
	s->of_inner += start - address;
	object_close(s->object);
}

/* `count` samples in that instruction. */
static struct profile *own_profile(int64_t count)
{
	struct profile *p = sp_new();
	uint32_t mapping = add_own_mapping(p), file = sp_string(p, __FILE__);
	struct seen s = {0};

	find_instruction(p, mapping, &s);
	int64_t in = profile_add_function(p, &(struct function){.name = sp_string(p, "inner"),
						     .system_name = sp_string(p, "inner"),
						     .filename = file});
	int64_t out = profile_add_function(p, &(struct function){.name = sp_string(p, "outer"),
						      .system_name = sp_string(p, "outer"),
						      .filename = file});
	struct line lines[] = {{.function = (uint32_t)in, .line = s.line},
		{.function = (uint32_t)out, .line = s.line}};
	int64_t id = profile_add_location(
		p, &(struct location){.mapping = mapping, .address = s.of_inner}, lines, 2);
	assert_true(id > 0);
	uint32_t stack = (uint32_t)id;
	sp_sample(p, &stack, 1, count, 1, NULL);
	return p;
}

static char *page_of(struct profile *p, const char *pattern)
{
	char why[256] = "", *text = NULL;
	struct report_config config = REPORT_CONFIG_DEFAULTS;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report_prepare(p), 0);
	assert_int_equal(
		report_write(p, REPORT_WEBLIST, &config, 0, pattern, out, why, sizeof(why)), 0);
	fclose(out);
	return text;
}

static void test_instructions(void **state)
{
	struct profile *p = own_profile(77);
	char *page = page_of(p, "^outer$");
	(void)state;

	/* One instruction has them all, and none has more. */
	const char *row = strstr(page, "<div>");
	assert_non_null(row);
	assert_int_equal(strncmp(row, "<div>         .         77 ", 26) &&
				 strncmp(row, "<div>        77         77 ", 26),
		0);
	assert_null(strstr(row + 1, "<div>"));
	assert_non_null(strstr(page, "<div class=\"inlined\">"));
	assert_non_null(strstr(page, "</html>"));
	free(page);
	profile_free(p);
}

/* A file that was mapped twice, and samples only in the second mapping. */
static void test_second_mapping(void **state)
{
	struct profile *p = own_profile(77);
	struct mapping m = p->mappings[1];
	(void)state;

	p->mappings[1].start += 1ULL << 40;
	p->mappings[1].limit += 1ULL << 40;
	int64_t second = profile_add_mapping(p, &m);
	assert_int_equal(second, 2);
	p->locations[1].mapping = (uint32_t)second;
	char *page = page_of(p, "^outer$");
	assert_non_null(strstr(page, "<div class=\"inlined\">"));
	free(page);
	profile_free(p);
}

/* A binary that is gone, or is none, costs nothing but the instructions. */
static void test_no_binary(void **state)
{
	static const char *const files[] = {"/nowhere/at/all", "/proc/self/status", "[vdso]", ""};
	(void)state;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct profile *p = own_profile(5);
		p->mappings[1].file = sp_string(p, files[i]);
		char *page = page_of(p, "inner|outer");
		assert_null(strstr(page, "class=\"asm\""));
		assert_non_null(strstr(page, "<h2>outer</h2>"));
		free(page);
		profile_free(p);
	}
}

/* ---- rows --------------------------------------------------------------------------------- */

static void expect_row(
	const char *text, size_t dim, unsigned width, bool colours, const char *wanted)
{
	struct report_config config = {.width = width, .colours = colours};
	char *row = sp_capture((look_print(&config, text, dim, 10, out), 0));

	assert_string_equal(row, wanted);
	free(row);
}

static void test_rows(void **state)
{
	static const char name[] = "0123456789abcdefghijklmnopqrstuvwxyz0123456789";
	(void)state;

	expect_row(name, 0, 0, false, name);
	expect_row(name, 0, 56, false, name);
	expect_row(name, 0, 55, false, "0123456789abcdefghijkl…opqrstuvwxyz0123456789");
	/* Never less than so much. */
	expect_row(name, 0, 4, false, "0123456789abcdef…vwxyz0123456789");
	expect_row("f a.c:3", 6, 80, true, "f\033[2m a.c:3\033[0m");
	expect_row(name, 10, 4, true, "0123456789abcdef…vwxyz\033[2m0123456789\033[0m");
	/* Two columns each; half of one is not to be had. */
	expect_row("日本語日本語日本語日本語日本語日本語", 0, 42, false,
		"日本語日本語日本…語日本語日本語");
	expect_row("größe::größe::größe::größe::größe::größe", 0, 42, false,
		"größe::größe::gr…e::größe::größe");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_instructions),
		cmocka_unit_test(test_second_mapping),
		cmocka_unit_test(test_no_binary),
		cmocka_unit_test(test_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
