/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * heap.h - what the programs of heap sessions share: whom a probe belongs to, and the records of
 * allocations and frees.
 *
 * All heap sessions share one ring, so that its order is that of the events: an address is freed
 * before it is allocated again. What is in use by which stack is the collector's to know
 * (daemon/collector/heap.c).
 */
#ifndef PROFD_BPF_HEAP_H
#define PROFD_BPF_HEAP_H

#include "filter.h"
#include "unwind_probe.h"

/* Threads are in such programs at the same time, even on one CPU. */
static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/* A probe that was hit, and the session that wants it. */
struct hit {
	const struct profd_probe *probe;
	__u32 meter;
	__u32 place;
	__u32 slot;
	const struct profd_session *session;
	struct profd_counters *counters;
	struct profd_cpu *state;
	/* Once hit_accepted() was asked. */
	__u32 pid, tid;
	struct task_struct *leader;
};

/* otherwise: the probe's index where there are no attach cookies. False: it is of a session that
 * is over. */
static __always_inline bool hit_begin(struct hit *hit, void *ctx, __u32 otherwise)
{
	__u64 i = profd_have_cookies ? bpf_get_attach_cookie(ctx) : otherwise;
	__u32 cpu = bpf_get_smp_processor_id();

	hit->state = bpf_map_lookup_elem(&profd_cpus, &cpu);
	if (!hit->state)
		return false;
	hit->probe = &profd_probes[i & (PROFD_PROBES - 1)];
	hit->meter = (i >> PROFD_METER_SHIFT) & (PROFD_METERS - 1);
	hit->place = (i >> PROFD_PLACE_SHIFT) & (PROFD_PLACES - 1);
	hit->slot = hit->probe->slot & PROFD_SLOT_MASK;
	hit->session = &profd_sessions[hit->slot];
	hit->counters = &hit->state->counters[hit->slot];
	return hit->session->flags & PROFD_SESSION_ACTIVE &&
	       hit->session->id == hit->probe->session;
}

/* The others on this CPU count there, too: if one is preempted in between, it writes back what it
 * has read, and the hits since are lost. Who reads has to know that it can fall. */
static __always_inline void count_hit(struct hit *hit)
{
	hit->state->places[hit->place & (PROFD_PLACES - 1)]++;
}

/* Whose it is, and whether the session is interested in that thread. */
static __always_inline bool hit_accepted(struct hit *hit)
{
	struct task_struct *task = task_current();

	hit->leader = TASK_READ(task, group_leader);
	hit->pid = task_pid(task);
	hit->tid = task_tid(task);
	return filter_accepts(hit->session, hit->slot, task, hit->leader, hit->pid, hit->tid);
}

/* The state of heap_random(). */
static __always_inline __u64 *hit_random(struct hit *hit)
{
	__u64 *random = &hit->state->random;

	if (!*random)
		*random = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	return random;
}

static __always_inline void *heap_ring(void)
{
	__u32 key = profd_heap_ring;

	return bpf_map_lookup_elem(&profd_rings, &key);
}

static __always_inline bool heap_output(struct hit *hit, void *record, __u32 size, bool urgent)
{
	void *ring = heap_ring();
	if (!ring)
		return false;

	bool quarter_full = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= profd_heap_ring_quarter;
	bool wake = ring_wakes(hit->state, ((struct profd_record_head *)record)->time, quarter_full,
		urgent, WAKE_HEAP_NS);
	return bpf_ringbuf_output(
		       ring, record, size, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP) == 0;
}

/* ---- alloc --------------------------------------------------------------------------------- */

/* Sessions sample, so misses need no rate of their own: only room. */
static __always_inline bool has_room_for_miss(void)
{
	void *ring = heap_ring();

	return ring && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) < 2ULL * profd_heap_ring_quarter;
}

/* Returns the size of the sample. */
static __always_inline __u32 take_stack(struct scratch *scratch, __u32 key, const struct hit *hit,
	const struct arch_regs *regs, enum probe_place place)
{
	struct profd_sample *sample = (void *)scratch->sample;
	struct unwind *u = &scratch->unwind;
	__u32 miss = 0;

	probe_walk(scratch, key, regs, place);
	sample->flags = place == PROBE_ENTERED ? 0 : PROFD_SAMPLE_RETURNED;
	if (u->walk.missing && has_room_for_miss()) {
		sample->flags |= PROFD_SAMPLE_MISSED;
		if (u->walk.missing == PROFD_MISSING_TRUST) {
			sample->flags |= PROFD_SAMPLE_CAPTURED;
			u->walk.frame = u->innermost;
		}
		miss = (__u32)unwind_miss(key);
		miss_registers(scratch, regs);
		if (place == PROBE_LEAVING)
			miss_of(scratch)->registers[ARCH_DWARF_SP] += sizeof(__u64);
		count(&hit->counters->missed);
	}
	sample->n_kernel = 0;
	sample->n_user = (__u16)u->n;
	sample->user_end = u->end;
	sample->way = u->way;
	sample->mappings = u->mappings;
	sample->miss_size = miss;
	return sizeof(*sample) + (u->n & FRAMES_MASK) * sizeof(__u64) + miss;
}

/* The record of an allocation whose time, address, size, weight, kept and flags are in
 * scratch->alloc.
 * place: where the context is. Books it. */
static __always_inline bool emit_alloc(struct scratch *scratch, __u32 key, struct hit *hit,
	const struct arch_regs *regs, enum probe_place place)
{
	struct profd_alloc *alloc = (void *)scratch->alloc;
	struct profd_sample *sample = (void *)scratch->sample;

	sample->head.time = alloc->head.time;
	alloc->head.kind = PROFD_RECORD_ALLOC;
	alloc->head.cpu = sample->head.cpu = (__u16)bpf_get_smp_processor_id();
	sample->head.kind = PROFD_RECORD_SAMPLE;
	sample->tid = hit->tid;
	sample->session = hit->session->id;
	sample->allocation = 0;
	task_identity(&sample->process, hit->pid, hit->leader);
	__u32 size = take_stack(scratch, key, hit, regs, place);
	sample->head.size = size;
	/* One register from the comparison to the call. */
	size += sizeof(scratch->alloc);
	__asm__ volatile("" : "+r"(size));
	alloc->head.size = size;
	count(&hit->counters->taken);
	bool put = size <= MAX_RECORD &&
		   heap_output(hit, alloc, size, sample->flags & PROFD_SAMPLE_MISSED);
	count(put ? &hit->counters->emitted : &hit->counters->lost_ring);
	return put;
}

/* ---- free ---------------------------------------------------------------------------------- */

/* flags: enum profd_free_flags. */
static __always_inline void emit_free(struct hit *hit, __u64 address, __u32 flags)
{
	struct task_struct *task = task_current();
	struct profd_heap *heap = &profd_heaps[hit->slot & PROFD_SLOT_MASK];
	struct profd_free record = {
		.head.time = bpf_ktime_get_ns(),
		.head.size = sizeof(record),
		.head.kind = PROFD_RECORD_FREE,
		.head.cpu = (__u16)bpf_get_smp_processor_id(),
		.address = address,
		.session = hit->session->id,
		.flags = flags,
		.tid = task_tid(task),
	};

	task_identity(&record.process, task_pid(task), TASK_READ(task, group_leader));
	count(heap_output(hit, &record, sizeof(record), false) ? &heap->frees : &heap->lost_frees);
}

#endif
