/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring.h - hands a finished record to the collector.
 *
 * Each CPU has two rings. Samples of the clocks go into its sample ring (profd/abi.h), plain memory
 * that costs what writing a sample costs, whereas a BPF ring buffer has a lock and pages of its own
 * besides, all cold when the clock ticks. It has one writer at a time, the clock, which can
 * be interrupted by another clock only (an NMI of the cycles counter); that one finds `putting` set
 * and uses the BPF ring buffer, which takes records of any program at any time.
 *
 * The collector waits for the BPF ring buffers only, so it is woken through them.
 */
#ifndef PROFD_BPF_RING_H
#define PROFD_BPF_RING_H

#include "maps.h"
#include "scratch.h"
#include "touch.h"

_Static_assert(MAX_RECORD + 7 <= PROFD_SAMPLES_SLACK, "a sample does not fit");

#define WAKE_INTERVAL_NS (20 * 1000 * 1000ULL)
/* Of the ring that all CPUs fill: with stacks of a program that is new it is half full in less. */
#define WAKE_HEAP_NS (2 * 1000 * 1000ULL)

/* The collector is woken when a quarter of a ring is full (else it comes once a second), or for
 * `urgent` records, but from each CPU at most every 20 ms; an urgent wish that came too early is
 * kept for a later record. What is a quarter full wakes after `full_interval`. */
static __always_inline bool ring_wakes(
	struct profd_cpu *state, __u64 now, bool quarter_full, bool urgent, __u64 full_interval)
{
	if ((urgent || quarter_full || state->wake_pending) &&
		now - state->last_wakeup >= (quarter_full ? full_interval : WAKE_INTERVAL_NS)) {
		state->last_wakeup = now;
		state->wake_pending = 0;
		return true;
	}
	if (urgent)
		state->wake_pending = 1;
	return false;
}

/* Through the BPF ring buffer. `record` starts with its head; its head.time says what time it is.
 * False: the ring is full, or there is none for this CPU yet. */
static __always_inline bool ring_output(
	__u32 cpu, struct profd_cpu *state, void *record, __u32 size, bool urgent)
{
	void *ring = bpf_map_lookup_elem(&profd_rings, &cpu);
	if (!ring)
		return false;

	bool quarter_full = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= profd_ring_quarter;
	bool wake = ring_wakes(state, ((struct profd_record_head *)record)->time, quarter_full,
		urgent, WAKE_INTERVAL_NS);
	return bpf_ringbuf_output(
		       ring, record, size, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP) == 0;
}

/* A record that is discarded wakes as well. */
static __always_inline void ring_wake(__u32 cpu)
{
	void *ring = bpf_map_lookup_elem(&profd_rings, &cpu);
	void *nothing = ring ? bpf_ringbuf_reserve(ring, sizeof(__u64), 0) : NULL;

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/* Is so much of the sample ring free? */
static __always_inline bool samples_free(const struct profd_cpu *state, __u32 bytes)
{
	return profd_samples_fit(state->head, WALK_READ_ONCE(state->tail), bytes);
}

/* The next sample will be put into the ring. */
static __always_inline void samples_touch(__u32 cpu, const struct profd_cpu *state)
{
	void *ring = bpf_map_lookup_elem(&profd_sample_rings, &cpu);
	__u32 zero = 0, head = state->head;
	struct profd_samples *samples = ring ? bpf_map_lookup_elem(ring, &zero) : NULL;

	if (!samples || head >= PROFD_SAMPLES_BYTES)
		return;
	touch(&samples->bytes[head]);
	touch(&samples->bytes[head + 64]);
}

/* (What is read through the helper is ordinary memory of a map; it is the shortest way to copy.) */
static __always_inline bool samples_copy(
	__u32 cpu, struct profd_cpu *state, const struct profd_sample *sample, __u32 size)
{
	void *ring = bpf_map_lookup_elem(&profd_sample_rings, &cpu);
	__u32 zero = 0, head = state->head;
	struct profd_samples *samples = ring ? bpf_map_lookup_elem(ring, &zero) : NULL;

	if (!samples || head >= PROFD_SAMPLES_BYTES || size > MAX_RECORD ||
		!samples_free(state, size))
		return false;
	if (bpf_probe_read_kernel(&samples->bytes[head], size, sample))
		return false;
	WALK_BARRIER();
	WALK_READ_ONCE(state->head) = profd_samples_next(head, size);
	return true;
}

/* Through the sample ring, for clocks. As ring_output. */
static __always_inline bool samples_put(
	__u32 cpu, struct profd_cpu *state, struct profd_sample *sample, __u32 size, bool urgent)
{
	if (profd_capture || state->putting)
		return ring_output(cpu, state, sample, size, urgent);
	WALK_READ_ONCE(state->putting) = 1;
	WALK_BARRIER();
	bool put = samples_copy(cpu, state, sample, size);
	WALK_BARRIER();
	WALK_READ_ONCE(state->putting) = 0;
	if (put && ring_wakes(state, sample->head.time,
			   !samples_free(state, PROFD_SAMPLES_BYTES / 4 * 3), urgent,
			   WAKE_INTERVAL_NS))
		ring_wake(cpu);
	return put;
}

#endif
