// SPDX-License-Identifier: MIT
#include "symbolizer/elf_module.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "symbolizer/dwarf.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/go_table.h"
#include "symbolizer/inflate.h"
#include "symbolizer/plt_x86_64.h"
#include "util/cleanup.h"

#define MAX_MODULES 16

/* A file and what is known of it. */
struct elf_module {
	struct elf_module *next;
	struct file_identity identity;
	bool symbols_only;
	struct elf_file file, mini;
	struct debug_file debug, alternate; /* alternate: of dwz */
	struct sources sources;
	struct arena arena; /* what was compressed */
	Elf *inflated, *inflated_alternate;
	struct dwarf_index *dwarf; /* NULL: there is none */
	struct go_table go;	   /* without DWARF; n_functions is 0 if there is none */
	int error;		   /* of the DWARF: -ENOMEM, or it is only broken */
	bool lacks_room;	   /* it is for want of room on the disk */
	int mini_error;		   /* why there is no mini: -ENOENT if the file has none */
};

/* One request. */
struct request {
	struct elf_module *module;
	struct names *answer;
	bool virtual; /* see struct elf_module_options */
	/* Offsets that lie in a segment, by virtual address. */
	uint64_t *vaddrs;
	uint32_t *asked; /* index in the request */
	const char **symbols;
	bool has_all_symbols; /* where no symbol is, no function is */
	size_t n;
};

/* ---- opening -------------------------------------------------------------------------------- */

static void close_module(struct elf_module *m)
{
	dwarf_index_free(m->dwarf);
	elf_end(m->inflated);
	elf_end(m->inflated_alternate);
	arena_free(&m->arena);
	elf_file_close(&m->mini);
	debug_file_close(&m->debug);
	debug_file_close(&m->alternate);
	elf_file_close(&m->file);
	sources_clear(&m->sources);
	free(m);
}

/* NULL: there is none. */
static struct scratch_file *get_scratch(
	struct elf_modules *all, const struct elf_module_options *options)
{
	struct stat st;

	if (!all->has_asked) {
		all->has_asked = true;
		all->scratch.fd = options->scratch(options->userdata);
		if (all->scratch.fd >= 0 && !fstat(all->scratch.fd, &st))
			all->scratch.size = (uint64_t)st.st_size;
	}
	return all->scratch.size ? &all->scratch : NULL;
}

/* The DWARF of the file or of its debug file. Broken DWARF leaves the symbol table's names. */
static int open_dwarf(
	struct elf_modules *all, struct elf_module *m, const struct elf_module_options *options)
{
	const struct elf_file *from = m->debug.file.elf ? &m->debug.file : &m->file;
	struct dwarf_index_options with = {
		.heap_limit = options->heap_limit,
		.want = sources_want,
		.userdata = &m->sources,
	};
	int r;

	if (!elf_file_has_dwarf(from))
		return 0;
	m->arena.file = with.scratch = get_scratch(all, options);
	r = inflate_debug(&m->inflated, from, false, &m->arena);
	if (!r && debug_file_alternate(&m->alternate, from, sources_want, &m->sources))
		r = inflate_debug(&m->inflated_alternate, &m->alternate.file, false, &m->arena);
	with.elf = m->inflated ? m->inflated : from->elf;
	with.alternate = m->inflated_alternate ? m->inflated_alternate : m->alternate.file.elf;
	return r ? r : dwarf_index_new(&m->dwarf, &with);
}

static int open_module(struct elf_modules *all, struct elf_module *m, int fd,
	const struct elf_module_options *options)
{
	int r = elf_file_open(&m->file, fd);

	if (r)
		return r;
	if (!options->symbols_only && !elf_file_has_dwarf(&m->file))
		debug_file_find(&m->debug, &m->file, sources_want, &m->sources);
	if (!m->debug.file.elf)
		m->mini_error = elf_file_open_debugdata(&m->mini, &m->file);
	if (m->mini_error)
		elf_file_close(&m->mini);
	if (!options->symbols_only)
		m->error = open_dwarf(all, m, options);
	m->lacks_room = m->error && all->scratch.lacked;
	if (!m->dwarf && !options->symbols_only && go_table_open(&m->go, &m->file))
		m->go.n_functions = 0;
	return 0;
}

