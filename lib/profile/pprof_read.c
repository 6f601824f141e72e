/* SPDX-License-Identifier: MIT */
/*
 * pprof_read.c - profile.proto to a profile. Sections may come in any order, so the file is walked
 * once for strings, numbers and where each section lies; then each section, those that others refer
 * to first. Entries stay as the file has them: nothing is merged, and ids become indices.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/id_map.h"
#include "profile/pprof.h"
#include "profile/private.h"
#include "profile/protowire.h"
#include "profile/strings.h"
#include "util/cleanup.h"
#include "util/grow.h"

enum profile_field {
	FIELD_SAMPLE_TYPE = 1,
	FIELD_SAMPLE,
	FIELD_MAPPING,
	FIELD_LOCATION,
	FIELD_FUNCTION,
	FIELD_STRING,
	FIELD_DROP_FRAMES,
	FIELD_KEEP_FRAMES,
	FIELD_TIME,
	FIELD_DURATION,
	FIELD_PERIOD_TYPE,
	FIELD_PERIOD,
	FIELD_COMMENT,
	FIELD_DEFAULT_TYPE,
	FIELD_DOC_URL,
	N_FIELDS,
};

struct reader {
	struct profile *p;
	const uint8_t *data;
	size_t size;
	char *why;
	size_t why_size;
	bool no_stacks;	   /* only values and labels of samples */
	bool borrow;	   /* strings are those of the file, and so are their ids */
	uint32_t *strings; /* the file's index to ours; 0 for all that are empty */
	size_t n_strings, string_capacity;
	struct section {
		struct proto_cursor range; /* from its first entry to the end of its last */
		size_t n;
	} sections[N_FIELDS];
	struct id_map mappings, functions, locations;
	/* Room for one location. */
	struct line *lines;
	size_t line_capacity;
	size_t n_values; /* of the sample that is being read */
};

typedef int (*field_handler)(struct reader *r, const struct proto_field *field);

/* at: where in the (inflated) file. */
__attribute__((format(printf, 3, 4))) static int refuse(
	struct reader *r, const uint8_t *at, const char *format, ...)
{
	int n = snprintf(r->why, r->why_size, "at byte %zu: ", (size_t)(at - r->data));
	if (n >= 0 && (size_t)n < r->why_size) {
		va_list arguments;
		va_start(arguments, format);
		vsnprintf(r->why + n, r->why_size - (size_t)n, format, arguments);
		va_end(arguments);
	}
	return -EBADMSG;
}

/* The next field of a message: 1, 0 or -EBADMSG. */
static inline int next_field(struct reader *r, struct proto_cursor *c, struct proto_field *field)
{
	const char *problem;
	int n = proto_next(c, field, &problem);
	return n < 0 ? refuse(r, field->start, "%s", problem) : n;
}

static int need_type(struct reader *r, const struct proto_field *field, enum proto_type type)
{
	if (field->type == type)
		return 0;
	return refuse(r, field->start, "field %" PRIu64 " has wire type %d instead of %d",
		field->number, (int)field->type, (int)type);
}

/* Numbers 1..n of a message into values[number]; other fields are passed over. */
static int read_numbers(struct reader *r, struct proto_cursor c, uint64_t *values, size_t n)
{
	struct proto_field field;
	int found;
	memset(values, 0, (n + 1) * sizeof(*values));
	while ((found = next_field(r, &c, &field)) > 0) {
		if (field.number == 0 || field.number > n)
			continue;
		found = need_type(r, &field, PROTO_VARINT);
		if (found < 0)
			break;
		values[field.number] = field.value;
	}
	return found;
}

/* Calls `take` for each number of a repeated field, packed or not. */
static int read_repeated(struct reader *r, const struct proto_field *field,
	int (*take)(struct reader *r, const uint8_t *at, uint64_t value))
{
	if (field->type != PROTO_BYTES) {
		int n = need_type(r, field, PROTO_VARINT);
		return n < 0 ? n : take(r, field->start, field->value);
	}
	struct proto_cursor c = field->bytes;
	while (c.at < c.end) {
		const uint8_t *at = c.at;
		uint64_t value;
		if (!proto_varint(&c, &value))
			return refuse(r, at, "a packed number is cut off or too long");
		int n = take(r, at, value);
		if (n < 0)
			return n;
	}
	return 0;
}

