/* SPDX-License-Identifier: MIT */
/* fuzz_report.c - reports, filters and patterns on any profile. The input: the kind of report, bits
 * of options, then lines (focus, tagfocus, symbol, tagroot), then the profile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/pprof.h"
#include "report/format.h"
#include "report/prepare.h"
#include "report/report.h"

#define LINES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* Cuts the next line off. NULL if there is none. */
static char *next_line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = memchr(*data, '\n', *size);
	if (!end)
		return NULL;
	size_t n = (size_t)(end - *data);
	char *line = strndup((const char *)*data, n);
	must(line != NULL);
	*data += n + 1;
	*size -= n + 1;
	return line;
}

static struct report_config make_config(uint16_t bits, char *const lines[LINES])
{
	struct report_config c = REPORT_CONFIG_DEFAULTS;
	bool inverse = bits & 1;
	c.cum = bits & 2;
	c.lines = (bits & 12) == 4;
	c.addresses = (bits & 12) == 8;
	c.files = (bits & 12) == 12;
	c.no_inlines = bits & 16;
	c.call_tree = bits & 32;
	c.drop_negative = bits & 64;
	c.mean = bits & 128;
	c.relative_percentages = bits & 256;
	c.no_trim = bits & 512;
	c.node_count = bits & 1024 ? 3 : c.node_count;
	*(inverse ? &c.hide : &c.focus) = lines[0];
	*(inverse ? &c.tag_ignore : &c.tag_focus) = lines[1];
	if (bits & 2048)
		c.show_from = lines[2];
	if (bits & 4096)
		c.prune_from = lines[2];
	*(inverse ? &c.tag_leaf : &c.tag_root) = lines[3];
	return c;
}

/* What is left is a profile, whatever the filters did. */
static void filter(struct profile **p, uint16_t bits, char *const lines[LINES])
{
	char why[512];
	struct report_config config = make_config(bits, lines);
	int r = report_filter(p, &config, why, sizeof(why));
	must(r == 0 || *why);
	must(profile_check(*p, why, sizeof(why)) == 0);
}

static void report(
	struct profile *p, enum report_kind kind, uint16_t bits, char *const lines[LINES])
{
	char why[512];
	size_t type;
	struct report_config config = make_config(bits, lines);
	FILE *out = fopen("/dev/null", "we");
	must(out != NULL);
	/* Binaries that a profile names are not to be opened. */
	for (size_t i = 1; i < p->n_mappings; i++)
		if (kind == REPORT_DISASM || kind == REPORT_WEBLIST)
			p->mappings[i].file = 0;
	if (report_take(p) == 0 && report_prepare(p) == 0 &&
		format_sample_index(p, NULL, &type, why, sizeof(why)) == 0) {
		int r = report_write(p, kind, &config, type,
			report_needs_symbol(kind) ? lines[2] : NULL, out, why, sizeof(why));
		must(r == 0 || *why);
		must(profile_check(p, why, sizeof(why)) == 0);
	}
	fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[256], *lines[LINES] = {0};
	struct profile *p;
	if (size < 3)
		return 0;
	enum report_kind kind = data[0] % N_REPORT_KINDS;
	uint16_t bits = (uint16_t)(data[1] << 8 | data[2]);
	data += 3;
	size -= 3;
	bool whole = true;
	for (int i = 0; i < LINES && whole; i++)
		whole = (lines[i] = next_line(&data, &size)) != NULL;
	if (whole && pprof_parse(&p, data, size, why, sizeof(why)) == 0) {
		if (bits & 8192)
			filter(&p, bits, lines);
		report(p, kind, bits, lines);
		profile_free(p);
	}
	for (int i = 0; i < LINES; i++)
		free(lines[i]);
	return 0;
}
