/* SPDX-License-Identifier: MIT */
#include "symbolizer/elf_module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbolizer/dwarf.h"
#include "symbolizer/elf_file.h"
#include "util/cleanup.h"

struct place {
	uint64_t vaddr;
	uint32_t asked; /* index in the request */
};

struct elf_module {
	const struct elf_module_options *options;
	struct names *answer;
	struct elf_file file, mini;
	struct debug_file debug;
	/* Offsets that lie in a segment, by virtual address. */
	uint64_t *vaddrs;
	uint32_t *asked;
	const char **symbols;
	size_t n;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return (x->asked > y->asked) - (x->asked < y->asked);
}

/* Turns offsets into addresses and sorts them: segments can lie in another order than in the file.
 */
static int locate(struct elf_module *m, const uint64_t *offsets, size_t n)
{
	_cleanup_free_ struct place *places = calloc(n + 1, sizeof(*places));

	m->vaddrs = calloc(n + 1, sizeof(*m->vaddrs));
	m->asked = calloc(n + 1, sizeof(*m->asked));
	m->symbols = calloc(n + 1, sizeof(*m->symbols));
	if (!places || !m->vaddrs || !m->asked || !m->symbols)
		return -ENOMEM;
	if (m->options->virtual)
		memcpy(m->vaddrs, offsets, n * sizeof(*offsets));
	else
		elf_file_vaddrs(&m->file, offsets, m->vaddrs, n);
	for (size_t i = 0; i < n; i++) {
		if (m->vaddrs[i] == UINT64_MAX)
			continue;
		m->answer->addresses[i].vaddr = m->vaddrs[i];
		places[m->n++] = (struct place){m->vaddrs[i], (uint32_t)i};
	}
	qsort(places, m->n, sizeof(*places), compare_places);
	for (size_t i = 0; i < m->n; i++) {
		m->vaddrs[i] = places[i].vaddr;
		m->asked[i] = places[i].asked;
	}
	return 0;
}

/* ---- names ---------------------------------------------------------------------------------- */

static int find_symbols(struct elf_module *m)
{
	_cleanup_free_ struct nearest_symbol *found = calloc(m->n + 1, sizeof(*found));
	struct nearest search;
	int r = nearest_init(&search, m->vaddrs, m->n);

	if (!found)
		r = -ENOMEM;
	if (!r)
		r = elf_file_symbols(&m->file, &search);
	if (!r && m->debug.file.elf)
		r = elf_file_symbols(&m->debug.file, &search);
	if (!r && m->mini.elf)
		r = elf_file_symbols(&m->mini, &search);
	if (!r)
		nearest_finish(&search, found);
	for (size_t i = 0; !r && i < m->n; i++)
		m->symbols[i] = found[i].tag;
	nearest_free(&search);
	return r;
}

static void name_by_symbols(struct elf_module *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (!m->symbols[i] || m->answer->addresses[m->asked[i]].count)
			continue;
		struct names_frame frame = {names_symbol(m->answer, m->symbols[i], 0), 0};

		names_set(m->answer, m->asked[i], &frame, 1);
	}
}

static uint32_t what_it_sees(const struct elf_module *m)
{
	const struct elf_file *debug = m->debug.file.elf ? &m->debug.file : NULL;
	uint32_t flags = debug ? SYMBOLIZER_SEES_DEBUG_FILE : 0;

	flags |= elf_file_has_dwarf(&m->file) ? SYMBOLIZER_SEES_DWARF : 0;
	flags |= elf_file_has(&m->file, ".symtab") ? SYMBOLIZER_SEES_SYMTAB : 0;
	flags |= elf_file_has(&m->file, ".dynsym") ? SYMBOLIZER_SEES_DYNSYM : 0;
	flags |= elf_file_has(&m->file, ".gnu_debugdata") ? SYMBOLIZER_SEES_DEBUGDATA : 0;
	flags |= debug && elf_file_has_dwarf(debug) ? SYMBOLIZER_SEES_DEBUG_DWARF : 0;
	flags |= debug && elf_file_has(debug, ".symtab") ? SYMBOLIZER_SEES_DEBUG_SYMTAB : 0;
	return flags;
}

static int resolve(struct elf_module *m, const uint64_t *offsets, size_t n)
{
	bool full = !m->options->symbols_only;
	int r = locate(m, offsets, n);

	debug_file_build_id(&m->file, m->answer->head.build_id);
	elf_file_segments(&m->file, m->answer);
	if (r)
		return r;
	if (full && !elf_file_has_dwarf(&m->file))
		debug_file_find(&m->debug, &m->file, m->options->want, m->options->userdata);
	m->answer->head.flags |= what_it_sees(m);
	if (!m->n) /* asked what there is */
		return 0;
	if (!m->debug.file.elf && elf_file_open_debugdata(&m->mini, &m->file))
		elf_file_close(&m->mini);
	r = find_symbols(m);
	if (r)
		return r;
	const struct elf_file *dwarf = m->debug.file.elf ? &m->debug.file : &m->file;

	/* Broken DWARF leaves the symbol table's names. */
	if (full && elf_file_has_dwarf(dwarf))
		dwarf_resolve(m->answer, dwarf->elf, m->vaddrs, m->asked, m->symbols, m->n,
			m->options->heap_limit);
	name_by_symbols(m);
	return m->answer->failed;
}

int elf_module_resolve(struct names *answer, int fd, const uint64_t *offsets, size_t n,
	const struct elf_module_options *options)
{
	struct elf_module m = {.options = options, .answer = answer, .debug = DEBUG_FILE_NONE};
	int r = elf_file_open(&m.file, fd);

	if (!r)
		r = resolve(&m, offsets, n);
	elf_file_close(&m.mini);
	debug_file_close(&m.debug);
	elf_file_close(&m.file);
	free(m.vaddrs);
	free(m.asked);
	free(m.symbols);
	return r;
}
