// SPDX-License-Identifier: MIT
#include "process_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/grow.h"

#define PAGE	 4096u
#define RED_ZONE 128u /* below a stack pointer (System V ABI, AMD64, 3.2.2) */
/* An allocator gives blocks of this size and more mappings of their own (glibc: M_MMAP_THRESHOLD),
 * which the kernel joins with others. */
#define OWN_MAPPING (64u << 10)
#define PAGEMAP_IN  (3ull << 62) /* present, or swapped out */

/* ---- reading -------------------------------------------------------------------------------- */

int process_memory_open(struct process_memory *m, pid_t tid)
{
	char path[64];

	*m = (struct process_memory){-1, -1};
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)tid);
	m->mem = open(path, O_RDONLY | O_CLOEXEC);
	if (m->mem < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)tid);
	m->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	return 0;
}

void process_memory_close(struct process_memory *m)
{
	m->mem = close_fd(m->mem);
	m->pagemap = close_fd(m->pagemap);
}

static bool is_touched(const struct process_memory *m, uint64_t address, size_t size)
{
	uint64_t pages[512], first = address / PAGE, n = (address + size - 1) / PAGE - first + 1;
	ssize_t got;

	if (m->pagemap < 0 || n > sizeof(pages) / sizeof(*pages))
		return true;
	got = pread(m->pagemap, pages, n * sizeof(*pages), (off_t)(first * sizeof(*pages)));
	if (got != (ssize_t)(n * sizeof(*pages)))
		return true;
	for (uint64_t i = 0; i < n; i++)
		if (pages[i] & PAGEMAP_IN)
			return true;
	return false;
}

ssize_t process_memory_read(void *memory, uint64_t address, void *to, size_t size)
{
	const struct process_memory *m = memory;
	ssize_t got;

	/* Of a few pages it costs more to ask. */
	if (size > 4 * PAGE && !is_touched(m, address, size))
		return 0;
	do
		got = pread(m->mem, to, size, (off_t)address);
	while (got < 0 && errno == EINTR);
	return got > 0 ? got : -1;
}

/* ---- roots ---------------------------------------------------------------------------------- */

struct roots {
	const struct process_memory_facts *facts;
	size_t next; /* the first block that is not below what was seen so far */
	struct leak_range *ranges;
	size_t n, capacity;
	int error;
};

struct mapping {
	uint64_t start, end;
	bool is_heap, is_anonymous, is_libc;
};

static void add(struct roots *r, uint64_t start, uint64_t end, bool starts_only)
{
	if (start >= end || r->error)
		return;
	r->error = grow(r->ranges, r->n, r->capacity, 1);
	if (!r->error)
		r->ranges[r->n++] = (struct leak_range){start, end, starts_only};
}

/* Where malloc's own pointers are. Those of glibc lead to the headers of free chunks, the first 8
 * bytes of which are the last ones of the block before (malloc/malloc.c, "chunk"). */
static bool is_libc(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && (!strncmp(name, "/libc.so", 8) || !strncmp(name, "/libc-", 6) ||
			       !strncmp(name, "/ld-musl-", 9));
}

/* The next mapping that is a root or may be. False: there is none. */
static bool next_mapping(FILE *maps, char **line, size_t *size, struct mapping *out)
{
	while (getline(line, size, maps) > 0) {
		char permissions[5] = "";
		unsigned long inode = 0;
		int name = 0;

		if (sscanf(*line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %lu %n", &out->start,
			    &out->end, permissions, &inode, &name) < 4)
			continue;
		const char *path = *line + name;
		bool device = !strncmp(path, "/dev/", 5) && strncmp(path, "/dev/zero", 9) != 0 &&
			      strncmp(path, "/dev/shm/", 9) != 0;
		if (permissions[0] != 'r' || permissions[1] != 'w' || device ||
			!strncmp(path, "[v", 2))
			continue;
		out->is_libc = is_libc(path);
		out->is_heap = !strncmp(path, "[heap]", 6);
		out->is_anonymous = !inode && strncmp(path, "[stack]", 7) != 0;
		return true;
	}
	return false;
}

static bool has_mapping_of_its_own(const struct control_block *b)
{
	return b->size >= OWN_MAPPING;
}

/* An allocator's, which the kernel joins with nothing else, or seldom. */
static bool is_arena(const struct roots *r, const struct mapping *m, size_t n)
{
	const struct control_block *b = r->facts->blocks + r->next;

	if (!r->facts->complete || m->is_heap)
		return r->facts->complete;
	for (size_t i = 0; i < n && m->is_anonymous; i++)
		if (!has_mapping_of_its_own(&b[i]))
			return true;
	return false;
}

/* Of a stack only what is above its pointer. True: it is one. */
static bool cut_stack(const struct process_memory_facts *f, struct mapping *m)
{
	uint64_t lowest = m->end;

	for (size_t i = 0; i < f->n_stacks; i++)
		if (f->stacks[i] >= m->start && f->stacks[i] < lowest)
			lowest = f->stacks[i];
	if (lowest == m->end)
		return false;
	if (lowest - m->start > RED_ZONE)
		m->start = lowest - RED_ZONE;
	return true;
}

/* All but the blocks, which are looked at if something leads to them. */
static void add_around(struct roots *r, const struct mapping *m, size_t n)
{
	const struct control_block *b = r->facts->blocks + r->next;
	uint64_t from = m->start;

	for (size_t i = 0; i < n; i++) {
		if (b[i].address > from)
			add(r, from, b[i].address, m->is_libc);
		if (b[i].address + b[i].size > from)
			from = b[i].address + b[i].size;
	}
	add(r, from, m->end, m->is_libc);
}

static void take_mapping(struct roots *r, struct mapping *m)
{
	const struct process_memory_facts *f = r->facts;
	size_t n = 0;

	while (r->next < f->n_blocks && f->blocks[r->next].address < m->start)
		r->next++;
	while (r->next + n < f->n_blocks && f->blocks[r->next + n].address < m->end)
		n++;
	if (cut_stack(f, m) || !is_arena(r, m, n))
		add_around(r, m, n);
	r->next += n;
}

int process_memory_roots(
	FILE *maps, const struct process_memory_facts *facts, struct leak_range **out, size_t *n)
{
	struct roots r = {.facts = facts};
	_cleanup_free_ char *line = NULL;
	struct mapping m;
	size_t size = 0;

	while (next_mapping(maps, &line, &size, &m))
		take_mapping(&r, &m);
	*out = r.ranges;
	*n = r.n;
	return r.error;
}
