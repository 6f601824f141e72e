/* SPDX-License-Identifier: MIT */
#include "symbols/answer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Functions may share texts, such as a file's name, but not so that an answer becomes many times
 * as long when it is taken apart. */
#define MAX_TEXTS (8ULL * SYMBOLIZER_MAX_ANSWER)

/* Takes `count` elements from the front of what is left; NULL if there are not as many. */
static const void *take(const char **data, size_t *left, size_t count, size_t size)
{
	const void *part = *data;

	if (count > *left / size)
		return NULL;
	*data += count * size;
	*left -= count * size;
	return part;
}

static bool is_errno(int32_t error)
{
	return error <= 0 && error >= -4095;
}

static bool check_build_id(const char *text)
{
	size_t n = strnlen(text, SYMBOLIZER_BUILD_ID);

	return n < SYMBOLIZER_BUILD_ID && strspn(text, "0123456789abcdef") == n;
}

static bool check_segments(const struct symbol_answer *a)
{
	for (uint32_t i = 0; i < a->head->n_segments; i++) {
		const struct symbolizer_segment *s = &a->segments[i];

		if (s->vaddr + s->memsz < s->vaddr || s->offset + s->filesz < s->offset)
			return false;
	}
	return true;
}

/* Each address has lines of its own: together they are no more than there are. */
static bool check_addresses(const struct symbol_answer *a)
{
	uint64_t lines = 0;

	for (uint32_t i = 0; i < a->head->n_addresses; i++) {
		const struct symbolizer_address *x = &a->addresses[i];

		if (x->count > SYMBOLIZER_MAX_INLINES || x->first > a->head->n_lines ||
			x->count > a->head->n_lines - x->first)
			return false;
		lines += x->count;
	}
	return lines <= a->head->n_lines;
}

/* A text begins where the one before it ended: as many bytes as there are hold no more of them
 * than that. Adds its length. */
static bool check_text(const struct symbol_answer *a, uint32_t at, uint64_t *length)
{
	if (at >= a->head->n_strings || (at && a->strings[at - 1]))
		return false;
	*length += strnlen(a->strings + at, SYMBOLIZER_MAX_NAME);
	return *length <= MAX_TEXTS;
}

static bool check_functions(const struct symbol_answer *a)
{
	uint64_t length = 0;

	for (uint32_t i = 0; i < a->head->n_functions; i++) {
		const struct symbolizer_function *f = &a->functions[i];

		if (!check_text(a, f->name, &length) || !check_text(a, f->system_name, &length) ||
			!check_text(a, f->file, &length) || !a->strings[f->name] ||
			f->start_line > INT32_MAX)
			return false;
	}
	for (uint32_t i = 0; i < a->head->n_lines; i++)
		if (a->lines[i].function >= a->head->n_functions || a->lines[i].line > INT32_MAX)
			return false;
	return true;
}

int symbol_answer_check(struct symbol_answer *out, const void *data, size_t size, size_t n_asked)
{
	const char *p = data;
	const struct symbolizer_answer *head = take(&p, &size, 1, sizeof(*head));

	if (!head || head->n_addresses != n_asked || head->n_segments > SYMBOLIZER_MAX_SEGMENT ||
		head->n_cached > n_asked || !is_errno(head->error) ||
		!is_errno(head->cache_error) || !check_build_id(head->build_id))
		return -EBADMSG;
	out->head = head;
	out->segments = take(&p, &size, head->n_segments, sizeof(*out->segments));
	out->addresses = take(&p, &size, head->n_addresses, sizeof(*out->addresses));
	out->functions = take(&p, &size, head->n_functions, sizeof(*out->functions));
	out->lines = take(&p, &size, head->n_lines, sizeof(*out->lines));
	out->strings = take(&p, &size, head->n_strings, 1);
	if (!out->segments || !out->addresses || !out->functions || !out->lines || !out->strings ||
		size || !head->n_strings || out->strings[0] || out->strings[head->n_strings - 1])
		return -EBADMSG;
	return check_segments(out) && check_addresses(out) && check_functions(out) ? 0 : -EBADMSG;
}

void symbol_text_show(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			*text = '?';
}
