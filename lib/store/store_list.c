/* SPDX-License-Identifier: MIT */
/* store_list.c - what is in a store, from the names of folders and files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/private.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/parse.h"

struct lister {
	const struct store *store;
	struct store_entry *entries;
	size_t n, capacity;
	const char *type, *date; /* of the folder that is being read */
	struct tm day;
};

/* ---- names -------------------------------------------------------------------------------- */

/* Exactly n digits. */
static bool take_digits(const char **text, unsigned n, int *out)
{
	int value = 0;
	for (unsigned i = 0; i < n; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		value = value * 10 + (**text - '0');
	}
	*out = value;
	return true;
}

/* As many digits as there are, at most ten. */
static bool take_number(const char **text, uint32_t *out)
{
	char digits[11];
	size_t n = strspn(*text, "0123456789");
	if (n == 0 || n >= sizeof(digits))
		return false;
	memcpy(digits, *text, n);
	digits[n] = '\0';
	*text += n;
	return parse_u32(digits, 0, UINT32_MAX, out) == 0;
}

static bool take_char(const char **text, char c)
{
	return **text == c && (*text)++;
}

static bool take_day(const char **text, const char *separator, struct tm *tm)
{
	size_t n = strlen(separator);
	int year, month;
	if (!take_digits(text, 4, &year) || strncmp(*text, separator, n) != 0)
		return false;
	*text += n;
	if (!take_digits(text, 2, &month) || strncmp(*text, separator, n) != 0)
		return false;
	*text += n;
	if (!take_digits(text, 2, &tm->tm_mday))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return month >= 1 && month <= 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31;
}

static bool take_clock(const char **text, struct tm *tm)
{
	return take_digits(text, 2, &tm->tm_hour) && take_digits(text, 2, &tm->tm_min) &&
	       take_digits(text, 2, &tm->tm_sec) && tm->tm_hour < 24 && tm->tm_min < 60 &&
	       tm->tm_sec < 61;
}

/* The -n of a name that was taken, if any. */
static bool take_repeat(const char **text)
{
	uint32_t n;
	return !take_char(text, '-') || take_number(text, &n);
}

/* HHMMSS-<seconds>s[-<n>].pb.gz */
static bool parse_window(const char *name, const struct tm *day, struct store_entry *out)
{
	struct tm tm = *day;
	if (!take_clock(&name, &tm) || !take_char(&name, '-') ||
		!take_number(&name, &out->seconds) || !take_char(&name, 's') ||
		!take_repeat(&name) || strcmp(name, STORE_PROFILE) != 0)
		return false;
	out->start = timegm(&tm);
	return true;
}

/* YYYYMMDDTHHMMSS-<uid>-<session>[-<n>].<type>.pb.gz; *type points into the name. */
static bool parse_record(
	const char *name, struct store_entry *out, const char **type, size_t *type_length)
{
	struct tm tm = {0};
	if (!take_day(&name, "", &tm) || !take_char(&name, 'T') || !take_clock(&name, &tm) ||
		!take_char(&name, '-') || !take_number(&name, &out->uid) ||
		!take_char(&name, '-') || !take_number(&name, &out->session) ||
		!take_repeat(&name) || !take_char(&name, '.'))
		return false;
	*type = name;
	*type_length = strcspn(name, ".");
	if (!*type_length || strcmp(name + *type_length, STORE_PROFILE) != 0)
		return false;
	out->start = timegm(&tm);
	out->recording = true;
	out->unasked = out->session == STORE_NO_SESSION;
	return true;
}

/* ---- folders ------------------------------------------------------------------------------ */

/* Completes the entry and adds it. */
static int add_entry(struct lister *l, int folder, const char *name, struct store_entry e,
	const char *type, size_t type_length)
{
	struct stat st;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	int r = grow(l->entries, l->n, l->capacity, 1);
	if (r < 0)
		return r;
	e.size = (uint64_t)st.st_size;
	e.mtime = st.st_mtim;
	e.type = strndup(type, type_length);
	const char *top = e.recording ? STORE_RECORDS : l->type;
	if (asprintf(&e.path, "%s/%s/%s%s%s", l->store->path, top, e.recording ? "" : l->date,
		    e.recording ? "" : "/", name) < 0)
		e.path = NULL;
	if (!e.type || !e.path) {
		free(e.type);
		free(e.path);
		return -ENOMEM;
	}
	l->entries[l->n++] = e;
	return 0;
}

static int visit_window(void *userdata, int folder, const char *name)
{
	struct lister *l = userdata;
	struct store_entry e = {0};
	if (!parse_window(name, &l->day, &e))
		return 0;
	return add_entry(l, folder, name, e, l->type, strlen(l->type));
}

static int visit_record(void *userdata, int folder, const char *name)
{
	struct lister *l = userdata;
	struct store_entry e = {0};
	const char *type;
	size_t type_length;
	if (!parse_record(name, &e, &type, &type_length))
		return 0;
	return add_entry(l, folder, name, e, type, type_length);
}

/* Visits what is in a folder; something else of that name is passed over. */
static int visit_below(struct lister *l, int parent, const char *name,
	int (*visit)(void *userdata, int folder, const char *name))
{
	_cleanup_close_ int fd = store_open_folder(parent, name);
	if (fd < 0)
		return fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
	return store_each(fd, visit, l);
}

static int visit_date(void *userdata, int folder, const char *name)
{
	struct lister *l = userdata;
	const char *rest = name;
	l->day = (struct tm){0};
	if (!take_day(&rest, "-", &l->day) || *rest)
		return 0;
	l->date = name;
	return visit_below(l, folder, name, visit_window);
}

static int visit_top(void *userdata, int folder, const char *name)
{
	struct lister *l = userdata;
	if (!strcmp(name, STORE_RECORDS))
		return visit_below(l, folder, name, visit_record);
	if (!store_is_type(name))
		return 0;
	l->type = name;
	return visit_below(l, folder, name, visit_date);
}

static int compare_entries(const void *a, const void *b)
{
	const struct store_entry *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return strverscmp(x->path, y->path);
}

int store_list(const struct store *s, struct store_entry **out, size_t *n)
{
	struct lister l = {.store = s};
	int r = store_each(s->dir, visit_top, &l);
	if (r < 0) {
		store_list_free(l.entries, l.n);
		return r;
	}
	if (l.n)
		qsort(l.entries, l.n, sizeof(*l.entries), compare_entries);
	*out = l.entries;
	*n = l.n;
	return 0;
}

char *store_activity_path(const struct store_entry *e)
{
	return store_change_suffix(e->path, STORE_PROFILE, STORE_ACTIVITY);
}

void store_list_free(struct store_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(entries[i].path);
		free(entries[i].type);
	}
	free(entries);
}
