// SPDX-License-Identifier: MIT
/* chart_print.c - a timeline for people, and for programs. */
#include <inttypes.h>
#include <string.h>

#include "chart.h"
#include "report/format.h"
#include "util/plural.h"
#include "window_activity.h"

#define NAME_WIDTH 22
#define TICK_EVERY 15 /* columns between two times below the lines */

static const char *const BLOCKS[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const LETTERS[] = {" ", ".", ":", "-", "=", "+", "*", "%", "#"};
#define LEVELS 8

static size_t peak(const uint64_t *columns, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (columns[i] > columns[best])
			best = i;
	return best;
}

/* What is not nothing is seen. */
static unsigned level(uint64_t value, uint64_t highest)
{
	if (!value || !highest)
		return 0;
	unsigned n = (unsigned)((double)value / (double)highest * LEVELS + 0.5);
	return n < 1 ? 1 : n > LEVELS ? LEVELS : n;
}

static void print_line(
	const struct chart *t, const uint64_t *columns, uint64_t highest, bool utf8, FILE *out)
{
	const char *const *signs = utf8 ? BLOCKS : LETTERS;
	size_t n = t->n_columns;

	/* No blanks at the end of a line, but gaps are told from idle columns up to there. */
	while (n && !columns[n - 1] && t->covered[n - 1])
		n--;
	for (size_t i = 0; i < n; i++)
		fputs(t->covered[i] ? signs[level(columns[i], highest)] : utf8 ? "·" : "_", out);
	fputc('\n', out);
}

static void format_moment(char *out, size_t size, int64_t second, const char *format)
{
	time_t when = (time_t)second;
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(out, size, format, &tm))
		snprintf(out, size, "?");
}

static void print_ticks(const struct chart *t, FILE *out)
{
	bool seconds = (uint64_t)t->column_s * TICK_EVERY < 60;
	bool days = (uint64_t)t->column_s * t->n_columns > 2 * 86400;
	const char *format = days ? "%d %Hh" : seconds ? "%H:%M:%S" : "%H:%M";

	fprintf(out, "%*s", NAME_WIDTH + 9, "");
	for (size_t i = 0; i < t->n_columns; i += TICK_EVERY) {
		char text[32];
		format_moment(
			text, sizeof(text), t->start + (int64_t)i * (int64_t)t->column_s, format);
		bool last = i + TICK_EVERY >= t->n_columns;
		if (!last)
			fprintf(out, "%-*s", TICK_EVERY, text);
		else if (strlen(text) <= t->n_columns - i)
			fputs(text, out);
	}
	fputc('\n', out);
}

/* How much it was, in words of the type: "3.92 CPUs", or samples a second where a sample stands for
 * no time. */
static void format_rate(
	const struct chart *t, uint64_t samples, double seconds, char *out, size_t size)
{
	if (t->period)
		snprintf(out, size, "%.2f CPUs",
			(double)samples * (double)t->period / 1e9 / seconds);
	else
		snprintf(out, size, "%.3g/s", (double)samples / seconds);
}

static uint64_t sum(const uint64_t *columns, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += columns[i];
	return total;
}

static double covered_seconds(const struct chart *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_columns; i++)
		n += t->covered[i];
	return (double)n * t->column_s;
}

static void print_head(const struct chart *t, const char *type, uint64_t total, FILE *out)
{
	char from[64], to[64], amount[FORMAT_VALUE_SIZE] = "";
	int64_t end = t->start + (int64_t)t->n_columns * (int64_t)t->column_s;

	format_moment(from, sizeof(from), t->start, "%Y-%m-%d %H:%M:%S");
	format_moment(to, sizeof(to), end, "%Y-%m-%d %H:%M:%S");
	if (t->period)
		format_value(amount, sizeof(amount), window_cpu_ns(total, t->period), "ns", "auto");
	fprintf(out, "%s, %s to %s: %zu window%s, %" PRIu64 " sample%s%s%s; a column is %u s\n",
		type, from, to, t->n_windows, plural((double)t->n_windows), total,
		plural((double)total), *amount ? ", " : "", amount, t->column_s);
}

