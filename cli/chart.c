// SPDX-License-Identifier: MIT
#include "chart.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/grow.h"
#include "util/log.h"
#include "window_activity.h"

/* ---- columns -------------------------------------------------------------------------------- */

/* Steps that a person can count in. */
static uint32_t column_seconds(uint64_t range, size_t max_columns)
{
	static const uint32_t steps[] = {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600,
		7200, 14400, 21600, 43200, 86400};
	size_t n = sizeof(steps) / sizeof(*steps);

	for (size_t i = 0; i < n; i++)
		if (range / steps[i] < max_columns)
			return steps[i];
	return (uint32_t)(range / max_columns / 86400 + 1) * 86400;
}

static int set_columns(struct chart *t, const struct store_entry *const *windows, size_t n,
	int64_t since, int64_t until, size_t max_columns)
{
	int64_t start = INT64_MAX, end = INT64_MIN;

	for (size_t i = 0; i < n; i++) {
		int64_t last = windows[i]->start + (int64_t)windows[i]->seconds;
		start = windows[i]->start < start ? windows[i]->start : start;
		end = last > end ? last : end;
	}
	if (since && since > start)
		start = since;
	/* A window begins and ends within a second, and its length is rounded: its last second may
	 * lie behind it, and belongs to the last column. */
	t->last = end + 1;
	if (until && until < end)
		t->last = (end = until) - 1;
	if (start >= end)
		return -ENODATA;
	t->column_s = column_seconds((uint64_t)(end - start), max_columns);
	/* Columns begin at round times, as far as these go. */
	t->start = start - start % (t->column_s < 3600 ? t->column_s : 3600);
	t->n_columns = (size_t)((end - 1 - t->start) / t->column_s) + 1;
	t->total = calloc(t->n_columns, sizeof(*t->total));
	t->covered = calloc(t->n_columns, sizeof(*t->covered));
	return t->total && t->covered ? 0 : -ENOMEM;
}

