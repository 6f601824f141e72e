/* SPDX-License-Identifier: MIT */
#include "symbolizer/jitdump_lines.h"

#include <string.h>

#include "symbolizer/protocol.h"

#define PADDING	   8u	/* a record may be that much longer than its entries, less one */
#define SAME_AGAIN 0xff /* the name that stands for that of the entry before */

/* What a record begins with. */
struct head {
	struct jitdump_record record;
	uint64_t code, n_entries;
};

/* The file's name comes behind it. */
struct entry {
	uint64_t address;
	uint32_t line, column;
};

/* A table while it is gone through. */
struct walk {
	struct jitdump_file *file;
	uint64_t at, end;	  /* of the next entry, of the table */
	struct jitdump_line line; /* of the entry before */
	uint64_t address;
};

bool jitdump_table_read(struct jitdump_file *f, uint64_t at, const struct jitdump_record *record,
	struct jitdump_table *table)
{
	struct head head;
	struct entry entry;
	const void *bytes = record->size < sizeof(head) ? NULL : jitdump_bytes(f, at, sizeof(head));

	if (!bytes)
		return false;
	memcpy(&head, bytes, sizeof(head));
	*table = (struct jitdump_table){.at = at,
		.end = at + record->size,
		.n_entries = head.n_entries,
		.code = head.code,
		.first = UINT64_MAX};
	bytes = record->size < sizeof(head) + sizeof(entry) || !head.n_entries
			? NULL
			: jitdump_bytes(f, at + sizeof(head), sizeof(entry));
	if (bytes) {
		memcpy(&entry, bytes, sizeof(entry));
		table->first = entry.address;
	}
	return true;
}

/* As long as it is in the table, has an end and is text: of control characters there are none. */
static bool name_is_good(const unsigned char *name, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (name[i] < ' ' || name[i] == 0x7f)
			return false;
	return size > 0;
}

/* Reads the name at w->at, and goes behind it. */
static bool next_name(struct walk *w)
{
	uint64_t left = w->end - w->at;
	size_t room = left < SYMBOLIZER_MAX_NAME ? (size_t)left : SYMBOLIZER_MAX_NAME;
	const unsigned char *name = jitdump_bytes(w->file, w->at, room);
	const unsigned char *end = name ? memchr(name, 0, room) : NULL;

	if (!end)
		return false;
	size_t size = (size_t)(end - name);

	if (size == 1 && *name == SAME_AGAIN) {
		if (!w->line.file)
			return false;
	} else if (name_is_good(name, size)) {
		w->line.file = w->at;
		w->line.file_size = size;
	} else {
		return false;
	}
	w->at += size + 1;
	return true;
}

static bool next_entry(struct walk *w)
{
	struct entry entry;
	const void *bytes = w->end - w->at < sizeof(entry)
				    ? NULL
				    : jitdump_bytes(w->file, w->at, sizeof(entry));

	if (!bytes)
		return false;
	memcpy(&entry, bytes, sizeof(entry));
	w->at += sizeof(entry);
	w->address = entry.address;
	w->line.line = entry.line;
	return entry.line <= INT32_MAX && next_name(w);
}

bool jitdump_table_line(struct jitdump_file *f, const struct jitdump_table *table, uint64_t offset,
	uint64_t size, uint64_t shift, uint32_t *steps, struct jitdump_line *line)
{
	struct walk w = {.file = f, .at = table->at + sizeof(struct head), .end = table->end};
	uint64_t nearest = 0;
	bool found = false;

	for (uint64_t i = 0; i < table->n_entries; i++) {
		if (!*steps || !next_entry(&w))
			return false;
		(*steps)--;
		uint64_t at = w.address - table->code - shift;

		if (at > size)
			return false;
		if (at > offset || at < nearest)
			continue;
		nearest = at;
		*line = w.line;
		found = true;
	}
	return found && w.end - w.at < PADDING;
}
