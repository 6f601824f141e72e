/* SPDX-License-Identifier: MIT */
#include "collector/symbol_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

#define CHUNK_BYTES (4u << 10)

struct symbol_chunk {
	struct symbol_chunk *next;
	size_t size, used;
	char bytes[];
};

void symbol_table_clear(struct symbol_table *t)
{
	struct symbol_table kept = {.trust = t->trust, .error = t->error, .looked = t->looked};

	for (struct symbol_chunk *c = t->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(t->functions);
	free(t->lines);
	free(t->addresses);
	free(t->texts);
	intern_free(&t->text_index);
	intern_free(&t->function_index);
	intern_free(&t->address_index);
	*t = kept;
}

void symbol_table_at(struct symbol_table *t, uint64_t until)
{
	if (t->flags & SYMBOLIZER_DEPENDS_ON_TIME && t->until != until)
		symbol_table_clear(t);
	t->until = until;
}

size_t symbol_table_bytes(const struct symbol_table *t)
{
	return t->functions_capacity * sizeof(*t->functions) +
	       t->lines_capacity * sizeof(*t->lines) +
	       t->addresses_capacity * sizeof(*t->addresses) +
	       t->texts_capacity * sizeof(*t->texts) + t->chunk_bytes +
	       intern_bytes(&t->text_index) + intern_bytes(&t->function_index) +
	       intern_bytes(&t->address_index);
}

/* ---- texts ---------------------------------------------------------------------------------- */

/* Room for a text, in the newest chunk or in a new one (of its own, if it is long). */
static char *reserve(struct symbol_table *t, size_t size)
{
	struct symbol_chunk *c = t->chunks;

	if (!c || c->size - c->used < size) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		c = malloc(sizeof(*c) + room);
		if (!c)
			return NULL;
		*c = (struct symbol_chunk){.next = t->chunks, .size = room};
		t->chunks = c;
		t->chunk_bytes += sizeof(*c) + room;
	}
	c->used += size;
	return c->bytes + c->used - size;
}

struct text_key {
	const struct symbol_table *table;
	const char *text;
};

static bool same_text(const void *userdata, uint32_t id)
{
	const struct text_key *key = userdata;

	return !strcmp(key->table->texts[id - 1], key->text);
}

/* Interns a text: equal ones are the same pointer. */
static int add_text(struct symbol_table *t, const char *from, const char **out)
{
	size_t length = strnlen(from, SYMBOLIZER_MAX_NAME - 1);
	_cleanup_free_ char *text = strndup(from, length);
	int r;

	*out = "";
	if (!text)
		return -ENOMEM;
	if (!length)
		return 0;
	symbol_text_show(text);

	struct text_key key = {t, text};
	uint64_t hash = hash_bytes(text, length);
	uint32_t id = intern_find(&t->text_index, hash, same_text, &key);

	if (!id) {
		char *kept;

		r = grow(t->texts, t->n_texts, t->texts_capacity, 1);
		if (r)
			return r;
		kept = reserve(t, length + 1);
		if (!kept || intern_add(&t->text_index, hash, (uint32_t)t->n_texts + 1))
			return -ENOMEM;
		memcpy(kept, text, length + 1);
		t->texts[t->n_texts++] = kept;
		id = (uint32_t)t->n_texts;
	}
	*out = t->texts[id - 1];
	return 0;
}

/* ---- functions --------------------------------------------------------------------------------
 */

struct function_key {
	const struct symbol_table *table;
	struct symbol_function function;
};

/* Texts are interned: equal ones have equal addresses. */
static bool same_function(const void *userdata, uint32_t id)
{
	const struct function_key *key = userdata;
	const struct symbol_function *a = &key->table->functions[id - 1], *b = &key->function;

	return a->name == b->name && a->system_name == b->system_name && a->file == b->file &&
	       a->start_line == b->start_line;
}

static uint64_t hash_function(const struct symbol_function *f)
{
	uint64_t hash = hash_bytes(&f->name, sizeof(f->name));

	hash = hash_more(hash, &f->system_name, sizeof(f->system_name));
	hash = hash_more(hash, &f->file, sizeof(f->file));
	return hash_more(hash, &f->start_line, sizeof(f->start_line));
}

static int add_function(struct symbol_table *t, const struct symbol_answer *answer,
	const struct symbolizer_function *from, uint32_t *out)
{
	struct function_key key = {.table = t, .function = {.start_line = from->start_line}};
	int r = add_text(t, answer->strings + from->name, &key.function.name);

	if (!r)
		r = add_text(t, answer->strings + from->system_name, &key.function.system_name);
	if (!r)
		r = add_text(t, answer->strings + from->file, &key.function.file);
	if (r)
		return r;

	uint64_t hash = hash_function(&key.function);
	uint32_t id = intern_find(&t->function_index, hash, same_function, &key);

	if (!id) {
		r = grow(t->functions, t->n_functions, t->functions_capacity, 1);
		if (!r)
			r = intern_add(&t->function_index, hash, (uint32_t)t->n_functions + 1);
		if (r)
			return r;
		t->functions[t->n_functions++] = key.function;
		id = (uint32_t)t->n_functions;
	}
	*out = id - 1;
	return 0;
}

