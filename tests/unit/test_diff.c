// SPDX-License-Identifier: MIT
/* test_diff.c - what changed between two profiles: the test of significance keeps its promise over
 * many seeds, and the command line says what is compared with what. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../cli/commands.h"
#include "profile/pprof.h"
#include "report/compare.h"
#include "sample_profile.h"

#define N_FUNCTIONS 120
#define FREQUENT    30 /* functions below this number have 20 events in two seconds */
#define N_SEEDS	    400

/* ---- chance, from a seed -------------------------------------------------------------------- */

static double uniform(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

/* Events in a time in which `mean` are expected: exponential waits. */
static int64_t poisson(uint64_t *state, double mean)
{
	int64_t n = 0;

	for (double t = -log(uniform(state)); t < mean; t -= log(uniform(state)))
		n++;
	return n;
}

/* Rates of functions: few are hot, most are seen now and then. */
static double rate(int function)
{
	return 300.0 / (1 + function);
}

/* The CPU profile of `seconds`; every tenth function costs `factor` times as much. */
static struct profile *cpu_profile(uint64_t seed, double seconds, double factor)
{
	struct profile *p = sp_new();
	uint32_t m = sp_mapping(p, "/bin/x", 0x1000);
	char name[24];

	for (int i = 0; i < N_FUNCTIONS; i++) {
		double mean = rate(i) * seconds * (i % 10 == 9 ? factor : 1);
		snprintf(name, sizeof(name), "function-%d", i);
		uint32_t stack[] = {sp_location(p, m, 0x1000 + (uint64_t)i, name),
			sp_location(p, m, 0x1ff0, "main")};
		int64_t n = poisson(&seed, mean);
		if (n)
			sp_sample(p, stack, 2, n, 1, "x");
	}
	p->duration_nanos = (int64_t)(seconds * 1e9);
	return p;
}

struct marks {
	size_t real, false_real;
	size_t found, changed; /* of those with 20 events or more before */
};

static struct marks marks_of(
	struct profile *before, struct profile *after, double scale, size_t type)
{
	struct functions b, a;
	struct comparison c;
	struct marks m = {0};

	assert_int_equal(functions_count(&b, before, type), 0);
	assert_int_equal(functions_count(&a, after, type), 0);
	assert_int_equal(compare_functions(&c, &b, &a, scale, false), 0);
	for (size_t i = 0; i < c.n; i++) {
		int function;
		assert_true(c.items[i].mark != CHANGE_UNJUDGED);
		if (sscanf(c.items[i].name, "function-%d", &function) != 1)
			continue;
		bool changed = function % 10 == 9, real = c.items[i].mark == CHANGE_REAL;
		m.real += real;
		m.false_real += real && !changed;
		if (changed && function < FREQUENT) {
			m.found += real;
			m.changed++;
		}
	}
	comparison_free(&c);
	functions_free(&a);
	functions_free(&b);
	profile_free(before);
	profile_free(after);
	return m;
}

/* ---- the test ------------------------------------------------------------------------------- */

static void assert_near(double a, double b)
{
	if (!(fabs(a - b) <= 1e-9 * (1 + fabs(b))))
		fail_msg("%.12g is not %.12g", a, b);
}

static void test_binomial(void **state)
{
	(void)state;
	assert_near(binomial_p(8, 10, 0.5), 2 * (45 + 10 + 1) / 1024.0);
	assert_near(binomial_p(2, 10, 0.5), 2 * (45 + 10 + 1) / 1024.0);
	assert_near(binomial_p(0, 10, 0.5), 2 / 1024.0);
	assert_near(binomial_p(5, 10, 0.5), 1);
	assert_near(binomial_p(3, 3, 0.25), 2 / 64.0);
	assert_near(binomial_p(0, 0, 0.5), 1);
	assert_near(binomial_p(1, 1, 1), 1);
	/* Many events: as the normal distribution has it, 6 standard deviations off. */
	double p = binomial_p(500000 + 3000, 1000000, 0.5);
	assert_true(p > 1.5e-9 && p < 2.5e-9);
	assert_true(binomial_p(1e9, 1e9, 0.5) == 0);
}

/* Where nothing changed, a comparison with any mark is one of twenty at most. */
static void test_nothing_changed(void **state)
{
	size_t marked = 0;
	(void)state;

	for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
		struct profile *before = cpu_profile(1000 + seed, 3, 1);
		struct profile *after = cpu_profile(900000 + seed, 1, 1);
		marked += marks_of(before, after, 1.0 / 3, seed % 2).real > 0;
	}
	/* Three standard deviations above the promise. */
	double most = N_SEEDS * COMPARE_FALSE_SHARE;
	assert_true((double)marked <= most + 3 * sqrt(most * (1 - COMPARE_FALSE_SHARE)));
}

