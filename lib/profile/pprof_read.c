/* SPDX-License-Identifier: MIT */
/*
 * pprof_read.c - profile.proto to a profile. Sections may come in any order, so the file is walked
 * once for strings and headers, once for what names only those, then for locations, then samples;
 * only the tags of the outer message are read each time. Entries stay as the file has them: nothing
 * is merged, and ids become indices.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/gunzip.h"
#include "profile/id_map.h"
#include "profile/legacy.h"
#include "profile/pprof.h"
#include "profile/private.h"
#include "profile/protowire.h"
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
	uint32_t *strings; /* the file's index to ours */
	size_t n_strings, string_capacity;
	size_t n_mappings, n_functions, n_locations;
	struct id_map mappings, functions, locations;
	/* Room for one location or sample. */
	struct line *lines;
	size_t line_capacity;
	uint32_t *stack;
	size_t n_stack, stack_capacity;
	struct label *labels;
	size_t n_labels, label_capacity;
	int64_t *values;
	size_t n_values, value_capacity;
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
static int next_field(struct reader *r, struct proto_cursor *c, struct proto_field *field)
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

static int each_field(struct reader *r, const field_handler handlers[N_FIELDS])
{
	struct proto_cursor c = {r->data, r->data + r->size};
	struct proto_field field;
	int found;
	while ((found = next_field(r, &c, &field)) > 0) {
		if (field.number >= N_FIELDS || !handlers[field.number])
			continue;
		found = handlers[field.number](r, &field);
		if (found < 0)
			return found;
	}
	return found;
}

static int scan_string(struct reader *r, const struct proto_field *field)
{
	int n = need_type(r, field, PROTO_BYTES);
	if (n == 0)
		n = grow(r->strings, r->n_strings, r->string_capacity, 1);
	if (n < 0)
		return n;
	int64_t id = profile_string_n(
		r->p, (const char *)field->bytes.at, (size_t)(field->bytes.end - field->bytes.at));
	if (id < 0)
		return (int)id;
	if (r->n_strings == 0 && id != 0)
		return refuse(r, field->start, "the first string must be empty");
	r->strings[r->n_strings++] = (uint32_t)id;
	return 0;
}

static int scan_entry(struct reader *r, const struct proto_field *field)
{
	if (field->number == FIELD_MAPPING)
		r->n_mappings++;
	else if (field->number == FIELD_FUNCTION)
		r->n_functions++;
	else
		r->n_locations++;
	return need_type(r, field, PROTO_BYTES);
}