/* False for a moment that is not shown. */
static bool find_column(const struct chart *t, int64_t second, size_t *column)
{
	if (second < t->start || second > t->last)
		return false;
	*column = (size_t)((second - t->start) / t->column_s);
	if (*column >= t->n_columns)
		*column = t->n_columns - 1;
	return true;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int find_row(struct chart *t, uint32_t key, struct chart_row **out)
{
	int64_t at = tally_entry(&t->row_of, key);

	if (at < 0)
		return (int)at;
	/* Both tables grow together: an entry that is new is the next row. */
	if ((size_t)at == t->n_rows) {
		int err = grow(t->rows, t->n_rows, t->row_capacity, 1);
		uint64_t *columns = calloc(t->n_columns, sizeof(*columns));
		if (err || !columns) {
			free(columns);
			return -ENOMEM;
		}
		t->rows[t->n_rows++] = (struct chart_row){.key = key, .columns = columns};
	}
	*out = &t->rows[at];
	return 0;
}

static void count(struct chart_row *row, size_t column, uint64_t samples, size_t window)
{
	row->samples += samples;
	row->columns[column] += samples;
	if (row->window != window)
		row->window_samples = 0;
	row->window = window;
	row->window_samples += samples;
	if (row->window_samples > row->busiest_samples) {
		row->busiest_samples = row->window_samples;
		row->busiest = window;
	}
}

static int add_second(
	struct chart *t, struct activity_second *s, size_t window, struct process_names *names)
{
	size_t column;
	uint32_t pid;
	uint64_t samples;
	int found, err = 0;

	if (!find_column(t, s->second, &column))
		return 0;
	t->total[column] += s->samples;
	while (!err && (found = activity_next_process(s, &pid, &samples)) != 0) {
		struct chart_row *row = NULL;
		if (found < 0) {
			t->n_bad_lines++;
			break;
		}
		err = find_row(t, t->by_comm ? process_name_id(names, pid) : pid, &row);
		if (!err)
			count(row, column, samples, window);
	}
	return err;
}

static void cover(struct chart *t, const struct store_entry *window)
{
	int64_t first = window->start - t->start, end = first + (int64_t)window->seconds;

	first = first < 0 ? 0 : first / t->column_s;
	for (size_t i = (size_t)first; i < t->n_columns && (int64_t)(i * t->column_s) < end; i++)
		t->covered[i] = true;
}

static int add_lines(struct chart *t, const struct window_activity *a, size_t window)
{
	struct activity lines = {a->text, a->text + a->size};
	struct activity_second second;
	int err = 0, found;

	while (!err && (found = activity_next(&lines, &second)) != 0) {
		if (found > 0)
			err = add_second(t, &second, window, &t->names);
		else
			t->n_bad_lines++;
	}
	return err;
}

/* A pid may be another process in the next window, so names are those of this one only. */
static int read_names(struct chart *t, const struct store_entry *window)
{
	tally_clear(&t->names.by_pid);
	return process_names_add(&t->names, window);
}

static int add_window(struct chart *t, const struct store_entry *window, size_t index)
{
	struct window_activity a;
	int err = window_activity_read(&a, window);

	/* What cannot be read was explained, and leaves a gap. */
	if (err)
		return err == -ENOMEM ? err : 0;
	if (t->by_comm)
		err = read_names(t, window);
	if (!err)
		err = add_lines(t, &a, index);
	if (a.period)
		t->period = a.period;
	cover(t, window);
	t->n_windows++;
	window_activity_free(&a);
	return err;
}

static int compare_rows(const void *a, const void *b)
{
	const struct chart_row *x = a, *y = b;

	if (x->samples != y->samples)
		return x->samples > y->samples ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

/* Names of the pids that will be shown, each from the window where it was busiest. */
static int name_rows(struct chart *t, const struct store_entry *const *windows)
{
	struct process_names found;
	int err = process_names_init(&found);

	tally_clear(&t->names.by_pid);
	for (size_t i = 0; i < t->n_rows && i < CHART_MAX_ROWS && !err; i++) {
		struct chart_row *row = &t->rows[i];
		tally_clear(&found.by_pid);
		err = process_names_add(&found, windows[row->busiest]);
		const char *name = err ? "" : process_name(&found, row->key);
		int64_t id = err ? 0 : strings_add(t->names.texts, name, strlen(name));
		int64_t at = err ? 0 : tally_entry(&t->names.by_pid, row->key);
		if (id < 0 || at < 0)
			err = -ENOMEM;
		else if (!err)
			t->names.by_pid.entries[at].sum = (uint64_t)id;
	}
	process_names_free(&found);
	return err;
}

static int read_windows(struct chart *t, const struct store_entry *const *windows, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = add_window(t, windows[i], i);
	if (err)
		return err;
	if (!t->n_windows)
		return -ENODATA;
	/* Row numbers are not looked up any more. */
	if (t->n_rows)
		qsort(t->rows, t->n_rows, sizeof(*t->rows), compare_rows);
	return t->by_comm ? 0 : name_rows(t, windows);
}

int chart_read(struct chart *t, const struct store_entry *const *windows, size_t n, int64_t since,
	int64_t until, size_t max_columns, bool by_comm)
{
	*t = (struct chart){.by_comm = by_comm};
	int err = process_names_init(&t->names);
	if (!err)
		err = set_columns(t, windows, n, since, until, max_columns);
	if (!err)
		err = read_windows(t, windows, n);
	if (err == -ENODATA)
		log_error("no window of that time has an .activity file: 'profctl ls' lists what "
			  "there is");
	else if (err)
		log_error("no timeline: %s", strerror(-err));
	if (!err && t->n_bad_lines)
		log_warning(
			"%zu lines of .activity files are damaged, and left out", t->n_bad_lines);
	return err;
}

void chart_free(struct chart *t)
{
	for (size_t i = 0; i < t->n_rows; i++)
		free(t->rows[i].columns);
	free(t->rows);
	free(t->total);
	free(t->covered);
	tally_free(&t->row_of);
	process_names_free(&t->names);
}

void chart_name(struct chart *t, const struct chart_row *row, char *out, size_t size)
{
	if (t->by_comm)
		snprintf(out, size, "%s", row->key ? strings_text(t->names.texts, row->key) : "?");
	else
		snprintf(out, size, "%u %s", row->key, process_name(&t->names, row->key));
}
