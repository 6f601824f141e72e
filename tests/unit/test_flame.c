/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "report/flame.h"
#include "report/json_writer.h"
#include "report/palette.h"
#include "report/picture.h"
#include "sample_profile.h"

static struct profile *make(void)
{
	struct profile *p = sp_new();
	uint32_t deep[4], unnamed[2];
	sp_kinds(p, deep, unnamed);
	sp_sample(p, deep, 4, 3, 12, "prog");
	sp_sample(p, unnamed, 2, 2, 12, "prog");
	sp_sample(p, &deep[3], 1, 1, 12, "prog");
	sp_sample(p, &deep[3], 1, 4, 13, "prog");
	return p;
}

/* "depth:name=value/self@x" of each node, as a string to free. */
static char *describe(const struct flame *f)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	for (size_t i = 0; i < f->n; i++) {
		const struct flame_node *n = &f->nodes[i];
		fprintf(out, "%u:%s%s%s=%d/%d@%g ", n->depth, flame_text(f, n->name),
			*picture_kind(n->kind) ? "," : "", picture_kind(n->kind), (int)n->value,
			(int)n->self, n->x);
	}
	fclose(out);
	return text;
}

static void assert_flame(const struct flame *f, const char *wanted)
{
	char *text = describe(f);
	assert_string_equal(text, wanted);
	free(text);
}

static struct flame flame_of(const struct profile *p, enum flame_process process)
{
	struct flame f;
	assert_int_equal(flame_init(&f), 0);
	f.process = process;
	assert_int_equal(flame_add(&f, p, 0, 1, false), 0);
	assert_int_equal(flame_arrange(&f), 0);
	return f;
}

static void test_merges_stacks(void **state)
{
	struct profile *p = make();
	struct flame f = flame_of(p, FLAME_PID);
	(void)state;
	assert_flame(&f,
		"0:all=10/0@0 1:prog-12=6/0@0 2:main=6/1@0 3:[prog+0x1abc]=2/2@0 "
		"3:outer=3/0@2 4:middle,inlined=3/0@2 5:inner,inlined=3/0@2 6:js:run,JIT=3/0@2 "
		"7:do_read,kernel=3/3@2 1:prog-13=4/0@6 2:main=4/4@6 ");
	assert_string_equal(flame_text(&f, f.nodes[8].module), "[kernel.kallsyms]_text");
	assert_int_equal(flame_depth(&f), 7);
	assert_false(f.differential);
	flame_free(&f);
	f = flame_of(p, FLAME_COMM);
	assert_string_equal(flame_text(&f, f.nodes[1].name), "prog");
	assert_int_equal(f.nodes[1].value, 10);
	flame_free(&f);
	f = flame_of(p, FLAME_NONE);
	assert_string_equal(flame_text(&f, f.nodes[1].name), "main");
	assert_int_equal(f.nodes[1].self, 5);
	flame_free(&f);
	profile_free(p);
}

static size_t one_byte(const void *userdata, const struct flame_node *node)
{
	(void)userdata;
	(void)node;
	return 1;
}

static void test_cuts(void **state)
{
	struct profile *p = make();
	struct flame f = flame_of(p, FLAME_PID);
	(void)state;
	assert_int_equal(flame_cut(&f, 2.5, 1000, one_byte, NULL), 0);
	/* What stays moves into the place of the one that goes. */
	assert_flame(&f, "0:all=10/0@0 1:prog-12=6/0@0 2:main=6/1@0 3:outer=3/0@0 "
			 "4:middle,inlined=3/0@0 5:inner,inlined=3/0@0 6:js:run,JIT=3/0@0 "
			 "7:do_read,kernel=3/3@0 1:prog-13=4/0@6 2:main=4/4@6 ");
	assert_int_equal(f.n_dropped, 1);
	/* The widest stay, and none without its parents. */
	assert_int_equal(flame_cut(&f, 0, 6, one_byte, NULL), 0);
	assert_flame(&f, "0:all=10/0@0 1:prog-12=6/0@0 2:main=6/1@0 3:outer=3/0@0 1:prog-13=4/0@6 "
			 "2:main=4/4@6 ");
	assert_int_equal(f.n_dropped, 5);
	assert_int_equal(flame_cut(&f, 1e9, 0, one_byte, NULL), 0);
	assert_flame(&f, "0:all=10/0@0 ");
	flame_free(&f);
	profile_free(p);
}

