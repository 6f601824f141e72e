/* SPDX-License-Identifier: MIT */
/*
 * heap_ring.h - the ring of heap sessions: one BPF ring buffer for all CPUs, since an address that
 * was freed on one CPU is allocated again on another, and the order matters. It is large, for
 * recordings of every allocation, and so exists only while it is needed.
 */
#ifndef PROFD_COLLECTOR_HEAP_RING_H
#define PROFD_COLLECTOR_HEAP_RING_H

#include <stddef.h>
#include <stdint.h>

#include "profd/abi.h"

#define HEAP_RING_BYTES (8u << 20)

struct heap_ring;

/* Makes it entry `index` of the map of rings, and `epoll` (borrowed, like the map) readable when it
 * wakes. 0 or -errno. */
int heap_ring_open(struct heap_ring **out, int rings, uint32_t index, int epoll);
/* Takes it out of the map. NULL is fine. */
void heap_ring_close(struct heap_ring *ring);

/* As bpf_host_read. */
int heap_ring_read(struct heap_ring *ring,
	void (*handler)(void *userdata, const struct profd_record_head *head, size_t size),
	void *userdata);

#endif