/* A name may be cut anywhere but within a character. */
static int fitting(const char *name, int width)
{
	int n = (int)strnlen(name, (size_t)width);

	while (n > 0 && name[n] && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void print_row(const struct chart *t, const char *name, const char *amount,
	const uint64_t *columns, uint64_t highest, bool utf8, FILE *out)
{
	fprintf(out, "%-*.*s %6s  ", NAME_WIDTH, fitting(name, NAME_WIDTH), name, amount);
	print_line(t, columns, highest, utf8, out);
}

static void print_advice(struct chart *t, const char *type, size_t busiest, FILE *out)
{
	const struct chart_row *most = NULL;
	char when[64], rate[64], name[64];
	int64_t middle = t->start + (int64_t)busiest * (int64_t)t->column_s +
			 (int64_t)t->column_s / 2;

	format_moment(when, sizeof(when), middle, "%Y-%m-%d %H:%M:%S");
	format_rate(t, t->total[busiest], t->column_s, rate, sizeof(rate));
	for (size_t i = 0; i < t->n_rows; i++)
		if (!most || t->rows[i].columns[busiest] > most->columns[busiest])
			most = &t->rows[i];
	fprintf(out, "\nbusiest: %s, %s", when, rate);
	if (most && most->columns[busiest]) {
		chart_name(t, most, name, sizeof(name));
		fprintf(out, ", %.0f%% of it %s",
			100.0 * (double)most->columns[busiest] / (double)t->total[busiest], name);
	}
	uint32_t within = t->column_s / 2 > 0 ? t->column_s / 2 : 1;
	bool minutes = within % 60 == 0;
	fprintf(out, "\nlook there: profctl top%s%s --around '%s' --within %u%c\n",
		strcmp(type, "cpu") != 0 ? " --type " : "", strcmp(type, "cpu") != 0 ? type : "",
		when, minutes ? within / 60 : within, minutes ? 'm' : 's');
}

void chart_print(struct chart *t, const char *type, size_t max_rows, bool utf8, FILE *out)
{
	uint64_t total = sum(t->total, t->n_columns);
	size_t busiest = peak(t->total, t->n_columns);
	char name[64], amount[32];

	print_head(t, type, total, out);
	snprintf(name, sizeof(name), "all, mean ");
	format_rate(t, total, covered_seconds(t), name + strlen(name), sizeof(name) - strlen(name));
	print_row(t, name, "", t->total, t->total[busiest], utf8, out);
	for (size_t i = 0; i < t->n_rows && i < max_rows; i++) {
		const struct chart_row *row = &t->rows[i];
		chart_name(t, row, name, sizeof(name));
		snprintf(amount, sizeof(amount), "%.1f%%",
			total ? 100.0 * (double)row->samples / (double)total : 0);
		print_row(t, name, amount, row->columns, t->total[busiest], utf8, out);
	}
	print_ticks(t, out);
	if (total)
		print_advice(t, type, busiest, out);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void add_columns(cJSON *object, const char *key, const uint64_t *columns, size_t n)
{
	cJSON *array = cJSON_AddArrayToObject(object, key);

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(array, cJSON_CreateNumber((double)columns[i]));
}

static cJSON *row_json(struct chart *t, const struct chart_row *row)
{
	cJSON *o = cJSON_CreateObject();

	if (!t->by_comm)
		cJSON_AddNumberToObject(o, "pid", row->key);
	cJSON_AddStringToObject(o, "comm",
		t->by_comm ? strings_text(t->names.texts, row->key)
			   : process_name(&t->names, row->key));
	cJSON_AddNumberToObject(o, "samples", (double)row->samples);
	add_columns(o, "columns", row->columns, t->n_columns);
	return o;
}

cJSON *chart_json(struct chart *t, size_t max_rows)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "start", (double)t->start);
	cJSON_AddNumberToObject(o, "column_seconds", t->column_s);
	if (t->period)
		cJSON_AddNumberToObject(o, "period_nanoseconds", (double)t->period);
	cJSON_AddNumberToObject(o, "windows", (double)t->n_windows);
	cJSON *covered = cJSON_AddArrayToObject(o, "covered");
	for (size_t i = 0; i < t->n_columns; i++)
		cJSON_AddItemToArray(covered, cJSON_CreateBool(t->covered[i]));
	add_columns(o, "columns", t->total, t->n_columns);
	cJSON *rows = cJSON_AddArrayToObject(o, "processes");
	for (size_t i = 0; i < t->n_rows && i < max_rows; i++)
		cJSON_AddItemToArray(rows, row_json(t, &t->rows[i]));
	return o;
}
