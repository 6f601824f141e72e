/* SPDX-License-Identifier: MIT */
/*
 * fuzz_pprof.c - the pprof reader and all that works on what it accepted: the profile must be
 * valid, survive writing and reading unchanged in size, merge, fold and report.
 */
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profile/fold.h"
#include "profile/pprof.h"
#include "profile/prune.h"
#include "profile/select.h"
#include "report/export.h"
#include "report/format.h"
#include "report/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void check_round_trip(const struct profile *p)
{
	char why[256];
	struct profile *again;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(fd >= 0);
	must(pprof_write(p, fd) == 0);
	must(lseek(fd, 0, SEEK_SET) == 0);
	int r = pprof_read(&again, fd, "again", why, sizeof(why));
	if (r < 0)
		fprintf(stderr, "%s\n", why);
	must(r == 0);
	close(fd);
	must(again->n_samples == p->n_samples && again->n_locations == p->n_locations &&
		again->n_functions == p->n_functions && again->n_mappings == p->n_mappings &&
		again->n_labels == p->n_labels && again->n_lines == p->n_lines &&
		again->n_comments == p->n_comments);
	profile_free(again);
}

static void check_pictures(const struct profile *p, size_t type, FILE *out)
{
	struct picture picture;
	struct flame f;

	picture_init(&picture, p, type, 0);
	must(flame_init(&f) == 0);
	must(flame_add(&f, p, type, 1, false) == 0);
	must(flame_arrange(&f) == 0);
	must(flame_page_write(&f, &picture, out) == 0);
	must(flame_svg_write(&f, &picture, out) == 0);
	flame_free(&f);
}

static void check_exports(const struct profile *p, size_t type, FILE *out)
{
	double total = 0;

	must(speedscope_write(p, type, out) == 0);
	must(firefox_write(p, type, out) == 0);
	must(json_profile_write(p, type, out) == 0);
	/* A packet for each unit: many would only be slow. */
	for (size_t i = 0; i < p->n_samples * p->n_sample_types; i++)
		total += fabs((double)p->values[i]);
	if (total < 10000)
		must(perfetto_write(p, type, out) == 0);
}

static void check_outputs(const struct profile *p)
{
	char why[256];
	size_t type;
	FILE *out = fopen("/dev/null", "we");
	must(out != NULL);
	if (format_sample_index(p, NULL, &type, why, sizeof(why)) == 0) {
		must(fold_write(p, &(struct fold_options){.sample_type = type}, out) == 0);
		check_pictures(p, type, out);
		check_exports(p, type, out);
	}
	fclose(out);
}

static void check_merge(const struct profile *p)
{
	char why[256];
	struct profile *sum = profile_new();
	must(sum != NULL);
	must(profile_merge(sum, p, why, sizeof(why)) == 0);
	must(profile_check(sum, why, sizeof(why)) == 0);
	size_t n = sum->n_samples;
	must(n <= p->n_samples);
	int r = profile_merge(sum, p, why, sizeof(why));
	must(r == 0 && sum->n_samples == n);
	profile_free(sum);

	struct selection selection = {0};
	struct profile *selected;
	must(selection_add_pid(&selection, 1) == 0);
	must(profile_select(&selected, p, &selection) == 0);
	must(profile_check(selected, why, sizeof(why)) == 0);
	profile_free(selected);
	selection_free(&selection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[256];
	struct profile *p;
	if (pprof_parse(&p, data, size, why, sizeof(why)) < 0)
		return 0;
	must(profile_check(p, why, sizeof(why)) == 0);
	check_round_trip(p);
	check_outputs(p);
	check_merge(p);
	must(profile_prune(p) == 0);
	must(profile_check(p, why, sizeof(why)) == 0);
	check_outputs(p);
	profile_free(p);
	return 0;
}
