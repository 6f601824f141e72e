// SPDX-License-Identifier: MIT
#include "collector/sideband.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "collector/cpus.h"
#include "util/cleanup.h"
#include "util/grow.h"

/* A ring that the memory limit refuses is tried again at half the size, down to this. */
#define MIN_PAGES 8

struct ring {
	unsigned cpu;
	int fd;
	struct perf_event_mmap_page *page; /* followed by the data */
	size_t data_size, map_size;
};

struct sideband {
	int epoll;
	size_t pages, page_size;
	struct ring *rings;
	size_t n_rings, capacity;
	/* One record, when it wraps around the ring's end, and its strings with a NUL behind. */
	char buffer[UINT16_MAX + 1];
};

typedef void (*record_handler)(void *userdata, const struct record *record);

/* ---- rings -------------------------------------------------------------------------------- */

static int open_event(const struct sideband *s, unsigned cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.ksymbol = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)(s->pages * s->page_size / 4),
	};

	return cpus_open_event(&attr, cpu);
}

static void ring_close(struct ring *ring)
{
	if (ring->page)
		munmap(ring->page, ring->map_size);
	close_fd(ring->fd); /* leaves the epoll set by itself */
}

static int ring_map(struct sideband *s, struct ring *ring)
{
	for (size_t pages = s->pages;; pages /= 2) {
		ring->data_size = pages * s->page_size;
		ring->map_size = ring->data_size + s->page_size;
		void *p = mmap(
			NULL, ring->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
		if (p != MAP_FAILED) {
			ring->page = p;
			return 0;
		}
		if (errno != EPERM || pages / 2 < MIN_PAGES)
			return -errno;
	}
}

static int ring_open(struct sideband *s, unsigned cpu)
{
	struct ring ring = {.cpu = cpu};
	int r = grow(s->rings, s->n_rings, s->capacity, 1);
	if (r < 0)
		return r;
	ring.fd = open_event(s, cpu);
	if (ring.fd < 0)
		return ring.fd;
	r = ring_map(s, &ring);
	if (r == 0) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = cpu};
		if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, ring.fd, &event) < 0)
			r = -errno;
	}
	if (r < 0) {
		ring_close(&ring);
		return r;
	}
	s->rings[s->n_rings++] = ring;
	return 0;
}

static bool has_ring(const struct sideband *s, unsigned cpu)
{
	for (size_t i = 0; i < s->n_rings; i++)
		if (s->rings[i].cpu == cpu)
			return true;
	return false;
}

/* The kernel takes an event away from a CPU that goes offline and does not bring it back. */
static void close_dead_rings(struct sideband *s, const struct cpus *online)
{
	for (size_t i = 0; i < s->n_rings;) {
		struct ring *ring = &s->rings[i];
		bool empty = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE) ==
			     ring->page->data_tail;
		if (cpus_has(online, ring->cpu) || !empty) {
			i++;
			continue;
		}
		ring_close(ring);
		*ring = s->rings[--s->n_rings];
	}
}

int sideband_sync_cpus(struct sideband *s)
{
	struct cpus online;
	int r = cpus_online(&online);

	if (r < 0)
		return r;
	close_dead_rings(s, &online);
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (!cpus_has(&online, cpu) || has_ring(s, cpu))
			continue;
		r = ring_open(s, cpu);
		/* It went offline again meanwhile. */
		if (r < 0 && r != -ENODEV)
			return r;
	}
	return 0;
}

int sideband_open(struct sideband **out, size_t pages)
{
	struct sideband *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->pages = pages;
	s->page_size = (size_t)sysconf(_SC_PAGESIZE);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	int r = s->epoll < 0 ? -errno : sideband_sync_cpus(s);
	if (r < 0) {
		sideband_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void sideband_close(struct sideband *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_rings; i++)
		ring_close(&s->rings[i]);
	free(s->rings);
	close_fd(s->epoll);
	free(s);
}

int sideband_fd(const struct sideband *s)
{
	return s->epoll;
}

/* ---- records ------------------------------------------------------------------------------ */

/* What sample_id_all puts behind every record, for our sample_type. */
struct sample_id {
	uint32_t pid, tid;
	uint64_t time;
	uint32_t cpu, reserved;
};

struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t start, length, pgoff;
	uint32_t major, minor;
	uint64_t inode, inode_generation;
	uint32_t prot, flags;
	char path[];
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	char comm[];
};