static int find_string(struct reader *r, const uint8_t *at, uint64_t index, uint32_t *out)
{
	if (index >= r->n_strings)
		return refuse(r, at, "string %" PRIu64 " does not exist, the file has %zu", index,
			r->n_strings);
	*out = r->strings[index];
	return 0;
}

/* ---- the outer message -------------------------------------------------------------------- */

static int scan_string(struct reader *r, const struct proto_field *field)
{
	size_t length = (size_t)(field->bytes.end - field->bytes.at);
	if (r->n_strings == 0 && length)
		return refuse(r, field->start, "the first string must be empty");
	int n = grow(r->strings, r->n_strings, r->string_capacity, 1);
	if (n < 0)
		return n;
	int64_t id = r->borrow ? strings_borrow(r->p->strings, field->bytes.at, length)
			       : profile_string_n(r->p, (const char *)field->bytes.at, length);
	r->strings[r->n_strings++] = length ? (uint32_t)id : 0;
	return id < 0 ? (int)id : 0;
}

static int scan_number(struct reader *r, const struct proto_field *field)
{
	struct profile *p = r->p;
	switch (field->number) {
	case FIELD_TIME:
		if (p->time_nanos)
			return refuse(r, field->start,
				"a second profile begins: merge files, do not append them");
		p->time_nanos = (int64_t)field->value;
		break;
	case FIELD_DURATION:
		p->duration_nanos = (int64_t)field->value;
		break;
	default:
		p->period = (int64_t)field->value;
		break;
	}
	return 0;
}

/* What each field of the outer message must be; comments may be packed or not. */
static int check_type(struct reader *r, const struct proto_field *field)
{
	switch (field->number) {
	case FIELD_COMMENT:
		return 0;
	case FIELD_DROP_FRAMES:
	case FIELD_KEEP_FRAMES:
	case FIELD_TIME:
	case FIELD_DURATION:
	case FIELD_PERIOD:
	case FIELD_DEFAULT_TYPE:
	case FIELD_DOC_URL:
		return need_type(r, field, PROTO_VARINT);
	default:
		return need_type(r, field, PROTO_BYTES);
	}
}

static int scan(struct reader *r)
{
	struct proto_cursor c = {r->data, r->data + r->size};
	struct proto_field field;
	int n;
	while ((n = next_field(r, &c, &field)) > 0) {
		if (field.number == 0 || field.number >= N_FIELDS)
			continue;
		struct section *section = &r->sections[field.number];
		if (!section->n++)
			section->range.at = field.start;
		section->range.end = c.at;
		n = check_type(r, &field);
		if (n == 0 && field.number == FIELD_STRING)
			n = scan_string(r, &field);
		else if (n == 0 && field.number >= FIELD_TIME && field.number <= FIELD_PERIOD &&
			 field.number != FIELD_PERIOD_TYPE)
			n = scan_number(r, &field);
		if (n < 0)
			return n;
	}
	if (n == 0 && !r->n_strings)
		return refuse(r, r->data, "there is no string table: this is not a profile");
	return n;
}

/* Hands each entry of one section to its handler. */
static int each_entry(struct reader *r, enum profile_field number, field_handler handler)
{
	struct proto_cursor c = r->sections[number].range;
	struct proto_field field;
	int n = 0;
	while (c.at < c.end && (n = next_field(r, &c, &field)) > 0) {
		if (field.number == number)
			n = handler(r, &field);
		if (n < 0)
			return n;
	}
	return n < 0 ? n : 0;
}

/* ---- what names only strings -------------------------------------------------------------- */

static int read_value_type(
	struct reader *r, const struct proto_field *field, struct value_type *out)
{
	uint64_t v[3];
	int n = read_numbers(r, field->bytes, v, 2);
	if (n == 0)
		n = find_string(r, field->start, v[1], &out->type);
	if (n == 0)
		n = find_string(r, field->start, v[2], &out->unit);
	return n;
}

static int read_sample_type(struct reader *r, const struct proto_field *field)
{
	struct value_type t = {0};
	int n = read_value_type(r, field, &t);
	return n < 0 ? n : profile_append_sample_type(r->p, t);
}

