// SPDX-License-Identifier: MIT
/* test_gather.c - many files into one by threads: the same as one after the other, whoever is
 * first. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "profile/gather.h"
#include "profile/pprof.h"
#include "sample_profile.h"

#define MAX_INPUTS 200

/* Files in memory. */
struct files {
	int fds[MAX_INPUTS];
	char names[MAX_INPUTS][16];
	size_t n;
	/* what was passed over */
	size_t skipped[MAX_INPUTS], n_skipped;
	char last_why[256];
};

static int new_file(struct files *f)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	assert_true(fd >= 0 && f->n < MAX_INPUTS);
	snprintf(f->names[f->n], sizeof(f->names[0]), "file-%zu", f->n);
	f->fds[f->n++] = fd;
	return fd;
}

static void add_profile(struct files *f, struct profile *p)
{
	assert_int_equal(pprof_write(p, new_file(f)), 0);
	profile_free(p);
}

static void add_bytes(struct files *f, const char *bytes)
{
	int fd = new_file(f);

	assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
}

static void close_files(struct files *f)
{
	for (size_t i = 0; i < f->n; i++)
		close(f->fds[i]);
	free(f);
}

static int open_input(void *userdata, size_t i, char *why, size_t why_size)
{
	struct files *f = userdata;
	char path[32];

	if (f->fds[i] < 0) {
		snprintf(why, why_size, "%s: gone", f->names[i]);
		return -ENOENT;
	}
	/* An offset of its own. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fds[i]);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static const char *input_name(void *userdata, size_t i)
{
	const struct files *f = userdata;
	return f->names[i];
}

static void note_skipped(void *userdata, size_t i, int err, const char *why)
{
	struct files *f = userdata;

	assert_true(err < 0);
	f->skipped[f->n_skipped++] = i;
	snprintf(f->last_why, sizeof(f->last_why), "%s", why);
}

static int gather(struct files *f, unsigned threads, const struct selection *selection,
	struct profile **out, size_t *n_skipped)
{
	struct gather g = {
		.n = f->n,
		.open = open_input,
		.name = input_name,
		.skipped = note_skipped,
		.userdata = f,
		.selection = selection,
		.threads = threads,
	};

	f->n_skipped = 0;
	return profile_gather(out, &g, n_skipped);
}

static struct profile *gather_all(struct files *f, unsigned threads)
{
	char why[256];
	struct profile *p;
	size_t n_skipped;

	assert_int_equal(gather(f, threads, NULL, &p, &n_skipped), 0);
	assert_int_equal(n_skipped, f->n_skipped);
	assert_int_equal(profile_check(p, why, sizeof(why)), 0);
	return p;
}

static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* A window of a made-up host: functions and labels that come again in others, and some that do not.
 */
static struct profile *window(uint32_t seed)
{
	static const char *const names[] = {"a", "b<c", "d", "e<f<g", "h", "i", "j", "main"};
	struct profile *p = sp_new();
	uint32_t state = seed * 2654435761U;
	uint32_t mappings[] = {sp_mapping(p, "/bin/one", 0x1000 * (1 + seed % 3)),
		sp_mapping(p, "/lib/two.so", 0x100000)};

	p->time_nanos = 1000 + seed;
	p->duration_nanos = 60;
	assert_int_equal(profile_add_comment(p, seed % 5 ? "19 Hz" : "99 Hz"), 0);
	for (int i = 0; i < 20; i++) {
		uint32_t stack[6];
		size_t depth = 1 + next(&state) % 6;
		for (size_t k = 0; k < depth; k++) {
			uint32_t which = next(&state) % 8, m = which & 1;
			stack[k] = sp_location(p, mappings[m],
				p->mappings[mappings[m]].start + 16 * which + next(&state) % 2,
				names[which]);
		}
		char comm[16];
		snprintf(comm, sizeof(comm), "comm-%u", next(&state) % 4 + seed / 40);
		sp_sample(p, stack, depth, next(&state) % 4, 1 + next(&state) % 3, comm);
	}
	return p;
}

static struct files *many(size_t n)
{
	struct files *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	for (size_t i = 0; i < n; i++)
		add_profile(f, window((uint32_t)i));
	return f;
}

static struct profile *one_by_one(const struct files *f)
{
	struct profile *sum = profile_new(), *p;
	char why[256];

	assert_non_null(sum);
	for (size_t i = 0; i < f->n; i++) {
		assert_int_equal(lseek(f->fds[i], 0, SEEK_SET), 0);
		if (pprof_read(&p, f->fds[i], f->names[i], why, sizeof(why)) < 0)
			continue;
		assert_int_equal(profile_merge(sum, p, why, sizeof(why)), 0);
		profile_free(p);
	}
	return sum;
}

static void assert_same_samples(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->n_samples, b->n_samples);
	assert_int_equal(a->n_locations, b->n_locations);
	assert_int_equal(a->n_functions, b->n_functions);
	assert_int_equal(a->n_mappings, b->n_mappings);
	assert_int_equal(a->time_nanos, b->time_nanos);
	assert_int_equal(a->duration_nanos, b->duration_nanos);
	assert_int_equal(a->n_comments, b->n_comments);
	assert_memory_equal(
		a->values, b->values, a->n_samples * a->n_sample_types * sizeof(*a->values));
	for (size_t i = 0; i < a->n_samples; i++) {
		const struct sample *x = &a->samples[i], *y = &b->samples[i];
		assert_int_equal(x->n_locations, y->n_locations);
		for (size_t k = 0; k < x->n_locations; k++) {
			uint32_t l = a->location_ids[x->first_location + k];
			assert_int_equal(l, b->location_ids[y->first_location + k]);
			assert_int_equal(a->locations[l].address, b->locations[l].address);
		}
		assert_int_equal(x->n_labels, y->n_labels);
		for (size_t k = 0; k < x->n_labels; k++) {
			const struct label *u = &a->labels[x->first_label + k];
			const struct label *v = &b->labels[y->first_label + k];
			assert_string_equal(profile_text(a, u->key), profile_text(b, v->key));
			assert_string_equal(profile_text(a, u->str), profile_text(b, v->str));
			assert_int_equal(u->num, v->num);
		}
	}
	for (size_t i = 1; i < a->n_functions; i++)
		assert_string_equal(profile_text(a, a->functions[i].name),
			profile_text(b, b->functions[i].name));
}

