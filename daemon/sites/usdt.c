// SPDX-License-Identifier: MIT
/*
 * Sources: systemtap's sys/sdt.h and its wiki, UserSpaceProbeImplementation (notes of type 3 and
 * name "stapsdt"; .stapsdt.base, by which an address in a note is to be moved when prelink moved
 * the file); Linux kernel/events/uprobes.c, valid_ref_ctr_vma() and uprobe_register() (the counter
 * lies in a private writable mapping of the file, at an even offset).
 */
#include "sites/usdt.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "util/reader.h"

#define SECTION	  ".note.stapsdt"
#define BASE	  ".stapsdt.base"
#define NAME	  "stapsdt"
#define TYPE	  3
#define PROVIDER  "otel_memory"
#define MAX_NOTES (1 << 20)
/* Names in arguments that are looked for: each costs a look at all symbols. */
#define MAX_NAMES 16

struct finder {
	const struct image *image;
	struct sites_found *out;
	uint64_t base; /* where .stapsdt.base is; 0: nowhere */
	unsigned names;
};

/* ---- arguments ------------------------------------------------------------------------------ */

struct wanted {
	const char *name;
	size_t length;
	uint64_t address;
	bool found;
};

static bool on_symbol(void *userdata, const char *name, uint64_t address, uint64_t size,
	unsigned type, unsigned binding)
{
	struct wanted *w = userdata;

	if (type != STT_OBJECT || strncmp(name, w->name, w->length) != 0 || name[w->length])
		return true;
	w->address = address;
	w->found = true;
	return false;
}

/* name(%rip): the distance from the probe is what counts. */
static bool resolve(struct finder *f, uint64_t probe, struct wanted *w, struct heap_argument *a)
{
	if (f->names++ >= MAX_NAMES)
		return false;
	image_symbols(f->image, on_symbol, w);
	a->value += (int64_t)(w->address - probe);
	return w->found;
}

/* 8@%rdi, -4@$5: bytes, negative if it is signed. */
static bool take_size(const char **at, const char *end, struct heap_argument *a)
{
	a->is_signed = *at < end && **at == '-';
	*at += a->is_signed;
	if (end - *at < 2 || (*at)[1] != '@' || !strchr("1248", **at))
		return false;
	a->size = (uint8_t)(**at - '0');
	*at += 2;
	return true;
}

static bool parse_argument(
	struct finder *f, uint64_t probe, const char *at, const char *end, struct heap_argument *a)
{
	struct wanted wanted = {0};

	return take_size(&at, end, a) &&
	       f->image->arch->parse_operand(
		       at, (size_t)(end - at), a, &wanted.name, &wanted.length) &&
	       (!wanted.name || resolve(f, probe, &wanted, a));
}

/* Blanks divide them. */
static enum heap_probe_flaw parse_arguments(
	struct finder *f, uint64_t address, const char *at, struct heap_probe *probe)
{
	uint8_t wanted = probe->kind == HEAP_PROBE_ALLOC ? HEAP_ARGUMENTS : 1;

	while (probe->n_arguments < wanted) {
		at += strspn(at, " ");
		size_t size = strcspn(at, " ");

		if (!size)
			return HEAP_PROBE_FEW;
		if (!parse_argument(
			    f, address, at, at + size, &probe->arguments[probe->n_arguments]))
			return HEAP_PROBE_ARGUMENTS;
		probe->n_arguments++;
		at += size;
	}
	return HEAP_PROBE_GOOD;
}

/* ---- notes ---------------------------------------------------------------------------------- */

static const char *read_string(struct reader *r)
{
	const char *text = (const char *)r->at;
	size_t size = strnlen(text, reader_left(r));

	return read_bytes(r, size + 1ULL) ? text : NULL;
}

