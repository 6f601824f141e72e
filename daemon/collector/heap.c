// SPDX-License-Identifier: MIT
#include "collector/heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "collector/heap_ages.h"
#include "collector/heap_peak.h"
#include "collector/window.h"
#include "profd/control.h"
#include "util/brief_scale.h"
#include "util/cleanup.h"
#include "util/grow.h"

#define FIRST_CAPACITY 1024
#define MAX_HELD       4096
#define TRACED_SAMPLED (64u << 10)
#define TIME_BITS      60 /* ns: 36 years */

/* An allocation in use; weight 0: a free place in the table. */
struct live {
	uint64_t address;
	uint64_t weight, size;
	uint32_t image;
	uint32_t place; /* its stack; while that is on its way, the entry of `waiting` */
	uint64_t time : TIME_BITS;
	uint64_t reach : 3; /* enum age_kind, of a scan; 0: none was made */
	uint64_t waits : 1;
};

struct held {
	struct live live;
	uint64_t time; /* when it was taken out */
};

/* An allocation whose stack is on its way. */
struct waiting {
	uint64_t weight, size, address;
	uint64_t time, until; /* until: when it was freed, or its process ended; 0: it was not */
	struct peak_span span;
	uint32_t image, tid;
	uint32_t turn; /* how often the place was used: the upper half of the number */
	uint32_t next; /* of the free ones; 0: none */
	bool used;
	bool kept;     /* its process ended with it */
	bool held;     /* a realloc was given it */
	uint8_t reach; /* see struct live */
	uint8_t brief; /* see struct age_cell */
};

struct image {
	struct profd_identity identity;
	size_t live;
};

/* A process of which only a part is seen. */
struct limited {
	uint32_t pid, kept;
	uint32_t before; /* what was kept of what was allocated before `since` */
	uint64_t since;
};

struct heap {
	struct live *table; /* open addressing, linear probing */
	size_t capacity;    /* a power of two, or 0 */
	size_t count;
	struct heap_limits limits;
	uint64_t seed;

	struct held *held; /* by reallocs that have not returned, or have not failed */
	size_t n_held, held_capacity;

	struct waiting *waiting; /* entry 0 is not used */
	size_t n_waiting, waiting_capacity;
	uint32_t first_free;

	struct image *images;
	size_t n_images, images_capacity;
	uint32_t last_image; /* that was asked for */

	struct limited *limited;
	size_t n_limited, limited_capacity;
	size_t were_limited; /* since the window began */

	struct heap_ages *ages; /* NULL: none are kept; of in use: what ended processes had */
	bool keep_steps;	/* not only what was temporary */
	uint64_t brief;		/* ns: what was freed after no more is temporary; 0: nothing is */

	struct heap_peak *peak; /* NULL: it is not wanted */

	uint64_t allocated, in_use; /* of all stacks, in fixed point */

	heap_forgotten forgotten;
	void *userdata;
	struct heap_stats stats;
};

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

/* ---- images --------------------------------------------------------------------------------- */

static bool same_image(const struct profd_identity *a, const struct profd_identity *b)
{
	return a->pid == b->pid && a->start_boottime == b->start_boottime &&
	       a->exec_id == b->exec_id;
}

/* UINT32_MAX: it is not known. Sessions have few processes, and the next event is mostly of the
 * same one. */
static uint32_t find_image(struct heap *h, const struct profd_identity *identity)
{
	if (h->last_image < h->n_images && same_image(&h->images[h->last_image].identity, identity))
		return h->last_image;
	for (size_t i = h->n_images; i-- > 0;) {
		if (!same_image(&h->images[i].identity, identity))
			continue;
		h->last_image = (uint32_t)i;
		return h->last_image;
	}
	return UINT32_MAX;
}

static int add_image(struct heap *h, const struct profd_identity *identity, uint32_t *image)
{
	*image = find_image(h, identity);
	if (*image != UINT32_MAX)
		return 0;
	/* One that has ended, and left nothing, makes room. */
	for (size_t i = 0; i < h->n_images; i++) {
		if (h->images[i].identity.pid)
			continue;
		h->images[i] = (struct image){.identity = *identity};
		*image = (uint32_t)i;
		return 0;
	}
	if (grow(h->images, h->n_images, h->images_capacity, 1))
		return -ENOMEM;
	*image = (uint32_t)h->n_images;
	h->images[h->n_images++] = (struct image){.identity = *identity};
	return 0;
}

/* ---- the peak ------------------------------------------------------------------------------- */

/* In the unit of weights. */
static uint64_t objects(uint64_t weight, uint64_t size)
{
	size += !size; /* as it was when it was weighed (profd/heap_sample.h) */
	return (weight + size / 2) / size;
}

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
		heap_peak_restore(h->peak, l->place, objects(l->weight, l->size), l->weight);
	heap_peak_came(h->peak, w ? &w->span : NULL, l->weight, time);
}

static void leave_peak(struct heap *h, const struct live *l)
{
	struct waiting *w = waiter(h, l);

	if (!h->peak)
		return;
	if (!l->waits)
		heap_peak_remove(h->peak, l->place, objects(l->weight, l->size), l->weight);
	heap_peak_went(h->peak, w ? &w->span : NULL, l->weight);
}

/* ---- the table ------------------------------------------------------------------------------ */

