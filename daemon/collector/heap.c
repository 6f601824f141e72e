// SPDX-License-Identifier: MIT
/* heap.c - what happens to allocations, and what the sums of their stacks are. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "collector/heap_impl.h"
#include "collector/window.h"
#include "util/brief_scale.h"
#include "util/grow.h"

#define MAX_HELD       4096
#define TRACED_SAMPLED (64u << 10)

uint32_t heap_traced_max(uint64_t mean)
{
	return mean > 1 ? TRACED_SAMPLED : HEAP_LIVE_MAX;
}

int heap_new(struct heap **out, const struct heap_limits *limits, heap_forgotten forgotten,
	void *userdata)
{
	struct heap *h = calloc(1, sizeof(*h));

	if (!h || grow(h->waiting, 0, h->waiting_capacity, 1)) {
		heap_free(h);
		return -ENOMEM;
	}
	h->n_waiting = 1;
	h->limits = *limits;
	h->forgotten = forgotten;
	h->userdata = userdata;
	/* Processes choose their addresses. */
	if (getrandom(&h->seed, sizeof(h->seed), GRND_NONBLOCK) != (ssize_t)sizeof(h->seed))
		h->seed = (uintptr_t)h;
	*out = h;
	return 0;
}

void heap_free(struct heap *h)
{
	if (!h)
		return;
	free(h->table);
	free(h->held);
	free(h->waiting);
	free(h->images);
	free(h->limited);
	if (h->ages)
		heap_ages_free(h->ages);
	free(h->ages);
	if (h->peak)
		heap_peak_free(h->peak);
	free(h->peak);
	free(h);
}

static int need_ages(struct heap *h)
{
	if (!h->ages)
		h->ages = calloc(1, sizeof(*h->ages));
	return h->ages ? 0 : -ENOMEM;
}

int heap_keep_ages(struct heap *h)
{
	h->keep_steps = true;
	return need_ages(h);
}

int heap_keep_temporary(struct heap *h, uint64_t within)
{
	h->brief = within;
	return need_ages(h);
}

int heap_keep_peak(struct heap *h)
{
	h->peak = calloc(1, sizeof(*h->peak));
	return h->peak ? 0 : -ENOMEM;
}

/* ---- the peak ------------------------------------------------------------------------------- */

/* Who waits for its stack; NULL: it has it. */
static struct waiting *waiter(struct heap *h, const struct live *l)
{
	struct waiting *w = l->waits ? &h->waiting[l->place] : NULL;

	return w && w->used && w->address == l->address && w->image == l->image ? w : NULL;
}

static void enter_peak(struct heap *h, const struct live *l, uint64_t time)
{
	struct waiting *w = waiter(h, l);

	if (!h->peak)
		return;
	if (!l->waits)
		heap_peak_restore(h->peak, l->place, heap_objects(l->weight, l->size), l->weight);
	heap_peak_came(h->peak, w ? &w->span : NULL, l->weight, time);
}

static void leave_peak(struct heap *h, const struct live *l)
{
	struct waiting *w = waiter(h, l);

	if (!h->peak)
		return;
	if (!l->waits)
		heap_peak_remove(h->peak, l->place, heap_objects(l->weight, l->size), l->weight);
	heap_peak_went(h->peak, w ? &w->span : NULL, l->weight);
}

static void take_out(struct heap *h, struct live *l)
{
	leave_peak(h, l);
	heap_table_remove(h, l);
}

/* ---- sums ----------------------------------------------------------------------------------- */

void heap_count_in_use(struct heap *h, const struct live *l, struct window *window)
{
	struct window_heap *sums;

	if (l->waits)
		return;
	sums = window_heap(window, l->place);
	h->in_use += l->weight;
	sums->inuse_bytes += l->weight;
	sums->inuse_objects += heap_objects(l->weight, l->size);
}

static void no_more_in_use(struct heap *h, const struct live *l, struct window *window)
{
	struct window_heap *sums;

	if (l->waits)
		return;
	sums = window_heap(window, l->place);
	h->in_use -= l->weight;
	sums->inuse_bytes -= l->weight;
	sums->inuse_objects -= heap_objects(l->weight, l->size);
}

void heap_add_age(const struct heap *h, struct heap_ages *ages, uint32_t stack, struct age age,
	uint64_t weight, uint64_t size)
{
	if (!ages || (!h->keep_steps && !age.brief))
		return;
	if (!h->keep_steps)
		age.until = age.since;
	(void)heap_ages_add(ages, stack, &age, heap_objects(weight, size), weight);
}

/* Of what has its stack. */
static void add_live_age(
	struct heap *h, const struct live *l, enum age_kind kind, uint64_t until, uint8_t brief)
{
	heap_add_age(h, h->ages, l->place, (struct age){kind, l->time, until, brief}, l->weight,
		l->size);
}

