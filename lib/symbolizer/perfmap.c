/* SPDX-License-Identifier: MIT */
#include "symbolizer/perfmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/nearest.h"
#include "symbolizer/textfile.h"
#include "util/cleanup.h"

/* Real maps have under a million lines; each names a handful of the asked addresses. */
#define MAX_LINES 20000000u
#define MAX_HITS  50000000u

struct search {
	struct nearest index; /* only to find addresses */
	uint32_t *functions;  /* by address */
	uint32_t lines, hits;
};

/* Java's own writer (jcmd PID Compiler.perfmap, of JDK 17) puts 0x before its numbers; perf takes
 * them so, too. */
static bool take_number(const char **line, uint64_t *value)
{
	if ((*line)[0] == '0' && (*line)[1] == 'x')
		*line += 2;
	return textfile_hex(line, value);
}

/* A line's name is looked at only if it names an address that was asked for. */
static int take_line(struct search *s, struct names *answer, const char *line)
{
	uint64_t start, size;
	uint32_t function = NAMES_NONE;

	if (++s->lines > MAX_LINES)
		return -E2BIG;
	if (!take_number(&line, &start) || *line++ != ' ' || !take_number(&line, &size) ||
		*line++ != ' ' || !*line || size > UINT64_MAX - start)
		return 0;
	for (size_t i = nearest_index(&s->index, start);
		i < s->index.n && s->index.addresses[i] - start < size; i++) {
		if (++s->hits > MAX_HITS)
			return -E2BIG;
		if (function == NAMES_NONE)
			function = names_symbol(answer, line, 0);
		s->functions[i] = function;
	}
	return answer->failed;
}

static int read_all(struct search *s, struct names *answer, int fd)
{
	_cleanup_free_ struct textfile *file = malloc(sizeof(*file));
	const char *line;
	int r = 0;

	if (!file)
		return -ENOMEM;
	textfile_init(file, fd);
	while (!r && (line = textfile_next(file)))
		r = take_line(s, answer, line);
	return r ? r : file->error;
}

int perfmap_resolve(struct names *answer, int fd, const uint64_t *addresses, size_t n)
{
	struct search s = {.index = {.addresses = addresses, .n = n}};
	int r;

	s.functions = malloc((n + 1) * sizeof(*s.functions));
	if (!s.functions)
		return -ENOMEM;
	memset(s.functions, 0xff, (n + 1) * sizeof(*s.functions)); /* NAMES_NONE */
	r = read_all(&s, answer, fd);
	for (size_t i = 0; i < n; i++) {
		struct names_frame frame = {s.functions[i], 0};

		if (frame.function != NAMES_NONE)
			names_set(answer, i, &frame, 1);
	}
	free(s.functions);
	return r;
}
