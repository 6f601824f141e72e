/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * heap.bpf.c - allocations and frees of programs that announce them by the USDT probes
 * otel_memory:alloc(pointer, size, weighted_bytes) and otel_memory:free(pointer), as the preload
 * library does. They have been sampled by the program, so each becomes a record.
 *
 * All heap sessions share one ring, so that its order is that of the events: an address is freed
 * before it is allocated again. What is in use is the collector's to know
 * (daemon/collector/heap.c).
 */
#include "filter.h"
#include "unwind_probe.h"

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/* A probe that was hit for a session that wants it. */
struct hit {
	const struct profd_probe *probe;
	__u32 slot, pid, tid;
	const struct profd_session *session;
	struct profd_counters *counters;
	struct profd_cpu *state;
	struct task_struct *leader;
};

static __always_inline const struct profd_probe *probe_of(void *ctx, __u32 otherwise)
{
	__u64 i = profd_have_cookies ? bpf_get_attach_cookie(ctx) : otherwise;

	return &profd_probes[i & (PROFD_PROBES - 1)];
}

/* False: the session is not interested in this thread. A thread frees what others allocated, so
 * what it frees is always of interest: the collector knows nothing of what is not. */
static __always_inline bool hit_begin(struct hit *hit, void *ctx, __u32 otherwise)
{
	struct task_struct *task = task_current();
	__u32 cpu = bpf_get_smp_processor_id();

	hit->state = bpf_map_lookup_elem(&profd_cpus, &cpu);
	if (!hit->state)
		return false;
	hit->probe = probe_of(ctx, otherwise);
	hit->slot = hit->probe->slot & PROFD_SLOT_MASK;
	hit->session = &profd_sessions[hit->slot];
	hit->counters = &hit->state->counters[hit->slot];
	hit->leader = TASK_READ(task, group_leader);
	hit->pid = task_pid(task);
	hit->tid = task_tid(task);
	if (hit->session->id != hit->probe->session)
		return false;
	if (otherwise == PROFD_PROBE_FREE)
		return hit->session->flags & PROFD_SESSION_ACTIVE && hit->pid;
	return filter_accepts(hit->session, hit->slot, task, hit->leader, hit->pid, hit->tid);
}

/* The registers that arguments name: those with numbers, and the probe's address. */
#define N_REGISTERS (PROFD_REGISTERS + 1)

static __always_inline void read_registers(__u64 *registers, const struct arch_regs *regs)
{
	arch_registers(registers, regs);
	registers[PROFD_REGISTERS] = arch_regs_ip(regs);
}

/* 0 where there is none of that number. (By a helper, since verifiers want to know where on the
 * program's stack a load goes.) */
static __always_inline __u64 register_of(const __u64 *registers, __u8 number)
{
	__u64 value = 0;

	if (number < N_REGISTERS)
		bpf_probe_read_kernel(&value, sizeof(value), &registers[number]);
	return value;
}

/* The value of an argument. */
static __always_inline __u64 argument(const __u64 *registers, const struct profd_argument *a)
{
	__u64 value = a->offset;
	__u32 unused = 64 - a->bits;

	if (a->kind != PROFD_ARGUMENT_CONSTANT)
		value += register_of(registers, a->base);
	if (a->kind == PROFD_ARGUMENT_MEMORY)
		value += register_of(registers, a->index) << (a->scale & 3);
	if (a->kind == PROFD_ARGUMENT_MEMORY &&
		bpf_probe_read_user(&value, sizeof(value), (void *)value))
		return 0;
	value <<= unused & 63;
	return a->is_signed ? (__u64)((__s64)value >> (unused & 63)) : value >> (unused & 63);
}

static __always_inline bool heap_output(struct hit *hit, void *record, __u32 size, bool urgent)
{
	__u32 key = profd_heap_ring;
	void *ring = bpf_map_lookup_elem(&profd_rings, &key);
	if (!ring)
		return false;

	bool quarter_full = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= profd_heap_ring_quarter;
	bool wake = ring_wakes(
		hit->state, ((struct profd_record_head *)record)->time, quarter_full, urgent);
	return bpf_ringbuf_output(
		       ring, record, size, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP) == 0;
}

/* ---- alloc --------------------------------------------------------------------------------- */

/* Where there are too many, only some are kept, and stand for more: the collector says how many. */
static __always_inline bool thinned_out(struct profd_heap *heap, __u32 *kept)
{
	*kept = WALK_READ_ONCE(heap->keep);
	return *kept != ~0U && bpf_get_prandom_u32() >= *kept;
}

static __always_inline bool fill_alloc(
	struct scratch *scratch, const struct hit *hit, const struct arch_regs *regs)
{
	const struct profd_argument *a = hit->probe->arguments;
	struct profd_alloc *alloc = (void *)scratch->alloc;
	__u64 *registers = scratch->registers, size, weight;