static int scan_number(struct reader *r, const struct proto_field *field)
{
	struct profile *p = r->p;
	int n = need_type(r, field, PROTO_VARINT);
	if (n < 0)
		return n;
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

static const field_handler scan_handlers[N_FIELDS] = {
	[FIELD_STRING] = scan_string,
	[FIELD_MAPPING] = scan_entry,
	[FIELD_FUNCTION] = scan_entry,
	[FIELD_LOCATION] = scan_entry,
	[FIELD_TIME] = scan_number,
	[FIELD_DURATION] = scan_number,
	[FIELD_PERIOD] = scan_number,
};

/* ---- what names only strings -------------------------------------------------------------- */

static int read_value_type(
	struct reader *r, const struct proto_field *field, struct value_type *out)
{
	uint64_t v[3];
	int n = need_type(r, field, PROTO_BYTES);
	if (n == 0)
		n = read_numbers(r, field->bytes, v, 2);
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
	return n < 0 ? n
		     : profile_add_sample_type(
			       r->p, profile_text(r->p, t.type), profile_text(r->p, t.unit));
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
	int n = need_type(r, field, PROTO_VARINT);
	return n < 0 ? n : find_string(r, field->start, field->value, out);
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

static const field_handler table_handlers[N_FIELDS] = {
	[FIELD_SAMPLE_TYPE] = read_sample_type,
	[FIELD_PERIOD_TYPE] = read_period_type,
	[FIELD_DROP_FRAMES] = read_header_string,
	[FIELD_KEEP_FRAMES] = read_header_string,
	[FIELD_DEFAULT_TYPE] = read_header_string,
	[FIELD_DOC_URL] = read_header_string,
	[FIELD_COMMENT] = read_comment,
	[FIELD_MAPPING] = read_mapping,
	[FIELD_FUNCTION] = read_function,
};

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

static const field_handler location_handlers[N_FIELDS] = {[FIELD_LOCATION] = read_location};

/* ---- samples ------------------------------------------------------------------------------ */

static int take_location_id(struct reader *r, const uint8_t *at, uint64_t value)
{
	uint32_t location = id_map_get(&r->locations, value);
	if (!location)
		return refuse(r, at, "location %" PRIu64 " does not exist", value);
	int n = grow(r->stack, r->n_stack, r->stack_capacity, 1);
	if (n == 0)
		r->stack[r->n_stack++] = location;
	return n;
}

static int take_value(struct reader *r, const uint8_t *at, uint64_t value)
{
	if (r->n_values == r->p->n_sample_types)
		return refuse(r, at, "a sample has more values than the file has types (%zu)",
			r->p->n_sample_types);
	int n = grow(r->values, r->n_values, r->value_capacity, 1);
	if (n == 0)
		r->values[r->n_values++] = (int64_t)value;
	return n;
}

static int read_label(struct reader *r, const struct proto_field *field)
{
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
	n = grow(r->labels, r->n_labels, r->label_capacity, 1);
	if (n == 0)
		r->labels[r->n_labels++] = label;
	return n;
}

static int read_sample(struct reader *r, const struct proto_field *outer)
{
	struct proto_field field;
	int n = need_type(r, outer, PROTO_BYTES);
	if (n < 0)
		return n;
	struct proto_cursor c = outer->bytes;
	r->n_stack = r->n_labels = r->n_values = 0;
	while ((n = next_field(r, &c, &field)) > 0) {
		if (field.number == 1)
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
	if (!r->p->n_sample_types)
		return refuse(r, outer->start, "there are samples but no sample types");
	if (r->n_values != r->p->n_sample_types)
		return refuse(r, outer->start, "a sample has %zu values, the file has %zu types",
			r->n_values, r->p->n_sample_types);
	return profile_append_sample(r->p, r->stack, r->n_stack, r->labels, r->n_labels, r->values);
}

static const field_handler sample_handlers[N_FIELDS] = {[FIELD_SAMPLE] = read_sample};

/* ---- whole files -------------------------------------------------------------------------- */

static int read_tables(struct reader *r)
{
	int n = each_field(r, scan_handlers);
	if (n < 0)
		return n;
	if (!r->n_strings)
		return refuse(r, r->data, "there is no string table: this is not a profile");
	n = id_map_init(&r->mappings, r->n_mappings);
	if (n == 0)
		n = id_map_init(&r->functions, r->n_functions);
	if (n == 0)
		n = id_map_init(&r->locations, r->n_locations);
	if (n == 0)
		n = each_field(r, table_handlers);
	if (n == 0)
		n = each_field(r, location_handlers);
	if (n == 0)
		n = each_field(r, sample_handlers);
	return n;
}

static void reader_end(struct reader *r)
{
	free(r->strings);
	id_map_free(&r->mappings);
	id_map_free(&r->functions);
	id_map_free(&r->locations);
	free(r->lines);
	free(r->stack);
	free(r->labels);
	free(r->values);
	profile_free(r->p);
}

static int parse_raw(
	struct profile **out, const uint8_t *data, size_t size, char *why, size_t why_size)
{
	struct reader r = {.data = data, .size = size, .why = why, .why_size = why_size};
	r.p = profile_new();
	int n = r.p ? read_tables(&r) : -ENOMEM;
	if (n == 0)
		*out = take_ptr(r.p);
	else if (n == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	else if (n == -E2BIG)
		snprintf(why, why_size, "it has more than 2^31 entries of one kind");
	reader_end(&r);
	return n;
}

/* What is no profile.proto may be in one of the formats before it. */
static int parse_any(
	struct profile **out, const uint8_t *data, size_t size, char *why, size_t why_size)
{
	int n = parse_raw(out, data, size, why, why_size);
	if (n != -EBADMSG)
		return n;
	int legacy = legacy_parse(out, data, size, why, why_size);
	return legacy == -ENODATA ? n : legacy;
}

int pprof_parse(struct profile **out, const void *data, size_t size, char *why, size_t why_size)
{
	static const char perf_magic[] = "PERFILE2";
	if (size == 0) {
		snprintf(why, why_size, "it is empty");
		return -EBADMSG;
	}
	if (size > sizeof(perf_magic) && !memcmp(data, perf_magic, sizeof(perf_magic) - 1)) {
		snprintf(why, why_size, "it is a perf.data file, not a pprof profile");
		return -EBADMSG;
	}
	if (!gunzip_is_gzip(data, size))
		return parse_any(out, data, size, why, why_size);
	uint8_t *raw = NULL;
	size_t raw_size;
	int n = gunzip(data, size, PPROF_MAX_BYTES, &raw, &raw_size, why, why_size);
	if (n < 0)
		return n;
	n = parse_any(out, raw, raw_size, why, why_size);
	free(raw);
	return n;
}

int pprof_read(struct profile **out, int fd, const char *name, char *why, size_t why_size)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;
	char reason[256] = "";
	int r = slurp(fd, PPROF_MAX_BYTES, &data, &size);
	if (r < 0)
		snprintf(reason, sizeof(reason), "%s", strerror(-r));
	else
		r = pprof_parse(out, data, size, reason, sizeof(reason));
	if (r < 0)
		snprintf(why, why_size, "%s: %s", name, reason);
	return r;
}

int pprof_read_file(struct profile **out, const char *path, char *why, size_t why_size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int r = -errno;
		snprintf(why, why_size, "%s: %s", path, strerror(-r));
		return r;
	}
	return pprof_read(out, fd, path, why, why_size);
}
