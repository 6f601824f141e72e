/* SPDX-License-Identifier: MIT */
/* raw.c - the whole profile as text (google/pprof profile/profile.go, String). */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "report/label_lines.h"
#include "report/private.h"
#include "util/cleanup.h"

/* As Go prints a point in time: "2006-01-02 15:04:05.999999999 -0700 MST". */
static void print_time(int64_t nanoseconds, FILE *out)
{
	char date[64], zone[64];
	struct tm tm;
	time_t seconds = nanoseconds / 1000000000 - (nanoseconds % 1000000000 < 0);
	int64_t rest = nanoseconds - (int64_t)seconds * 1000000000;
	if (!localtime_r(&seconds, &tm) || !strftime(date, sizeof(date), "%F %T", &tm) ||
		!strftime(zone, sizeof(zone), "%z %Z", &tm))
		return;
	fprintf(out, "Time: %s", date);
	if (rest) {
		char digits[16];
		int n = snprintf(digits, sizeof(digits), ".%09" PRId64, rest);
		while (n > 0 && digits[n - 1] == '0')
			digits[--n] = '\0';
		fputs(digits, out);
	}
	fprintf(out, " %s\n", zone);
}

/* A decimal fraction without the zeros at its end. */
static void print_fraction(FILE *out, uint64_t whole, uint64_t part, int digits, const char *unit)
{
	char text[32];
	int n = snprintf(text, sizeof(text), ".%0*" PRIu64, digits, part);
	while (n > 0 && text[n - 1] == '0')
		n--;
	fprintf(out, "%" PRIu64 "%.*s%s", whole, n > 1 ? n : 0, text, unit);
}

/* As Go prints a duration: "1h2m3.5s", "12.3ms". */
static void write_duration(int64_t nanoseconds, FILE *out)
{
	uint64_t u = nanoseconds < 0 ? 0 - (uint64_t)nanoseconds : (uint64_t)nanoseconds;
	uint64_t minutes = u / 60000000000, rest = u % 60000000000;
	fputs(nanoseconds < 0 ? "-" : "", out);
	if (u < 1000)
		fprintf(out, "%" PRIu64 "ns", u);
	else if (u < 1000000)
		print_fraction(out, u / 1000, u % 1000, 3, "µs");
	else if (u < 1000000000)
		print_fraction(out, u / 1000000, u % 1000000, 6, "ms");
	else {
		if (minutes >= 60)
			fprintf(out, "%" PRIu64 "h", minutes / 60);
		if (minutes)
			fprintf(out, "%" PRIu64 "m", minutes % 60);
		print_fraction(out, rest / 1000000000, rest % 1000000000, 9, "s");
	}
}

/* Cut to its first four characters. */
static void print_duration(int64_t nanoseconds, FILE *out)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *whole = open_memstream(&text, &size);
	if (!whole)
		return;
	write_duration(nanoseconds, whole);
	if (fclose(whole))
		return;
	size_t bytes = 0;
	for (int shown = 0; text[bytes]; bytes++)
		if ((text[bytes] & 0xc0) != 0x80 && ++shown > 4)
			break;
	fprintf(out, "Duration: %.*s\n", (int)bytes, text);
}

static void print_head(const struct profile *p, FILE *out)
{
	for (size_t i = 0; i < p->n_comments; i++)
		fprintf(out, "Comment: %s\n", profile_text(p, p->comments[i]));
	if (p->doc_url)
		fprintf(out, "Doc: %s\n", profile_text(p, p->doc_url));
	fprintf(out, "PeriodType: %s %s\n", profile_text(p, p->period_type.type),
		profile_text(p, p->period_type.unit));
	fprintf(out, "Period: %" PRId64 "\n", p->period);
	if (p->time_nanos)
		print_time(p->time_nanos, out);
	if (p->duration_nanos)
		print_duration(p->duration_nanos, out);
	fprintf(out, "Samples:\n");
	for (size_t i = 0; i < p->n_sample_types; i++) {
		const struct value_type *t = &p->sample_types[i];
		bool preset = !strcmp(
			profile_text(p, t->type), profile_text(p, p->default_sample_type));
		fprintf(out, "%s%s/%s%s", i ? " " : "", profile_text(p, t->type),
			profile_text(p, t->unit), preset ? "[dflt]" : "");
	}
	fputc('\n', out);
}

