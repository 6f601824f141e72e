/* SPDX-License-Identifier: GPL-2.0-only */
/* ring.h - hands a finished record to the collector, through the ring of this CPU. */
#ifndef PROFD_BPF_RING_H
#define PROFD_BPF_RING_H

#include "maps.h"

/* Bytes that wait in the ring of a CPU. */
static __always_inline __u64 ring_fill(__u32 cpu)
{
	void *ring = bpf_map_lookup_elem(&profd_rings, &cpu);

	return ring ? bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) : 0;
}

#define WAKE_INTERVAL_NS (20 * 1000 * 1000ULL)

/* The collector is woken when a quarter of the ring is full (else it comes once a second), or for
 * `urgent` records, but from each CPU at most every 20 ms; an urgent wish that came too early is
 * kept for a later record. False: the ring is full, or there is none for this CPU yet. `record`
 * starts with its head; its head.time says what time it is. */
static __always_inline bool ring_output(
	__u32 cpu, struct cpu_state *state, void *record, __u32 size, bool urgent)
{
	void *ring = bpf_map_lookup_elem(&profd_rings, &cpu);
	if (!ring)
		return false;

	__u64 now = ((struct profd_record_head *)record)->time;
	__u64 flags = BPF_RB_NO_WAKEUP;
	bool wake = urgent || state->wake_pending ||
		    bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= profd_ring_quarter;
	if (wake && now - state->last_wakeup >= WAKE_INTERVAL_NS) {
		flags = BPF_RB_FORCE_WAKEUP;
		state->last_wakeup = now;
		state->wake_pending = 0;
	} else if (urgent) {
		state->wake_pending = 1;
	}
	return bpf_ringbuf_output(ring, record, size, flags) == 0;
}

#endif
