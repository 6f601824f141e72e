/* SPDX-License-Identifier: MIT */
#include "report/picture.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "profile/strings.h"
#include "report/format.h"

void picture_init(
	struct picture *picture, const struct profile *p, size_t sample_type, int64_t each)
{
	const struct value_type *value = &p->sample_types[sample_type];

	*picture = (struct picture){
		.title = "Flame graph",
		.width = PICTURE_WIDTH,
		.min_share = -1,
		.type = profile_text(p, value->type),
		.unit = profile_text(p, value->unit),
		.each = each,
		.time_nanos = p->time_nanos,
		.duration_nanos = p->duration_nanos,
	};
	picture->palette = palette_for(picture->type, picture->unit);
}

/* ---- words -------------------------------------------------------------------------------- */

const char *picture_kind(enum frame_kind kind)
{
	static const char *const KINDS[] = {[FRAME_NATIVE] = "",
		[FRAME_KERNEL] = "kernel",
		[FRAME_INLINED] = "inlined",
		[FRAME_JIT] = "JIT"};
	return KINDS[kind];
}

const char *picture_noun(const struct picture *picture)
{
	const char *underline = strchr(picture->type, '_');

	if (strcmp(picture->unit, "count") != 0)
		return "";
	/* inuse_objects are objects. */
	return underline ? underline + 1 : picture->type;
}

/* 1,234,567 */
static void group_digits(int64_t value, char *out, size_t size)
{
	char digits[32];
	size_t n = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64,
		value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
	size_t k = 0;

	if (value < 0 && size > 1)
		out[k++] = '-';
	for (size_t i = 0; i < n && k + 2 < size; i++) {
		if (i && (n - i) % 3 == 0)
			out[k++] = ',';
		out[k++] = digits[i];
	}
	out[k] = '\0';
}

void picture_value(const struct picture *picture, int64_t value, char *out, size_t size)
{
	const char *noun = picture_noun(picture);
	size_t n = strlen(noun);
	char number[48];

	if (strcmp(picture->unit, "count") != 0) {
		format_value(out, size, value, picture->unit, "auto");
		return;
	}
	group_digits(value, number, sizeof(number));
	if (value == 1 && n && noun[n - 1] == 's')
		n--;
	snprintf(out, size, "%s%s%.*s", number, n ? " " : "", (int)n, noun);
}

static void append(char *out, size_t size, const char *text)
{
	size_t n = strlen(out);
	snprintf(out + n, size - n, "%s", text);
}

static void append_time(const struct picture *picture, char *out, size_t size)
{
	time_t seconds = (time_t)(picture->time_nanos / 1000000000);
	char text[64];
	struct tm tm;

	if (picture->time_nanos > 0 && gmtime_r(&seconds, &tm) &&
		strftime(text, sizeof(text), ", %Y-%m-%d %H:%M:%S UTC", &tm))
		append(out, size, text);
	if (picture->duration_nanos > 0) {
		char length[FORMAT_VALUE_SIZE];
		format_value(
			length, sizeof(length), picture->duration_nanos, "nanoseconds", "auto");
		append(out, size, ", ");
		append(out, size, length);
		append(out, size, " long");
	}
}

static void append_total(const struct picture *picture, int64_t total, char *out, size_t size)
{
	char text[FORMAT_VALUE_SIZE];
	int64_t time;

	picture_value(picture, total, text, sizeof(text));
	append(out, size, text);
	if (picture->each && !__builtin_mul_overflow(total, picture->each, &time)) {
		format_value(text, sizeof(text), time, "nanoseconds", "auto");
		append(out, size, " (");
		append(out, size, text);
		append(out, size, ")");
	}
}

void picture_subtitle(const struct picture *picture, const struct flame *f, char *out, size_t size)
{
	const char *what = picture->each ? "cpu" : picture->type;
	char number[48];

	/* What values are numbers of is said with the number. */
	snprintf(out, size, "%s%s", what, *what ? ", " : "");
	if (!strcmp(what, picture_noun(picture)))
		*out = '\0';
	append_total(picture, f->nodes[0].value, out, size);
	if (f->differential) {
		append(out, size, " against ");
		append_total(picture, f->nodes[0].base, out, size);
	}
	append_time(picture, out, size);
	if (f->n_dropped) {
		group_digits((int64_t)f->n_dropped, number, sizeof(number));
		append(out, size, "; ");
		append(out, size, number);
		append(out, size,
			f->n_dropped == 1 ? " narrow frame is left out"
					  : " narrow frames are left out");
	}
}

/* ---- colours ------------------------------------------------------------------------------ */

double flame_greatest_change(const struct flame *f)
{
	double greatest = 0;

	for (size_t i = 0; i < f->n && f->differential; i++)
		greatest = fmax(
			greatest, fabs((double)f->nodes[i].value - (double)f->nodes[i].base));
	return greatest;
}

unsigned picture_shade(const struct picture *picture, const struct flame *f,
	const struct flame_node *node, double greatest)
{
	if (picture->palette == PALETTE_DIFF) {
		double change = (double)node->value - (double)node->base;
		/* The root makes the others pale: most changes are small beside it. */
		double part = greatest > 0 ? sqrt(fabs(change) / greatest) : 0;
		return palette_diff_shade(copysign(part, change));
	}
	return palette_shade(picture->palette, palette_hash(flame_text(f, node->name)),
		palette_hash(flame_text(f, node->module)), node->kind);
}

/* ---- escaping ----------------------------------------------------------------------------- */

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\t':
		return "&#9;";
	case '\n':
		return "&#10;";
	case '\r':
		return "&#13;";
	default:
		return NULL;
	}
}

void picture_escape(const char *text, FILE *out)
{
	for (const char *c = text; *c; c++) {
		unsigned char byte = (unsigned char)*c;
		if (entity(*c))
			fputs(entity(*c), out);
		else if (byte < 0x20) /* not in XML 1.0, chapter 2.2, not even as a reference */
			fprintf(out, "\xe2\x90%c", 0x80 + byte);
		else if (byte == 0x7f)
			fputs("\xe2\x90\xa1", out);
		else if (!strncmp(c, "\xef\xbf\xbe", 3) || !strncmp(c, "\xef\xbf\xbf", 3)) {
			fputs("\xef\xbf\xbd", out); /* U+FFFE and U+FFFF are not in it either */
			c += 2;
		} else
			fputc(byte, out);
	}
}