static void write_text_label(
	const struct report *r, FILE *out, const struct label *labels, const size_t *of, size_t n)
{
	fprintf(out, "%s:[", profile_text(r->p, labels[of[0]].key));
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%s", i ? " " : "", profile_text(r->p, labels[of[i]].str));
	fputc(']', out);
}

static void write_number_label(
	const struct report *r, FILE *out, const struct label *labels, const size_t *of, size_t n)
{
	bool units = false;
	for (size_t i = 0; i < n; i++)
		units |= labels[of[i]].num_unit != 0;
	fprintf(out, "%s:[", profile_text(r->p, labels[of[0]].key));
	for (size_t i = 0; i < n; i++) {
		const struct label *l = &labels[of[i]];
		fprintf(out, "%s%" PRId64, i ? " " : "", l->num);
		if (units)
			fprintf(out, " %s", profile_text(r->p, l->num_unit));
	}
	fputc(']', out);
}

static int print_labels(const struct report *r, const struct sample *s, bool texts)
{
	bool any = false;
	for (size_t i = 0; i < s->n_labels; i++)
		any |= !r->p->labels[s->first_label + i].str != texts;
	if (!any)
		return 0;
	fprintf(r->out, "%16s", "");
	int n = label_lines_print(r, s, texts, texts ? write_text_label : write_number_label, " ");
	fputc('\n', r->out);
	return n;
}

static int print_samples(const struct report *r)
{
	const struct profile *p = r->p;
	int n = 0;
	for (size_t i = 0; n == 0 && i < p->n_samples; i++) {
		const struct sample *s = &p->samples[i];
		for (size_t k = 0; k < p->n_sample_types; k++)
			fprintf(r->out, " %10" PRId64, p->values[i * p->n_sample_types + k]);
		fprintf(r->out, ": ");
		for (size_t k = 0; k < s->n_locations; k++) {
			uint32_t id = p->location_ids[s->first_location + k];
			fprintf(r->out, "%" PRIu64 " ", shown_id(p->locations[id].id, id));
		}
		fputc('\n', r->out);
		n = print_labels(r, s, true);
		if (n == 0)
			n = print_labels(r, s, false);
	}
	return n;
}

static void print_location(const struct profile *p, size_t id, FILE *out)
{
	const struct location *l = &p->locations[id];
	fprintf(out, "%6" PRIu64 ": 0x%" PRIx64 " ", shown_id(l->id, id), l->address);
	if (l->mapping)
		fprintf(out, "M=%" PRIu64 " ", shown_id(p->mappings[l->mapping].id, l->mapping));
	if (l->is_folded)
		fprintf(out, "[F] ");
	for (size_t i = 0; i < l->n_lines; i++) {
		const struct line *line = &p->lines[l->first_line + i];
		const struct function *f = &p->functions[line->function];
		fprintf(out, "%s%s %s:%" PRId64 ":%" PRId64 " s=%" PRId64,
			i ? "\n             " : "", profile_text(p, f->name),
			profile_text(p, f->filename), line->line, line->column, f->start_line);
		if (f->name != f->system_name)
			fprintf(out, "(%s)", profile_text(p, f->system_name));
	}
	fputc('\n', out);
}

static void print_mapping(const struct profile *p, size_t id, FILE *out)
{
	const struct mapping *m = &p->mappings[id];
	fprintf(out, "%" PRIu64 ": 0x%" PRIx64 "/0x%" PRIx64 "/0x%" PRIx64 " %s %s %s%s%s%s\n",
		shown_id(m->id, id), m->start, m->limit, m->offset, profile_text(p, m->file),
		profile_text(p, m->build_id), m->has_functions ? "[FN]" : "",
		m->has_filenames ? "[FL]" : "", m->has_line_numbers ? "[LN]" : "",
		m->has_inline_frames ? "[IN]" : "");
}

int report_raw(struct report *r)
{
	print_head(r->p, r->out);
	int n = print_samples(r);
	fprintf(r->out, "Locations\n");
	for (size_t i = 1; i < r->p->n_locations; i++)
		print_location(r->p, i, r->out);
	fprintf(r->out, "Mappings\n");
	for (size_t i = 1; i < r->p->n_mappings; i++)
		print_mapping(r->p, i, r->out);
	return n;
}