static void test_differential(void **state)
{
	struct profile *p = make(), *base = sp_new();
	uint32_t gone[] = {sp_location(base, 0, 7, "gone"), sp_location(base, 0, 8, "main")};
	struct flame f;
	(void)state;
	sp_sample(base, gone, 2, 4, 99, "prog");
	sp_sample(base, &gone[1], 1, 1, 99, "prog");
	assert_int_equal(flame_init(&f), 0);
	f.process = FLAME_COMM;
	assert_int_equal(flame_add(&f, p, 0, 1, false), 0);
	assert_int_equal(flame_add(&f, base, 0, 2, true), 0);
	assert_int_equal(flame_arrange(&f), 0);
	assert_true(f.differential);
	assert_int_equal(f.nodes[0].value, 10);
	assert_int_equal(f.nodes[0].base, 10);
	/* gone 8, unnamed 2, outer 3, main alone max(5, 2). */
	assert_true(f.nodes[0].width == 18);
	assert_string_equal(flame_text(&f, f.nodes[4].name), "gone");
	assert_int_equal(f.nodes[4].base, 8);
	assert_int_equal(f.nodes[4].value, 0);
	assert_true(flame_greatest_change(&f) == 8);
	struct picture picture = {.palette = PALETTE_DIFF};
	assert_int_equal(picture_shade(&picture, &f, &f.nodes[4], 8), palette_diff_shade(-1));
	assert_int_equal(picture_shade(&picture, &f, &f.nodes[0], 8), palette_diff_shade(0));
	flame_free(&f);
	profile_free(base);
	profile_free(p);
}

static void test_negative_values(void **state)
{
	struct profile *p = sp_new();
	uint32_t a = sp_location(p, 0, 1, "a"), b = sp_location(p, 0, 2, "b");
	(void)state;
	sp_sample(p, &a, 1, -3, 0, NULL);
	sp_sample(p, &b, 1, 2, 0, NULL);
	struct flame f = flame_of(p, FLAME_PID);
	assert_true(f.differential);
	assert_flame(&f, "0:all=2/0@0 1:a=0/0@0 1:b=2/2@3 ");
	assert_int_equal(f.nodes[1].base, 3);
	flame_free(&f);
	profile_free(p);
}

static void test_sample_types(void **state)
{
	struct profile *p = make();
	size_t type = 1;
	int64_t each;
	(void)state;
	flame_sample_type(p, false, &type, &each);
	assert_int_equal(type, 0);
	assert_int_equal(each, 1000000);
	type = 1;
	flame_sample_type(p, true, &type, &each);
	assert_int_equal(type, 1);
	assert_int_equal(each, 0);
	/* Two rates were merged: samples do not stand for one length. */
	p->values[1] += 1;
	flame_sample_type(p, false, &type, &each);
	assert_int_equal(type, 1);
	assert_int_equal(each, 0);
	profile_free(p);
}

static void assert_value(const char *type, const char *unit, int64_t value, const char *wanted)
{
	char text[PICTURE_LABEL_SIZE];
	picture_value(&(struct picture){.type = type, .unit = unit}, value, text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void test_values(void **state)
{
	(void)state;
	assert_value("samples", "count", 1234567, "1,234,567 samples");
	assert_value("samples", "count", 1, "1 sample");
	assert_value("inuse_objects", "count", -1234, "-1,234 objects");
	assert_value("samples", "count", INT64_MIN, "-9,223,372,036,854,775,808 samples");
	assert_value("cpu", "nanoseconds", 1500000000, "1.50s");
	assert_value("inuse_space", "bytes", 1536, "1.50kB");
}

static void test_escapes_xml(void **state)
{
	(void)state;
	char *text = sp_capture(
		(picture_escape("a<b>&\"'\n\x01\x1f\x7f\xef\xbf\xbf\xf0\x9f\x94\xa5", out), 0));
	assert_string_equal(text, "a&lt;b&gt;&amp;&quot;&#39;&#10;\xe2\x90\x81\xe2\x90\x9f"
				  "\xe2\x90\xa1\xef\xbf\xbd\xf0\x9f\x94\xa5");
	free(text);
}

static const char HARD_NAME[] = "</script>a;b\"x\" operator<< \\ \x01\x1f\x7f \xf0\x9f\x94\xa5";

static int write_json(FILE *out)
{
	struct json_writer j = {.out = out};
	json_open(&j, NULL, '{');
	json_text(&j, "text", HARD_NAME);
	json_open(&j, "list", '[');
	json_int(&j, NULL, INT64_MIN);
	json_real(&j, NULL, 0.1);
	json_real(&j, NULL, NAN);
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_null(&j, NULL);
	json_close(&j, ']');
	json_bool(&j, "yes", true);
	json_close(&j, '}');
	return 0;
}

static void test_json(void **state)
{
	char *text = sp_capture(write_json(out));
	(void)state;
	assert_null(strchr(text, '<'));
	cJSON *json = cJSON_Parse(text);
	assert_non_null(json);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "text")), HARD_NAME);
	assert_non_null(strstr(text, "\"list\":[-9223372036854775808,0.1"));
	assert_non_null(strstr(text, ",0,{},null],\"yes\":true}"));
	cJSON_Delete(json);
	free(text);
}

