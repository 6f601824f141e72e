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
#include "collector/sideband_record.h"
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
	_Alignas(8) char buffer[UINT16_MAX + 1]; /* one record */
};

typedef void (*record_handler)(void *userdata, const struct record *record);

/* ---- rings -------------------------------------------------------------------------------- */

static int open_event(unsigned cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = SIDEBAND_SAMPLE_TYPE,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.ksymbol = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		/* Each record: until new mappings are known, stacks are walked by the old ones. */
		.watermark = 1,
		.wakeup_watermark = 1,
	};

	return cpus_open_event(&attr, cpu);
}

static void ring_close(struct ring *ring)
{
	if (ring->page)
		munmap(ring->page, ring->map_size);
	close_fd(ring->fd); /* leaves the epoll set by itself */
}

/* The event and its ring; -EPERM: more memory than may be locked. */
static int ring_try(struct ring *ring, size_t pages, size_t page_size)
{
	ring->data_size = pages * page_size;
	ring->map_size = ring->data_size + page_size;
	ring->fd = open_event(ring->cpu);
	if (ring->fd < 0)
		return ring->fd;
	void *p = mmap(NULL, ring->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (p == MAP_FAILED) {
		int r = -errno;
		ring->fd = close_fd(ring->fd);
		return r;
	}
	ring->page = p;
	return 0;
}

static int ring_map(const struct sideband *s, struct ring *ring)
{
	size_t pages = s->pages;
	int r;

	while ((r = ring_try(ring, pages, s->page_size)) == -EPERM && pages / 2 >= MIN_PAGES)
		pages /= 2;
	return r;
}

static int ring_open(struct sideband *s, unsigned cpu)
{
	struct ring ring = {.cpu = cpu, .fd = -1};
	int r = grow(s->rings, s->n_rings, s->capacity, 1);
	if (r < 0)
		return r;
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

/* ---- reading ------------------------------------------------------------------------------ */

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
		int r = sideband_parse(s->buffer, header.size, &record);
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
