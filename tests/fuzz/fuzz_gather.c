/* SPDX-License-Identifier: MIT */
/*
 * fuzz_gather.c - the lean way from files to one profile (gather.c, pprof_read_lean): it accepts
 * what the ordinary reader accepts, and its sum is that of the ordinary merge, byte for byte.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

static struct profile *merge(const struct profile *p)
{
	char why[256];
	struct profile *sum = profile_new();

	must(sum != NULL);
	for (int i = 0; i < COPIES; i++)
		must(profile_merge(sum, p, why, sizeof(why)) == 0);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct selection selection = {0};
	struct profile *p = NULL, *some;
	char why[256];
	bool good = pprof_parse(&p, data, size, why, sizeof(why)) == 0;
	struct profile *gathered = gather(&in, NULL);

	must(good == (gathered != NULL));
	if (!good)
		return 0;
	must(profile_check(gathered, why, sizeof(why)) == 0);
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
