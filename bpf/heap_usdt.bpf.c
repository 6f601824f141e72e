/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * heap_usdt.bpf.c - allocations and frees of programs that announce them by the USDT probes
 * otel_memory:alloc(pointer, size, weighted_bytes) and otel_memory:free(pointer), as the preload
 * library does. They have been sampled by the program, so each becomes a record.
 */
#include "heap.h"
#include "profd/heap_sample.h"

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

static __always_inline __u32 share_of(const struct profd_heap *heap, __u32 pid)
{
	for (__u32 i = 0; i < PROFD_SHARES; i++) {
		__u64 share = WALK_READ_ONCE(heap->shares[i]);

		if (!share)
			break;
		if (share >> 32 == pid)
			return (__u32)share;
	}
	return WALK_READ_ONCE(heap->keep);
}

/* Where there are too many, only some are kept, and stand for more: the collector says how many. */
static __always_inline bool thinned_out(struct hit *hit, const struct profd_heap *heap, __u32 *kept)
{
	*kept = share_of(heap, hit->pid);
	return *kept != ~0U && (__u32)(heap_random(hit_random(hit)) >> 32) >= *kept;
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
	alloc->flags = 0;
	return true;
}

/* What is not taken, and why. */
static __always_inline int refuse(struct hit *hit, __u64 *reason)
{
	if (reason)
		count(reason);
	count(&hit->counters->filtered);
	return 0;
}

/* Who says so is the preload library, whose arguments are where a call has them. */
static __always_inline int restored(struct hit *hit, const struct arch_regs *regs, __u64 begin)
{
	emit_free(hit, arch_first_argument(regs), PROFD_FREE_RESTORED);
	__sync_fetch_and_add(&hit->counters->spent, bpf_ktime_get_ns() - begin);
	return 0;
}

SEC("uprobe")
int profd_usdt_alloc(struct arch_regs *regs)
{
	__u64 begin = bpf_ktime_get_ns();
	struct hit hit;
	__u32 key = 0, kept;

	if (!hit_begin(&hit, regs, PROFD_PROBE_ALLOC))
		return 0;
	count_hit(&hit);
	if (arch_fourth_argument(regs) == PROFD_USDT_REALLOC)
		return restored(&hit, regs, begin);
	struct profd_heap *heap = &profd_heaps[hit.slot & PROFD_SLOT_MASK];
	if (!hit_accepted(&hit))
		return refuse(&hit, NULL);
	if (thinned_out(&hit, heap, &kept))
		return refuse(&hit, &heap->thinned);
	struct scratch *scratch = probe_claim(regs, &profd_probe_tail, &key);
	if (!scratch) {
		count(&hit.counters->taken);
		count(&hit.counters->lost_scratch);
		return 0;
	}
	((struct profd_alloc *)(void *)scratch->alloc)->kept = kept;
	((struct profd_alloc *)(void *)scratch->alloc)->head.time = begin;
	if (fill_alloc(scratch, &hit, regs))
		emit_alloc(scratch, key, &hit, regs, PROBE_ENTERED);
	else
		refuse(&hit, &heap->nonsense);
	probe_release(scratch);
	__sync_fetch_and_add(&hit.counters->spent, bpf_ktime_get_ns() - begin);
	return 0;
}

/* A thread frees what others allocated, so what it frees is always of interest: the collector knows
 * nothing of what is not. */
SEC("uprobe")
int profd_usdt_free(struct arch_regs *regs)
{
	__u64 begin = bpf_ktime_get_ns(), registers[N_REGISTERS];
	struct hit hit;

	if (!hit_begin(&hit, regs, PROFD_PROBE_FREE))
		return 0;
	count_hit(&hit);
	read_registers(registers, regs);
	emit_free(&hit, argument(registers, &hit.probe->arguments[0]),
		arch_second_argument(regs) == PROFD_USDT_REALLOC ? PROFD_FREE_HELD : 0);
	__sync_fetch_and_add(&hit.counters->spent, bpf_ktime_get_ns() - begin);
	return 0;
}

char LICENSE[] SEC("license") __weak = "GPL";
