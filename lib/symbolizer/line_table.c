// SPDX-License-Identifier: MIT
#include "symbolizer/line_table.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/grow.h"
#include "util/reader.h"

#define MAX_ROWS    20000000 /* of one unit */
#define MAX_FORMATS 16

/* Rows of code that lies together, sorted. */
struct sequence {
	uint64_t low;
	size_t first, count; /* of program.rows */
};

struct row {
	uint64_t address;
	uint32_t line, file;
};

struct program {
	const struct dwarf_sections *sections;
	struct line_table *table;
	struct reader header, code;
	uint16_t version;
	uint8_t offset_size, address_size;
	uint8_t least_step, opcode_base, line_range;
	int8_t line_base;
	const uint8_t *lengths;	   /* of the operands of standard opcodes, from opcode 1 on */
	struct line_file *folders; /* only `name` is used */
	size_t n_folders, folders_capacity;
	struct row *rows;
	size_t n_rows, rows_capacity;
	struct sequence *sequences;
	size_t n_sequences, sequences_capacity;
};

/* ---- header --------------------------------------------------------------------------------- */

static int open_program(struct program *p, uint64_t offset)
{
	const struct section_bytes *line = &p->sections->line;
	struct reader r;
	uint64_t length, header_length;

	if (!line->bytes || offset >= line->size)
		return -EBADMSG;
	r = reader_of(line->bytes + offset, line->size - offset);
	p->offset_size = 4;
	length = read_number(&r, 4);
	if (length == UINT32_MAX) {
		p->offset_size = 8;
		length = read_number(&r, 8);
	}
	if (length < reader_left(&r))
		r.end = r.at + length;
	p->version = (uint16_t)read_number(&r, 2);
	if (p->version < 2 || p->version > 5)
		return -EBADMSG;
	if (p->version >= 5) {
		p->address_size = read_byte(&r);
		read_byte(&r); /* segment selectors, which nobody has */
	}
	header_length = read_number(&r, p->offset_size);
	if (r.failed || header_length > reader_left(&r))
		return -EBADMSG;
	p->header = reader_of(r.at, header_length);
	p->code = reader_of(r.at + header_length, reader_left(&r) - header_length);
	p->least_step = read_byte(&p->header);
	if (p->version >= 4)
		read_byte(&p->header); /* operations of an instruction: 1 but for VLIW */
	read_byte(&p->header);	       /* default_is_stmt: all rows count */
	p->line_base = (int8_t)read_byte(&p->header);
	p->line_range = read_byte(&p->header);
	p->opcode_base = read_byte(&p->header);
	p->lengths = read_bytes(&p->header, p->opcode_base ? p->opcode_base - 1u : 0);
	return p->header.failed || !p->opcode_base || !p->lengths ? -EBADMSG : 0;
}

static const char *read_text(struct reader *r)
{
	const char *text = (const char *)r->at;
	const uint8_t *nul = memchr(r->at, 0, reader_left(r));

	if (!nul || !read_bytes(r, (uint64_t)(nul - r->at) + 1)) {
		r->failed = true;
		return NULL;
	}
	return text;
}

static int add(struct line_file **files, size_t *n, size_t *capacity, struct line_file file)
{
	int r = grow(*files, *n, *capacity, 1);

	if (!r)
		(*files)[(*n)++] = file;
	return r;
}

static int add_folder(struct program *p, const char *name)
{
	return add(
		&p->folders, &p->n_folders, &p->folders_capacity, (struct line_file){.name = name});
}

static int add_file(struct program *p, const char *name, uint64_t folder)
{
	struct line_table *t = p->table;
	struct line_file file = {.name = name};

	/* Folder 0 is that of the compiler. */
	if (folder && folder < p->n_folders)
		file.folder = p->folders[folder].name;
	return add(&t->files, &t->n_files, &t->files_capacity, file);
}

/* DWARF 2 to 4: lists that end with an empty name. Both are numbered from 1. */
static int read_old_names(struct program *p)
{
	struct reader *r = &p->header;
	const char *name;
	int error = add_folder(p, NULL);

	while (!error && (name = read_text(r)) && *name)
		error = add_folder(p, name);
	if (!error)
		error = add_file(p, NULL, 0);
	while (!error && (name = read_text(r)) && *name) {
		uint64_t folder = read_uleb(r);

		read_uleb(r); /* time and size */
		read_uleb(r);
		error = add_file(p, name, folder);
	}
	return error ? error : r->failed ? -EBADMSG : 0;
}

