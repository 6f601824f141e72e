/* SPDX-License-Identifier: MIT */
/*
 * pprof_write.c - a profile as gzipped profile.proto. protobuf-c packs one message at a time: the
 * fields of a protobuf message may come in any order and in pieces, so the file is a header (a
 * Profile without its long lists) followed by the elements of each list.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "profile.pb-c.h"
#include "profile/pprof.h"
#include "profile/strings.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/whole.h"

#define OUT_BYTES 65536
/* zlib: "add 16 to windowBits to write a simple gzip header": no name, no time stamp. */
#define GZIP_WINDOW_BITS (15 + 16)
/* A tag of one byte and the longest varint of a size. */
#define HEAD_BYTES  11
#define PROTO_BYTES 2

enum profile_field {
	FIELD_SAMPLE = 2,
	FIELD_MAPPING = 3,
	FIELD_LOCATION = 4,
	FIELD_FUNCTION = 5,
	FIELD_STRING = 6,
};

struct writer {
	int fd;
	z_stream z;
	uint8_t *packed; /* one message with its head */
	size_t packed_capacity;
	uint8_t out[OUT_BYTES];
};

static int compress_bytes(struct writer *w, const void *data, size_t size, int flush)
{
	const uint8_t *next = data;
	do {
		/* zlib counts in 32 bits. */
		uInt part = size > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)size;
		int part_flush = part == size ? flush : Z_NO_FLUSH;
		w->z.next_in = (z_const Bytef *)next;
		w->z.avail_in = part;
		do {
			w->z.next_out = w->out;
			w->z.avail_out = OUT_BYTES;
			deflate(&w->z, part_flush);
			int r = write_all(w->fd, w->out, OUT_BYTES - w->z.avail_out);
			if (r < 0)
				return r;
		} while (w->z.avail_out == 0);
		next += part;
		size -= part;
	} while (size);
	return 0;
}

static size_t put_head(uint8_t *at, enum profile_field field, uint64_t size)
{
	size_t n = 0;
	at[n++] = (uint8_t)((unsigned)field << 3 | PROTO_BYTES);
	while (size >= 0x80) {
		at[n++] = (uint8_t)(size | 0x80);
		size >>= 7;
	}
	at[n++] = (uint8_t)size;
	return n;
}

static int put_message(struct writer *w, enum profile_field field, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	int r = grow(w->packed, 0, w->packed_capacity, size + HEAD_BYTES);
	if (r < 0)
		return r;
	size_t head = put_head(w->packed, field, size);
	protobuf_c_message_pack(message, w->packed + head);
	return compress_bytes(w, w->packed, head + size, Z_NO_FLUSH);
}

/* ---- header ------------------------------------------------------------------------------- */

static Perftools__Profiles__ValueType value_type(struct value_type t)
{
	Perftools__Profiles__ValueType v = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
	v.type = t.type;
	v.unit = t.unit;
	return v;
}

static int put_header(struct writer *w, const struct profile *p)
{
	size_t n = p->n_sample_types;
	/* calloc(0) may be NULL: one more than needed. */
	_cleanup_free_ Perftools__Profiles__ValueType *types = calloc(n + 1, sizeof(*types));
	_cleanup_free_ Perftools__Profiles__ValueType **pointers = calloc(n + 1, sizeof(*pointers));
	_cleanup_free_ int64_t *comments = calloc(p->n_comments + 1, sizeof(*comments));
	if (!types || !pointers || !comments)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		types[i] = value_type(p->sample_types[i]);
		pointers[i] = &types[i];
	}
	for (size_t i = 0; i < p->n_comments; i++)
		comments[i] = p->comments[i];
	Perftools__Profiles__ValueType period_type = value_type(p->period_type);
	Perftools__Profiles__Profile header = PERFTOOLS__PROFILES__PROFILE__INIT;
	header.n_sample_type = n;
	header.sample_type = pointers;
	header.n_comment = p->n_comments;
	header.comment = comments;
	header.time_nanos = p->time_nanos;
	header.duration_nanos = p->duration_nanos;
	header.period = p->period;
	if (p->period_type.type || p->period_type.unit)
		header.period_type = &period_type;
	header.default_sample_type = p->default_sample_type;
	header.drop_frames = p->drop_frames;
	header.keep_frames = p->keep_frames;
	header.doc_url = p->doc_url;
	size_t size = perftools__profiles__profile__get_packed_size(&header);
	int r = grow(w->packed, 0, w->packed_capacity, size + HEAD_BYTES);
	if (r < 0)
		return r;
	perftools__profiles__profile__pack(&header, w->packed);
	return compress_bytes(w, w->packed, size, Z_NO_FLUSH);
}

/* ---- lists -------------------------------------------------------------------------------- */

/* Room for the parts of one message that protobuf-c wants as arrays of pointers. */
struct sample_room {
	uint64_t *locations;
	size_t location_capacity;
	Perftools__Profiles__Label *labels;
	size_t label_capacity;
	Perftools__Profiles__Label **label_pointers;
	size_t pointer_capacity;
};

static int fill_labels(struct sample_room *room, const struct label *labels, size_t n)
{
	int r = grow(room->labels, 0, room->label_capacity, n);
	if (r == 0)
		r = grow(room->label_pointers, 0, room->pointer_capacity, n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		Perftools__Profiles__Label *label = &room->labels[i];
		*label = (Perftools__Profiles__Label)PERFTOOLS__PROFILES__LABEL__INIT;
		label->key = labels[i].key;
		label->str = labels[i].str;
		label->num = labels[i].num;
		label->num_unit = labels[i].num_unit;
		room->label_pointers[i] = label;
	}
	return r;
}

