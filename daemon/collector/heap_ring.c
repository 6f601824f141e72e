// SPDX-License-Identifier: MIT
#include "collector/heap_ring.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "util/cleanup.h"

struct heap_ring {
	int rings; /* borrowed */
	uint32_t index;
	int fd;
	struct ring_buffer *reader;
	/* During heap_ring_read. */
	void (*handler)(void *userdata, const struct profd_record_head *head, size_t size);
	void *userdata;
};

static int on_record(void *ctx, void *data, size_t size)
{
	struct heap_ring *ring = ctx;

	ring->handler(ring->userdata, data, size);
	return 0;
}

/* The reader's own epoll descriptor is closed with it, and with that leaves `epoll`. */
static int open_reader(struct heap_ring *ring, int epoll)
{
	struct epoll_event event = {.events = EPOLLIN};

	ring->fd = bpf_map_create(
		BPF_MAP_TYPE_RINGBUF, "profd_heap_ring", 0, 0, HEAP_RING_BYTES, NULL);
	if (ring->fd < 0)
		return ring->fd;
	ring->reader = ring_buffer__new(ring->fd, on_record, ring, NULL);
	if (!ring->reader)
		return -errno;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, ring_buffer__epoll_fd(ring->reader), &event) < 0)
		return -errno;
	return bpf_map_update_elem(ring->rings, &ring->index, &ring->fd, BPF_ANY);
}

int heap_ring_open(struct heap_ring **out, int rings, uint32_t index, int epoll)
{
	struct heap_ring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		return -ENOMEM;
	ring->rings = rings;
	ring->index = index;
	r = open_reader(ring, epoll);
	if (r < 0) {
		heap_ring_close(ring);
		return r;
	}
	*out = ring;
	return 0;
}

void heap_ring_close(struct heap_ring *ring)
{
	if (!ring)
		return;
	bpf_map_delete_elem(ring->rings, &ring->index);
	ring_buffer__free(ring->reader);
	close_fd(ring->fd);
	free(ring);
}

int heap_ring_read(struct heap_ring *ring,
	void (*handler)(void *userdata, const struct profd_record_head *head, size_t size),
	void *userdata)
{
	ring->handler = handler;
	ring->userdata = userdata;
	return ring_buffer__consume(ring->reader);
}
