/* SPDX-License-Identifier: MIT */
#include "report/object.h"

#include <capstone/capstone.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbols/build_id.h"
#include "util/cleanup.h"
#include "util/grow.h"

struct object {
	int fd;
	Elf *elf;
	Dwarf *dwarf;		     /* NULL without debug information */
	Dwarf_Die function;	     /* that was found last; addr NULL: none */
	uint64_t base, start, limit; /* of the mapping */
	struct object_symbol *symbols;
	size_t n_symbols, symbol_capacity;
};

/* ---- opening ------------------------------------------------------------------------------ */

static int compare_symbols(const void *a, const void *b)
{
	const struct object_symbol *x = a, *y = b;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int add_symbol(struct object *o, const GElf_Sym *symbol, const char *name)
{
	int type = GELF_ST_TYPE(symbol->st_info);
	if (symbol->st_shndx == SHN_UNDEF || type == STT_SECTION || type == STT_FILE || !name ||
		!*name)
		return 0;
	int r = grow(o->symbols, o->n_symbols, o->symbol_capacity, 1);
	if (r == 0)
		o->symbols[o->n_symbols++] = (struct object_symbol){symbol->st_value, name};
	return r;
}

static int read_symbols(struct object *o)
{
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(o->elf, section))) {
		GElf_Shdr header;
		Elf_Data *data;
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_SYMTAB ||
			!header.sh_entsize || !(data = elf_getdata(section, NULL)))
			continue;
		size_t n = data->d_size / header.sh_entsize;
		for (size_t i = 0; i < n && i < INT32_MAX; i++) {
			GElf_Sym symbol;
			if (!gelf_getsym(data, (int)i, &symbol))
				continue;
			int r = add_symbol(
				o, &symbol, elf_strptr(o->elf, header.sh_link, symbol.st_name));
			if (r < 0)
				return r;
		}
	}
	if (o->n_symbols)
		qsort(o->symbols, o->n_symbols, sizeof(*o->symbols), compare_symbols);
	return 0;
}

/* How far the mapping lies from where the file wants to be. */
static uint64_t find_base(Elf *elf, const struct mapping *m)
{
	GElf_Ehdr header;
	size_t n;
	if (!gelf_getehdr(elf, &header) || header.e_type == ET_EXEC || elf_getphdrnum(elf, &n))
		return 0;
	for (size_t i = 0; i < n && i < INT32_MAX; i++) {
		GElf_Phdr p;
		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		/* The mapping begins at the page that the segment begins in. */
		if (m->offset <= p.p_offset + p.p_filesz &&
			m->offset + (m->limit - m->start) > p.p_offset)
			return m->start - m->offset + p.p_offset - p.p_vaddr;
	}
	return m->start - m->offset;
}

static int open_elf(
	struct object *o, const char *path, const char *build_id, char *why, size_t why_size)
{
	o->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (o->fd < 0) {
		int r = -errno;
		snprintf(why, why_size, "cannot open %s: %s", path, strerror(-r));
		return r;
	}
	struct stat st;
	if (fstat(o->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(why, why_size, "%s is no regular file", path);
		return -EBADMSG;
	}
	/* Costs would be put at instructions that had none. */
	if (build_id_is_plain(build_id) && build_id_check(o->fd, build_id) == -ESTALE) {
		snprintf(why, why_size, "%s is another build now: the profile is of build-id %s",
			path, build_id);
		return -ESTALE;
	}
	elf_version(EV_CURRENT);
	o->elf = elf_begin(o->fd, ELF_C_READ_MMAP, NULL);
	if (!o->elf || elf_kind(o->elf) != ELF_K_ELF) {
		snprintf(why, why_size, "%s is no ELF file", path);
		return -EBADMSG;
	}
	o->dwarf = dwarf_begin_elf(o->elf, DWARF_C_READ, NULL);
	return 0;
}

int object_open(struct object **out, const struct profile *p, const struct mapping *m, char *why,
	size_t why_size)
{
	struct object *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	*o = (struct object){.fd = -1, .start = m->start, .limit = m->limit};
	int r = open_elf(o, profile_text(p, m->file), profile_text(p, m->build_id), why, why_size);
	if (r == 0) {
		o->base = find_base(o->elf, m);
		r = read_symbols(o);
	}
	if (r < 0)
		object_close(o);
	else
		*out = o;
	return r;
}

void object_close(struct object *o)
{
	if (!o)
		return;
	dwarf_end(o->dwarf);
	elf_end(o->elf);
	close_fd(o->fd);
	free(o->symbols);
	free(o);
}

const struct object_symbol *object_symbols(const struct object *o, size_t *n)
{
	*n = o->n_symbols;
	return o->symbols;
}

bool object_address(const struct object *o, uint64_t address, uint64_t *out)
{
	*out = address - o->base;
	return address >= o->start && address < o->limit;
}

/* ---- code --------------------------------------------------------------------------------- */

/* The bytes from `start` to the end of the section that holds it. */
static const uint8_t *find_code(struct object *o, uint64_t start, size_t *size)
{
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(o->elf, section))) {
		GElf_Shdr header;
		if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_EXECINSTR) ||
			start < header.sh_addr || start - header.sh_addr >= header.sh_size)
			continue;
		Elf_Data *data = elf_rawdata(section, NULL);
		if (!data || !data->d_buf || data->d_size < header.sh_size)
			continue;
		*size = header.sh_size - (start - header.sh_addr);
		return (const uint8_t *)data->d_buf + (start - header.sh_addr);
	}
	return NULL;
}

static void find_line(const struct object *o, struct instruction *i)
{
	Dwarf_Die unit;
	if (!o->dwarf || !dwarf_addrdie(o->dwarf, i->address, &unit))
		return;
	Dwarf_Line *line = dwarf_getsrc_die(&unit, i->address);
	if (!line || dwarf_lineno(line, &i->line))
		return;
	i->file = dwarf_linesrc(line, NULL, NULL);
}

