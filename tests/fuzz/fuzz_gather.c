/* SPDX-License-Identifier: MIT */
/*
 * fuzz_gather.c - the lean way from files to one profile (gather.c, pprof_read_lean): it accepts
 * what the ordinary reader accepts, if it says what it measures, and its sum is that of the
 * ordinary merge, byte for byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profile/agree.h"
#include "profile/gather.h"
#include "profile/pprof.h"

#define COPIES 3 /* of the input: the later ones find all that they need */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

struct input {
	const uint8_t *data;
	size_t size;
};

static int open_input(void *userdata, size_t i, char *why, size_t why_size)
{
	const struct input *in = userdata;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, in->data, in->size) == (ssize_t)in->size);
	must(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static const char *input_name(void *userdata, size_t i)
{
	return "input";
}

static void skip_input(void *userdata, size_t i, int err, const char *why)
{
	must(err < 0 && strlen(why) > 0);
}

static struct profile *gather(struct input *in, const struct selection *selection)
{
	struct gather g = {
		.n = COPIES,
		.open = open_input,
		.name = input_name,
		.skipped = skip_input,
		.userdata = in,
		.selection = selection,
		.threads = 1,
	};
	struct profile *p = NULL;
	size_t n_skipped;
	int r = profile_gather(&p, &g, &n_skipped);

	must((r == 0) == (p != NULL) && n_skipped == (p ? 0 : COPIES));
	return p;
}

static void must_be_equal(const struct profile *a, const struct profile *b)
{
	must(a->n_samples == b->n_samples && a->n_locations == b->n_locations &&
		a->n_location_ids == b->n_location_ids && a->n_functions == b->n_functions &&
		a->n_mappings == b->n_mappings && a->n_lines == b->n_lines &&
		a->n_labels == b->n_labels && a->n_comments == b->n_comments);
	must(!memcmp(a->values, b->values, a->n_samples * a->n_sample_types * sizeof(*a->values)));
	must(!memcmp(
		a->location_ids, b->location_ids, a->n_location_ids * sizeof(*a->location_ids)));
	for (size_t i = 1; i < a->n_functions; i++)
		must(!strcmp(profile_text(a, a->functions[i].name),
			profile_text(b, b->functions[i].name)));
	for (size_t i = 0; i < a->n_labels; i++)
		must(!strcmp(profile_text(a, a->labels[i].key),
			     profile_text(b, b->labels[i].key)) &&
			!strcmp(profile_text(a, a->labels[i].str),
				profile_text(b, b->labels[i].str)) &&
			a->labels[i].num == b->labels[i].num);
}

static bool has_sample_of_nothing(const struct profile *p)
{
	for (size_t i = 0; i < p->n_samples; i++) {
		bool any = false;
		for (size_t k = 0; k < p->n_sample_types; k++)
			any |= p->values[i * p->n_sample_types + k] != 0;
		if (!any)
			return true;
	}
	return false;
}

static struct profile *merge(const struct profile *p)
{
	char why[256];
	struct profile *sum = profile_new(), *clean = profile_new();

	must(sum && clean);
	for (int i = 0; i < COPIES; i++)
		must(profile_merge(sum, p, why, sizeof(why)) == 0);
	/* Where values cancel out, nothing of it stays. */
	if (has_sample_of_nothing(sum)) {
		must(profile_merge(clean, sum, why, sizeof(why)) == 0);
		profile_free(sum);
		return clean;
	}
	profile_free(clean);
	return sum;
}

/* With another that has its types in another order, one of them in another unit. */
static void check_agreement(const struct profile *p)
{
	struct profile *a = profile_clone(p), *b = profile_clone(p);
	size_t n = p->n_sample_types;
	char why[256] = "";
	bool changed;

	must(a && b);
	if (n) {
		struct value_type first = b->sample_types[0];
		b->sample_types[0] = b->sample_types[n - 1];
		b->sample_types[n - 1] = first;
		b->sample_types[0].unit = (uint32_t)profile_string(b, "ms");
	}
	int r = profile_agree(a, b, &changed, why, sizeof(why));
	must(r == 0 || (r == -EINVAL && *why));
	must(profile_check(a, why, sizeof(why)) == 0 && profile_check(b, why, sizeof(why)) == 0);
	if (r == 0) {
		must(profile_take_units(b, a) == 0);
		must(profile_check_types(a, b, why, sizeof(why)) == 0);
		must(profile_merge(a, b, why, sizeof(why)) == 0);
	}
	profile_free(a);
	profile_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct selection selection = {0};
	struct profile *p = NULL, *some;
	char why[256];
	bool good = pprof_parse(&p, data, size, why, sizeof(why)) == 0;
	if (good && profile_drop_ambiguous_types(p, why, sizeof(why))) {
		good = false;
		profile_free(p);
	}
	struct profile *gathered = gather(&in, NULL);

	must(good == (gathered != NULL));
	if (!good)
		return 0;
	must(profile_check(gathered, why, sizeof(why)) == 0);
	check_agreement(p);
	struct profile *merged = merge(p);
	must_be_equal(merged, gathered);
	profile_free(merged);
	profile_free(gathered);

	must(selection_add_pid(&selection, 1) == 0);
	must(profile_select(&some, p, &selection) == 0);
	merged = merge(some);
	gathered = gather(&in, &selection);
	must_be_equal(merged, gathered);
	profile_free(merged);
	profile_free(gathered);
	profile_free(some);
	profile_free(p);
	selection_free(&selection);
	return 0;
}