	read_registers(registers, regs);
	alloc->address = argument(registers, &a[0]);
	size = argument(registers, &a[1]);
	weight = argument(registers, &a[2]);
	if (!alloc->address || size > PROFD_MAX_ALLOCATION || !weight ||
		weight > PROFD_MAX_ALLOCATION)
		return false;
	alloc->size = size;
	alloc->weight = weight << PROFD_WEIGHT_SHIFT;
	alloc->pad = 0;
	return true;
}

/* Sessions sample, so misses need no rate of their own: only room. */
static __always_inline bool has_room_for_miss(void)
{
	__u32 key = profd_heap_ring;
	void *ring = bpf_map_lookup_elem(&profd_rings, &key);

	return ring && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) < 2ULL * profd_heap_ring_quarter;
}

/* Returns the size of the sample. */
static __always_inline __u32 take_stack(
	struct scratch *scratch, __u32 key, const struct hit *hit, const struct arch_regs *regs)
{
	struct profd_sample *sample = (void *)scratch->sample;
	struct unwind *u = &scratch->unwind;
	__u32 miss = 0;

	probe_walk(scratch, key, regs);
	sample->flags = 0;
	if (u->walk.missing && has_room_for_miss()) {
		sample->flags = PROFD_SAMPLE_MISSED;
		if (u->walk.missing == PROFD_MISSING_TRUST) {
			sample->flags |= PROFD_SAMPLE_CAPTURED;
			u->walk.frame = u->innermost;
		}
		miss = (__u32)unwind_miss(key);
		miss_registers(scratch, regs);
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

static __always_inline bool emit_alloc(
	struct scratch *scratch, __u32 key, struct hit *hit, const struct arch_regs *regs)
{
	struct profd_alloc *alloc = (void *)scratch->alloc;
	struct profd_sample *sample = (void *)scratch->sample;

	alloc->head.time = sample->head.time = bpf_ktime_get_ns();
	alloc->head.kind = PROFD_RECORD_ALLOC;
	alloc->head.cpu = sample->head.cpu = (__u16)bpf_get_smp_processor_id();
	sample->head.kind = PROFD_RECORD_SAMPLE;
	sample->tid = hit->tid;
	sample->session = hit->session->id;
	sample->allocation = 0;
	task_identity(&sample->process, hit->pid, hit->leader);
	__u32 size = take_stack(scratch, key, hit, regs);
	sample->head.size = size;
	/* One register from the comparison to the call. */
	size += sizeof(scratch->alloc);
	__asm__ volatile("" : "+r"(size));
	alloc->head.size = size;
	return size <= MAX_RECORD && heap_output(hit, alloc, size, sample->flags);
}

SEC("uprobe")
int profd_usdt_alloc(struct arch_regs *regs)
{
	__u64 begin = bpf_ktime_get_ns();
	struct hit hit;
	__u32 key = 0, kept;

	if (!hit_begin(&hit, regs, PROFD_PROBE_ALLOC)) {
		if (hit.state)
			count(&hit.counters->filtered);
		return 0;
	}
	struct profd_heap *heap = &profd_heaps[hit.slot & PROFD_SLOT_MASK];
	if (thinned_out(heap, &kept)) {
		count(&heap->thinned);
		count(&hit.counters->filtered);
		return 0;
	}
	struct scratch *scratch = probe_claim(regs, &key);
	if (!scratch) {
		count(&hit.counters->taken);
		count(&hit.counters->lost_scratch);
		return 0;
	}
	struct profd_alloc *alloc = (void *)scratch->alloc;
	alloc->kept = kept;
	if (!fill_alloc(scratch, &hit, regs)) {
		count(&heap->nonsense);
		count(&hit.counters->filtered);
	} else {
		count(&hit.counters->taken);
		count(emit_alloc(scratch, key, &hit, regs) ? &hit.counters->emitted
							   : &hit.counters->lost_ring);
	}
	probe_release(scratch);
	__sync_fetch_and_add(&hit.counters->spent, bpf_ktime_get_ns() - begin);
	return 0;
}

/* ---- free ---------------------------------------------------------------------------------- */

SEC("uprobe")
int profd_usdt_free(struct arch_regs *regs)
{
	__u64 begin = bpf_ktime_get_ns(), registers[N_REGISTERS];
	struct profd_free record = {};
	struct hit hit;

	if (!hit_begin(&hit, regs, PROFD_PROBE_FREE))
		return 0;
	struct profd_heap *heap = &profd_heaps[hit.slot & PROFD_SLOT_MASK];
	read_registers(registers, regs);
	record.head.time = begin;
	record.head.size = sizeof(record);
	record.head.kind = PROFD_RECORD_FREE;
	record.head.cpu = (__u16)bpf_get_smp_processor_id();
	record.address = argument(registers, &hit.probe->arguments[0]);
	record.session = hit.session->id;
	task_identity(&record.process, hit.pid, hit.leader);
	count(heap_output(&hit, &record, sizeof(record), false) ? &heap->frees : &heap->lost_frees);
	__sync_fetch_and_add(&hit.counters->spent, bpf_ktime_get_ns() - begin);
	return 0;
}

char LICENSE[] SEC("license") __weak = "GPL";
