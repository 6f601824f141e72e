/* SPDX-License-Identifier: MIT */
/* header.c - the lines above a report: what the profile is, and what of it is shown. */
#include <string.h>
#include <time.h>

#include "profile/units.h"
#include "report/names.h"
#include "report/private.h"
#include "util/plural.h"

#define FILTER_MAX 80 /* bytes of a filter that are shown */

const char *report_title(const struct report *r, size_t *length)
{
	*length = 0;
	if (r->p->n_mappings < 2 || !r->p->mappings[1].file)
		return "";
	return base_name(profile_text(r->p, r->p->mappings[1].file), length);
}

static void print_duration(const struct report *r, FILE *out)
{
	char duration[FORMAT_VALUE_SIZE], total[FORMAT_VALUE_SIZE], share[PERCENTAGE_SIZE] = "";
	const char *unit;
	int64_t nanoseconds = r->p->duration_nanos;
	format_value(duration, sizeof(duration), nanoseconds, "nanoseconds", "auto");
	report_format(r, r->total, total);
	double measured = units_scale(r->total, r->from, "nanoseconds", &unit);
	fprintf(out, "Duration: %s, Total samples = %s ", duration, total);
	/* Samples that measure time: how busy it was. */
	if (!strcmp(unit, "ns") && measured != 0) {
		format_percentage(share, sizeof(share), to_int64(measured), nanoseconds);
		fprintf(out, "(%s)", share);
	}
	fputc('\n', out);
}

static void print_time(int64_t nanoseconds, FILE *out)
{
	char text[96];
	struct tm tm;
	/* Rounds down, also before 1970. */
	time_t seconds = nanoseconds / 1000000000 - (nanoseconds % 1000000000 < 0);
	if (localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%F %T %Z", &tm))
		fprintf(out, "Time: %s\n", text);
}

void report_print_profile(const struct report *r, FILE *out)
{
	const struct profile *p = r->p;
	size_t length;
	const char *title = report_title(r, &length);
	if (length) {
		fputs("File: ", out);
		look_name(&r->config, title, length, out);
		fputc('\n', out);
	}
	if (p->n_mappings > 1 && p->mappings[1].build_id)
		fprintf(out, "Build ID: %s\n", profile_text(p, p->mappings[1].build_id));
	for (size_t i = 0; i < p->n_comments; i++) {
		const char *comment = profile_text(p, p->comments[i]);
		if (*comment != '#')
			fprintf(out, "%s\n", comment);
	}
	const char *type = profile_text(p, p->sample_types[r->sample_type].type);
	if (*type || r->config.mean)
		fprintf(out, "Type: %s%s\n", r->config.mean ? "mean_" : "", type);
	if (p->doc_url)
		fprintf(out, "Doc: %s\n", profile_text(p, p->doc_url));
	if (p->time_nanos)
		print_time(p->time_nanos, out);
	if (p->duration_nanos)
		print_duration(r, out);
}

static void print_filters(const struct report_config *c, FILE *out)
{
	const struct {
		const char *name, *value;
	} filters[] = {
		{"focus", c->focus},
		{"ignore", c->ignore},
		{"hide", c->hide},
		{"show", c->show},
		{"show_from", c->show_from},
		{"tagfocus", c->tag_focus},
		{"tagignore", c->tag_ignore},
		{"temporary", c->temporary && !*c->temporary ? "yes" : c->temporary},
		{"tagshow", c->tag_show},
		{"taghide", c->tag_hide},
	};
	bool first = true;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		if (!filters[i].value || !*filters[i].value)
			continue;
		if (first)
			fprintf(out, "Active filters:\n");
		first = false;
		size_t length = strlen(filters[i].name) + 1 + strlen(filters[i].value);
		size_t room = FILTER_MAX - strlen(filters[i].name) - 1;
		fprintf(out, "   %s=%.*s%s\n", filters[i].name, (int)room, filters[i].value,
			length > FILTER_MAX ? "…" : "");
	}
}

static void print_dropped(const struct report *r, size_t n, const char *what, const char *measure,
	double fraction, FILE *out)
{
	char limit[FORMAT_VALUE_SIZE];
	report_format(r, wrapping_abs(to_int64((double)r->total * fraction)), limit);
	fprintf(out, "Dropped %zu %s%s (%s <= %s)\n", n, what, plural((double)n), measure, limit);
}

void report_print_header(
	const struct report *r, const struct graph *g, const struct trimmed *trimmed, FILE *out)
{
	char shown[FORMAT_VALUE_SIZE], total[FORMAT_VALUE_SIZE], share[PERCENTAGE_SIZE];
	bool picture = r->kind == REPORT_DOT;
	if (picture || !r->config.compact_labels)
		report_print_profile(r, out);
	print_filters(&r->config, out);
	int64_t sum = graph_shown_sum(g);
	report_format(r, sum, shown);
	report_format(r, r->total, total);
	format_percentage(share, sizeof(share), sum, r->total);
	fprintf(out, "Showing nodes accounting for %s, %s of %s total\n", shown,
		share + strspn(share, " "), total);
	if (r->total) {
		if (trimmed->n_dropped_nodes)
			print_dropped(r, trimmed->n_dropped_nodes, "node", "cum",
				r->config.node_fraction, out);
		if (picture && trimmed->n_dropped_edges)
			print_dropped(r, trimmed->n_dropped_edges, "edge", "freq",
				r->config.edge_fraction, out);
		if (g->n_listed && g->n_listed < trimmed->n_before)
			fprintf(out, "Showing top %zu nodes out of %zu\n", g->n_listed,
				trimmed->n_before);
	}
	if (picture)
		fprintf(out, "\nSee https://git.io/JfYMW for how to read the graph\n");
}