static void test_as_one_by_one(void **state)
{
	static const size_t counts[] = {2, 3, 17, 40, 150};
	(void)state;

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct files *f = many(counts[i]);
		struct profile *a = one_by_one(f), *b = gather_all(f, 3);
		assert_same_samples(a, b);
		profile_free(a);
		profile_free(b);
		close_files(f);
	}
}

/* Merging would leave out samples of nothing. */
static void test_one_is_taken_as_it_is(void **state)
{
	struct files *f = calloc(1, sizeof(*f));
	struct profile *p = window(1);
	uint32_t stack = sp_location(p, 1, 0x5000, "idle");
	(void)state;

	sp_sample(p, &stack, 1, 0, 7, "idle");
	size_t n = p->n_samples;
	add_profile(f, p);
	p = gather_all(f, 2);
	assert_int_equal(p->n_samples, n);
	profile_free(p);
	add_profile(f, window(1));
	p = gather_all(f, 2);
	assert_true(p->n_samples < n);
	profile_free(p);
	close_files(f);
}

/* Down to the bytes of the file. */
static void test_threads_do_not_matter(void **state)
{
	struct files *f = many(150), *written = calloc(1, sizeof(*written));
	(void)state;

	for (unsigned threads = 1; threads <= 8; threads++)
		add_profile(written, gather_all(f, threads));
	off_t size = lseek(written->fds[0], 0, SEEK_END);
	char *first = malloc((size_t)size), *other = malloc((size_t)size);
	assert_true(size > 0 && first && other);
	assert_int_equal(pread(written->fds[0], first, (size_t)size, 0), size);
	for (size_t i = 1; i < written->n; i++) {
		assert_int_equal(lseek(written->fds[i], 0, SEEK_END), size);
		assert_int_equal(pread(written->fds[i], other, (size_t)size, 0), size);
		assert_memory_equal(first, other, (size_t)size);
	}
	free(first);
	free(other);
	close_files(f);
	close_files(written);
}

