// SPDX-License-Identifier: MIT
#include "sites/returns.h"

#include <elf.h>
#include <string.h>

#include "sites/functions.h"
#include "symbolizer/plt_x86_64.h"

#define ALL_STEPS   (16 * RETURNS_MAX_STEPS)
#define ALL_LOOKUPS 128 /* each goes through relocations and symbols */

void returns_open(struct returns *r, const struct image *image)
{
	const struct cfi_section *header = &image->source.header;

	memset(r, 0, sizeof(*r));
	r->image = image;
	plt_open(&r->plt, image->file);
	r->steps = ALL_STEPS;
	r->lookups = ALL_LOOKUPS;
	if (!header->size || cfi_header_read(header, &r->frames))
		r->frames = (struct cfi_header){0};
}

void returns_learn(struct returns *r, const char *name, uint64_t address)
{
	if (r->n_endless < RETURNS_MAX_ENDLESS && functions_never_return(name))
		r->endless[r->n_endless++] = address;
}

/* ---- what lies where --------------------------------------------------------------------------
 */

struct wanted {
	const char *name;
	uint64_t address;
	bool found;
};

static bool on_symbol(void *userdata, const char *name, uint64_t address, uint64_t size,
	unsigned type, unsigned binding)
{
	struct wanted *w = userdata;

	w->found = type == STT_FUNC && binding != STB_LOCAL && !strcmp(name, w->name);
	w->address = address;
	return !w->found;
}

/* The function that a jump or call leads to. */
struct target {
	bool known;
	bool endless; /* it never returns */
	uint64_t address;
};

/* The name that the dynamic linker has for it; NULL: it needs none. */
static const char *name_of(struct returns *r, const struct site_jump *to)
{
	return to->indirect ? plt_slot_symbol(&r->plt, to->target)
			    : plt_symbol(&r->plt, to->target);
}

/* jumps: it is of interest where it leads, and not only whether it comes back from there. */
static struct target resolve(struct returns *r, const struct site_jump *to, bool jumps)
{
	struct target t = {.known = !to->indirect, .address = to->target};
	struct wanted w = {0};

	for (size_t i = 0; t.known && i < r->n_endless; i++)
		t.endless |= r->endless[i] == t.address;
	if (t.endless || !r->lookups)
		return t;
	r->lookups--;
	w.name = name_of(r, to);
	if (!w.name)
		return t;
	t.endless = functions_never_return(w.name);
	if (jumps && !t.endless) {
		image_symbols(r->image, on_symbol, &w);
		t.known = w.found;
		t.address = w.address;
	}
	return t;
}

/* Does a function begin there? */
static bool is_entry(const struct returns *r, uint64_t address)
{
	size_t low = 0, high = r->frames.table ? r->frames.count : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint64_t start = cfi_header_start(&r->frames, middle);

		if (start == address)
			return true;
		if (start < address)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* ---- following it -----------------------------------------------------------------------------
 */

/* False: it was there before. */
static bool see(struct returns *r, uint64_t address)
{
	size_t size = sizeof(r->seen) / sizeof(*r->seen);
	size_t i = (size_t)(address * 0x9e3779b97f4a7c15ULL >> 32) % size;

	while (r->seen[i] && r->seen[i] != address)
		i = (i + 1) % size;
	if (r->seen[i])
		return false;
	r->seen[i] = address;
	r->n_seen++;
	return true;
}

static bool follow_later(struct returns *r, uint64_t address)
{
	if (r->n_todo == RETURNS_MAX_TODO)
		return false;
	r->todo[r->n_todo++] = address;
	return true;
}

/* One instruction. False: nobody knows where it leads. *next: 0: nothing follows it. */
static bool follow(struct returns *r, const struct site_step *step, uint64_t *next)
{
	struct target t = {0};

	switch (step->flow) {
	case SITE_BRANCH:
		return follow_later(r, step->to.target);
	case SITE_JUMP:
		*next = 0;
		t = resolve(r, &step->to, true);
		return t.endless || (t.known && follow_later(r, t.address));
	case SITE_CALL:
		if (step->to.target)
			t = resolve(r, &step->to, false);
		if (t.endless)
			*next = 0;
		return true;
	case SITE_RETURN:
	case SITE_END:
		*next = 0;
		return true;
	default:
		return true;
	}
}

/* Straight on from an address, until it ends or was there before. If another function begins there
 * after a call, that has not returned. */
static bool follow_from(
	struct returns *r, uint64_t address, uint64_t *rets, size_t max, size_t *found)
{
	struct site_step step;
	bool called = false;
	size_t size;

	while (address && see(r, address)) {
		const uint8_t *code = image_code(r->image, address, &size);
		uint64_t next;

		if (!code || r->n_seen > RETURNS_MAX_STEPS || !r->steps ||
			!r->image->arch->step(code, size, address, &step))
			return false;
		r->steps--;
		next = address + step.size;
		if (step.flow == SITE_RETURN) {
			if (*found == max)
				return false;
			rets[(*found)++] = address;
		}
		if (!follow(r, &step, &next))
			return false;
		called |= step.flow == SITE_CALL;
		address = called && is_entry(r, next) ? 0 : next;
	}
	return true;
}

size_t returns_find(struct returns *r, uint64_t function, uint64_t *rets, size_t max)
{
	size_t n = 0;

	/* It has to be known where a function ends: nowhere else can a ret be one. */
	if (!r->frames.table)
		return 0;
	memset(r->seen, 0, sizeof(r->seen));
	r->n_seen = 0;
	r->n_todo = 0;
	follow_later(r, function);
	while (r->n_todo)
		if (!follow_from(r, r->todo[--r->n_todo], rets, max, &n))
			return 0;
	return n;
}