/* ---- the files asked about last ------------------------------------------------------------- */

static size_t heap_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* What the files that are open take, of memory or of the disk, leaves no room for another one. */
static bool are_large(const struct elf_modules *all, size_t heap_limit)
{
	return heap_used() >= heap_limit || all->scratch.end > all->scratch.size / 2;
}

/* Closes what was not asked about for longest, until there are at most `keep`. */
static void close_oldest(struct elf_modules *all, size_t keep)
{
	struct elf_module **link = &all->newest;

	for (size_t i = 0; *link && i < keep; i++)
		link = &(*link)->next;
	while (*link) {
		struct elf_module *m = *link;

		*link = m->next;
		close_module(m);
	}
}

/* Takes it out of the list, or returns NULL. */
static struct elf_module *take_known(
	struct elf_modules *all, const struct file_identity *identity, bool symbols_only)
{
	struct elf_module **link = &all->newest, *m;

	while (*link && (!file_identity_equal(&(*link)->identity, identity) ||
				(*link)->symbols_only != symbols_only))
		link = &(*link)->next;
	m = *link;
	if (m)
		*link = m->next;
	return m;
}

static int make_module(struct elf_modules *all, struct elf_module **out, int fd,
	const struct elf_module_options *options)
{
	struct elf_module *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->identity = options->identity;
	m->symbols_only = options->symbols_only;
	m->sources = (struct sources){.want = options->want, .userdata = options->userdata};
	r = open_module(all, m, fd, options);
	if (r) {
		close_module(m);
		return r;
	}
	*out = m;
	return 0;
}

static int get_module(struct elf_modules *all, struct elf_module **out, int fd,
	const struct elf_module_options *options)
{
	const struct file_identity *identity = &options->identity;
	struct elf_module *m = take_known(all, identity, options->symbols_only);

	if (!m) {
		int r;

		close_oldest(all, are_large(all, options->heap_limit) ? 0 : MAX_MODULES - 1);
		r = make_module(all, &m, fd, options);
		if (r)
			return r;
	}
	m->sources.want = options->want;
	m->sources.userdata = options->userdata;
	m->next = all->newest;
	all->newest = *out = m;
	return 0;
}

void elf_modules_forget(struct elf_modules *all, const struct file_identity *identity)
{
	for (int symbols_only = 0; symbols_only < 2; symbols_only++) {
		struct elf_module *m = take_known(all, identity, symbols_only);

		if (m)
			close_module(m);
	}
}

const struct sources *elf_modules_sources(const struct elf_modules *all)
{
	static const struct sources none;

	return all->newest ? &all->newest->sources : &none;
}

void elf_modules_free(struct elf_modules *all)
{
	close_oldest(all, 0);
	if (all->has_asked)
		close_fd(all->scratch.fd);
}

/* ---- addresses ------------------------------------------------------------------------------ */

struct place {
	uint64_t vaddr;
	uint32_t asked; /* index in the request */
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return (x->asked > y->asked) - (x->asked < y->asked);
}

