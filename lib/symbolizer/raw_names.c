// SPDX-License-Identifier: MIT
#include "symbolizer/raw_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "symbolizer/demangle.h"
#include "util/cleanup.h"
#include "util/whole.h"

/* Stubs are called after what they jump to (names_stub). */
static const char STUB[] = "@plt";

/* What a stub's name ends with, taken off; "" of others. */
static const char *take_ending(char *raw)
{
	size_t n = strlen(raw), ending = strlen(STUB);

	if (n <= ending || strcmp(raw + n - ending, STUB) != 0)
		return "";
	raw[n - ending] = '\0';
	return STUB;
}

static uint32_t name_of(struct names *answer, const char *raw, bool whole)
{
	_cleanup_free_ char *symbol = strndup(raw, SYMBOLIZER_MAX_NAME - 1), *name = NULL;
	struct symbolizer_function function = {0};
	struct demangled readable;
	const char *ending;

	if (!symbol)
		return NAMES_NONE;
	ending = take_ending(symbol);
	if (!(whole ? demangle_whole : demangle)(&readable, symbol))
		return NAMES_NONE;
	if (asprintf(&name, "%s%s", readable.text, ending) < 0)
		name = NULL;
	demangled_free(&readable);
	function.name = name ? names_string(answer, name) : 0;
	return names_function(answer, &function);
}

static int read_texts(int fd, char **out, size_t *size)
{
	struct stat st;
	int r;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size > (off_t)RAW_NAMES_MAX)
		return -E2BIG;
	*size = (size_t)st.st_size;
	*out = malloc(*size + 1);
	if (!*out)
		return -ENOMEM;
	r = read_whole(fd, *out, *size, 0);
	(*out)[*size] = '\0';
	return r;
}

int raw_names_resolve(struct names *answer, int fd, const uint64_t *offsets, size_t n, bool whole)
{
	_cleanup_free_ char *texts = NULL;
	size_t size = 0;
	int r = read_texts(fd, &texts, &size);

	for (size_t i = 0; i < n && !r; i++) {
		struct names_frame frame = {NAMES_NONE, 0};

		if (offsets[i] < size)
			frame.function = name_of(answer, texts + offsets[i], whole);
		if (frame.function != NAMES_NONE)
			names_set(answer, i, &frame, 1);
		r = answer->failed;
	}
	return r;
}
