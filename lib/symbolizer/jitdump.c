/* SPDX-License-Identifier: MIT */
#include "symbolizer/jitdump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolizer/nearest.h"
#include "util/cleanup.h"
#include "util/grow.h"

#define MAGIC	      0x4a695444u /* "JiTD" as its writer's machine stores it */
#define FOREIGN_CLOCK 1u	  /* a flag: times are the processor's, not the kernel's */
/* Real dumps have under a million records; each names a handful of the asked addresses. */
#define MAX_RECORDS 20000000u
#define MAX_HITS    50000000u
#define BUFFER	    (256u << 10)

enum record_id { CODE_LOAD, CODE_MOVE };

struct header {
	uint32_t magic, version, size, machine, pad, pid;
	uint64_t time, flags;
};

struct record {
	uint32_t id, size;
	uint64_t time;
};

/* Its name, and the code, come behind it. */
struct load {
	uint32_t pid, tid;
	uint64_t vma, address, size, index;
};

struct move {
	uint32_t pid, tid;
	uint64_t vma, from, to, size, index;
};

/* Bytes of the file at any place; mostly of one after the other. */
struct window {
	int fd;
	char *bytes; /* BUFFER */
	uint64_t at;
	size_t size;
	int error;
};

/* What is known of one asked address. */
struct found {
	uint64_t time;
	uint64_t index; /* of the code that was moved there: its name stands elsewhere */
	uint32_t function;
	bool moved;
};

/* Code that was moved, and where it is asked for. */
struct moved {
	uint64_t index;
	size_t place;
};

struct search {
	struct window file;
	struct names *answer;
	struct nearest places; /* only to find addresses */
	struct found *found;   /* by address */
	uint64_t until;
	uint32_t hits;
	struct moved *moved;
	size_t n_moved, moved_capacity;
};

/* ---- reading ------------------------------------------------------------------------------ */

/* `size` bytes (at most BUFFER) of the file, or NULL where it ends before, or after an error. */
static const void *bytes_at(struct window *w, uint64_t at, size_t size)
{
	ssize_t n;

	if (at >= w->at && at - w->at <= w->size && size <= w->size - (size_t)(at - w->at))
		return w->bytes + (at - w->at);
	if (at > INT64_MAX - BUFFER || size > BUFFER)
		return NULL;
	w->at = at;
	w->size = 0;
	while (w->size < size) {
		n = pread(w->fd, w->bytes + w->size, BUFFER - w->size, (off_t)(at + w->size));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			w->error = -errno;
		if (n <= 0)
			return NULL;
		w->size += (size_t)n;
	}
	return w->bytes;
}

static int read_header(struct window *w, struct header *h)
{
	const void *bytes = bytes_at(w, 0, sizeof(*h));

	if (!bytes)
		return w->error ? w->error : -ENOEXEC;
	memcpy(h, bytes, sizeof(*h));
	return h->magic == MAGIC && h->size >= sizeof(*h) ? 0 : -ENOEXEC;
}

bool jitdump_is(int fd)
{
	uint32_t magic;

	return pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) && magic == MAGIC;
}

/* ---- records ------------------------------------------------------------------------------ */

/* The function of a LOAD at `at`, whose name ends before `end`. Only looked at if it is asked for.
 */
static uint32_t name_of(struct search *s, uint64_t at, uint64_t end)
{
	uint64_t begin = at + sizeof(struct record) + sizeof(struct load);
	size_t room = end - begin < SYMBOLIZER_MAX_NAME ? (size_t)(end - begin)
							: SYMBOLIZER_MAX_NAME;
	const char *bytes = bytes_at(&s->file, begin, room);
	_cleanup_free_ char *name = bytes ? strndup(bytes, room) : NULL;

	return name && *name ? names_symbol(s->answer, name, 0) : NAMES_NONE;
}

/* Code has come to a place. -E2BIG when that is said too often. */
static int place(
	struct search *s, uint64_t time, uint64_t address, uint64_t size, const struct found *what)
{
	for (size_t i = nearest_index(&s->places, address);
		i < s->places.n && s->places.addresses[i] - address < size; i++) {
		struct found *f = &s->found[i];

		if (++s->hits > MAX_HITS)
			return -E2BIG;
		if (time < f->time)
			continue;
		*f = *what;
		f->time = time;
	}
	return 0;
}

static bool concerns(const struct search *s, uint64_t address, uint64_t size)
{
	size_t i = nearest_index(&s->places, address);

	return i < s->places.n && s->places.addresses[i] - address < size;
}