struct format {
	unsigned content, form;
};

struct entry {
	const char *name;
	uint64_t folder;
};

static void read_field(struct program *p, const struct format *f, struct entry *e)
{
	struct reader *r = &p->header;
	uint64_t number = 0;
	const char *text = NULL;

	switch (f->form) {
	case DW_FORM_string:
		text = read_text(r);
		break;
	case DW_FORM_line_strp:
		text = section_text(&p->sections->line_str, read_number(r, p->offset_size));
		break;
	case DW_FORM_strp:
		text = section_text(&p->sections->str, read_number(r, p->offset_size));
		break;
	case DW_FORM_udata:
		number = read_uleb(r);
		break;
	case DW_FORM_data1:
		number = read_byte(r);
		break;
	case DW_FORM_data2:
		number = read_number(r, 2);
		break;
	case DW_FORM_data4:
		number = read_number(r, 4);
		break;
	case DW_FORM_data8:
		number = read_number(r, 8);
		break;
	case DW_FORM_data16:
		read_bytes(r, 16);
		break;
	case DW_FORM_block:
		read_bytes(r, read_uleb(r));
		break;
	default:
		r->failed = true;
	}
	if (f->content == DW_LNCT_path)
		e->name = text;
	else if (f->content == DW_LNCT_directory_index)
		e->folder = number;
}

/* DWARF 5: a table that says itself what is in it. */
static int read_entries(struct program *p, bool is_file)
{
	struct reader *r = &p->header;
	struct format formats[MAX_FORMATS];
	size_t n_formats = read_byte(r);
	uint64_t count;
	int error = 0;

	if (n_formats > MAX_FORMATS)
		return -EBADMSG;
	for (size_t i = 0; i < n_formats; i++) {
		formats[i].content = (unsigned)read_uleb(r);
		formats[i].form = (unsigned)read_uleb(r);
	}
	count = read_uleb(r);
	if (!n_formats && count)
		return -EBADMSG;
	for (uint64_t i = 0; !error && !r->failed && i < count; i++) {
		struct entry e = {0};

		for (size_t k = 0; k < n_formats; k++)
			read_field(p, &formats[k], &e);
		error = is_file ? add_file(p, e.name, e.folder) : add_folder(p, e.name);
	}
	return error ? error : r->failed ? -EBADMSG : 0;
}

static int read_names(struct program *p)
{
	int r;

	if (p->version < 5)
		return read_old_names(p);
	r = read_entries(p, false);
	return r ? r : read_entries(p, true);
}

/* ---- program -------------------------------------------------------------------------------- */

struct state {
	uint64_t address;
	uint32_t line, file;
	size_t first; /* row of this sequence */
};

static int add_row(struct program *p, const struct state *s, uint32_t line)
{
	struct row row = {s->address, line, s->file};
	int r;

	if (p->n_rows == MAX_ROWS)
		return -E2BIG;
	if (p->n_rows > s->first) {
		const struct row *last = &p->rows[p->n_rows - 1];

		/* Of several rows at one address the last one counts. */
		if (last->address == row.address)
			p->n_rows--;
		else if (last->address > row.address ||
			 (line && last->line == line && last->file == row.file))
			return 0;
	}
	r = grow(p->rows, p->n_rows, p->rows_capacity, 1);
	if (!r)
		p->rows[p->n_rows++] = row;
	return r;
}

/* What the linker dropped begins at 0, or at the end of the address space. */
static bool was_dropped(const struct program *p, uint64_t low)
{
	uint64_t end = p->address_size == 4 ? UINT32_MAX : UINT64_MAX;

	return !low || low >= end - 1;
}

static int end_sequence(struct program *p, struct state *s)
{
	struct sequence one = {.first = s->first};
	int r = add_row(p, s, 0);

	one.count = p->n_rows - s->first;
	one.low = one.count ? p->rows[one.first].address : 0;
	if (one.count < 2 || was_dropped(p, one.low)) {
		p->n_rows = s->first;
		one.count = 0;
	}
	if (!r && one.count) {
		r = grow(p->sequences, p->n_sequences, p->sequences_capacity, 1);
		if (!r)
			p->sequences[p->n_sequences++] = one;
	}
	*s = (struct state){.line = 1, .file = 1, .first = p->n_rows};
	return r;
}

