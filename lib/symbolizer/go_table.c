// SPDX-License-Identifier: MIT
#include "symbolizer/go_table.h"

#include <errno.h>
#include <gelf.h>

#define MAGIC_118     0xfffffff0U
#define MAGIC_120     0xfffffff1U
#define WORD	      8
#define NO_ENTRY      UINT32_MAX
#define INLINE_INDEX  2 /* of pcdata */
#define INLINE_TREE   3 /* of funcdata */
#define MAX_FUNCTIONS 10000000
#define MAX_STEPS     1000000 /* of one function's values */

/* Words of the runtime's moduledata. */
#define MODULE_TEXT	  22U
#define MODULE_GOFUNC_118 38U
#define MODULE_GOFUNC_120 40U

/* ---- the file ------------------------------------------------------------------------------- */

static struct reader section_reader(Elf_Scn *section, GElf_Shdr *sh)
{
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;

	if (!data || !data->d_buf || !gelf_getshdr(section, sh))
		return (struct reader){0};
	return reader_of(data->d_buf, data->d_size);
}

/* What the file has at an address, up to the end of the section. */
static struct reader at_address(const struct elf_file *f, uint64_t address)
{
	Elf_Scn *section = NULL;
	GElf_Shdr sh;

	while ((section = elf_nextscn(f->elf, section))) {
		struct reader r;

		if (!gelf_getshdr(section, &sh) || sh.sh_type == SHT_NOBITS ||
			!(sh.sh_flags & SHF_ALLOC) || address < sh.sh_addr ||
			address - sh.sh_addr >= sh.sh_size)
			continue;
		r = section_reader(section, &sh);
		read_bytes(&r, address - sh.sh_addr);
		return r;
	}
	return (struct reader){0};
}

/* Looks through the relocations that position-independent programs have instead of pointers, by
 * place or by what is pointed to; the other of both in *found. */
static bool find_relocation(const struct elf_file *f, uint64_t key, bool by_place, uint64_t *found)
{
	Elf_Scn *section = NULL;
	GElf_Shdr sh;

	while ((section = elf_nextscn(f->elf, section))) {
		struct reader r;

		if (!gelf_getshdr(section, &sh) || sh.sh_type != SHT_RELA)
			continue;
		r = section_reader(section, &sh);
		while (reader_left(&r) >= sizeof(Elf64_Rela)) {
			uint64_t place = read_number(&r, WORD), info = read_number(&r, WORD);
			uint64_t target = read_number(&r, WORD);

			if (ELF64_R_SYM(info) || (by_place ? place : target) != key)
				continue;
			*found = by_place ? target : place;
			return true;
		}
	}
	return false;
}

static uint64_t word_at(const struct elf_file *f, uint64_t address)
{
	struct reader r = at_address(f, address);
	uint64_t word = read_number(&r, WORD);

	if (!word)
		find_relocation(f, address, true, &word);
	return word;
}

/* The runtime's moduledata begins with the table's address. Go 1.26 gave it a section. */
static uint64_t find_module(const struct elf_file *f, uint64_t table)
{
	static const char *const names[] = {
		".go.module", ".noptrdata", ".data", ".data.rel.ro", ".data.rel.local"};
	uint64_t place;
	GElf_Shdr sh;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct reader r = section_reader(elf_file_section(f, names[i]), &sh);

		for (place = sh.sh_addr; reader_left(&r) >= WORD; place += WORD)
			if (read_number(&r, WORD) == table)
				return place;
	}
	return find_relocation(f, table, false, &place) ? place : 0;
}

/* ---- opening -------------------------------------------------------------------------------- */

static struct reader part(const struct reader *table, uint64_t offset)
{
	struct reader r = *table;

	read_bytes(&r, offset);
	return r;
}

