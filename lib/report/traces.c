/* SPDX-License-Identifier: MIT */
/* traces.c - every stack with its labels and its value. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/label_lines.h"
#include "report/private.h"
#include "util/cleanup.h"

#define SEPARATOR "-----------+-------------------------------------------------------"

static void print_separator(const struct report *r)
{
	fprintf(r->out, "%s%s%s\n", look(&r->config, LOOK_DIM), SEPARATOR,
		look(&r->config, LOOK_PLAIN));
}

/* The values of one label, as it is shown here: "       key:  value value". */
static void write_label(
	const struct report *r, FILE *out, const struct label *labels, const size_t *of, size_t n)
{
	const char *unit = label_units_get(&r->label_units, r->p, labels[of[0]].key);
	report_pad(out, profile_text(r->p, labels[of[0]].key), 10);
	fprintf(out, ": ");
	for (size_t i = 0; i < n; i++) {
		const struct label *l = &labels[of[i]];
		char number[FORMAT_VALUE_SIZE];
		format_value(number, sizeof(number), l->num, unit, "auto");
		const char *text = l->str ? profile_text(r->p, l->str) : number;
		fputc(' ', out);
		look_name(&r->config, text, strlen(text), out);
	}
	fputc('\n', out);
}

static int print_labels(const struct report *r, const struct sample *s)
{
	int n = label_lines_print(r, s, true, write_label, "");
	return n < 0 ? n : label_lines_print(r, s, false, write_label, "");
}

static void print_frame(const struct report *r, const struct graph *g, uint32_t place, bool inlined,
	const char *value)
{
	fprintf(r->out, "%s%10s%s   ", look(&r->config, LOOK_HEAD), value,
		look(&r->config, LOOK_PLAIN));
	report_print_name(r, g, place, 13, inlined ? " (inline)" : "");
}

static void print_stack(
	const struct report *r, const struct graph *g, const struct sample *s, const char *value)
{
	const struct profile *p = r->p;
	for (size_t i = 0; i < s->n_locations; i++) {
		uint32_t id = p->location_ids[s->first_location + i];
		const struct location *l = &p->locations[id];
		if (!l->n_lines) {
			print_frame(r, g, g->location_places[id], false, value);
			value = "";
		}
		for (size_t k = 0; k < l->n_lines; k++) {
			print_frame(
				r, g, g->line_places[l->first_line + k], k + 1 < l->n_lines, value);
			value = "";
		}
	}
}

int report_traces(struct report *r)
{
	struct graph g;
	char value[FORMAT_VALUE_SIZE];
	int n = graph_init(&g, r->p, &(struct graph_options){0});
	if (n == 0)
		report_print_profile(r, r->out);
	for (size_t i = 0; n == 0 && i < r->p->n_samples; i++) {
		const struct sample *s = &r->p->samples[i];
		if (!s->n_locations)
			continue;
		print_separator(r);
		n = print_labels(r, s);
		report_format(r, divided(report_value(r, i), report_divisor(r, i)), value);
		print_stack(r, &g, s, value);
	}
	if (n == 0)
		print_separator(r);
	graph_free(&g);
	return n;
}
