/* SPDX-License-Identifier: MIT */
/* fuzz_legacy.c - the formats before profile.proto. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "profile/legacy.h"
#include "profile/prune.h"
#include "report/prepare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[256] = "";
	struct profile *p;
	int r = legacy_parse(&p, data, size, why, sizeof(why));
	must(r <= 0 && (r == 0 || r == -ENODATA || *why));
	if (r < 0)
		return 0;
	int checked = profile_check(p, why, sizeof(why));
	if (checked < 0)
		fprintf(stderr, "%s\n", why);
	must(checked == 0);
	must(report_take(p) == 0 && report_prepare(p) == 0);
	must(profile_check(p, why, sizeof(why)) == 0);
	profile_free(p);
	return 0;
}