/* See struct age_cell. */
static uint8_t brevity(const struct heap *h, const struct live *l, const struct profd_free *freed,
	const struct window *window)
{
	uint64_t lived = freed->head.time > l->time ? freed->head.time - l->time : 0;
	uint32_t tid;

	if (lived > h->brief || !h->brief || freed->flags & (PROFD_FREE_HELD | PROFD_FREE_MOVED))
		return 0;
	tid = l->waits ? h->waiting[l->place].tid : window_stack(window, l->place)->tid;
	return tid == freed->tid ? (uint8_t)(1 + brief_scale_step(lived)) : 0;
}

/* ---- events --------------------------------------------------------------------------------- */

static struct limited *find_limited(const struct heap *h, uint32_t pid)
{
	for (size_t i = 0; i < h->n_limited; i++)
		if (h->limited[i].pid == pid)
			return &h->limited[i];
	return NULL;
}

/* What stands for others, too. kept: of so many, in 2^-32. */
static uint64_t make_up(uint64_t weight, uint32_t kept)
{
	unsigned __int128 more = weight;

	if (kept && kept != UINT32_MAX)
		more = (more << 32) / kept;
	return more >> 63 ? INT64_MAX : (uint64_t)more;
}

static uint32_t kept_at(const struct limited *limited, uint64_t time)
{
	return time < limited->since ? limited->before : limited->kept;
}

static uint32_t new_waiting(struct heap *h)
{
	uint32_t i = h->first_free;

	if (i) {
		h->first_free = h->waiting[i].next;
		return i;
	}
	if (h->n_waiting == UINT32_MAX || grow(h->waiting, h->n_waiting, h->waiting_capacity, 1))
		return 0;
	h->waiting[h->n_waiting] = (struct waiting){0};
	return (uint32_t)h->n_waiting++;
}

static struct waiting *waiting_of(struct heap *h, uint64_t allocation)
{
	uint32_t i = (uint32_t)allocation;

	if (!i || i >= h->n_waiting || !h->waiting[i].used ||
		h->waiting[i].turn != allocation >> 32)
		return NULL;
	return &h->waiting[i];
}

static void end_waiting(struct heap *h, struct waiting *w)
{
	w->used = false;
	w->turn++;
	w->next = h->first_free;
	h->first_free = (uint32_t)(w - h->waiting);
}

/* The allocation that still waits for this stack, if it has not been freed. */
static struct live *waiting_live(struct heap *h, const struct waiting *w)
{
	struct live *l = heap_table_find(h, w->image, w->address);

	return l && l->waits && l->place == (uint32_t)(w - h->waiting) ? l : NULL;
}

/* False: there is no room. */
static bool put_in(struct heap *h, const struct live *live, uint64_t time)
{
	if (h->count >= h->limits.live || heap_table_make_room(h)) {
		h->stats.full++;
		return false;
	}
	*heap_table_place(h, live->image, live->address) = *live;
	h->images[live->image].live++;
	h->count++;
	enter_peak(h, live, time);
	return true;
}

/* Its free was not seen: the address is another's. */
static void replace(struct heap *h, struct live *l, struct window *window)
{
	h->stats.replaced++;
	no_more_in_use(h, l, window);
	take_out(h, l);
}

/* Nobody needs to hear of its free. */
static void forget(struct heap *h, const struct waiting *w)
{
	if (h->forgotten)
		h->forgotten(h->userdata, w->address, h->images[w->image].identity.pid, w->time);
}

/* It has as much as one process can have. */
static bool is_crowded(const struct heap *h, uint32_t image, uint32_t flags)
{
	size_t max = flags & PROFD_ALLOC_TRACED ? h->limits.traced : h->limits.live;

	return h->images[image].live >= max - max / 4;
}

static void remember(struct heap *h, const struct waiting *w, uint32_t flags, struct window *window)
{
	struct live *l = heap_table_find(h, w->image, w->address);

	if (l)
		replace(h, l, window);
	if (is_crowded(h, w->image, flags)) {
		h->stats.full++;
		h->stats.crowded++;
		forget(h, w);
		return;
	}
	put_in(h,
		&(struct live){
			.address = w->address,
			.weight = w->weight,
			.size = w->size,
			.image = w->image,
			.place = (uint32_t)(w - h->waiting),
			.time = w->time & ((1ULL << HEAP_TIME_BITS) - 1),
			.waits = 1,
		},
		w->time);
}