/* As objdump writes it: the operands in their own column, no spaces between them. */
static void write_text(const cs_insn *in, struct instruction *out)
{
	size_t n = (size_t)snprintf(
		out->text, sizeof(out->text), *in->op_str ? "%-6s " : "%s", in->mnemonic);
	for (const char *at = in->op_str; *at && n + 1 < sizeof(out->text); at++) {
		out->text[n++] = *at;
		if (*at == ',' && at[1] == ' ')
			at++;
	}
	out->text[n < sizeof(out->text) ? n : sizeof(out->text) - 1] = '\0';
}

/* The last instruction may reach beyond the end. */
static int disassemble(struct object *o, csh handle, const uint8_t *code, size_t left,
	uint64_t start, uint64_t end, void (*each)(void *arg, const struct instruction *i),
	void *arg)
{
	cs_insn *in = cs_malloc(handle);
	uint64_t address = start;
	if (!in)
		return -ENOMEM;
	while (left && address < end) {
		struct instruction i = {.address = address};
		if (cs_disasm_iter(handle, &code, &left, &address, in)) {
			write_text(in, &i);
			i.length = in->size;
		} else {
			snprintf(i.text, sizeof(i.text), "(bad)");
			i.length = 1;
			code++;
			address++;
			left--;
		}
		find_line(o, &i);
		each(arg, &i);
	}
	cs_free(in, 1);
	return 0;
}

int object_disassemble(struct object *o, uint64_t start, uint64_t end, bool intel,
	void (*each)(void *arg, const struct instruction *i), void *arg)
{
	GElf_Ehdr header;
	csh handle;
	if (!gelf_getehdr(o->elf, &header) || header.e_machine != EM_X86_64)
		return -ENOTSUP;
	size_t size;
	const uint8_t *code = find_code(o, start, &size);
	if (!code)
		return -ENODATA;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
		return -ENOMEM;
	cs_option(handle, CS_OPT_SYNTAX, intel ? CS_OPT_SYNTAX_INTEL : CS_OPT_SYNTAX_ATT);
	int r = disassemble(o, handle, code, size, start, end, each, arg);
	cs_close(&handle);
	return r;
}

/* ---- functions ---------------------------------------------------------------------------- */

static bool has_code(Dwarf_Die *die, uint64_t address)
{
	return dwarf_haspc(die, address) > 0;
}

/* The function, inlined into no other, that has the address: in o->function. */
static bool find_function(struct object *o, Dwarf_Die *unit, uint64_t address)
{
	Dwarf_Die *scopes = NULL, innermost;
	if (o->function.addr && has_code(&o->function, address))
		return true;
	o->function.addr = NULL;
	if (dwarf_getscopes(unit, address, &scopes) <= 0)
		return false;
	innermost = scopes[0];
	free(scopes);
	/* The scopes that lie around it in the file, and not around what was inlined. */
	int n = dwarf_getscopes_die(&innermost, &scopes);
	for (int i = 0; i < n && !o->function.addr; i++)
		if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram)
			o->function = scopes[i];
	if (n > 0)
		free(scopes);
	return o->function.addr;
}

/* The child that has the address, of those that may have inlined code in them. */
static bool find_child(Dwarf_Die *die, uint64_t address, Dwarf_Die *child)
{
	if (dwarf_child(die, child) != 0)
		return false;
	do {
		int tag = dwarf_tag(child);
		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
			has_code(child, address))
			return true;
	} while (dwarf_siblingof(child, child) == 0);
	return false;
}

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	if (!dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) &&
		!dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		return NULL;
	return dwarf_formstring(&attribute);
}

static const char *text_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	return dwarf_attr(die, name, &attribute) ? dwarf_formstring(&attribute) : NULL;
}

static int number_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;
	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) ||
		value > INT32_MAX)
		return 0;
	return (int)value;
}

static void find_caller(Dwarf_Die *unit, Dwarf_Die *inlined, struct object_frame *caller)
{
	Dwarf_Files *files;
	size_t n;
	int file = number_of(inlined, DW_AT_call_file);
	if (file && dwarf_getsrcfiles(unit, &files, &n) == 0 && (size_t)file < n)
		caller->file = dwarf_filesrc(files, (size_t)file, NULL, NULL);
	caller->line = number_of(inlined, DW_AT_call_line);
}

size_t object_frames(
	struct object *o, uint64_t address, struct object_frame frames[OBJECT_FRAMES_MAX])
{
	Dwarf_Die unit, dies[OBJECT_FRAMES_MAX], at;
	size_t n = 0;
	if (!o->dwarf || !dwarf_addrdie(o->dwarf, address, &unit) ||
		!find_function(o, &unit, address))
		return 0;
	dies[n++] = at = o->function;
	for (Dwarf_Die child; n < OBJECT_FRAMES_MAX && find_child(&at, address, &child); at = child)
		if (dwarf_tag(&child) == DW_TAG_inlined_subroutine)
			dies[n++] = child;
	struct instruction i = {.address = address};
	find_line(o, &i);
	struct object_frame inner = {.file = i.file, .line = i.line};
	const char *directory = text_of(&unit, DW_AT_comp_dir);
	for (size_t k = 0; k < n; k++) {
		Dwarf_Die *die = &dies[n - 1 - k];
		frames[k] = inner;
		frames[k].name = dwarf_diename(die);
		frames[k].linkage_name = linkage_name(die);
		frames[k].directory = directory;
		inner = (struct object_frame){0};
		if (k + 1 < n)
			find_caller(&unit, die, &inner);
	}
	return n;
}
