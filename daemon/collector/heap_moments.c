// SPDX-License-Identifier: MIT
/* heap_moments.c - what is in use at a moment, in a new window, and of a process that stands still.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/heap_impl.h"
#include "collector/window.h"
#include "profd/control.h"
#include "util/cleanup.h"

/* ---- moments -------------------------------------------------------------------------------- */

static int copy_sums(struct heap_moment *m, const struct window *window)
{
	m->n_stacks = window_n_stacks(window);
	m->sums = calloc(m->n_stacks + 1, sizeof(*m->sums));
	if (!m->sums)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_stacks; i++)
		m->sums[i] = *window_heap(window, (uint32_t)i);
	return 0;
}

int heap_moment(
	const struct heap *h, const struct window *window, uint64_t time, struct heap_moment **out)
{
	struct heap_moment *m;

	*out = NULL;
	m = calloc(1, sizeof(*m));
	if (!m || copy_sums(m, window) || (h->ages && heap_ages_copy(&m->ages, h->ages))) {
		heap_moment_free(m);
		return -ENOMEM;
	}
	m->has_steps = h->keep_steps;
	for (size_t i = 0; h->keep_steps && i < h->capacity; i++) {
		const struct live *l = &h->table[i];

		if (l->weight && !l->waits)
			heap_add_age(h, &m->ages, l->place,
				(struct age){AGE_IN_USE, l->time, time, 0}, l->weight, l->size);
	}
	*out = m;
	return 0;
}

static int peak_sums(const struct heap *h, size_t n_stacks, struct heap_moment *m)
{
	m->sums = calloc(n_stacks + 1, sizeof(*m->sums));
	if (!m->sums)
		return -ENOMEM;
	m->n_stacks = n_stacks;
	m->is_past = true;
	for (size_t i = 0; i < n_stacks; i++)
		m->sums[i] = heap_peak_sums(h->peak, i);
	return 0;
}

int heap_peak_moment(const struct heap *h, const struct window *window, uint64_t *time,
	uint64_t *bytes, struct heap_moment **out)
{
	struct heap_moment *m;

	*out = NULL;
	if (!h->peak || !h->peak->number || h->were_limited)
		return -ENODATA;
	m = calloc(1, sizeof(*m));
	if (!m || h->peak->failed || peak_sums(h, window_n_stacks(window), m)) {
		heap_moment_free(m);
		return -ENOMEM;
	}
	*bytes = 0;
	for (size_t i = 0; i < m->n_stacks; i++)
		*bytes += m->sums[i].inuse_bytes;
	*bytes >>= PROFD_WEIGHT_SHIFT;
	*time = h->peak->time;
	*out = m;
	return 0;
}

/* ---- what can be reached -------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct control_block *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

int heap_blocks(const struct heap *h, uint32_t pid, struct control_block **out, size_t *n)
{
	struct control_block *blocks = calloc(h->count + 1, sizeof(*blocks));

	*n = 0;
	if (!blocks)
		return -ENOMEM;
	for (size_t i = 0; i < h->capacity; i++) {
		const struct live *l = &h->table[i];

		if (l->weight && h->images[l->image].identity.pid == pid)
			blocks[(*n)++] = (struct control_block){l->address, l->size};
	}
	qsort(blocks, *n, sizeof(*blocks), by_address);
	*out = blocks;
	return 0;
}

static unsigned reach_kind(char reach)
{
	switch (reach) {
	case CONTROL_REACH_DEFINITE:
		return AGE_DEFINITE;
	case CONTROL_REACH_INDIRECT:
		return AGE_INDIRECT;
	case CONTROL_REACH_POSSIBLE:
		return AGE_POSSIBLE;
	case CONTROL_REACH_REACHABLE:
		return AGE_REACHABLE;
	default:
		return AGE_IN_USE;
	}
}

void heap_reached(struct heap *h, uint32_t pid, const struct control_block *blocks, size_t n,
	const char *reach)
{
	for (size_t image = 0; image < h->n_images; image++)
		for (size_t i = 0; i < n && h->images[image].identity.pid == pid; i++) {
			struct live *l = heap_table_find(h, (uint32_t)image, blocks[i].address);

			if (l)
				l->reach = reach_kind(reach[i]) & 7;
		}
}

/* ---- windows -------------------------------------------------------------------------------- */

/* numbers: by stack in `from`, the stack in `to`, plus one; 0: not there yet. */
static int carry_stack(
	const struct live *l, const struct window *from, struct window *to, uint32_t *numbers)
{
	uint32_t number;
	int r;

	if (l->waits || numbers[l->place])
		return 0;
	r = window_carry(to, from, l->place, &number);
	if (!r)
		numbers[l->place] = number + 1;
	return r;
}

static void renumber(struct live *l, const uint32_t *numbers)
{
	if (!l->waits)
		l->place = numbers[l->place] - 1;
}

int heap_carry(struct heap *h, const struct window *from, struct window *to)
{
	_cleanup_free_ uint32_t *numbers = calloc(window_n_stacks(from) + 1, sizeof(*numbers));
	int r = numbers ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < h->capacity; i++)
		if (h->table[i].weight)
			r = carry_stack(&h->table[i], from, to, numbers);
	for (size_t i = 0; !r && i < h->n_held; i++)
		r = carry_stack(&h->held[i].live, from, to, numbers);
	if (r)
		return r;
	h->were_limited = h->n_limited;
	h->in_use = 0;
	for (size_t i = 0; i < h->n_held; i++)
		renumber(&h->held[i].live, numbers);
	for (size_t i = 0; i < h->capacity; i++) {
		if (!h->table[i].weight)
			continue;
		renumber(&h->table[i], numbers);
		heap_count_in_use(h, &h->table[i], to);
	}
	return 0;
}