/* Whether it is known where it is, and will be when it is freed. */
static bool is_followed(struct heap *h, uint32_t flags)
{
	h->stats.full += flags & PROFD_ALLOC_UNTRACKED ? 1 : 0;
	h->stats.begun += flags & PROFD_ALLOC_BEGUN ? 1 : 0;
	return !(flags & (PROFD_ALLOC_UNTRACKED | PROFD_ALLOC_BEGUN));
}

uint64_t heap_alloc(struct heap *h, const struct profd_alloc *alloc, struct window *window)
{
	struct waiting *w;
	const struct limited *limited = find_limited(h, alloc->sample.process.pid);
	uint32_t i, image;

	if (heap_image_add(h, &alloc->sample.process, &image))
		return 0;
	i = new_waiting(h);
	if (!i)
		return 0;
	w = &h->waiting[i];
	w->weight = make_up(alloc->weight, alloc->kept);
	if (limited)
		w->weight = make_up(w->weight, kept_at(limited, alloc->head.time));
	w->size = alloc->size;
	w->address = alloc->address;
	w->time = alloc->head.time;
	w->until = 0;
	w->image = image;
	w->used = true;
	w->tid = alloc->sample.tid;
	w->kept = w->held = false;
	w->reach = AGE_IN_USE;
	w->brief = 0;
	if (h->peak)
		w->span = heap_peak_begin(h->peak);
	h->stats.allocs++;
	if (limited && alloc->flags & PROFD_ALLOC_TRACED)
		forget(h, w);
	else if (!limited && is_followed(h, alloc->flags))
		remember(h, w, alloc->flags, window);
	return (uint64_t)w->turn << 32 | i;
}

/* If the realloc fails, it has its stack. */
static void place_held(struct heap *h, const struct waiting *w, uint32_t stack)
{
	for (size_t i = 0; i < h->n_held; i++) {
		struct live *l = &h->held[i].live;

		if (l->waits && l->place == (uint32_t)(w - h->waiting) &&
			l->address == w->address && l->image == w->image) {
			l->waits = 0;
			l->place = stack;
		}
	}
}

void heap_place(struct heap *h, uint64_t allocation, struct window *window, uint32_t stack)
{
	struct waiting *w = waiting_of(h, allocation);
	struct window_heap *sums;
	struct live *l;

	if (!w)
		return;
	sums = window_heap(window, stack);
	h->allocated += w->weight;
	sums->alloc_bytes += w->weight;
	sums->alloc_objects += heap_objects(w->weight, w->size);
	l = waiting_live(h, w);
	if (w->held)
		place_held(h, w, stack);
	if (l) {
		l->place = stack;
		l->waits = 0;
	}
	if (l || w->kept) {
		h->in_use += w->weight;
		sums->inuse_bytes += w->weight;
		sums->inuse_objects += heap_objects(w->weight, w->size);
	}
	if (w->until)
		heap_add_age(h, h->ages, stack,
			(struct age){w->kept ? w->reach : AGE_FREED, w->time, w->until, w->brief},
			w->weight, w->size);
	if (h->peak)
		heap_peak_place(
			h->peak, stack, &w->span, heap_objects(w->weight, w->size), w->weight);
	end_waiting(h, w);
}

void heap_drop(struct heap *h, uint64_t allocation)
{
	struct waiting *w = waiting_of(h, allocation);
	struct live *l = w ? waiting_live(h, w) : NULL;

	if (l) {
		forget(h, w);
		take_out(h, l);
	}
	if (w)
		end_waiting(h, w);
}

/* Reallocs that succeed say nothing: what they held is let go when there is much of it, oldest
 * first. */
static void hold(struct heap *h, const struct live *live, uint64_t time)
{
	if (h->n_held == MAX_HELD) {
		h->n_held -= MAX_HELD / 2;
		memmove(h->held, h->held + MAX_HELD / 2, h->n_held * sizeof(*h->held));
	}
	if (!grow(h->held, h->n_held, h->held_capacity, 1))
		h->held[h->n_held++] = (struct held){*live, time};
}

/* It was not freed after all. */
static void undo_age(struct heap *h, const struct live *l, uint64_t time)
{
	struct waiting *w = waiter(h, l);

	if (w)
		w->until = 0;
	if (!l->waits && h->keep_steps)
		heap_ages_take(h->ages, l->place,
			&(struct age){.kind = AGE_FREED, .since = l->time, .until = time},
			heap_objects(l->weight, l->size), l->weight);
}

static void restore(
	struct heap *h, uint32_t image, const struct profd_free *record, struct window *window)
{
	uint64_t address = record->address;