/* Where some changed, they are found, and few others with them. */
static void test_changes_are_found(void **state)
{
	double false_share = 0;
	size_t found = 0, changed = 0;
	(void)state;

	for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
		struct marks m = marks_of(
			cpu_profile(5000 + seed, 2, 1), cpu_profile(700000 + seed, 6, 3), 3, 1);
		false_share += m.real ? (double)m.false_real / (double)m.real : 0;
		found += m.found;
		changed += m.changed;
	}
	assert_true(false_share / N_SEEDS <= COMPARE_FALSE_SHARE);
	assert_int_equal(changed, 3 * N_SEEDS);
	assert_true((double)found > 0.98 * (double)changed);
}

#define HEAP_RATE 524288.0

/* Allocations of one size for each function, sampled as profd does: each is seen with the chance
 * 1 - e^(-size/rate), and stands for size divided by that. */
static struct profile *heap_profile(uint64_t seed, double allocations)
{
	struct profile *p = profile_new();
	char name[24];

	assert_int_equal(profile_add_sample_type(p, "alloc_objects", "count"), 0);
	assert_int_equal(profile_add_sample_type(p, "alloc_space", "bytes"), 0);
	p->period = (int64_t)HEAP_RATE;
	uint32_t m = sp_mapping(p, "/bin/x", 0x1000);
	for (int i = 0; i < 40; i++) {
		double size = 64 * pow(1.4, i), chance = -expm1(-size / HEAP_RATE);
		snprintf(name, sizeof(name), "function-%d", i);
		uint32_t at = sp_location(p, m, 0x1000 + (uint64_t)i, name);
		int64_t n = poisson(&seed, allocations / size * chance);
		if (!n)
			continue;
		int64_t values[] = {
			llround((double)n / chance), llround((double)n * size / chance)};
		assert_int_equal(profile_add_sample(p, &at, 1, NULL, 0, values), 0);
	}
	return p;
}

static void test_noise_of_a_heap_profile(void **state)
{
	size_t marked = 0;
	double z = 0, squares = 0;
	(void)state;

	for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
		struct profile *p = heap_profile(40000 + seed, 5e7);
		struct functions f;
		assert_int_equal(functions_count(&f, p, 1), 0);
		assert_false(f.exact);
		/* The bytes of all functions are known, and their variance is what it says. */
		double off = (f.total.value - 40 * 5e7) / sqrt(f.total.variance);
		z += off;
		squares += off * off;
		functions_free(&f);
		marked += marks_of(p, heap_profile(80000 + seed, 5e7), 1, seed % 2).real > 0;
	}
	assert_true(fabs(z / N_SEEDS) < 0.25);
	assert_true(squares / N_SEEDS > 0.75 && squares / N_SEEDS < 1.3);
	double most = N_SEEDS * COMPARE_FALSE_SHARE;
	assert_true((double)marked <= most + 3 * sqrt(most * (1 - COMPARE_FALSE_SHARE)));
}

/* A number of threads is what it is. */
static void test_what_is_not_sampled_is_not_judged(void **state)
{
	struct profile *p = profile_new();
	struct functions f;
	struct comparison c;
	(void)state;

	assert_int_equal(profile_add_sample_type(p, "goroutine", "count"), 0);
	uint32_t at = sp_location(p, sp_mapping(p, "/bin/x", 0x1000), 0x1000, "");
	assert_int_equal(profile_add_sample(p, &at, 1, NULL, 0, (int64_t[]){7}), 0);
	assert_int_equal(functions_count(&f, p, 1), -EINVAL);
	functions_free(&f);
	assert_int_equal(functions_count(&f, p, 0), 0);
	assert_true(f.exact);
	assert_non_null(functions_find(&f, "[x]"));
	assert_null(functions_find(&f, "x"));
	assert_int_equal(compare_functions(&c, &f, &f, 2, true), 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.items[0].mark, CHANGE_UNJUDGED);
	assert_true(c.items[0].before == 14 && c.items[0].after == 7);
	comparison_free(&c);
	functions_free(&f);
	profile_free(p);
}

/* Inlined calls are functions of their own; recursion counts once; the leaf has the flat value. */
static void test_functions(void **state)
{
	struct profile *p = sp_new();
	struct functions f;
	uint32_t m = sp_mapping(p, "/bin/x", 0x1000);
	uint32_t stack[] = {sp_location(p, m, 0x1000, "leaf<inline"),
		sp_location(p, m, 0x1010, "r"), sp_location(p, m, 0x1020, "r"),
		sp_location(p, m, 0x1030, "main")};
	(void)state;

	sp_sample(p, stack, 4, 9, 1, "x");
	assert_int_equal(functions_count(&f, p, 0), 0);
	assert_int_equal(f.n, 4);
	assert_true(functions_find(&f, "leaf")->flat.value == 9);
	assert_true(functions_find(&f, "leaf")->flat.variance == 9);
	assert_true(functions_find(&f, "inline")->flat.value == 0);
	assert_true(functions_find(&f, "r")->cum.value == 9);
	assert_true(functions_find(&f, "main")->cum.variance == 9);
	functions_free(&f);
	profile_free(p);
}

/* ---- the command ---------------------------------------------------------------------------- */

struct folder {
	char path[32], before[64], after[64], difference[64];
};