static size_t home(const struct heap *h, uint32_t image, uint64_t address)
{
	const uint64_t key[] = {address, image};

	return (size_t)XXH3_64bits_withSeed(key, sizeof(key), h->seed) & (h->capacity - 1);
}

/* Where the entry is, or the place that it would have. */
static struct live *probe(const struct heap *h, uint32_t image, uint64_t address)
{
	size_t i = home(h, image, address);

	while (h->table[i].weight && (h->table[i].address != address || h->table[i].image != image))
		i = (i + 1) & (h->capacity - 1);
	return &h->table[i];
}

static struct live *find(const struct heap *h, uint32_t image, uint64_t address)
{
	struct live *l = h->capacity ? probe(h, image, address) : NULL;

	return l && l->weight ? l : NULL;
}

static int make_room(struct heap *h)
{
	struct live *old = h->table;
	size_t capacity = h->capacity;

	if (h->count < capacity / 4 * 3)
		return 0;
	h->table = calloc(capacity ? 2 * capacity : FIRST_CAPACITY, sizeof(*h->table));
	if (!h->table) {
		h->table = old;
		return -ENOMEM;
	}
	h->capacity = capacity ? 2 * capacity : FIRST_CAPACITY;
	for (size_t i = 0; i < capacity; i++)
		if (old[i].weight)
			*probe(h, old[i].image, old[i].address) = old[i];
	free(old);
	return 0;
}

/* Entries behind it that would not be found any more move up. */
static void take_out(struct heap *h, struct live *l)
{
	size_t mask = h->capacity - 1, hole = (size_t)(l - h->table);

	leave_peak(h, l);
	h->images[l->image].live--;
	h->count--;
	for (size_t i = (hole + 1) & mask; h->table[i].weight; i = (i + 1) & mask) {
		size_t from = home(h, h->table[i].image, h->table[i].address);

		if (((i - from) & mask) < ((i - hole) & mask))
			continue;
		h->table[hole] = h->table[i];
		hole = i;
	}
	h->table[hole].weight = 0;
}

/* ---- sums ----------------------------------------------------------------------------------- */

static void in_use(struct heap *h, const struct live *l, struct window *window)
{
	struct window_heap *sums;

	if (l->waits)
		return;
	sums = window_heap(window, l->place);
	h->in_use += l->weight;
	sums->inuse_bytes += l->weight;
	sums->inuse_objects += objects(l->weight, l->size);
}

static void no_more_in_use(struct heap *h, const struct live *l, struct window *window)
{
	struct window_heap *sums;

	if (l->waits)
		return;
	sums = window_heap(window, l->place);
	h->in_use -= l->weight;
	sums->inuse_bytes -= l->weight;
	sums->inuse_objects -= objects(l->weight, l->size);
}

/* What has no place among the ages has none, and counts all the same. */
static void add_age(const struct heap *h, struct heap_ages *ages, uint32_t stack, struct age age,
	uint64_t weight, uint64_t size)
{
	if (!ages || (!h->keep_steps && !age.brief))
		return;
	if (!h->keep_steps)
		age.until = age.since;
	(void)heap_ages_add(ages, stack, &age, objects(weight, size), weight);
}

/* Of what has its stack. */
static void add_live_age(
	struct heap *h, const struct live *l, enum age_kind kind, uint64_t until, uint8_t brief)
{
	add_age(h, h->ages, l->place, (struct age){kind, l->time, until, brief}, l->weight,
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
	struct live *l = find(h, w->image, w->address);

	return l && l->waits && l->place == (uint32_t)(w - h->waiting) ? l : NULL;
}

/* False: there is no room. */
static bool put_in(struct heap *h, const struct live *live, uint64_t time)
{
	if (h->count >= h->limits.live || make_room(h)) {
		h->stats.full++;
		return false;
	}
	*probe(h, live->image, live->address) = *live;
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
	struct live *l = find(h, w->image, w->address);

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
			.time = w->time & ((1ULL << TIME_BITS) - 1),
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

	if (add_image(h, &alloc->sample.process, &image))
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
	sums->alloc_objects += objects(w->weight, w->size);
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
		sums->inuse_objects += objects(w->weight, w->size);
	}
	if (w->until)
		add_age(h, h->ages, stack,
			(struct age){w->kept ? w->reach : AGE_FREED, w->time, w->until, w->brief},
			w->weight, w->size);
	if (h->peak)
		heap_peak_place(h->peak, stack, &w->span, objects(w->weight, w->size), w->weight);
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
			objects(l->weight, l->size), l->weight);
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
		h->stats.frees--;
		other = find(h, image, address);
		if (other)
			replace(h, other, window);
		undo_age(h, &held, time);
		if (put_in(h, &held, record->head.time))
			in_use(h, &held, window);
		return;
	}
}

void heap_freed(struct heap *h, const struct profd_free *freed, struct window *window)
{
	uint32_t image = find_image(h, &freed->process);
	struct live *l = image == UINT32_MAX ? NULL : find(h, image, freed->address);
	uint8_t brief;

	if (freed->flags & PROFD_FREE_RESTORED) {
		restore(h, image, freed, window);
		return;
	}
	if (!l) {
		h->stats.unknown++;
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
			add_age(h, &m->ages, l->place, (struct age){AGE_IN_USE, l->time, time, 0},
				l->weight, l->size);
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
			struct live *l = find(h, (uint32_t)image, blocks[i].address);

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
		in_use(h, &h->table[i], to);
	}
	return 0;
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
