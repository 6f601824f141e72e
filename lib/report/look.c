/* SPDX-License-Identifier: MIT */
#include "report/look.h"

#include <math.h>
#include <string.h>

#define MIN_ROOM 32 /* columns: a narrower terminal breaks rows rather than names */
#define GAP	 "…"

static const char *const SEQUENCES[] = {
	[LOOK_PLAIN] = "\033[0m",
	[LOOK_HEAD] = "\033[1m",
	[LOOK_DIM] = "\033[2m",
	[LOOK_HOT] = "\033[1;31m",
};

const char *look(const struct report_config *config, enum look look)
{
	return config->colours ? SEQUENCES[look] : "";
}

enum look look_of_share(int64_t value, int64_t total, bool is_about)
{
	double share = total ? fabs((double)value / (double)total) : 0;
	return share >= 0.1 && is_about ? LOOK_HOT : share < 0.005 ? LOOK_DIM : LOOK_PLAIN;
}

bool look_is_sequence(const char *text, size_t length, bool *whole)
{
	*whole = false;
	for (size_t i = 0; i < sizeof(SEQUENCES) / sizeof(SEQUENCES[0]); i++) {
		if (strncmp(SEQUENCES[i], text, length) != 0)
			continue;
		*whole = SEQUENCES[i][length] == '\0';
		return true;
	}
	return false;
}

/* ---- names -------------------------------------------------------------------------------- */

static bool begins_character(char byte)
{
	return (byte & 0xc0) != 0x80;
}

/* Columns of the character that begins here; 0 inside of one. Those of East Asia and pictures take
 * two (Unicode Standard Annex 11), which is told by their first bytes: U+3000 to U+DFFF, U+FF00 to
 * U+FF7F, U+1F000 and above. */
static size_t width_at(const char *text)
{
	unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];
	bool wide = (first >= 0xe3 && first <= 0xed) ||
		    (first == 0xef && (second == 0xbc || second == 0xbd)) ||
		    (first == 0xf0 && second >= 0x9f);
	return !begins_character(*text) ? 0 : wide ? 2 : 1;
}

static size_t count_columns(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += width_at(text);
	return n;
}

/* Bytes of the characters that fit into n columns. */
static size_t skip(const char *text, size_t n)
{
	size_t at = 0;
	while (text[at] && width_at(text + at) <= n) {
		n -= width_at(text + at);
		at++;
	}
	return at;
}

void look_name(const struct report_config *config, const char *name, size_t n, FILE *out)
{
	if (!config->width) {
		fwrite(name, 1, n, out);
		return;
	}
	for (size_t i = 0; i < n; i++)
		fputc(name[i] == '\n' ? '?' : name[i], out);
}

/* [from, to) of a text whose end is dim. */
static void print_part(const struct report_config *config, const char *text, size_t from, size_t to,
	size_t dim_from, FILE *out)
{
	size_t plain = dim_from < from ? from : dim_from < to ? dim_from : to;
	look_name(config, text + from, plain - from, out);
	if (plain == to)
		return;
	fputs(look(config, LOOK_DIM), out);
	look_name(config, text + plain, to - plain, out);
	fputs(look(config, LOOK_PLAIN), out);
}

void look_print(
	const struct report_config *config, const char *text, size_t dim, unsigned used, FILE *out)
{
	size_t length = strlen(text), columns = count_columns(text), dim_from = length - dim;
	size_t room = config->width > used + MIN_ROOM ? config->width - used : MIN_ROOM;
	if (!config->width || columns <= room) {
		print_part(config, text, 0, length, dim_from, out);
		return;
	}
	size_t first = room / 2, last = room - first - 1;
	print_part(config, text, 0, skip(text, first), dim_from, out);
	fputs(GAP, out);
	size_t from = skip(text, columns - last);
	/* Half of a wide one is none. */
	if (count_columns(text + from) > last)
		from += skip(text + from, 2);
	print_part(config, text, from, length, dim_from, out);
}