/* ---- addresses --------------------------------------------------------------------------------
 */

struct address_key {
	const struct symbol_table *table;
	uint64_t offset;
};

static bool same_address(const void *userdata, uint32_t id)
{
	const struct address_key *key = userdata;

	return key->table->addresses[id - 1].offset == key->offset;
}

static uint32_t find_address(const struct symbol_table *t, uint64_t offset)
{
	struct address_key key = {t, offset};

	return intern_find(
		&t->address_index, hash_bytes(&offset, sizeof(offset)), same_address, &key);
}

bool symbol_table_has(const struct symbol_table *t, uint64_t offset)
{
	return find_address(t, offset) != 0;
}

static int add_address(struct symbol_table *t, const struct symbol_answer *answer,
	const struct symbolizer_address *from, uint64_t offset, const uint32_t *functions)
{
	int r = grow(t->addresses, t->n_addresses, t->addresses_capacity, 1);

	if (!r)
		r = grow(t->lines, t->n_lines, t->lines_capacity, from->count);
	if (!r)
		r = intern_add(&t->address_index, hash_bytes(&offset, sizeof(offset)),
			(uint32_t)t->n_addresses + 1);
	if (r)
		return r;
	t->addresses[t->n_addresses++] = (struct symbol_address){
		offset, from->vaddr, (uint32_t)t->n_lines, from->count};
	for (uint32_t i = 0; i < from->count; i++) {
		const struct symbolizer_line *line = &answer->lines[from->first + i];

		t->lines[t->n_lines++] = (struct symbol_line){
			functions[line->function], line->line};
	}
	return 0;
}

static void take_segments(struct symbol_table *t, const struct symbol_answer *answer)
{
	t->n_segments = answer->head->n_segments;
	for (size_t i = 0; i < t->n_segments; i++) {
		const struct symbolizer_segment *s = &answer->segments[i];

		t->segments[i] = (struct symbol_segment){s->vaddr, s->offset, s->filesz, s->memsz};
	}
}

int symbol_table_add(
	struct symbol_table *t, const struct symbol_answer *answer, const uint64_t *offsets)
{
	const struct symbolizer_answer *head = answer->head;
	_cleanup_free_ uint32_t *functions = calloc(head->n_functions + 1, sizeof(*functions));
	int r = functions ? 0 : -ENOMEM;

	memcpy(t->build_id, head->build_id, sizeof(t->build_id));
	t->flags |= head->flags;
	t->error = head->error;
	take_segments(t, answer);
	for (uint32_t i = 0; !r && i < head->n_functions; i++)
		r = add_function(t, answer, &answer->functions[i], &functions[i]);
	for (uint32_t i = 0; !r && i < head->n_addresses; i++)
		r = add_address(t, answer, &answer->addresses[i], offsets[i], functions);
	return r;
}

/* Lines, functions and texts that nobody uses any more stay until the table is cleared: this is
 * rare, and few addresses are concerned. */
void symbol_table_forget(struct symbol_table *t, uint64_t from, uint64_t to)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n_addresses; i++)
		if (t->addresses[i].offset < from || t->addresses[i].offset >= to)
			t->addresses[kept++] = t->addresses[i];
	if (kept == t->n_addresses)
		return;
	t->n_addresses = kept;
	intern_free(&t->address_index);
	for (size_t i = 0; i < kept; i++) {
		uint64_t offset = t->addresses[i].offset;

		if (intern_add(&t->address_index, hash_bytes(&offset, sizeof(offset)),
			    (uint32_t)i + 1)) {
			symbol_table_clear(t);
			return;
		}
	}
}

struct symbols symbol_table_view(const struct symbol_table *t, const uint64_t *offsets, size_t n,
	struct symbol_address *addresses)
{
	struct symbols view = {
		.has_files = t->flags & SYMBOLIZER_HAS_FILES,
		.has_lines = t->flags & SYMBOLIZER_HAS_LINES,
		.has_inlines = t->flags & SYMBOLIZER_HAS_INLINES,
		.n_segments = t->n_segments,
		.n_functions = t->n_functions,
		.n_lines = t->n_lines,
		.n_addresses = n,
		.segments = t->segments,
		.functions = t->functions,
		.lines = t->lines,
		.addresses = addresses,
	};

	memcpy(view.build_id, t->build_id, sizeof(view.build_id));
	for (size_t i = 0; i < n; i++) {
		uint32_t id = find_address(t, offsets[i]);

		addresses[i] = id ? t->addresses[id - 1]
				  : (struct symbol_address){
					    .offset = offsets[i], .vaddr = offsets[i]};
	}
	return view;
}