/* Turns offsets into addresses and sorts them. */
static int locate(struct request *q, const uint64_t *offsets, size_t n)
{
	_cleanup_free_ struct place *places = calloc(n + 1, sizeof(*places));
	bool rise = true;

	q->vaddrs = calloc(n + 1, sizeof(*q->vaddrs));
	q->asked = calloc(n + 1, sizeof(*q->asked));
	q->symbols = calloc(n + 1, sizeof(*q->symbols));
	if (!places || !q->vaddrs || !q->asked || !q->symbols)
		return -ENOMEM;
	if (q->virtual)
		memcpy(q->vaddrs, offsets, n * sizeof(*offsets));
	else
		elf_file_vaddrs(&q->module->file, offsets, q->vaddrs, n);
	for (size_t i = 0; i < n; i++) {
		if (q->vaddrs[i] == UINT64_MAX || q->answer->known[i])
			continue;
		q->answer->addresses[i].vaddr = q->vaddrs[i];
		rise = rise && (!q->n || places[q->n - 1].vaddr <= q->vaddrs[i]);
		places[q->n++] = (struct place){q->vaddrs[i], (uint32_t)i};
	}
	if (!rise) /* segments can lie in another order than in the file */
		qsort(places, q->n, sizeof(*places), compare_places);
	for (size_t i = 0; i < q->n; i++) {
		q->vaddrs[i] = places[i].vaddr;
		q->asked[i] = places[i].asked;
	}
	return 0;
}

/* ---- names ---------------------------------------------------------------------------------- */

static int find_symbols(struct request *q)
{
	bool *all = &q->has_all_symbols;
	const struct elf_module *m = q->module;
	_cleanup_free_ struct nearest_symbol *found = calloc(q->n + 1, sizeof(*found));
	struct nearest search;
	int r = nearest_init(&search, q->vaddrs, q->n);

	if (!found)
		r = -ENOMEM;
	if (!r)
		r = elf_file_symbols(&m->file, &search, all);
	if (!r && m->debug.file.elf)
		r = elf_file_symbols(&m->debug.file, &search, all);
	if (!r && m->mini.elf)
		r = elf_file_symbols(&m->mini, &search, all);
	if (!r)
		nearest_finish(&search, found);
	for (size_t i = 0; !r && i < q->n; i++)
		q->symbols[i] = found[i].tag;
	nearest_free(&search);
	return r;
}

static void name_by_symbols(struct request *q)
{
	for (size_t i = 0; i < q->n; i++) {
		if (!q->symbols[i] || q->answer->addresses[q->asked[i]].count)
			continue;
		struct names_frame frame = {names_symbol(q->answer, q->symbols[i], 0), 0};

		names_set(q->answer, q->asked[i], &frame, 1);
	}
}

static uint32_t what_it_sees(const struct elf_module *m)
{
	const struct elf_file *debug = m->debug.file.elf ? &m->debug.file : NULL;
	uint32_t flags = debug ? SYMBOLIZER_SEES_DEBUG_FILE : 0;

	flags |= elf_file_has_dwarf(&m->file) ? SYMBOLIZER_SEES_DWARF : 0;
	flags |= elf_file_has(&m->file, ".symtab") ? SYMBOLIZER_SEES_SYMTAB : 0;
	flags |= elf_file_has(&m->file, ".dynsym") ? SYMBOLIZER_SEES_DYNSYM : 0;
	flags |= m->mini.elf ? SYMBOLIZER_SEES_DEBUGDATA : 0;
	flags |= m->mini_error && m->mini_error != -ENOENT ? SYMBOLIZER_LACKS_DEBUGDATA : 0;
	flags |= m->go.n_functions ? SYMBOLIZER_SEES_GO_TABLE : 0;
	flags |= debug && elf_file_has_dwarf(debug) ? SYMBOLIZER_SEES_DEBUG_DWARF : 0;
	flags |= debug && elf_file_has(debug, ".symtab") ? SYMBOLIZER_SEES_DEBUG_SYMTAB : 0;
	return flags;
}

/* Stubs are named after what they jump to. */
static void name_by_plt(struct request *q)
{
	struct plt plt;

	plt_open(&plt, &q->module->file);
	for (size_t i = 0; i < q->n; i++) {
		const char *symbol;

		if (q->answer->addresses[q->asked[i]].count)
			continue;
		symbol = plt_symbol(&plt, q->vaddrs[i]);
		if (!symbol)
			continue;
		struct names_frame frame = {names_stub(q->answer, symbol), 0};

		names_set(q->answer, q->asked[i], &frame, 1);
	}
}