	for (size_t i = h->n_held; i-- > 0;) {
		struct live held = h->held[i].live, *other;
		uint64_t time = h->held[i].time;

		if (held.image != image || held.address != address)
			continue;
		memmove(h->held + i, h->held + i + 1, (--h->n_held - i) * sizeof(*h->held));
		if (!held.weight)
			return;
		h->stats.frees--;
		other = heap_table_find(h, image, address);
		if (other)
			replace(h, other, window);
		undo_age(h, &held, time);
		if (put_in(h, &held, record->head.time))
			heap_count_in_use(h, &held, window);
		return;
	}
}

void heap_freed(struct heap *h, const struct profd_free *freed, struct window *window)
{
	uint32_t image = heap_image_find(h, &freed->process);
	struct live *l = image == UINT32_MAX ? NULL : heap_table_find(h, image, freed->address);
	uint8_t brief;

	if (freed->flags & PROFD_FREE_RESTORED) {
		restore(h, image, freed, window);
		return;
	}
	if (!l) {
		h->stats.unknown++;
		/* If it fails, it is not what an earlier one held of that address. */
		if (image != UINT32_MAX && freed->flags & PROFD_FREE_HELD)
			hold(h, &(struct live){.image = image, .address = freed->address},
				freed->head.time);
		return;
	}
	h->stats.frees++;
	no_more_in_use(h, l, window);
	brief = brevity(h, l, freed, window);
	if (l->waits) {
		h->waiting[l->place].brief = brief;
		h->waiting[l->place].until = freed->head.time;
		h->waiting[l->place].held = freed->flags & PROFD_FREE_HELD;
	} else {
		add_live_age(h, l, AGE_FREED, freed->head.time, brief);
	}
	if (freed->flags & PROFD_FREE_HELD)
		hold(h, l, freed->head.time);
	take_out(h, l);
}

/* Its process has ended with it, at `time`. */
static void end_live(struct heap *h, const struct live *l, uint64_t time)
{
	if (l->waits) {
		h->waiting[l->place].kept = true;
		h->waiting[l->place].reach = l->reach;
		h->waiting[l->place].until = time;
	} else {
		add_live_age(h, l, (enum age_kind)l->reach, time, 0);
	}
}

/* What moves up into the place of an entry is looked at, too. window: it is not in use any more;
 * NULL: its process has ended at `time`, and the sums stay. */
static void forget_live(struct heap *h, uint32_t image, struct window *window, uint64_t time)
{
	for (size_t i = 0; i < h->capacity && h->images[image].live; i++)
		while (h->table[i].weight && h->table[i].image == image) {
			if (window)
				no_more_in_use(h, &h->table[i], window);
			else
				end_live(h, &h->table[i], time);
			if (h->forgotten)
				h->forgotten(h->userdata, h->table[i].address,
					h->images[image].identity.pid, h->table[i].time);
			take_out(h, &h->table[i]);
		}
	for (size_t i = 0; i < h->n_held;)
		if (h->held[i].live.image == image)
			h->held[i] = h->held[--h->n_held];
		else
			i++;
}

/* Its sums stay. */
static void forget_image(struct heap *h, uint32_t image, uint64_t time)
{
	forget_live(h, image, NULL, time);
	h->images[image].identity = (struct profd_identity){0};
}

int heap_limit(struct heap *h, uint32_t pid, uint32_t kept, uint64_t since, struct window *window)
{
	struct limited *limited = find_limited(h, pid);

	if (!kept) {
		if (limited)
			*limited = h->limited[--h->n_limited];
		return 0;
	}
	if (!limited) {
		if (grow(h->limited, h->n_limited, h->limited_capacity, 1))
			return -ENOMEM;
		limited = &h->limited[h->n_limited++];
		h->were_limited++;
		*limited = (struct limited){pid, UINT32_MAX, UINT32_MAX, 0};
		for (size_t i = 0; i < h->n_images; i++)
			if (h->images[i].identity.pid == pid)
				forget_live(h, (uint32_t)i, window, 0);
	}
	if (limited->kept != kept)
		*limited = (struct limited){pid, kept, limited->kept, since};
	return 0;
}

void heap_end_process(struct heap *h, uint32_t pid, uint64_t time)
{
	for (size_t i = 0; i < h->n_images; i++)
		if (h->images[i].identity.pid == pid)
			forget_image(h, (uint32_t)i, time);
}

bool heap_keeps_ages(const struct heap *h)
{
	return h->ages;
}

struct heap_stats heap_stats(const struct heap *h)
{
	struct heap_stats stats = h->stats;

	stats.live = h->count;
	stats.allocated = h->allocated >> PROFD_WEIGHT_SHIFT;
	stats.in_use = h->in_use >> PROFD_WEIGHT_SHIFT;
	stats.limited = h->were_limited;
	stats.live_bytes = h->capacity * sizeof(*h->table);
	return stats;
}