static void test_bad_ones_are_named_in_order(void **state)
{
	struct files *f = calloc(1, sizeof(*f));
	(void)state;

	for (uint32_t i = 0; i < 100; i++) {
		if (i % 7 == 0)
			add_bytes(f, "this is no profile");
		else
			add_profile(f, window(i));
	}
	close(f->fds[50]);
	f->fds[50] = -1;
	for (unsigned threads = 1; threads <= 4; threads++) {
		struct profile *p = gather_all(f, threads);
		assert_int_equal(p->duration_nanos, 84 * 60);
		assert_int_equal(f->n_skipped, 16);
		for (size_t i = 0, k = 0; i < f->n; i++) {
			if (i % 7 == 0 || i == 50)
				assert_int_equal(f->skipped[k++], i);
		}
		assert_memory_equal(f->last_why, "file-98: ", 9);
		profile_free(p);
	}
	close_files(f);
}

static void test_nothing_but_bad_ones(void **state)
{
	struct files *f = calloc(1, sizeof(*f));
	struct profile *p;
	size_t n_skipped;
	(void)state;

	assert_int_equal(gather(f, 0, NULL, &p, &n_skipped), -ENODATA);
	add_bytes(f, "");
	add_bytes(f, "\x1f\x8b\x08 not for long");
	assert_int_equal(gather(f, 0, NULL, &p, &n_skipped), -ENODATA);
	assert_int_equal(n_skipped, 2);
	close_files(f);
}

/* The first that can be read says what the others must measure. */
static void test_other_types_do_not_fit(void **state)
{
	struct files *f = calloc(1, sizeof(*f));
	(void)state;

	add_bytes(f, "?");
	for (uint32_t i = 0; i < 40; i++) {
		struct profile *other = profile_new();
		add_profile(f, window(i));
		assert_int_equal(profile_add_sample_type(other, "goroutine", "count"), 0);
		add_profile(f, other);
	}
	struct profile *p = gather_all(f, 2);
	assert_int_equal(f->n_skipped, 41);
	assert_string_equal(f->last_why,
		"it measures goroutine/count, the others samples/count cpu/nanoseconds");
	assert_int_equal(p->n_sample_types, 2);
	assert_int_equal(p->duration_nanos, 40 * 60);
	profile_free(p);
	close_files(f);
}

/* One stack in each, of the same values whatever their types and units. */
static struct profile *measured(const char *const types[][2], size_t n, const char *preset)
{
	struct profile *p = profile_new();
	int64_t values[] = {3, 5, 7};

	for (size_t i = 0; i < n; i++)
		assert_int_equal(profile_add_sample_type(p, types[i][0], types[i][1]), 0);
	p->default_sample_type = sp_string(p, preset);
	uint32_t stack = sp_location(p, sp_mapping(p, "/bin/one", 0x1000), 0x1010, "f");
	assert_int_equal(profile_add_sample(p, &stack, 1, NULL, 0, values), 0);
	return p;
}