/* sp_location() takes '<' for more than a letter. */
static uint32_t location_named(struct profile *p, const char *name)
{
	int64_t function = profile_add_function(p, &(struct function){.name = sp_string(p, name)});
	assert_true(function > 0);
	int64_t id = profile_add_location(p, &(struct location){.address = 1},
		&(struct line){.function = (uint32_t)function}, 1);
	assert_true(id > 0);
	return (uint32_t)id;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;
	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void test_svg_of_hard_names(void **state)
{
	struct profile *p = sp_new();
	uint32_t hard = location_named(p, HARD_NAME);
	struct picture picture;
	(void)state;
	sp_sample(p, &hard, 1, 1234, 0, NULL);
	struct flame f = flame_of(p, FLAME_PID);
	picture_init(&picture, p, 0, p->period);
	char *text = sp_capture(flame_svg_write(&f, &picture, out));
	assert_non_null(strstr(text,
		"<title>&lt;/script&gt;a;b&quot;x&quot; operator&lt;&lt; \\ \xe2\x90\x81"
		"\xe2\x90\x9f\xe2\x90\xa1 \xf0\x9f\x94\xa5 (1,234 samples, 100.00%)\n1.23s"
		"</title>"));
	free(text);
	text = sp_capture(flame_page_write(&f, &picture, out));
	/* One for the data, one for the scripts, none of the name. */
	assert_int_equal(count(text, "</script>"), 2);
	free(text);
	flame_free(&f);
	profile_free(p);
}

static void test_pictures_of_nothing(void **state)
{
	struct profile *p = sp_new();
	struct flame f = flame_of(p, FLAME_PID);
	struct picture picture;
	(void)state;
	picture_init(&picture, p, 0, 0);
	char *text = sp_capture(flame_svg_write(&f, &picture, out));
	assert_non_null(strstr(text, "all (0 samples, 0.00%)"));
	assert_non_null(strstr(text, "</svg>"));
	free(text);
	text = sp_capture(flame_page_write(&f, &picture, out));
	assert_non_null(strstr(text, "</html>"));
	free(text);
	flame_free(&f);
	profile_free(p);
}

static void test_write_failure(void **state)
{
	struct profile *p = make();
	struct flame f = flame_of(p, FLAME_PID);
	struct picture picture;
	FILE *full = fopen("/dev/full", "we");
	(void)state;
	picture_init(&picture, p, 0, 0);
	assert_int_equal(flame_svg_write(&f, &picture, full), -ENOSPC);
	clearerr(full);
	assert_int_equal(flame_page_write(&f, &picture, full), -ENOSPC);
	fclose(full);
	flame_free(&f);
	profile_free(p);
}

/* WCAG's relative luminance of sRGB. */
static double luminance(uint32_t colour)
{
	double sum = 0;
	static const double WEIGHTS[] = {0.0722, 0.7152, 0.2126};
	for (unsigned i = 0; i < 3; i++) {
		double v = (double)(colour >> 8 * i & 0xff) / 255;
		sum += WEIGHTS[i] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
	}
	return sum;
}

static void test_palettes(void **state)
{
	double text = luminance(0x16181c);
	(void)state;
	for (enum palette p = 0; p < N_PALETTES; p++) {
		assert_int_equal(palette_find(palette_name(p)), p);
		assert_in_range(palette_shades(p), 1, PALETTE_MAX_SHADES);
		for (unsigned i = 0; i < 2 * palette_shades(p); i++) {
			uint32_t colour = palette_colour(p, i / 2, i % 2);
			/* Level AA asks for 4.5 to 1. */
			assert_true((luminance(colour) + 0.05) / (text + 0.05) > 4.5);
		}
		for (uint32_t hash = 0; hash < 5000 && p != PALETTE_DIFF; hash++)
			assert_true(palette_shade(p, hash, hash * 7, hash % 4) < palette_shades(p));
	}
	assert_int_equal(palette_find("blue-ish"), N_PALETTES);
	assert_int_equal(palette_diff_shade(-5), 0);
	assert_int_equal(palette_diff_shade(5), palette_shades(PALETTE_DIFF) - 1);
	/* Red is more, blue is less. */
	uint32_t more = palette_colour(PALETTE_DIFF, palette_diff_shade(1), false);
	uint32_t less = palette_colour(PALETTE_DIFF, palette_diff_shade(-1), false);
	assert_true(more >> 16 > (more & 0xff) + 64);
	assert_true((less & 0xff) > (less >> 16) + 64);
	/* A name's colour is for ever. */
	assert_int_equal(palette_hash("main"), 0x58a04bf9U);
	assert_int_equal(palette_for("inuse_space", "bytes"), PALETTE_MEM);
	assert_int_equal(palette_for("delay", "nanoseconds"), PALETTE_IO);
	assert_int_equal(palette_for("cpu", "nanoseconds"), PALETTE_HOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merges_stacks),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_differential),
		cmocka_unit_test(test_negative_values),
		cmocka_unit_test(test_sample_types),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_escapes_xml),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_svg_of_hard_names),
		cmocka_unit_test(test_pictures_of_nothing),
		cmocka_unit_test(test_write_failure),
		cmocka_unit_test(test_palettes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
