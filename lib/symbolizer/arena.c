// SPDX-License-Identifier: MIT
#include "symbolizer/arena.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/grow.h"

#define CHUNK_SIZE (1u << 20)
#define HEAP_CHUNK (64u << 10)
#define PAGE_MASK  4095ULL
#define ALIGN_MASK 15ULL

/* Room on the disk is taken first: a page of a file that finds none would kill the process. */
static uint8_t *map_chunk(struct arena *a, size_t size)
{
	struct scratch_file *f = a->file;
	void *bytes;

	if (size > f->size - f->end || fallocate(f->fd, 0, (off_t)f->end, (off_t)size)) {
		f->lacked = true;
		return NULL;
	}
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, (off_t)f->end);
	if (bytes == MAP_FAILED)
		return NULL;
	f->end += size;
	f->used += size;
	return bytes;
}

static void unmap_chunk(struct scratch_file *f, const struct arena_chunk *c)
{
	munmap(c->bytes, c->size);
	fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)c->offset,
		(off_t)c->size);
	f->used -= c->size;
	if (!f->used)
		f->end = 0;
	else if (c->offset + c->size == f->end)
		f->end = c->offset;
}

static int add_chunk(struct arena *a, size_t at_least)
{
	size_t usual = a->file ? CHUNK_SIZE : HEAP_CHUNK;
	size_t size = at_least <= usual ? usual : (at_least + PAGE_MASK) & ~PAGE_MASK;
	uint64_t offset = a->file ? a->file->end : 0;
	uint8_t *bytes;

	if (size > (a->file ? ARENA_MAX : ARENA_HEAP_MAX) - a->bytes ||
		grow(a->chunks, a->n_chunks, a->capacity, 1))
		return -ENOMEM;
	bytes = a->file ? map_chunk(a, size) : malloc(size);
	if (!bytes)
		return -ENOMEM;
	a->chunks[a->n_chunks++] = (struct arena_chunk){bytes, size, offset};
	a->bytes += size;
	a->used = 0;
	return 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *last;
	void *bytes;

	if (size > ARENA_MAX)
		return NULL;
	size = (size + ALIGN_MASK) & ~ALIGN_MASK;
	if (!a->n_chunks || size > a->chunks[a->n_chunks - 1].size - a->used)
		if (add_chunk(a, size))
			return NULL;
	last = &a->chunks[a->n_chunks - 1];
	bytes = last->bytes + a->used;
	a->used += size;
	return bytes;
}

void *arena_copy(struct arena *a, const void *from, size_t n, size_t size)
{
	void *to = n > ARENA_MAX / size ? NULL : arena_alloc(a, n * size);

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

static void free_last(struct arena *a)
{
	const struct arena_chunk *last = &a->chunks[--a->n_chunks];

	a->bytes -= last->size;
	if (a->file)
		unmap_chunk(a->file, last);
	else
		free(last->bytes);
}

void arena_undo(struct arena *a, size_t size)
{
	a->used -= (size + ALIGN_MASK) & ~ALIGN_MASK;
	if (a->used)
		return;
	free_last(a);
	/* What was free of the one before is not known any more. */
	a->used = a->n_chunks ? a->chunks[a->n_chunks - 1].size : 0;
}

void arena_free(struct arena *a)
{
	while (a->n_chunks)
		free_last(a);
	free(a->chunks);
	*a = (struct arena){.file = a->file};
}
