/* SPDX-License-Identifier: MIT */
#include "report/object.h"

#include <capstone/capstone.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/grow.h"

struct object {
	int fd;
	Elf *elf;
	Dwarf *dwarf;		     /* NULL without debug information */
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

static int open_elf(struct object *o, const char *path, char *why, size_t why_size)
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
	int r = open_elf(o, profile_text(p, m->file), why, why_size);
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
		} else {
			snprintf(i.text, sizeof(i.text), "(bad)");
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
