/* SPDX-License-Identifier: MIT */
#include "report/label_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The labels of the first one's key, which are marked as done. */
static size_t same_key(
	const struct label *labels, size_t n, size_t first, bool texts, bool *done, size_t *of)
{
	size_t found = 0;
	for (size_t i = first; i < n; i++) {
		if (!labels[i].str == texts || labels[i].key != labels[first].key)
			continue;
		done[i] = true;
		of[found++] = i;
	}
	return found;
}

static int write_line(const struct report *r, const struct label *labels, const size_t *of,
	size_t n, label_writer write, char **line)
{
	size_t size;
	FILE *out = open_memstream(line, &size);
	if (!out)
		return -ENOMEM;
	write(r, out, labels, of, n);
	return fclose(out) ? -ENOMEM : 0;
}

int label_lines_print(const struct report *r, const struct sample *s, bool texts,
	label_writer write, const char *between)
{
	const struct label *labels = r->p->labels + s->first_label;
	size_t n = s->n_labels, n_lines = 0;
	if (!n)
		return 0;
	_cleanup_free_ char **lines = calloc(n, sizeof(*lines));
	_cleanup_free_ bool *done = calloc(n, sizeof(*done));
	_cleanup_free_ size_t *of = calloc(n, sizeof(*of));
	int err = lines && done && of ? 0 : -ENOMEM;
	for (size_t i = 0; err == 0 && i < n; i++) {
		if (done[i] || !labels[i].str == texts)
			continue;
		size_t found = same_key(labels, n, i, texts, done, of);
		err = write_line(r, labels, of, found, write, &lines[n_lines++]);
	}
	if (err == 0 && n_lines)
		qsort(lines, n_lines, sizeof(*lines), compare_lines);
	for (size_t i = 0; err == 0 && i < n_lines; i++)
		fprintf(r->out, "%s%s", i ? between : "", lines[i]);
	for (size_t i = 0; i < n_lines; i++)
		free(lines[i]);
	return err;
}