struct ksymbol_record {
	struct perf_event_header header;
	uint64_t address;
	uint32_t length;
	uint16_t type, flags;
	char name[];
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

/* Ids of tasks outside the opener's pid namespace come as 0, of dead ones as -1. */
static bool valid_id(uint32_t id)
{
	return id != 0 && id != UINT32_MAX;
}

static bool parse_mmap(const struct mmap2_record *m, struct record *out)
{
	out->kind = RECORD_MMAP;
	out->mmap.pid = m->pid;
	out->mmap.tid = m->tid;
	out->mmap.start = m->start;
	out->mmap.length = m->length;
	out->mmap.offset = m->pgoff;
	out->mmap.major = m->major;
	out->mmap.minor = m->minor;
	out->mmap.inode = m->inode;
	out->mmap.inode_generation = m->inode_generation;
	out->mmap.path = m->path;
	return valid_id(m->pid);
}

static bool parse_comm(const struct comm_record *c, struct record *out)
{
	out->kind = RECORD_COMM;
	out->comm.pid = c->pid;
	out->comm.tid = c->tid;
	out->comm.exec = c->header.misc & PERF_RECORD_MISC_COMM_EXEC;
	out->comm.comm = c->comm;
	return valid_id(c->pid) && valid_id(c->tid);
}

static bool parse_ksymbol(const struct ksymbol_record *k, struct record *out)
{
	out->kind = RECORD_KSYMBOL;
	out->ksymbol.address = k->address;
	out->ksymbol.length = k->length;
	out->ksymbol.unregister = k->flags & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER;
	out->ksymbol.name = k->name;
	return true;
}

/* Bytes that a record of this type has before its string (or its end); 0: not one of ours. */
static size_t fixed_size(uint32_t type)
{
	switch (type) {
	case PERF_RECORD_MMAP2:
		return sizeof(struct mmap2_record);
	case PERF_RECORD_COMM:
		return sizeof(struct comm_record);
	case PERF_RECORD_KSYMBOL:
		return sizeof(struct ksymbol_record);
	case PERF_RECORD_LOST:
		return sizeof(struct lost_record);
	default:
		return 0;
	}
}

/* `data` is a whole record of `size` bytes in the private buffer. 1: `out` is filled in,
 * 0: not for us, -EBADMSG: it contradicts itself. */
static int parse(char *data, size_t size, struct record *out)
{
	const struct perf_event_header *header = (const void *)data;
	size_t fixed = fixed_size(header->type);
	struct sample_id id;
	bool wanted = true;

	if (!fixed)
		return 0;
	if (size < fixed + sizeof(id))
		return -EBADMSG;
	memcpy(&id, data + size - sizeof(id), sizeof(id));
	/* The string's padding ends where the id begins: this ends the string in any case. */
	data[size - sizeof(id)] = '\0';
	out->time = id.time;
	switch (header->type) {
	case PERF_RECORD_MMAP2:
		wanted = parse_mmap((const void *)data, out);
		break;
	case PERF_RECORD_COMM:
		wanted = parse_comm((const void *)data, out);
		break;
	case PERF_RECORD_KSYMBOL:
		wanted = parse_ksymbol((const void *)data, out);
		break;
	case PERF_RECORD_LOST:
		out->kind = RECORD_LOST;
		out->lost.count = ((const struct lost_record *)(void *)data)->lost;
		break;
	}
	return wanted;
}

/* Copies `size` bytes at `position` out of the ring, around its end. */
static void ring_copy(
	const struct ring *ring, size_t page_size, uint64_t position, char *to, size_t size)
{
	const char *data = (const char *)ring->page + page_size;
	size_t at = (size_t)(position & (ring->data_size - 1));
	size_t first = size < ring->data_size - at ? size : ring->data_size - at;

	memcpy(to, data + at, first);
	memcpy(to + first, data, size - first);
}

static void ring_read(struct sideband *s, struct ring *ring, record_handler handler, void *userdata,
	uint64_t *malformed)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;

	while (tail != head) {
		struct perf_event_header header;
		ring_copy(ring, s->page_size, tail, (char *)&header, sizeof(header));
		if (header.size < sizeof(header) || header.size > head - tail) {
			/* The rest cannot be told apart any more. */
			(*malformed)++;
			tail = head;
			break;
		}
		ring_copy(ring, s->page_size, tail, s->buffer, header.size);
		tail += header.size;
		struct record record = {};
		int r = parse(s->buffer, header.size, &record);
		if (r > 0)
			handler(userdata, &record);
		else if (r < 0)
			(*malformed)++;
	}
	__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
}

int sideband_read(struct sideband *s, record_handler handler, void *userdata, uint64_t *malformed)
{
	for (size_t i = 0; i < s->n_rings; i++)
		ring_read(s, &s->rings[i], handler, userdata, malformed);
	return 0;
}