static int read_header(struct go_table *t, const struct reader *table, uint64_t *text)
{
	struct reader r = *table;
	uint32_t magic = (uint32_t)read_number(&r, 4);

	if (magic != MAGIC_118 && magic != MAGIC_120)
		return -ENOTSUP;
	read_bytes(&r, 2); /* zeros */
	t->quantum = read_byte(&r);
	if (read_byte(&r) != WORD || !t->quantum)
		return -ENOTSUP;
	t->n_functions = read_number(&r, WORD);
	read_number(&r, WORD); /* files */
	*text = read_number(&r, WORD);
	t->names = part(table, read_number(&r, WORD));
	t->units = part(table, read_number(&r, WORD));
	t->files = part(table, read_number(&r, WORD));
	t->values = part(table, read_number(&r, WORD));
	t->functions = part(table, read_number(&r, WORD));
	t->head_size = magic == MAGIC_118 ? 40 : 44;
	t->call_size = magic == MAGIC_118 ? 20 : 16;
	return r.failed || t->n_functions > MAX_FUNCTIONS ||
			       reader_left(&t->functions) < 8 * t->n_functions + 4
		       ? -EBADMSG
		       : 0;
}

int go_table_open(struct go_table *t, const struct elf_file *f)
{
	Elf_Scn *section = elf_file_section(f, ".gopclntab");
	struct reader table;
	uint64_t text, module;
	GElf_Shdr sh;
	int r;

	*t = (struct go_table){.file = f};
	if (!section)
		section = elf_file_section(f, ".data.rel.ro.gopclntab");
	table = section_reader(section, &sh);
	if (!table.at)
		return -ENOENT;
	r = read_header(t, &table, &text);
	if (r)
		return r;
	module = find_module(f, sh.sh_addr);
	t->text = module ? word_at(f, module + MODULE_TEXT * WORD) : text;
	if (!t->text)
		return -ENOTSUP;
	if (module)
		t->inlined = at_address(
			f, word_at(f, module + WORD * (t->head_size == 40 ? MODULE_GOFUNC_118
									  : MODULE_GOFUNC_120)));
	return 0;
}

/* ---- functions ------------------------------------------------------------------------------ */

/* A function, its parts decoded. */
struct function {
	uint64_t entry;
	uint32_t name, files, lines, unit, start_line;
	uint32_t n_values, n_data;
	struct reader tail; /* offsets of values, offsets of data */
};

static uint32_t entry_of(const struct go_table *t, uint64_t index)
{
	struct reader r = part(&t->functions, 8 * index);

	return (uint32_t)read_number(&r, 4);
}

static bool find_function(const struct go_table *t, uint64_t pc, struct function *f)
{
	uint64_t low = 0, high = t->n_functions;
	struct reader r;

	/* The last entry only says where the code ends. */
	if (!high || pc < entry_of(t, 0) || pc >= entry_of(t, high))
		return false;
	while (low + 1 < high) {
		uint64_t middle = low + (high - low) / 2;

		if (entry_of(t, middle) <= pc)
			low = middle;
		else
			high = middle;
	}
	r = part(&t->functions, 8 * low + 4);
	r = part(&t->functions, read_number(&r, 4));
	f->entry = read_number(&r, 4);
	f->name = (uint32_t)read_number(&r, 4);
	read_bytes(&r, 12); /* arguments, deferred calls, stack */
	f->files = (uint32_t)read_number(&r, 4);
	f->lines = (uint32_t)read_number(&r, 4);
	f->n_values = (uint32_t)read_number(&r, 4);
	f->unit = (uint32_t)read_number(&r, 4);
	f->start_line = t->head_size == 40 ? 0 : (uint32_t)read_number(&r, 4);
	read_bytes(&r, 3);
	f->n_data = read_byte(&r);
	f->tail = r;
	return !r.failed && f->entry == entry_of(t, low);
}

/* The value of a table at a pc: pairs of differences, of the value and of the pc. -1 without. */
static int32_t value_at(
	const struct go_table *t, const struct function *f, uint32_t table, uint64_t pc)
{
	struct reader r = part(&t->values, table);
	uint64_t at = f->entry;
	uint32_t value = UINT32_MAX; /* -1 */

	if (!table || !reader_left(&r))
		return -1;
	for (unsigned i = 0; i < MAX_STEPS; i++) {
		uint32_t difference = (uint32_t)read_uleb(&r);

		if (r.failed || (!difference && i))
			return -1;
		value += (difference >> 1) ^ -(difference & 1);
		at += read_uleb(&r) * t->quantum;
		if (pc < at)
			return (int32_t)value;
	}
	return -1;
}

