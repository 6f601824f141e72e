// SPDX-License-Identifier: MIT
#include "collector/sites_answer.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "collector/unwinder_answer.h"

#define REGISTERS 16
/* Where the search for the best place in a function ends at the latest. */
#define MAX_PROLOGUE 256

/* The executable segment that an offset lies in, or NULL. */
static const struct unwinder_segment *segment_of(
	const struct unwinder_layout *layout, uint64_t offset)
{
	for (uint32_t i = 0; i < layout->n_segments; i++) {
		const struct unwinder_segment *s = &layout->segments[i];

		if (offset >= s->offset && offset - s->offset < s->size)
			return s;
	}
	return NULL;
}

/* ---- functions ------------------------------------------------------------------------------- */

static bool name_is_good(const char *name)
{
	size_t length = strnlen(name, HEAP_MAX_NAME);

	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return length && length < HEAP_MAX_NAME;
}

/* Just the arguments that the function needs have a register. */
static bool registers_are_good(const struct heap_site *site)
{
	unsigned needed = heap_function_arguments(site->function);

	for (int i = 0; i < HEAP_ARGUMENTS; i++)
		if (needed >> i & 1 ? site->registers[i] >= REGISTERS
				    : site->registers[i] != HEAP_NO_REGISTER)
			return false;
	return true;
}

static bool site_is_good(const struct heap_site *site, const struct unwinder_layout *layout)
{
	const struct unwinder_segment *segment = segment_of(layout, site->entry);

	return segment && site->probe >= site->entry && site->probe - site->entry < MAX_PROLOGUE &&
	       segment_of(layout, site->probe) == segment && site->function < HEAP_FUNCTIONS &&
	       site->emulated <= 1 && site->throws <= 1 && site->followed <= site->throws &&
	       registers_are_good(site) && name_is_good(site->name);
}

static bool sites_are_good(const struct heap_sites *sites, const struct unwinder_layout *layout)
{
	for (size_t i = 0; i < sites->n_sites; i++)
		if ((i && sites->sites[i].entry <= sites->sites[i - 1].entry) ||
			!site_is_good(&sites->sites[i], layout))
			return false;
	return true;
}

/* Whoever is followed has some. */
static bool rets_are_good(const struct heap_sites *sites, const struct unwinder_layout *layout)
{
	bool followed = false;

	for (size_t i = 0; i < sites->n_sites; i++)
		followed |= sites->sites[i].followed;
	for (size_t i = 0; i < sites->n_rets; i++)
		if ((i && sites->rets[i] <= sites->rets[i - 1]) ||
			!segment_of(layout, sites->rets[i]))
			return false;
	return followed == (sites->n_rets > 0);
}

/* ---- probes ---------------------------------------------------------------------------------- */

static bool is_power(uint8_t n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

static bool is_register(uint8_t n)
{
	return n < REGISTERS;
}

static bool argument_is_good(const struct heap_argument *a)
{
	if (!is_power(a->size) || !is_power(a->scale) || a->is_signed > 1)
		return false;
	switch (a->kind) {
	case HEAP_CONSTANT:
		return a->base == HEAP_NO_REGISTER && a->index == HEAP_NO_REGISTER;
	case HEAP_REGISTER:
		return is_register(a->base) && a->index == HEAP_NO_REGISTER;
	case HEAP_MEMORY:
		if (a->index != HEAP_NO_REGISTER && !is_register(a->index))
			return false;
		return is_register(a->base) || a->base == HEAP_ARGUMENT_IP ||
		       (a->base == HEAP_NO_REGISTER && a->index != HEAP_NO_REGISTER);
	default:
		return false;
	}
}

static bool probe_is_good(const struct heap_probe *probe, const struct unwinder_layout *layout)
{
	if (probe->kind > HEAP_PROBE_FREE || probe->flaw >= HEAP_PROBE_FLAWS)
		return false;
	if (probe->flaw)
		return !probe->n_arguments;
	if (!segment_of(layout, probe->offset) || probe->counter & 1 ||
		probe->counter > UINT32_MAX || probe->emulated > 1 ||
		probe->n_arguments != (probe->kind == HEAP_PROBE_ALLOC ? HEAP_ARGUMENTS : 1))
		return false;
	for (uint8_t i = 0; i < probe->n_arguments; i++)
		if (!argument_is_good(&probe->arguments[i]))
			return false;
	return true;
}

static bool probes_are_good(const struct heap_sites *sites, const struct unwinder_layout *layout)
{
	for (size_t i = 0; i < sites->n_probes; i++) {
		const struct heap_probe *p = &sites->probes[i], *last = p - 1;

		if (i && (p->offset < last->offset ||
				 (p->offset == last->offset && p->kind <= last->kind)))
			return false;
		if (!probe_is_good(p, layout))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------------------------------------- */

int sites_answer_check(struct heap_sites *out, const void *data, size_t size)
{
	const struct unwinder_sites *head = data;
	const struct heap_site *sites = (const struct heap_site *)(head + 1);

	if (size < sizeof(*head) || head->n_sites > HEAP_MAX_SITES ||
		head->n_probes > HEAP_MAX_PROBES || head->n_rets > HEAP_MAX_RETS ||
		head->allocator >= HEAP_ALLOCATORS || head->no_symbols > 1 ||
		head->incomplete > 1 || !unwinder_layout_is_good(&head->layout) ||
		size != sizeof(*head) + head->n_sites * sizeof(struct heap_site) +
				head->n_probes * sizeof(struct heap_probe) +
				head->n_rets * sizeof(uint64_t))
		return -EBADMSG;
	*out = (struct heap_sites){
		.allocator = head->allocator,
		.no_symbols = head->no_symbols,
		.incomplete = head->incomplete,
		.n_sites = head->n_sites,
		.n_probes = head->n_probes,
		.n_rets = head->n_rets,
		.sites = sites,
		.probes = (const struct heap_probe *)(sites + head->n_sites),
	};
	out->rets = (const uint64_t *)(out->probes + out->n_probes);
	return sites_are_good(out, &head->layout) && probes_are_good(out, &head->layout) &&
			       rets_are_good(out, &head->layout)
		       ? 0
		       : -EBADMSG;
}