static int set_up(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/profctl-diff-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->before, sizeof(f->before), "%s/before", f->path);
	snprintf(f->after, sizeof(f->after), "%s/after", f->path);
	snprintf(f->difference, sizeof(f->difference), "%s/difference", f->path);
	sp_write(cpu_profile(1, 2, 1), f->before);
	sp_write(cpu_profile(2, 1, 4), f->after);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static int tear_down(void **state)
{
	struct folder *f = *state;

	assert_int_equal(nftw(f->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(f);
	return 0;
}

/* Runs profctl with these words up to NULL; what it prints is a string to free. */
static char *run(int code, const char *const words[])
{
	char *argv[16], *text = NULL;
	size_t size = 0;
	int argc = 0;
	FILE *saved = stdout;

	for (; words[argc]; argc++)
		argv[argc] = (char *)words[argc];
	argv[argc] = NULL;
	stdout = open_memstream(&text, &size);
	assert_non_null(stdout);
	int got = COMMAND_DIFF.run(argc, argv);
	fclose(stdout);
	stdout = saved;
	assert_int_equal(got, code);
	return text;
}

static void test_command(void **state)
{
	struct folder *f = *state;
	char *files = run(0, (const char *[]){"diff", f->before, f->after, NULL});
	char *halves = run(0, (const char *[]){"diff", f->after, "--against", f->before, NULL});

	assert_string_equal(files, halves);
	assert_non_null(
		strstr(files, "Before is multiplied by 0.5, so that the durations are equal"));
	assert_non_null(strstr(files, " * function-9\n"));
	assert_null(strstr(files, "* function-0\n"));
	free(files);
	free(halves);

	/* Options of the report may be in either half; what is not said is inherited. */
	files = run(0, (const char *[]){"diff", "--pid=1", f->after, "--cum", "--against",
			       f->before, "--nodecount=1", "--sample_index=samples", NULL});
	assert_non_null(strstr(files, "Showing 1 of 121 functions"));
	assert_non_null(strstr(files, "change%    cum\n"));
	free(files);
	files = run(0, (const char *[]){"diff", "--pid=1", f->after, "--against", "--pid=2", NULL});
	assert_non_null(strstr(files, "Before: 0 cpu"));
	assert_non_null(strstr(files, " new "));
	free(files);

	/* A file with itself has no difference. */
	files = run(0, (const char *[]){"diff", f->after, f->after, NULL});
	assert_non_null(strstr(files, "Showing 0 of "));
	free(files);
	files = run(0, (const char *[]){"diff", "--normalize", f->before, f->after, NULL});
	assert_non_null(strstr(files, "so that the totals are equal"));
	free(files);

	free(run(2, (const char *[]){"diff", f->after, NULL}));
	free(run(2, (const char *[]){"diff", NULL}));
	free(run(2, (const char *[]){"diff", f->after, "--against", f->before, "--last=5m", NULL}));
	free(run(2, (const char *[]){"diff", "--wrong", f->after, f->before, NULL}));
	free(run(1, (const char *[]){"diff", "/nonexistent", f->before, NULL}));
}

static int64_t sum_of(const struct profile *p, const char *function)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->n_samples; i++) {
		const struct location *l =
			&p->locations[p->location_ids[p->samples[i].first_location]];
		uint32_t name = p->functions[p->lines[l->first_line].function].name;
		if (!strcmp(profile_text(p, name), function))
			sum += p->values[2 * i];
	}
	return sum;
}

/* The difference as a file: what was before is subtracted, scaled, and marked as the base. */
static void test_output(void **state)
{
	struct folder *f = *state;
	struct profile *before, *after, *difference;
	char why[256];
	size_t marked = 0;

	free(run(0, (const char *[]){"diff", "-o", f->difference, f->before, f->after, NULL}));
	assert_int_equal(pprof_read_file(&before, f->before, why, sizeof(why)), 0);
	assert_int_equal(pprof_read_file(&after, f->after, why, sizeof(why)), 0);
	assert_int_equal(pprof_read_file(&difference, f->difference, why, sizeof(why)), 0);
	assert_int_equal(difference->duration_nanos, after->duration_nanos);
	for (int i = 0; i < 20; i++) {
		char name[24];
		snprintf(name, sizeof(name), "function-%d", i);
		double want = (double)sum_of(after, name) - (double)sum_of(before, name) / 2;
		assert_true(fabs((double)sum_of(difference, name) - want) <= 0.5);
	}
	for (size_t i = 0; i < difference->n_labels; i++)
		marked += !strcmp(
			profile_text(difference, difference->labels[i].key), "pprof::base");
	assert_int_equal(marked, before->n_samples);
	profile_free(before);
	profile_free(after);
	profile_free(difference);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binomial),
		cmocka_unit_test(test_nothing_changed),
		cmocka_unit_test(test_changes_are_found),
		cmocka_unit_test(test_noise_of_a_heap_profile),
		cmocka_unit_test(test_what_is_not_sampled_is_not_judged),
		cmocka_unit_test(test_functions),
		TEST(test_command),
		TEST(test_output),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
