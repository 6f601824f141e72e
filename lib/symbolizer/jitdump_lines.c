/* SPDX-License-Identifier: MIT */
#include "symbolizer/jitdump_lines.h"

#include <string.h>

#include "symbolizer/protocol.h"

#define PADDING	   8u	/* a record may be that much longer than its entries, less one */
#define READ_SHARE 32u	/* to read bytes costs that much less than to look at them */
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

/* Reads the name at w->at, and goes behind all that was looked at. */
static bool next_name(struct walk *w)
{
	uint64_t left = w->end - w->at, at = w->at;
	size_t room = left < SYMBOLIZER_MAX_NAME ? (size_t)left : SYMBOLIZER_MAX_NAME;
	const unsigned char *name = jitdump_bytes(w->file, w->at, room);
	const unsigned char *end = name ? memchr(name, 0, room) : NULL;
	size_t size = end ? (size_t)(end - name) : room;

	w->at += end ? size + 1 : room;
	if (!end)
		return false;
	if (size == 1 && *name == SAME_AGAIN)
		return w->line.file != 0;
	w->line.file = at;
	w->line.file_size = size;
	return name_is_good(name, size);
}

static bool read_entry(struct walk *w)
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

bool jitdump_spend(struct jitdump_file *f, uint64_t *budget, uint64_t bytes)
{
	uint64_t cost = bytes + f->read / READ_SHARE;
	bool enough = cost <= *budget;

	f->read = 0;
	*budget = enough ? *budget - cost : 0;
	return enough;
}

/* Costs what was looked at, also in vain; and something in any case. */
static bool next_entry(struct walk *w, uint64_t *budget)
{
	uint64_t at = w->at;
	bool good = read_entry(w);

	return jitdump_spend(w->file, budget, sizeof(struct entry) + w->at - at) && good;
}

/* An entry holds from `from` on. It is noted at the first asked place there only. */
static void note(
	struct jitdump_asked *asked, size_t n, uint64_t from, const struct jitdump_line *line)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (asked[middle].offset < from)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < n && (!asked[low].line.file || from >= asked[low].from)) {
		asked[low].from = from;
		asked[low].line = *line;
	}
}

bool jitdump_table_lines(struct jitdump_file *f, const struct jitdump_table *table, uint64_t shift,
	uint64_t *budget, struct jitdump_asked *asked, size_t n)
{
	struct walk w = {.file = f, .at = table->at + sizeof(struct head), .end = table->end};

	for (size_t i = 0; i < n; i++)
		asked[i].line = (struct jitdump_line){0};
	for (uint64_t i = 0; i < table->n_entries; i++) {
		if (!next_entry(&w, budget))
			return false;
		uint64_t from = w.address - table->code - shift;

		if (from > table->size)
			return false;
		note(asked, n, from, &w.line);
	}
	/* Places without an entry since the one before are still in the line of that. */
	for (size_t i = 1; i < n; i++)
		if (!asked[i].line.file)
			asked[i].line = asked[i - 1].line;
	return w.end - w.at < PADDING;
}