static int extended(struct program *p, struct state *s)
{
	uint64_t size = read_uleb(&p->code);
	const uint8_t *bytes = read_bytes(&p->code, size);
	struct reader r;

	if (!bytes || !size)
		return 0;
	r = reader_of(bytes + 1, size - 1);
	switch (*bytes) {
	case DW_LNE_end_sequence:
		return end_sequence(p, s);
	case DW_LNE_set_address:
		if (size <= 9)
			s->address = read_number(&r, size - 1);
		return 0;
	default:
		return 0; /* files defined late, discriminators, what others added */
	}
}

static int standard(struct program *p, struct state *s, uint8_t opcode)
{
	switch (opcode) {
	case DW_LNS_copy:
		return add_row(p, s, s->line);
	case DW_LNS_advance_pc:
		s->address += read_uleb(&p->code) * p->least_step;
		return 0;
	case DW_LNS_advance_line:
		s->line += (uint32_t)read_sleb(&p->code);
		return 0;
	case DW_LNS_set_file:
		s->file = (uint32_t)read_uleb(&p->code);
		return 0;
	case DW_LNS_const_add_pc:
		if (p->line_range)
			s->address += (uint64_t)((255 - p->opcode_base) / p->line_range) *
				      p->least_step;
		return 0;
	case DW_LNS_fixed_advance_pc:
		s->address += read_number(&p->code, 2);
		return 0;
	default: /* columns, statements, blocks, prologues: or unknown */
		for (uint8_t i = 0; i < p->lengths[opcode - 1]; i++)
			read_uleb(&p->code);
		return 0;
	}
}

static int run(struct program *p)
{
	struct state s = {.line = 1, .file = 1};
	int r = 0;

	while (!r && reader_left(&p->code) && !p->code.failed) {
		uint8_t opcode = read_byte(&p->code);

		if (!opcode) {
			r = extended(p, &s);
		} else if (opcode < p->opcode_base) {
			r = standard(p, &s, opcode);
		} else if (!p->line_range) {
			r = -EBADMSG;
		} else {
			unsigned n = opcode - p->opcode_base;

			s.address += (uint64_t)(n / p->line_range) * p->least_step;
			s.line += (uint32_t)(p->line_base + (int)(n % p->line_range));
			r = add_row(p, &s, s.line);
		}
	}
	return r;
}

/* ---- the result ----------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct sequence *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

/* Sequences by address; where two overlap the first one wins. */
static int sort_rows(struct program *p)
{
	struct line_table *t = p->table;
	int r = grow(t->rows, 0, t->rows_capacity, p->n_rows);

	if (r || !p->n_sequences)
		return r;
	qsort(p->sequences, p->n_sequences, sizeof(*p->sequences), compare);
	t->base = p->sequences[0].low;
	for (size_t i = 0; i < p->n_sequences; i++) {
		const struct row *rows = p->rows + p->sequences[i].first;

		for (size_t k = 0; k < p->sequences[i].count; k++) {
			uint64_t start = rows[k].address - t->base;

			if (t->n_rows && t->rows[t->n_rows - 1].start == start)
				t->n_rows--;
			if (start > UINT32_MAX ||
				(t->n_rows && t->rows[t->n_rows - 1].start > start))
				continue;
			t->rows[t->n_rows++] = (struct line_row){(uint32_t)start,
				rows[k].line > INT32_MAX ? 0 : rows[k].line, rows[k].file};
		}
	}
	return 0;
}

int line_table_read(struct line_table *t, const struct dwarf_sections *sections, uint64_t offset,
	uint8_t address_size)
{
	struct program p = {.sections = sections, .table = t, .address_size = address_size};
	int r, sorted;

	*t = (struct line_table){0};
	r = open_program(&p, offset);
	if (!r)
		r = read_names(&p);
	if (!r)
		r = run(&p);
	sorted = sort_rows(&p);
	free(p.folders);
	free(p.rows);
	free(p.sequences);
	return r ? r : sorted;
}

void line_table_free(struct line_table *t)
{
	free(t->rows);
	free(t->files);
	*t = (struct line_table){0};
}