static int read_period_type(struct reader *r, const struct proto_field *field)
{
	return read_value_type(r, field, &r->p->period_type);
}

static int read_header_string(struct reader *r, const struct proto_field *field)
{
	struct profile *p = r->p;
	uint32_t *out = field->number == FIELD_DROP_FRAMES    ? &p->drop_frames
			: field->number == FIELD_KEEP_FRAMES  ? &p->keep_frames
			: field->number == FIELD_DEFAULT_TYPE ? &p->default_sample_type
							      : &p->doc_url;
	return find_string(r, field->start, field->value, out);
}

static int take_comment(struct reader *r, const uint8_t *at, uint64_t value)
{
	uint32_t string = 0;
	int n = find_string(r, at, value, &string);
	return n < 0 ? n : profile_append_comment(r->p, string);
}

static int read_comment(struct reader *r, const struct proto_field *field)
{
	return read_repeated(r, field, take_comment);
}

static int note_id(struct reader *r, const struct proto_field *field, struct id_map *map,
	uint64_t id, int64_t index, const char *what)
{
	if (index < 0)
		return (int)index;
	int n = id_map_add(map, id, (uint32_t)index);
	if (n == -EINVAL)
		return refuse(r, field->start, "a %s has the id 0, which means none", what);
	if (n == -EEXIST)
		return refuse(r, field->start, "two %ss have the id %" PRIu64, what, id);
	return n;
}

static int read_mapping(struct reader *r, const struct proto_field *field)
{
	uint64_t v[11];
	struct mapping m = {0};
	int n = read_numbers(r, field->bytes, v, 10);
	if (n == 0)
		n = find_string(r, field->start, v[5], &m.file);
	if (n == 0)
		n = find_string(r, field->start, v[6], &m.build_id);
	if (n < 0)
		return n;
	m.id = v[1];
	m.start = v[2];
	m.limit = v[3];
	m.offset = v[4];
	m.has_functions = v[7];
	m.has_filenames = v[8];
	m.has_line_numbers = v[9];
	m.has_inline_frames = v[10];
	return note_id(r, field, &r->mappings, v[1], profile_append_mapping(r->p, &m), "mapping");
}

static int read_function(struct reader *r, const struct proto_field *field)
{
	uint64_t v[6];
	struct function f = {0};
	int n = read_numbers(r, field->bytes, v, 5);
	if (n == 0)
		n = find_string(r, field->start, v[2], &f.name);
	if (n == 0)
		n = find_string(r, field->start, v[3], &f.system_name);
	if (n == 0)
		n = find_string(r, field->start, v[4], &f.filename);
	if (n < 0)
		return n;
	f.start_line = (int64_t)v[5];
	return note_id(
		r, field, &r->functions, v[1], profile_append_function(r->p, &f), "function");
}

/* ---- locations ---------------------------------------------------------------------------- */

static int read_line(struct reader *r, const struct proto_field *field, struct line *out)
{
	uint64_t v[4];
	int n = need_type(r, field, PROTO_BYTES);
	if (n == 0)
		n = read_numbers(r, field->bytes, v, 3);
	if (n < 0)
		return n;
	out->function = id_map_get(&r->functions, v[1]);
	out->line = (int64_t)v[2];
	out->column = (int64_t)v[3];
	if (!out->function)
		return refuse(r, field->start, "function %" PRIu64 " does not exist", v[1]);
	return 0;
}

static int read_location(struct reader *r, const struct proto_field *outer)
{
	struct proto_cursor c = outer->bytes;
	struct proto_field field;
	struct location l = {0};
	uint64_t id = 0;
	size_t n_lines = 0;
	int n;
	while ((n = next_field(r, &c, &field)) > 0) {
		if (field.number == 0 || field.number > 5)
			continue;
		if (field.number == 4) {
			n = grow(r->lines, n_lines, r->line_capacity, 1);
			if (n == 0)
				n = read_line(r, &field, &r->lines[n_lines++]);
		} else {
			n = need_type(r, &field, PROTO_VARINT);
		}
		if (n < 0)
			return n;
		if (field.number == 1)
			id = field.value;
		else if (field.number == 2) /* google/pprof takes an unknown one as none */
			l.mapping = id_map_get(&r->mappings, field.value);
		else if (field.number == 3)
			l.address = field.value;
		else if (field.number == 5)
			l.is_folded = field.value;
	}
	if (n < 0)
		return n;
	l.id = id;
	return note_id(r, outer, &r->locations, id,
		profile_append_location(r->p, &l, r->lines, n_lines), "location");
}

