// SPDX-License-Identifier: MIT
#include "sites/sites.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sites/image.h"
#include "sites/returns.h"
#include "sites/usdt.h"
#include "symbolizer/plt_x86_64.h"

#define MAX_CANDIDATES (4 * HEAP_MAX_SITES)
/* Bytes of a function that is made to call others and no longer does more than that. */
#define MAX_WRAPPER 256
/* Of a function that does not say how long it is. */
#define UNKNOWN_SIZE 512
/* By which one function can be left. */
#define MAX_RETS 64

/* A function with a name that is known. */
struct candidate {
	uint64_t address, size;
	struct known_function known;
	const char *name; /* the file's */
	bool dropped;
};

struct search {
	struct image image;
	struct returns returns;
	struct candidate found[MAX_CANDIDATES];
	size_t n;
	bool full;
	bool loader;
	enum heap_allocator allocator;
};

/* ---- candidates ------------------------------------------------------------------------------ */

/* Local functions of such names are somebody's own affair. */
static bool on_symbol(void *userdata, const char *name, uint64_t address, uint64_t size,
	unsigned type, unsigned binding)
{
	struct search *s = userdata;
	struct candidate *c = &s->found[s->n];
	enum heap_allocator allocator;

	if (type == STT_OBJECT && functions_loader(name))
		s->loader = true;
	if (type != STT_FUNC)
		return true;
	returns_learn(&s->returns, name, address);
	allocator = functions_allocator(name);
	if (allocator > s->allocator)
		s->allocator = allocator;
	if ((binding != STB_GLOBAL && binding != STB_WEAK) || strlen(name) >= HEAP_MAX_NAME ||
		s->n == MAX_CANDIDATES || !functions_know(name, &c->known)) {
		s->full |= s->n == MAX_CANDIDATES;
		return true;
	}
	c->address = address;
	c->size = size;
	c->name = name;
	s->n++;
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->known.rank < y->known.rank ? -1 : x->known.rank > y->known.rank;
}

/* One for each address, with the name of the lowest rank. A function that has also a plain name is
 * more than a wrapper; one that throws by any name does. */
static void fold(struct search *s)
{
	size_t n = 0;

	qsort(s->found, s->n, sizeof(*s->found), compare);
	for (size_t i = 0; i < s->n; i++) {
		struct candidate *last = n ? &s->found[n - 1] : NULL;

		if (!last || last->address != s->found[i].address)
			s->found[n++] = s->found[i];
		else if (s->found[i].size > last->size)
			last->size = s->found[i].size;
		s->found[n - 1].known.throws |= s->found[i].known.throws;
	}
	s->n = n;
}

static const uint8_t *code_of(const struct search *s, const struct candidate *c, size_t *size)
{
	const uint8_t *code = image_code(&s->image, c->address, size);
	uint64_t own = c->size ? c->size : UNKNOWN_SIZE;

	if (code && own < *size)
		*size = own;
	return code;
}

/* ---- functions that only call others --------------------------------------------------------- */

static bool is_candidate(const struct search *s, uint64_t address)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->found[i].address == address)
			return true;
	return false;
}

static bool leads_to_another(
	struct search *s, const struct candidate *c, const struct site_jump *jump)
{
	struct known_function known;
	const char *name;

	if (!jump->indirect && jump->target == c->address)
		return false;
	if (!jump->indirect && is_candidate(s, jump->target))
		return true;
	name = jump->indirect ? plt_slot_symbol(&s->returns.plt, jump->target)
			      : plt_symbol(&s->returns.plt, jump->target);
	return name && functions_know(name, &known);
}

/* Whether probes on those that it calls see all that it does. */
static bool only_calls(struct search *s, const struct candidate *c)
{
	struct site_jump jump;
	size_t size, offset = 0;
	const uint8_t *code = code_of(s, c, &size);

	if (!code)
		return true;
	if (s->image.arch->forwards(code, size, c->address, &jump) && leads_to_another(s, c, &jump))
		return true;
	if (!c->known.wraps || size > MAX_WRAPPER)
		return false;
	while (s->image.arch->find_jump(code, size, c->address, &offset, &jump))
		if (leads_to_another(s, c, &jump))
			return true;
	return false;
}

/* ---- sites ---------------------------------------------------------------------------------- */

static bool has_ret(const struct sites_found *out, uint64_t offset)
{
	for (uint32_t i = 0; i < out->n_rets; i++)
		if (out->rets[i] == offset)
			return true;
	return false;
}

/* Functions share some. False: they are not known, or there are too many; none is added. */
static bool add_rets(struct search *s, uint64_t function, struct sites_found *out)
{
	uint64_t addresses[MAX_RETS], offset;
	size_t n = returns_find(&s->returns, function, addresses, MAX_RETS);
	uint32_t before = out->n_rets;

	for (size_t i = 0; i < n; i++) {
		if (!image_code_offset(&s->image, addresses[i], &offset) ||
			out->n_rets == HEAP_MAX_RETS) {
			out->n_rets = before;
			return false;
		}
		if (!has_ret(out, offset))
			out->rets[out->n_rets++] = offset;
	}
	return n;
}

static void add_site(struct search *s, const struct candidate *c, struct sites_found *out)
{
	struct heap_site site = {
		.function = (uint8_t)c->known.function,
		.throws = c->known.throws,
	};
	size_t size;
	const uint8_t *code = code_of(s, c, &size);

	if (!s->image.arch->find_probe(code, size, &site) ||
		!image_code_offset(&s->image, c->address, &site.entry))
		return;
	if (out->n_sites == HEAP_MAX_SITES) {
		out->incomplete = 1;
		return;
	}
	site.probe += site.entry;
	site.followed = site.throws && add_rets(s, c->address, out);
	memcpy(site.name, c->name, strlen(c->name) + 1);
	out->sites[out->n_sites++] = site;
}

static int compare_sites(const void *a, const void *b)
{
	const struct heap_site *x = a, *y = b;

	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static int compare_rets(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Who can only allocate, or only free, is a part of something else. */
static bool is_allocator(const struct sites_found *out)
{
	size_t frees = 0;

	for (size_t i = 0; i < out->n_sites; i++)
		frees += out->sites[i].function == HEAP_FREE;
	return frees && frees < out->n_sites;
}

static void find_functions(struct search *s, struct sites_found *out)
{
	out->no_symbols = !image_symbols(&s->image, on_symbol, s);
	if (s->loader)
		return;
	fold(s);
	for (size_t i = 0; i < s->n; i++)
		s->found[i].dropped = only_calls(s, &s->found[i]);
	for (size_t i = 0; i < s->n; i++)
		if (!s->found[i].dropped)
			add_site(s, &s->found[i], out);
	if (is_allocator(out)) {
		out->allocator = s->allocator;
		out->incomplete |= s->full;
	} else {
		memset(out->sites, 0, out->n_sites * sizeof(*out->sites));
		out->n_sites = out->n_rets = out->incomplete = 0;
	}
	qsort(out->sites, out->n_sites, sizeof(*out->sites), compare_sites);
	qsort(out->rets, out->n_rets, sizeof(*out->rets), compare_rets);
}

int sites_find(struct elf_file *file, struct sites_found *out)
{
	struct search *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	memset(out, 0, sizeof(*out));
	r = image_open(&s->image, file);
	if (!r) {
		returns_open(&s->returns, &s->image);
		find_functions(s, out);
		usdt_find(&s->image, out);
	}
	free(s);
	return r;
}
