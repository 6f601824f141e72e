// SPDX-License-Identifier: MIT
#include "table.h"

#include <sys/mman.h>

#define BUCKET_SLOTS 8
#define BUCKETS	     (1u << 16)
#define REGION_SHIFT 26 /* an arena of glibc's; the next is at another place of the table */
#define RANDOM_BITS  16
#define EPOCH_MASK   7ull /* in the bits that are zero in the pointers of all allocators */
#define CLAIMED	     1ull /* no pointer, but not free */
/* In every key: the table is no reason to take memory for reachable (LeakSanitizer, valgrind,
 * profctl's own scan), and no user's address has this bit. */
#define HIDDEN	      (1ull << 63)
#define HUGE_PAGE     (2u << 20)
#define HASH_MULTIPLY 0x9e3779b97f4a7c15ull

/* A key is a pointer and the epoch in which it was added; table_forget() begins another, and what
 * is left of an old one is taken out when it is met: its own free, or a full bucket. (When the
 * epoch comes round, what is still there of it counts again: a free of what no listener knows.) */
struct bucket {
	uint64_t keys[BUCKET_SLOTS];
	uint64_t values[BUCKET_SLOTS]; /* size and random of entries */
};

uint8_t table_filter[TABLE_FILTER_SIZE] __attribute__((aligned(64)));
static struct bucket buckets[BUCKETS] __attribute__((aligned(4096)));
static unsigned int spread = TABLE_SPREAD_MAX;
static unsigned int epoch;
static bool used; /* something was added since the epoch began */

void table_spread(uint64_t mean)
{
	spread = TABLE_SPREAD_MIN;
	while (spread < TABLE_SPREAD_MAX && mean >> (spread + 1))
		spread++;
}

void table_advise(void)
{
	/* A huge page for each slot that is touched is not what it is made for. */
	madvise(buckets, sizeof(buckets), MADV_NOHUGEPAGE);
}

static struct bucket *bucket_of(uintptr_t pointer, int which)
{
	uint64_t hash = (which ? pointer : pointer >> REGION_SHIFT) * HASH_MULTIPLY >> 40;

	return &buckets[(which ? hash : hash + (pointer >> spread)) % BUCKETS];
}

static uint64_t now(void)
{
	return __atomic_load_n(&epoch, __ATOMIC_RELAXED) & EPOCH_MASK;
}

static bool is_stale(uint64_t key)
{
	return key > EPOCH_MASK && (key & EPOCH_MASK) != now();
}

static uintptr_t address_of(uint64_t key)
{
	return key & ~(EPOCH_MASK | HIDDEN);
}

static bool replace(uint64_t *key, uint64_t before, uint64_t after)
{
	return __atomic_compare_exchange_n(
		key, &before, after, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* Adds one to the count of a page, or takes it away. */
static void filter_count(uintptr_t pointer, int one)
{
	uint8_t *count = table_filter_of((void *)pointer);
	uint8_t before = __atomic_load_n(count, __ATOMIC_RELAXED);

	while (before != TABLE_STICKY &&
		!__atomic_compare_exchange_n(count, &before, (uint8_t)(before + one), true,
			__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
}

void table_keep_filtered(const void *pointer, size_t size)
{
	const uintptr_t page = 1u << TABLE_PAGE_SHIFT, end = (uintptr_t)pointer + size;

	for (uintptr_t p = (uintptr_t)pointer & -page; p < end; p += page)
		__atomic_store_n(table_filter_of((void *)p), TABLE_STICKY, __ATOMIC_RELEASE);
}

/* A slot that is free, or has what was forgotten; it is claimed. NULL: there is none. */
static uint64_t *claim(struct bucket *bucket, bool stale)
{
	for (int i = 0; i < BUCKET_SLOTS; i++) {
		uint64_t *slot = &bucket->keys[i], key = __atomic_load_n(slot, __ATOMIC_RELAXED);

		if ((stale ? !is_stale(key) : key != 0) || !replace(slot, key, CLAIMED))
			continue;
		if (key)
			filter_count(address_of(key), -1);
		return slot;
	}
	return NULL;
}

bool table_add(const void *pointer, const struct table_entry *entry)
{
	uintptr_t address = (uintptr_t)pointer;
	uint64_t *slot = NULL;
	struct bucket *bucket = NULL;

	if (address & EPOCH_MASK)
		return false;
	for (int i = 0; i < 4 && !slot; i++) {
		bucket = bucket_of(address, i & 1);
		slot = claim(bucket, i > 1);
	}
	if (!slot)
		return false;
	filter_count(address, 1);
	__atomic_store_n(&bucket->values[slot - bucket->keys],
		entry->size << RANDOM_BITS | entry->random, __ATOMIC_RELAXED);
	__atomic_store_n(&used, true, __ATOMIC_RELAXED);
	__atomic_store_n(slot, address | now() | HIDDEN, __ATOMIC_RELEASE);
	return true;
}

bool table_take(const void *pointer, struct table_entry *entry)
{
	uintptr_t address = (uintptr_t)pointer;

	if (!table_may_have(pointer))
		return false;
	for (int i = 0; i < 2 * BUCKET_SLOTS; i++) {
		struct bucket *bucket = bucket_of(address, i / BUCKET_SLOTS);
		uint64_t *slot = &bucket->keys[i % BUCKET_SLOTS];
		uint64_t key = __atomic_load_n(slot, __ATOMIC_RELAXED), value;

		if (address_of(key) != address || !address || !replace(slot, key, CLAIMED))
			continue;
		value = __atomic_load_n(&bucket->values[i % BUCKET_SLOTS], __ATOMIC_RELAXED);
		__atomic_store_n(slot, 0, __ATOMIC_RELEASE);
		filter_count(address, -1);
		if ((key & EPOCH_MASK) != now())
			return false;
		entry->size = value >> RANDOM_BITS;
		entry->random = (uint16_t)value;
		return true;
	}
	return false;
}

void table_forget(void)
{
	if (__atomic_load_n(&used, __ATOMIC_RELAXED) &&
		__atomic_exchange_n(&used, false, __ATOMIC_RELAXED))
		__atomic_fetch_add(&epoch, 1, __ATOMIC_RELAXED);
}