/* ---- samples ------------------------------------------------------------------------------ */

/* What is read goes to the end of the profile's pools; the sample that owns it follows. */
static int take_location_id(struct reader *r, const uint8_t *at, uint64_t value)
{
	struct profile *p = r->p;
	uint32_t location = id_map_get(&r->locations, value);
	if (!location)
		return refuse(r, at, "location %" PRIu64 " does not exist", value);
	int n = grow(p->location_ids, p->n_location_ids, p->private->location_id_capacity, 1);
	if (n == 0)
		p->location_ids[p->n_location_ids++] = location;
	return n;
}

/* The form that all writers of today use. */
static int take_packed_locations(struct reader *r, const struct proto_field *field)
{
	struct proto_cursor c = field->bytes;
	struct profile *p = r->p;
	/* A number takes a byte at least. */
	int n = grow(p->location_ids, p->n_location_ids, p->private->location_id_capacity,
		(size_t)(c.end - c.at));
	while (n == 0 && c.at < c.end) {
		const uint8_t *at = c.at;
		uint64_t value;
		if (!proto_varint(&c, &value))
			return refuse(r, at, "a packed number is cut off or too long");
		uint32_t location = id_map_get(&r->locations, value);
		if (!location)
			return refuse(r, at, "location %" PRIu64 " does not exist", value);
		p->location_ids[p->n_location_ids++] = location;
	}
	return n;
}

static int take_value(struct reader *r, const uint8_t *at, uint64_t value)
{
	struct profile *p = r->p;
	size_t n_all = p->n_samples * p->n_sample_types + r->n_values;
	if (r->n_values == p->n_sample_types)
		return refuse(r, at, "a sample has more values than the file has types (%zu)",
			p->n_sample_types);
	int n = grow(p->values, n_all, p->private->value_capacity, 1);
	if (n == 0) {
		p->values[n_all] = (int64_t)value;
		r->n_values++;
	}
	return n;
}

static int read_label(struct reader *r, const struct proto_field *field)
{
	struct profile *p = r->p;
	uint64_t v[5];
	struct label label = {0};
	int n = need_type(r, field, PROTO_BYTES);
	if (n == 0)
		n = read_numbers(r, field->bytes, v, 4);
	if (n == 0)
		n = find_string(r, field->start, v[1], &label.key);
	if (n == 0)
		n = find_string(r, field->start, v[2], &label.str);
	if (n == 0)
		n = find_string(r, field->start, v[4], &label.num_unit);
	if (n < 0)
		return n;
	if (label.str)
		label.num_unit = 0;
	else
		label.num = (int64_t)v[3];
	/* A string label without text, or a number of 0 without a unit, says nothing. */
	if (!label.str && (v[2] || (!label.num && !label.num_unit)))
		return 0;
	n = grow(p->labels, p->n_labels, p->private->label_capacity, 1);
	if (n == 0)
		p->labels[p->n_labels++] = label;
	return n;
}

static int read_sample(struct reader *r, const struct proto_field *outer)
{
	struct profile *p = r->p;
	size_t first_location = p->n_location_ids, first_label = p->n_labels;
	struct proto_cursor c = outer->bytes;
	struct proto_field field;
	int n = grow(p->samples, p->n_samples, p->private->sample_capacity, 1);
	if (n < 0)
		return n;
	r->n_values = 0;
	while ((n = next_field(r, &c, &field)) > 0) {
		if (field.number == 1 && r->no_stacks)
			continue;
		if (field.number == 1 && field.type == PROTO_BYTES)
			n = take_packed_locations(r, &field);
		else if (field.number == 1)
			n = read_repeated(r, &field, take_location_id);
		else if (field.number == 2)
			n = read_repeated(r, &field, take_value);
		else if (field.number == 3)
			n = read_label(r, &field);
		if (n < 0)
			return n;
	}
	if (n < 0)
		return n;
	if (!p->n_sample_types)
		return refuse(r, outer->start, "there are samples but no sample types");
	if (r->n_values != p->n_sample_types)
		return refuse(r, outer->start, "a sample has %zu values, the file has %zu types",
			r->n_values, p->n_sample_types);
	p->samples[p->n_samples++] = (struct sample){(uint32_t)first_location,
		(uint32_t)(p->n_location_ids - first_location), (uint32_t)first_label,
		(uint32_t)(p->n_labels - first_label)};
	return 0;
}

