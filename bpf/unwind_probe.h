/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unwind_probe.h - user stacks for the programs of uprobes.
 *
 * Newer kernels do not forbid preemption while such a program runs, only migration to another CPU:
 * several of them can be in their middle on one CPU, in any order, and clocks interrupt them. So
 * their entries of profd_scratch are claimed by counting: who finds himself alone in an entry has
 * it. That is exact on every kernel, since it needs an atomic addition only, not its result.
 *
 * Since 6.13 (a76ab5731e32) larger stack frames of BPF programs of this type do not lie on the
 * thread's kernel stack but in memory of the CPU, for which the kernel relies on programs not to
 * interleave: those of two uprobes overwrite each other's variables. A program that holds a tail
 * call is spared that, even if it never comes to it: hence probe_ordinary_stack().
 *
 *     probe_claim()    an entry; NULL: none is free, a loss to be counted
 *     probe_walk()     the stack of the thread that hit the probe
 *     probe_release()
 */
#ifndef PROFD_BPF_UNWIND_PROBE_H
#define PROFD_BPF_UNWIND_PROBE_H

#include "unwind.h"

/* A CPU's own entries, and then its neighbours'. */
#define PROBE_TRIES (2 * PROFD_PROBE_SCRATCHES)

/* Set before loading: where they begin in profd_scratch, and how many there are on all CPUs. */
const volatile __u32 profd_probe_first __weak = 0;
const volatile __u32 profd_probe_scratches __weak = 0;

/* Bound to the type of the programs that name it, so each type wants a map of its own. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} profd_probe_tail __weak SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} profd_session_tail __weak SEC(".maps");
const volatile bool profd_probe_tail_called __weak = false; /* and never set */

static __always_inline void probe_ordinary_stack(void *ctx, void *tail)
{
	if (profd_probe_tail_called)
		bpf_tail_call(ctx, tail, 0);
}

static __always_inline void probe_release(struct scratch *scratch)
{
	__sync_fetch_and_add(&scratch->unwind.users, -1);
}

/* tail: profd_probe_tail, or profd_session_tail in a program of uprobe sessions. */
static __always_inline struct scratch *probe_claim(void *ctx, void *tail, __u32 *key)
{
	probe_ordinary_stack(ctx, tail);

	__u32 mine = bpf_get_smp_processor_id() * PROFD_PROBE_SCRATCHES;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < PROBE_TRIES && i < profd_probe_scratches; i++) {
		*key = profd_probe_first + (mine + i) % profd_probe_scratches;
		struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, key);
		if (!scratch)
			return NULL;
		__sync_fetch_and_add(&scratch->unwind.users, 1);
		if (WALK_READ_ONCE(scratch->unwind.users) == 1) {
			scratch->unwind.preemptible = true;
			return scratch;
		}
		probe_release(scratch);
	}
	return NULL;
}

/* Where in a function a probe is. */
enum probe_place {
	PROBE_ENTERED,
	PROBE_LEAVING,	/* at its ret: as if it had returned */
	PROBE_RETURNED, /* where it has returned to */
};

/* Walks the user stack behind the registers of a uprobe's context, into scratch->frames. In the
 * sample time, process and tid are set; unwind.n, .end and .walk.missing say what was found. */
static __always_inline void probe_walk(
	struct scratch *scratch, __u32 key, const struct arch_regs *regs, enum probe_place place)
{
	const struct profd_sample *sample = (void *)scratch->sample;
	struct unwind *u = &scratch->unwind;

	u->first = 0;
	unwind_start(u, regs);
	u->walk.frame.exact = place == PROBE_ENTERED;
	if (place == PROBE_LEAVING) {
		bpf_probe_read_user(&u->walk.frame.ip, sizeof(__u64), (void *)arch_regs_sp(regs));
		u->walk.frame.sp += sizeof(__u64);
	}
	unwind_user(key);
	/* What it was walked with may have been used anew meanwhile (profd/tables.h). */
	if (bpf_ktime_get_ns() - sample->head.time >= TABLES_GRACE_NS) {
		u->n = 1;
		u->end = PROFD_END_CHANGED;
		u->walk.missing = PROFD_MISSING_NOTHING;
	}
}

#endif