static bool is_wanted(const char *provider, const char *name, uint8_t *kind)
{
	if (!provider || !name || strcmp(provider, PROVIDER) != 0)
		return false;
	*kind = !strcmp(name, "alloc") ? HEAP_PROBE_ALLOC : HEAP_PROBE_FREE;
	return *kind == HEAP_PROBE_ALLOC || !strcmp(name, "free");
}

static enum heap_probe_flaw describe(struct finder *f, uint64_t address, uint64_t semaphore,
	const char *arguments, struct heap_probe *probe)
{
	size_t size = 0;
	const uint8_t *code = image_code(f->image, address, &size);

	if (!image_code_offset(f->image, address, &probe->offset))
		return HEAP_PROBE_PLACE;
	probe->emulated = f->image->arch->is_emulated(code, size);
	if (semaphore &&
		(!image_data_offset(f->image, semaphore, &probe->counter) || !probe->counter ||
			probe->counter & 1 || probe->counter > UINT32_MAX))
		return HEAP_PROBE_COUNTER;
	return parse_arguments(f, address, arguments, probe);
}

static void read_probe(struct finder *f, struct reader *r)
{
	struct sites_found *out = f->out;
	uint64_t address = read_number(r, 8), base = read_number(r, 8);
	uint64_t semaphore = read_number(r, 8), moved = f->base ? f->base - base : 0;
	const char *provider = read_string(r), *name = read_string(r), *arguments = read_string(r);
	struct heap_probe probe = {0};

	if (r->failed || !arguments || !is_wanted(provider, name, &probe.kind))
		return;
	if (out->n_probes == HEAP_MAX_PROBES) {
		out->incomplete = 1;
		return;
	}
	probe.flaw = (uint8_t)describe(
		f, address + moved, semaphore ? semaphore + moved : 0, arguments, &probe);
	if (probe.flaw)
		probe = (struct heap_probe){
			.offset = probe.offset, .kind = probe.kind, .flaw = probe.flaw};
	out->probes[out->n_probes++] = probe;
}

/* A size, rounded up to whole words. */
static struct reader read_part(struct reader *r, uint64_t size)
{
	const uint8_t *bytes = read_bytes(r, size);

	read_bytes(r, -size & 3 && reader_left(r) >= (-size & 3) ? -size & 3 : 0);
	return reader_of(bytes, bytes ? size : 0);
}

static void read_notes(struct finder *f, struct reader *r)
{
	for (unsigned i = 0; i < MAX_NOTES && reader_left(r); i++) {
		uint64_t name_size = read_number(r, 4), size = read_number(r, 4);
		uint64_t type = read_number(r, 4);
		struct reader name = read_part(r, name_size), body = read_part(r, size);

		if (r->failed)
			return;
		if (type == TYPE && name_size == sizeof(NAME) &&
			!memcmp(name.at, NAME, sizeof(NAME)))
			read_probe(f, &body);
	}
}

static int compare(const void *a, const void *b)
{
	const struct heap_probe *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->kind - y->kind;
}

/* A probe that is there twice is one. */
static void sort(struct sites_found *out)
{
	uint32_t n = 0;

	qsort(out->probes, out->n_probes, sizeof(*out->probes), compare);
	for (uint32_t i = 0; i < out->n_probes; i++)
		if (!n || compare(&out->probes[n - 1], &out->probes[i]) != 0)
			out->probes[n++] = out->probes[i];
	memset(&out->probes[n], 0, (out->n_probes - n) * sizeof(*out->probes));
	out->n_probes = n;
}

void usdt_find(const struct image *image, struct sites_found *out)
{
	struct finder f = {.image = image, .out = out};
	Elf_Scn *section = elf_file_section(image->file, SECTION);
	Elf_Scn *base = elf_file_section(image->file, BASE);
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
	struct reader r;
	GElf_Shdr sh;

	if (!data || !data->d_buf)
		return;
	if (base && gelf_getshdr(base, &sh))
		f.base = sh.sh_addr;
	r = reader_of(data->d_buf, data->d_size);
	read_notes(&f, &r);
	sort(out);
}