/* ---- whole files -------------------------------------------------------------------------- */

static int init_id_maps(struct reader *r)
{
	int n = id_map_init(&r->mappings, r->sections[FIELD_MAPPING].n);
	if (n == 0)
		n = id_map_init(&r->functions, r->sections[FIELD_FUNCTION].n);
	if (n == 0)
		n = id_map_init(&r->locations, r->sections[FIELD_LOCATION].n);
	return n;
}

static int read_sections(struct reader *r)
{
	static const struct {
		enum profile_field number;
		field_handler handler;
	} order[] = {
		{FIELD_SAMPLE_TYPE, read_sample_type},
		{FIELD_PERIOD_TYPE, read_period_type},
		{FIELD_DROP_FRAMES, read_header_string},
		{FIELD_KEEP_FRAMES, read_header_string},
		{FIELD_DEFAULT_TYPE, read_header_string},
		{FIELD_DOC_URL, read_header_string},
		{FIELD_COMMENT, read_comment},
		{FIELD_MAPPING, read_mapping},
		{FIELD_FUNCTION, read_function},
		{FIELD_LOCATION, read_location},
		{FIELD_SAMPLE, read_sample},
	};
	int n = scan(r);
	if (n == 0)
		n = init_id_maps(r);
	for (size_t i = 0; n == 0 && i < sizeof(order) / sizeof(*order); i++) {
		bool of_stacks = order[i].number >= FIELD_MAPPING &&
				 order[i].number <= FIELD_FUNCTION;
		if (!of_stacks || !r->no_stacks)
			n = each_entry(r, order[i].number, order[i].handler);
	}
	return n;
}

static void reader_end(struct reader *r)
{
	free(r->strings);
	id_map_free(&r->mappings);
	id_map_free(&r->functions);
	id_map_free(&r->locations);
	free(r->lines);
	profile_free(r->p);
}

static int make_profile(struct reader *r)
{
	r->p = profile_new();
	if (r->p && r->borrow) {
		strings_free(r->p->strings);
		r->p->strings = strings_over();
	}
	return r->p && r->p->strings ? 0 : -ENOMEM;
}

static int read_message(struct reader *r, struct profile **out)
{
	int n = make_profile(r);
	if (n == 0)
		n = read_sections(r);
	if (n == 0)
		*out = take_ptr(r->p);
	else if (n == -ENOMEM)
		snprintf(r->why, r->why_size, "out of memory");
	else if (n == -E2BIG)
		snprintf(r->why, r->why_size, "it has more than 2^31 entries of one kind");
	reader_end(r);
	return n;
}

int pprof_read_message(
	struct profile **out, const uint8_t *data, size_t size, char *why, size_t why_size)
{
	struct reader r = {.data = data, .size = size, .why = why, .why_size = why_size};
	return read_message(&r, out);
}

int pprof_take_message(struct profile **out, uint8_t *data, size_t size, bool no_stacks, char *why,
	size_t why_size)
{
	struct reader r = {.data = data,
		.size = size,
		.why = why,
		.why_size = why_size,
		.no_stacks = no_stacks,
		.borrow = true};
	int n = read_message(&r, out);
	if (n == 0)
		strings_end_borrowed((*out)->strings, data);
	return n;
}

int64_t pprof_find_period(const uint8_t *data, size_t size)
{
	struct proto_cursor c = {data, data + size};
	struct proto_field field;
	const char *problem;
	/* What is cut off at the end is a problem as well, and ends the search. */
	while (proto_next(&c, &field, &problem) > 0 && field.number != FIELD_SAMPLE) {
		if (field.number == FIELD_PERIOD && field.type == PROTO_VARINT)
			return (int64_t)field.value;
	}
	return 0;
}