static int take_load(struct search *s, const struct record *r, uint64_t at)
{
	struct load load;
	const void *bytes = bytes_at(&s->file, at + sizeof(*r), sizeof(load));

	if (!bytes || r->size < sizeof(*r) + sizeof(load))
		return 0;
	memcpy(&load, bytes, sizeof(load));
	if (!concerns(s, load.address, load.size))
		return 0;
	struct found what = {.function = name_of(s, at, at + r->size)};
	return place(s, r->time, load.address, load.size, &what);
}

static int take_move(struct search *s, const struct record *r, uint64_t at)
{
	struct move move;
	const void *bytes = bytes_at(&s->file, at + sizeof(*r), sizeof(move));

	if (!bytes || r->size < sizeof(*r) + sizeof(move))
		return 0;
	memcpy(&move, bytes, sizeof(move));
	if (!concerns(s, move.to, move.size))
		return 0;
	struct found what = {.function = NAMES_NONE, .moved = true, .index = move.index};
	return place(s, r->time, move.to, move.size, &what);
}

static int compare_moved(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

/* Where moved code is, by its index. 0 or -ENOMEM. */
static int list_moved(struct search *s)
{
	for (size_t i = 0; i < s->places.n; i++) {
		if (!s->found[i].moved)
			continue;
		int r = grow(s->moved, s->n_moved, s->moved_capacity, 1);
		if (r)
			return r;
		s->moved[s->n_moved++] = (struct moved){s->found[i].index, i};
	}
	if (s->n_moved)
		qsort(s->moved, s->n_moved, sizeof(*s->moved), compare_moved);
	return 0;
}

static size_t first_moved(const struct search *s, uint64_t index)
{
	size_t low = 0, high = s->n_moved;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->moved[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The name of code that was moved is that of the LOAD with its index. */
static int name_moved(struct search *s, const struct record *r, uint64_t at)
{
	struct load load;
	const void *bytes = bytes_at(&s->file, at + sizeof(*r), sizeof(load));
	uint32_t function = NAMES_NONE;

	if (r->id != CODE_LOAD || !bytes || r->size < sizeof(*r) + sizeof(load))
		return 0;
	memcpy(&load, bytes, sizeof(load));
	for (size_t i = first_moved(s, load.index);
		i < s->n_moved && s->moved[i].index == load.index; i++) {
		if (++s->hits > MAX_HITS)
			return -E2BIG;
		if (function == NAMES_NONE)
			function = name_of(s, at, at + r->size);
		s->found[s->moved[i].place].function = function;
	}
	return 0;
}

static int take(struct search *s, const struct record *r, uint64_t at)
{
	if (s->until && r->time > s->until)
		return 0;
	if (r->id == CODE_LOAD)
		return take_load(s, r, at);
	return r->id == CODE_MOVE ? take_move(s, r, at) : 0;
}

typedef int (*record_visitor)(struct search *s, const struct record *r, uint64_t at);

static int each_record(struct search *s, uint64_t at, record_visitor visit)
{
	const void *bytes;
	int r = 0;

	for (uint32_t n = 0; !r && (bytes = bytes_at(&s->file, at, sizeof(struct record))); n++) {
		struct record record;

		memcpy(&record, bytes, sizeof(record));
		if (record.size < sizeof(record))
			break;
		if (n == MAX_RECORDS)
			return -E2BIG;
		r = visit(s, &record, at);
		at += record.size;
	}
	return r ? r : s->file.error;
}

/* ---- the outside -------------------------------------------------------------------------- */

static int search(struct search *s)
{
	struct header h;
	int r = read_header(&s->file, &h);

	if (r)
		return r;
	if (h.flags & FOREIGN_CLOCK)
		s->until = 0;
	r = each_record(s, h.size, take);
	if (!r)
		r = list_moved(s);
	if (!r && s->n_moved)
		r = each_record(s, h.size, name_moved);
	return r;
}

int jitdump_resolve(
	struct names *answer, int fd, const uint64_t *addresses, size_t n, uint64_t until)
{
	_cleanup_free_ char *buffer = malloc(BUFFER);
	_cleanup_free_ struct found *found = calloc(n + 1, sizeof(*found));
	struct search s = {.file = {.fd = fd, .bytes = buffer},
		.answer = answer,
		.places = {.addresses = addresses, .n = n},
		.found = found,
		.until = until};
	int r = buffer && found ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < n; i++)
		found[i].function = NAMES_NONE;
	if (!r)
		r = search(&s);
	free(s.moved);
	for (size_t i = 0; found && i < n; i++) {
		struct names_frame frame = {found[i].function, 0};

		if (frame.function != NAMES_NONE)
			names_set(answer, i, &frame, 1);
	}
	answer->head.flags |= until ? SYMBOLIZER_DEPENDS_ON_TIME : 0;
	return r ? r : answer->failed;
}
