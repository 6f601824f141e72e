/* SPDX-License-Identifier: MIT */
/*
 * chart.h - which moments were busy, and by whom: the seconds of many windows in as many columns
 * as there is room for, a row for each process or name and one for all.
 */
#ifndef PROFD_CLI_CHART_H
#define PROFD_CLI_CHART_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "process_names.h"
#include "store/store.h"

/* So many processes are shown at most. */
#define CHART_MAX_ROWS 100

struct chart_row {
	uint32_t key; /* pid, or id of a name */
	uint64_t samples;
	uint64_t *columns;
	size_t busiest; /* window of the most samples, to find the name of a pid in */
	uint64_t busiest_samples, window_samples;
	size_t window; /* that window_samples are of */
};

struct chart {
	bool by_comm;
	int64_t start;	   /* since 1970, of the first column */
	int64_t last;	   /* second that is still shown */
	uint32_t column_s; /* seconds of a column */
	size_t n_columns;
	int64_t period;	 /* ns that a sample stands for, the last one seen; 0: not known */
	uint64_t *total; /* samples of each column */
	bool *covered;	 /* by a window */
	struct chart_row *rows;
	size_t n_rows, row_capacity;
	struct tally row_of; /* key to index of row */
	struct process_names names;
	size_t n_windows, n_bad_lines;
};

/* Reads the .activity of the windows, which are of one type and in order of time, into at most
 * `max_columns` columns. Seconds outside of [since, until] are left out (0: no limit). 0; -ENODATA
 * when no window has a second in it; another -errno. Explained. */
int chart_read(struct chart *t, const struct store_entry *const *windows, size_t n, int64_t since,
	int64_t until, size_t max_columns, bool by_comm);
void chart_free(struct chart *t);

/* The name of a row, for people: "1234 postgres", or "postgres". */
void chart_name(struct chart *t, const struct chart_row *row, char *out, size_t size);
/* Prints at most `max_rows` processes, busiest first. */
void chart_print(struct chart *t, const char *type, size_t max_rows, bool utf8, FILE *out);
/* The same as an object; NULL without memory. */
cJSON *chart_json(struct chart *t, size_t max_rows);

#endif