static int put_sample(struct writer *w, const struct profile *p, size_t i, struct sample_room *room)
{
	const struct sample *s = &p->samples[i];
	int r = grow(room->locations, 0, room->location_capacity, s->n_locations);
	if (r == 0)
		r = fill_labels(room, p->labels + s->first_label, s->n_labels);
	if (r < 0)
		return r;
	for (size_t k = 0; k < s->n_locations; k++)
		room->locations[k] = p->location_ids[s->first_location + k];
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT;
	sample.n_location_id = s->n_locations;
	sample.location_id = room->locations;
	sample.n_value = p->n_sample_types;
	sample.value = p->values + i * p->n_sample_types;
	sample.n_label = s->n_labels;
	sample.label = room->label_pointers;
	return put_message(w, FIELD_SAMPLE, &sample.base);
}

static int put_samples(struct writer *w, const struct profile *p)
{
	struct sample_room room = {0};
	int r = 0;
	for (size_t i = 0; r == 0 && i < p->n_samples; i++)
		r = put_sample(w, p, i, &room);
	free(room.locations);
	free(room.labels);
	free(room.label_pointers);
	return r;
}

static int put_mappings(struct writer *w, const struct profile *p)
{
	int r = 0;
	for (size_t i = 1; r == 0 && i < p->n_mappings; i++) {
		const struct mapping *m = &p->mappings[i];
		Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT;
		mapping.id = i;
		mapping.memory_start = m->start;
		mapping.memory_limit = m->limit;
		mapping.file_offset = m->offset;
		mapping.filename = m->file;
		mapping.build_id = m->build_id;
		mapping.has_functions = m->has_functions;
		mapping.has_filenames = m->has_filenames;
		mapping.has_line_numbers = m->has_line_numbers;
		mapping.has_inline_frames = m->has_inline_frames;
		r = put_message(w, FIELD_MAPPING, &mapping.base);
	}
	return r;
}

struct line_room {
	Perftools__Profiles__Line *lines;
	size_t line_capacity;
	Perftools__Profiles__Line **pointers;
	size_t pointer_capacity;
};

static int put_location(struct writer *w, const struct profile *p, size_t i, struct line_room *room)
{
	const struct location *l = &p->locations[i];
	int r = grow(room->lines, 0, room->line_capacity, l->n_lines);
	if (r == 0)
		r = grow(room->pointers, 0, room->pointer_capacity, l->n_lines);
	if (r < 0)
		return r;
	for (size_t k = 0; k < l->n_lines; k++) {
		const struct line *from = &p->lines[l->first_line + k];
		Perftools__Profiles__Line *line = &room->lines[k];
		*line = (Perftools__Profiles__Line)PERFTOOLS__PROFILES__LINE__INIT;
		line->function_id = from->function;
		line->line = from->line;
		line->column = from->column;
		room->pointers[k] = line;
	}
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
	location.id = i;
	location.mapping_id = l->mapping;
	location.address = l->address;
	location.n_line = l->n_lines;
	location.line = room->pointers;
	location.is_folded = l->is_folded;
	return put_message(w, FIELD_LOCATION, &location.base);
}

static int put_locations(struct writer *w, const struct profile *p)
{
	struct line_room room = {0};
	int r = 0;
	for (size_t i = 1; r == 0 && i < p->n_locations; i++)
		r = put_location(w, p, i, &room);
	free(room.lines);
	free(room.pointers);
	return r;
}

static int put_functions(struct writer *w, const struct profile *p)
{
	int r = 0;
	for (size_t i = 1; r == 0 && i < p->n_functions; i++) {
		const struct function *f = &p->functions[i];
		Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;
		function.id = i;
		function.name = f->name;
		function.system_name = f->system_name;
		function.filename = f->filename;
		function.start_line = f->start_line;
		r = put_message(w, FIELD_FUNCTION, &function.base);
	}
	return r;
}

static int put_strings(struct writer *w, const struct profile *p)
{
	size_t n = strings_count(p->strings);
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		uint8_t head[HEAD_BYTES];
		size_t length = strings_length(p->strings, (uint32_t)i);
		size_t head_size = put_head(head, FIELD_STRING, length);
		r = compress_bytes(w, head, head_size, Z_NO_FLUSH);
		if (r == 0 && length)
			r = compress_bytes(
				w, strings_text(p->strings, (uint32_t)i), length, Z_NO_FLUSH);
	}
	return r;
}

int pprof_write(const struct profile *p, int fd)
{
	struct writer *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->fd = fd;
	if (deflateInit2(&w->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
		    Z_DEFAULT_STRATEGY) != Z_OK) {
		free(w);
		return -ENOMEM;
	}
	int r = put_header(w, p);
	if (r == 0)
		r = put_samples(w, p);
	if (r == 0)
		r = put_mappings(w, p);
	if (r == 0)
		r = put_locations(w, p);
	if (r == 0)
		r = put_functions(w, p);
	if (r == 0)
		r = put_strings(w, p);
	if (r == 0)
		r = compress_bytes(w, "", 0, Z_FINISH);
	deflateEnd(&w->z);
	free(w->packed);
	free(w);
	return r;
}
