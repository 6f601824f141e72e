// SPDX-License-Identifier: MIT
#include "sampler.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "profd/abi.h"
#include "profd/heap_sample.h"

#include "next.h"
#include "probes.h"
#include "table.h"

__thread struct sampler sampler_self;

static uint64_t mean;	    /* 0: the environment was not read yet */
static uint64_t seed;	    /* what is drawn from it are the seeds of threads */
static bool seeded;	    /* by the environment */
static uint64_t lost_count; /* samples for which there was no room in the table */

/* ---- settings --------------------------------------------------------------------------- */

/* A number in decimal digits, of at most max. False: it is none. */
static bool parse(const char *text, uint64_t max, uint64_t *value)
{
	*value = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (digit > 9 || *value > (max - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	return true;
}

static void complain(const char *name, const char *text, const char *what)
{
	const char *const parts[] = {"profd: ", name, "=", text, " ", what, "\n"};
	struct iovec line[sizeof(parts) / sizeof(*parts)];
	const int n = sizeof(parts) / sizeof(*parts);

	for (int i = 0; i < n; i++)
		line[i] = (struct iovec){(void *)(uintptr_t)parts[i], strlen(parts[i])};
	/* Nobody is left to tell if that fails. */
	if (writev(STDERR_FILENO, line, n) < 0)
		return;
}

static uint64_t random_seed(void)
{
	struct timespec t = {0};
	uint64_t value;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) == sizeof(value))
		return value;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_nsec ^ (uint64_t)(uintptr_t)&t ^ (uint64_t)getpid() << 32;
}

/* False: the C library does not know the environment yet; that the dynamic linker allocates before
 * that cannot be counted. Before any other thread can run. */
static bool read_settings(void)
{
	static const char samples[] = "PROFD_HEAP_SAMPLE_BYTES", seeds[] = "PROFD_HEAP_SEED";
	uint64_t value = HEAP_MEAN_DEFAULT;
	const char *text;

	if (!environ)
		return false;
	text = secure_getenv(samples);
	if (text && (!parse(text, HEAP_MEAN_MAX, &value) || !value)) {
		complain(samples, text,
			"is no number from 1 to 1099511627776: sampling at the default, 524288");
		value = HEAP_MEAN_DEFAULT;
	}
	text = secure_getenv(seeds);
	seeded = text && parse(text, UINT64_MAX, &seed);
	if (text && !seeded)
		complain(seeds, text, "is no number: the seed is drawn");
	if (!seeded)
		seed = random_seed();
	table_spread(value);
	table_advise();
	__atomic_store_n(&mean, value, __ATOMIC_RELEASE);
	return true;
}

/* ---- threads and processes -------------------------------------------------------------- */

/* False: nothing is counted yet. */
static bool begin(struct sampler *self)
{
	const uint64_t step = 0x632be59bd9b4e019ull; /* any odd number */
	int saved_errno = errno;

	if (!__atomic_load_n(&mean, __ATOMIC_ACQUIRE) && !read_settings())
		return false;
	self->random = __atomic_fetch_add(&seed, step, __ATOMIC_RELAXED);
	self->left = heap_countdown(&self->random, mean) - 1;
	self->begun = true;
	errno = saved_errno;
	return true;
}

bool sampler_watch(void)
{
	struct sampler *self = &sampler_self;

	if (!self->begun && !begin(self))
		return false;
	self->left = 0;
	self->watching = true;
	return true;
}

bool sampler_was_called(void)
{
	bool was_called = sampler_self.was_called;

	sampler_self.was_called = false;
	return was_called;
}

void sampler_unwatch(void)
{
	struct sampler *self = &sampler_self;

	self->watching = false;
	self->left = heap_countdown(&self->random, mean) - 1;
}

/* In a child only one thread lives on. What it has of its parent's allocations was told of the
 * parent; and it draws its own samples. */
static void after_fork(void)
{
	struct sampler *self = &sampler_self;

	table_forget();
	if (!seeded) {
		__u64 pid = (__u64)getpid();

		seed ^= heap_random(&pid);
		self->begun = false;
		self->left = 0;
	}
}

__attribute__((constructor)) static void start(void)
{
	next_find();
	if (!sampler_self.begun)
		begin(&sampler_self);
	pthread_atfork(NULL, NULL, after_fork);
}

/* ---- samples ---------------------------------------------------------------------------- */

/* What was told to listeners that are gone is not told to the next one. */
static bool anybody_listens(void)
{
	if (probe_any_listener())
		return true;
	table_forget();
	return false;
}

bool sampler_draw(size_t size)
{
	struct sampler *self = &sampler_self;

	if (!self->begun && !begin(self))
		return false;
	if (self->watching) {
		self->was_called = true;
		return false;
	}
	size += !size;
	if (size - 1 < self->left) {
		self->left -= size;
		return false;
	}
	self->left = heap_countdown(&self->random, mean) - 1;
	self->last = 0;
	return anybody_listens() && probe_listeners();
}

static uint64_t weighted_bytes(const struct table_entry *entry)
{
	return heap_round(heap_weight(entry->size, mean), entry->random);
}

static void remember(const void *pointer, const struct table_entry *entry, bool back)
{
	uint64_t bytes = weighted_bytes(entry);

	if (table_add(pointer, entry)) {
		sampler_self.last = ~(uintptr_t)pointer;
		probe_alloc((uintptr_t)pointer, entry->size, bytes, back ? PROFD_USDT_REALLOC : 0);
	} else {
		probe_lost(
			__atomic_add_fetch(&lost_count, 1, __ATOMIC_RELAXED), entry->size, bytes);
	}
}

void sampler_sample(const void *pointer, size_t size)
{
	struct sampler *self = &sampler_self;
	struct table_entry entry;

	if (!pointer || ~(uintptr_t)pointer == self->last)
		return;
	/* Given back in a way that is not seen here: it must be, since it is handed out again. */
	sampler_take(pointer, false);
	entry = (struct table_entry){size + !size, (uint16_t)heap_random(&self->random)};
	remember(pointer, &entry, false);
}

struct sampler_taken sampler_take(const void *pointer, bool moves)
{
	struct sampler_taken taken = {0};
	struct table_entry entry;

	if (!table_take(pointer, &entry))
		return taken;
	if (~(uintptr_t)pointer == sampler_self.last)
		sampler_self.last = 0;
	if (!anybody_listens())
		return taken;
	probe_free((uintptr_t)pointer, moves ? PROFD_USDT_REALLOC : 0);
	return (struct sampler_taken){entry.size, entry.random, true};
}

void sampler_put_back(const void *pointer, struct sampler_taken taken)
{
	const struct table_entry entry = {taken.size, taken.random};

	if (taken.sampled)
		remember(pointer, &entry, true);
}