static void name_by_go(struct request *q)
{
	struct go_frame found[SYMBOLIZER_MAX_INLINES];
	struct names_frame frames[SYMBOLIZER_MAX_INLINES];

	for (size_t i = 0; i < q->n; i++) {
		size_t n = go_table_frames(
			&q->module->go, q->vaddrs[i], found, SYMBOLIZER_MAX_INLINES);

		for (size_t k = 0; k < n; k++) {
			struct symbolizer_function function = {
				.name = names_string(q->answer, found[k].name),
				.file = found[k].file ? names_string(q->answer, found[k].file) : 0,
				.start_line = found[k].start_line,
			};

			frames[k] = (struct names_frame){
				names_function(q->answer, &function), found[k].line};
		}
		if (n)
			names_set(q->answer, q->asked[i], frames, n);
		if (n == SYMBOLIZER_MAX_INLINES)
			q->answer->head.flags |= SYMBOLIZER_CUTS_INLINES;
	}
	q->answer->head.flags |= SYMBOLIZER_HAS_FILES | SYMBOLIZER_HAS_LINES |
				 SYMBOLIZER_HAS_INLINES;
}

/* Whether what there is can be read, too. 0 or -ENOMEM. */
static int look(const struct elf_module *m, uint32_t *flags)
{
	if (m->dwarf)
		return dwarf_index_look(m->dwarf, m->arena.bytes, flags);
	if (m->error == -ENOMEM)
		return m->error;
	*flags |= m->error ? SYMBOLIZER_LACKS_DWARF : 0u;
	return 0;
}

static int resolve(struct request *q, const uint64_t *offsets, size_t n)
{
	struct elf_module *m = q->module;
	int r = locate(q, offsets, n);

	debug_file_build_id(&m->file, q->answer->head.build_id);
	q->answer->n_segments = 0;
	elf_file_segments(&m->file, q->answer);
	q->answer->head.flags |= what_it_sees(m);
	if (!r && !q->n) /* it was only asked what there is */
		return look(m, &q->answer->head.flags);
	if (!r)
		r = find_symbols(q);
	if (r)
		return r;
	if (m->dwarf)
		r = dwarf_index_resolve(m->dwarf, q->answer,
			&(struct dwarf_request){
				q->vaddrs, q->asked, q->symbols, q->n, q->has_all_symbols});
	else if (m->error == -ENOMEM)
		r = m->error;
	else if (m->error)
		q->answer->head.flags |= SYMBOLIZER_LACKS_DWARF;
	if (m->go.n_functions)
		name_by_go(q);
	name_by_symbols(q);
	name_by_plt(q);
	return r ? r : q->answer->failed;
}

static int resolve_once(struct elf_modules *all, struct names *answer, int fd,
	const uint64_t *offsets, size_t n, const struct elf_module_options *options)
{
	struct request q = {.answer = answer, .virtual = options->virtual};
	int r;

	all->scratch.lacked = false;
	r = get_module(all, &q.module, fd, options);
	if (r) {
		all->scratch.lacked = false;
		return r;
	}
	r = resolve(&q, offsets, n);
	free(q.vaddrs);
	free(q.asked);
	free(q.symbols);
	all->scratch.lacked = r == -ENOMEM && (all->scratch.lacked || q.module->lacks_room);
	return r;
}

int elf_modules_resolve(struct elf_modules *all, struct names *answer, int fd,
	const uint64_t *offsets, size_t n, const struct elf_module_options *options)
{
	int r = resolve_once(all, answer, fd, offsets, n, options);

	/* Other files may have taken the room. */
	if (all->scratch.lacked && all->newest->next) {
		close_oldest(all, 0);
		r = resolve_once(all, answer, fd, offsets, n, options);
	}
	if (all->scratch.lacked)
		answer->head.flags |= SYMBOLIZER_LACKS_ROOM;
	return r;
}