static const char *text_at(const struct reader *texts, uint64_t offset)
{
	struct reader r = part(texts, offset);

	return reader_left(&r) && memchr(r.at, 0, reader_left(&r)) ? (const char *)r.at : NULL;
}

static void set_line(
	const struct go_table *t, const struct function *f, uint64_t pc, struct go_frame *frame)
{
	int32_t file = value_at(t, f, f->files, pc), line = value_at(t, f, f->lines, pc);
	struct reader r;

	if (file < 0)
		return;
	r = part(&t->units, 4 * ((uint64_t)f->unit + (uint32_t)file));
	uint64_t offset = read_number(&r, 4);

	if (!r.failed && offset != NO_ENTRY)
		frame->file = text_at(&t->files, offset);
	/* What the compiler made up has no lines. */
	if (frame->file && *frame->file == '<')
		frame->file = NULL;
	frame->line = frame->file && line > 0 ? (uint32_t)line : 0;
}

/* ---- inlined calls -------------------------------------------------------------------------- */

struct call {
	uint32_t name, start_line,
		parent; /* parent: offset of an instruction at the place of call */
};

/* The tree is an array. Versions differ in what an entry has before the name. */
static bool read_call(const struct go_table *t, uint32_t tree, uint32_t index, struct call *call)
{
	struct reader r = part(&t->inlined, tree + (uint64_t)index * t->call_size);

	if (t->call_size == 20) { /* parent, kind, file, line, name, pc */
		read_bytes(&r, 12);
		call->name = (uint32_t)read_number(&r, 4);
		call->parent = (uint32_t)read_number(&r, 4);
		call->start_line = 0;
	} else {
		read_bytes(&r, 4);
		call->name = (uint32_t)read_number(&r, 4);
		call->parent = (uint32_t)read_number(&r, 4);
		call->start_line = (uint32_t)read_number(&r, 4);
	}
	return !r.failed;
}

/* Where the function's tree and the table of indices into it are; false: nothing is inlined. */
static bool find_tree(
	const struct go_table *t, const struct function *f, uint32_t *tree, uint32_t *indices)
{
	struct reader r = part(&f->tail, 4 * INLINE_INDEX);

	*indices = (uint32_t)read_number(&r, 4);
	r = part(&f->tail, 4 * ((uint64_t)f->n_values + INLINE_TREE));
	*tree = (uint32_t)read_number(&r, 4);
	return f->n_values > INLINE_INDEX && f->n_data > INLINE_TREE && !r.failed &&
	       *tree != NO_ENTRY && reader_left(&t->inlined);
}

size_t go_table_frames(
	const struct go_table *t, uint64_t address, struct go_frame *frames, size_t max)
{
	uint64_t pc = address - t->text;
	uint32_t tree, indices;
	struct function f;
	struct call call;
	size_t n = 0;

	if (address < t->text || !find_function(t, pc, &f))
		return 0;
	bool inlines = find_tree(t, &f, &tree, &indices);

	while (inlines && n + 1 < max) {
		int32_t index = value_at(t, &f, indices, pc);

		if (index < 0 || !read_call(t, tree, (uint32_t)index, &call))
			break;
		frames[n] = (struct go_frame){
			.name = text_at(&t->names, call.name), .start_line = call.start_line};
		set_line(t, &f, pc, &frames[n]);
		if (!frames[n].name)
			break;
		n++;
		pc = f.entry + call.parent;
	}
	frames[n] = (struct go_frame){
		.name = text_at(&t->names, f.name), .start_line = f.start_line};
	set_line(t, &f, pc, &frames[n]);
	return frames[n].name ? n + 1 : 0;
}
