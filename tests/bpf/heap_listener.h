/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* heap_listener.h - what travels from the probes of libprofd-heap.so to heap_listener. */
#ifndef HEAP_LISTENER_H
#define HEAP_LISTENER_H

enum heap_probe { HEAP_ALLOC, HEAP_FREE, HEAP_LOST, HEAP_PROBES };

struct heap_event {
	__u32 probe, pid, tid, pad;
	__u64 arguments[3];
};

#endif