/* What only some measure is left out, wherever in the order they come, and the finer unit stays. */
static void test_types_in_common(void **state)
{
	static const char *const three[][2] = {
		{"samples", "count"}, {"cpu", "milliseconds"}, {"wall", "seconds"}};
	static const char *const turned[][2] = {{"cpu", "nanoseconds"}, {"samples", "count"}};
	static const char *const twice[][2] = {
		{"wall", "seconds"}, {"wall", "count"}, {"samples", "count"}};
	struct files *f = calloc(1, sizeof(*f));
	(void)state;

	for (size_t i = 0; i < 60; i++)
		add_profile(f, i == 41 ? measured(turned, 2, "") : measured(three, 3, "wall"));
	for (unsigned threads = 1; threads <= 4; threads++) {
		struct profile *p = gather_all(f, threads);
		assert_int_equal(f->n_skipped, 0);
		assert_int_equal(p->n_sample_types, 2);
		assert_string_equal(profile_text(p, p->sample_types[0].type), "samples");
		assert_string_equal(profile_text(p, p->sample_types[1].unit), "nanoseconds");
		assert_string_equal(profile_text(p, p->default_sample_type), "samples");
		assert_int_equal(p->n_samples, 1);
		assert_int_equal(p->values[0], 59 * 3 + 5);
		assert_int_equal(p->values[1], 59 * 5000000 + 3);
		profile_free(p);
	}
	/* A name that two types have says nothing. */
	add_profile(f, measured(twice, 3, "wall"));
	struct profile *p = gather_all(f, 2);
	assert_int_equal(p->n_sample_types, 1);
	assert_int_equal(p->values[0], 59 * 3 + 5 + 7);
	profile_free(p);
	/* Nothing is left to have in common: whoever comes later is passed over. */
	static const char *const cpu[][2] = {{"cpu", "nanoseconds"}};
	add_profile(f, measured(cpu, 1, ""));
	p = gather_all(f, 3);
	assert_int_equal(f->n_skipped, 1);
	assert_int_equal(f->skipped[0], 61);
	assert_string_equal(f->last_why, "it measures cpu/nanoseconds, the others samples/count");
	profile_free(p);
	close_files(f);
}

/* What is in use is that of the last; what was allocated adds up. */
static void test_levels(void **state)
{
	static const char *const heap[][2] = {{"alloc_space", "bytes"}, {"inuse_space", "bytes"}};
	struct files *f = calloc(1, sizeof(*f));
	struct profile *p;
	size_t n_skipped;
	(void)state;

	/* Of some it was not known. */
	for (size_t i = 0; i < 70; i++)
		add_profile(f, measured(heap, i % 7 ? 2 : 1, ""));
	for (unsigned threads = 1; threads <= 3; threads++) {
		struct gather job = {.n = f->n,
			.open = open_input,
			.name = input_name,
			.skipped = note_skipped,
			.userdata = f,
			.threads = threads,
			.n_past = 69};
		assert_int_equal(profile_gather(&p, &job, &n_skipped), 0);
		assert_int_equal(p->n_samples, 1);
		assert_int_equal(p->values[0], 70 * 3);
		assert_int_equal(p->values[1], 5);
		profile_free(p);
	}
	close_files(f);
}

/* What is not selected leaves nothing behind, not even names. */
static void test_selection(void **state)
{
	struct files *f = many(100);
	struct selection selection = {0};
	struct profile *p;
	size_t n_skipped;
	int64_t sum = 0, wanted = 0;
	(void)state;

	assert_int_equal(selection_add_comm(&selection, "comm-0"), 0);
	assert_int_equal(gather(f, 2, &selection, &p, &n_skipped), 0);
	for (size_t i = 0; i < p->n_samples; i++)
		sum += p->values[2 * i];
	struct profile *all = one_by_one(f);
	for (size_t i = 0; i < all->n_samples; i++)
		if (select_sample(&selection, all, &all->samples[i]))
			wanted += all->values[2 * i];
	assert_true(wanted > 0);
	assert_int_equal(sum, wanted);
	for (size_t i = 0; i < p->n_labels; i++)
		if (!strcmp(profile_text(p, p->labels[i].key), "comm"))
			assert_string_equal(profile_text(p, p->labels[i].str), "comm-0");
	assert_int_equal(p->duration_nanos, 100 * 60);
	profile_free(p);

	assert_int_equal(selection_add_label(&selection, "nobody=has"), 0);
	assert_int_equal(gather(f, 2, &selection, &p, &n_skipped), 0);
	assert_int_equal(p->n_samples, 0);
	assert_int_equal(p->n_functions, 1);
	profile_free(p);
	profile_free(all);
	selection_free(&selection);
	close_files(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_one_by_one),
		cmocka_unit_test(test_one_is_taken_as_it_is),
		cmocka_unit_test(test_threads_do_not_matter),
		cmocka_unit_test(test_bad_ones_are_named_in_order),
		cmocka_unit_test(test_nothing_but_bad_ones),
		cmocka_unit_test(test_other_types_do_not_fit),
		cmocka_unit_test(test_types_in_common),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_selection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
