/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unwind.h - walks a user stack, by tables or by frame pointer: which is decided here and nowhere
 * else.
 *
 *     unwind_begin()   takes the registers of the interrupted program
 *     unwind_user()    writes at most PROFD_MAX_USER_FRAMES frames into the sample, innermost
 *                      first, behind unwind.first that are there; leaves how many, and why it ended
 *     unwind_miss()    adds what user space needs to go on, where something was missing here
 *
 * unwind_user is a global function, so that the verifier goes through it once for itself and not
 * once for each state of the caller, and all that it needs lies in map memory: on the program's
 * stack it would cost a hundred times as many steps.
 */
#ifndef PROFD_BPF_UNWIND_H
#define PROFD_BPF_UNWIND_H

#include "arch.h"
#include "ring.h"
#include "scratch.h"
#include "unwind_bpf.h"
#include "unwind_fp.h"

/* A probed instruction that the kernel cannot emulate is executed as a copy, elsewhere, in a single
 * step; and interrupts that are due come in just there, since the trap before was handled without
 * them. Returns where the instruction itself lies. */
static __always_inline __u64 unwind_probed(__u64 ip)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (!bpf_core_field_exists(task->utask))
		return ip;
	struct uprobe_task *utask = BPF_CORE_READ(task, utask);
	if (!utask)
		return ip;
	__u64 behind = ip - BPF_CORE_READ(utask, xol_vaddr);
	return behind <= ARCH_LONGEST ? BPF_CORE_READ(utask, vaddr) + behind : ip;
}

static __always_inline void unwind_start(struct unwind *u, const struct arch_regs *regs)
{
	struct table_frame *f = &u->walk.frame;

	f->ip = arch_regs_ip(regs);
	if (arch_regs_stepping(regs))
		f->ip = unwind_probed(f->ip);
	f->sp = arch_regs_sp(regs);
	f->fp = arch_regs_fp(regs);
	f->innermost = f->exact = 1;
	f->registers = f->fp_lost = 0;
	u->walk.missing = PROFD_MISSING_NOTHING;
	u->n = 0;
	u->mappings = 0;
	u->way = PROFD_WAY_FRAME_POINTER;
	u->narrow = arch_regs_narrow(regs);
}

/* The user registers of a task that is in the kernel. */
static __always_inline bool read_saved_regs(struct arch_regs *to, struct task_struct *task)
{
	const void *at;

	if (profd_have_task_pt_regs)
		at = (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	else
		at = (const void *)arch_saved_regs(BPF_CORE_READ(task, stack));
	return bpf_probe_read_kernel(to, sizeof(*to), at) == 0;
}

/* Sets up u for the current task, whose registers in `regs` may be the kernel's. False: there is
 * no user stack. (The context's registers are taken in any case: two kinds of pointers in one
 * merged load do not pass the verifier.) */
static __always_inline bool unwind_begin(
	struct unwind *u, const struct arch_regs *regs, struct task_struct *task)
{
	unwind_start(u, regs);
	if (arch_regs_user(regs))
		return true;
	u->end = PROFD_END_NO_USER;
	if (TASK_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER))
		return false;
	/* In an exec the registers are still those of the image before, whose stack is gone from
	 * the moment on when there is another address space. */
	if (!BPF_CORE_READ(task, mm, start_code))
		return false;

	if (!read_saved_regs(&u->saved, task) || !arch_regs_user(&u->saved))
		return false;
	unwind_start(u, &u->saved);
	/* The kernel sets out for the copy, and comes back, in more than one step. */
	if (!arch_regs_stepping(&u->saved))
		u->walk.frame.ip = unwind_probed(u->walk.frame.ip);
	return true;
}

#define FP_AT_ONCE 16

/* Frames by frame pointer; 0: that is all. A loop of short loops, see RECALL_AT_ONCE. */
__weak __noinline int unwind_fp_some(__u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, &key);
	if (!scratch)
		return 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < FP_AT_ONCE; i++)
		if (!fp_go_on(&scratch->unwind, scratch->frames))
			return 0;
	return 1;
}

static __always_inline void fp_walk(struct scratch *scratch, __u32 key)
{
	if (!fp_begin(&scratch->unwind, scratch->frames))
		return;
#pragma clang loop unroll(disable)
	for (int i = 0; i < PROFD_MAX_USER_FRAMES / FP_AT_ONCE + 1; i++)
		if (!unwind_fp_some(key))
			return;
}

__weak __noinline int unwind_user(__u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, &key);
	if (!scratch)
		return 0;

	struct unwind *u = &scratch->unwind;
	if (u->narrow || profd_unwind_mode == PROFD_UNWIND_FRAME_POINTER) {
		fp_walk(scratch, key);
		return 0;
	}
	u->innermost = u->walk.frame;
	int end = table_walk(scratch, key);
	u->end = end == WALK_MISS ? PROFD_END_NOT_LOADED : (__u8)end;
	/* It may have been walked by mappings that have changed since. */
	if (end >= 0 && end != PROFD_END_COMPLETE && end != PROFD_END_LIMIT && !u->walk.current)
		u->walk.missing = PROFD_MISSING_TRUST;
	return 0;
}

/* ---- misses ------------------------------------------------------------------------------- */

/* Misses of a CPU that may come at once. */
#define MISS_BURST 32
#define PAGE_BYTES (1u << PROFD_MISS_PAGE_SHIFT)

/* They cost user space time and the ring room: so many a second, and none in a ring that is half
 * full. */
static __always_inline bool miss_allowed(struct profd_cpu *state, __u64 now)
{
	if (!samples_free(state, PROFD_SAMPLES_BYTES / 2))
		return false;
	if (state->missed > now + MISS_BURST * profd_miss_interval)
		return false;
	state->missed = (state->missed > now ? state->missed : now) + profd_miss_interval;
	return true;
}

/* Pages in a row without memory after which a stack is taken to be over, where it is not known how
 * far it goes. Each costs a fault. */
#define MISS_MAX_HOLE 8

/* Above this no frames are: where the main thread began, and a bit. 0: another thread's. */
static __always_inline __u64 stack_end(__u64 sp)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 start = BPF_CORE_READ(task, mm, start_stack);

	return sp < start && start - sp <= WALK_MAX_FRAME ? start + PROFD_RED_ZONE : 0;
}

static __always_inline struct profd_miss *miss_of(struct scratch *scratch)
{
	const struct unwind *u = &scratch->unwind;

	return (void *)&scratch->frames[(u->first + u->n) & FRAMES_MASK];
}

/* Where the window of a miss begins; its first page is the one that this lies in. */
static __always_inline __u64 miss_start(const struct profd_miss *miss)
{
	return miss->sp - PROFD_RED_ZONE;
}

/* Appends page i of the window to the stack of a miss, the first one from the window's start on,
 * the last one until its end (0: none), if it is in memory. What it comes to is kept in the miss,
 * and this is a global function: verifiers before 6.2 keep track of every number in a loop, and
 * would go through this one's body for each value that they can have. */
__weak __noinline int unwind_copy(__u32 key, __u32 i, __u64 end)
{
	struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, &key);
	if (!scratch || i >= PROFD_MISS_WINDOW)
		return 0;

	struct profd_miss *miss = miss_of(scratch);
	__u64 start = miss_start(miss), page = (start / PAGE_BYTES + i) * PAGE_BYTES;
	__u32 size = miss->stack_size, skip = i ? 0 : start & (PAGE_BYTES - 1);
	__u32 n = PAGE_BYTES - skip;
	if (end && end - (page + skip) < n)
		n = end - (page + skip);
	if (size > PROFD_MISS_STACK - PAGE_BYTES || n > PAGE_BYTES)
		return 0;
	__u8 *to = (__u8 *)(miss + 1) + size;
	if (bpf_probe_read_user(to, n, (void *)(page + skip)) == 0) {
		miss->stack_size = size + n;
		miss->present |= 1ULL << i;
	}
	return 0;
}

/* Copies what is in memory of the window. */
static __always_inline void copy_stack(struct profd_miss *miss, __u32 key)
{
	__u64 end = stack_end(miss->sp), first = miss_start(miss) / PAGE_BYTES;
	__u64 pages = end ? (end - 1) / PAGE_BYTES - first + 1 : PROFD_MISS_WINDOW;

	miss->present = 0;
	miss->stack_size = 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < PROFD_MISS_WINDOW && i < pages; i++) {
		if (!end && i >= MISS_MAX_HOLE && !(miss->present >> (i - MISS_MAX_HOLE)))
			break;
		unwind_copy(key, i, end);
	}
}

/* Puts the miss behind the frames of the sample. Returns its size. */
__weak __noinline int unwind_miss(__u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, &key);
	if (!scratch)
		return 0;

	struct table_frame *f = &scratch->unwind.walk.frame;
	struct profd_miss *miss = miss_of(scratch);
	miss->ip = f->ip;
	miss->sp = f->sp;
	miss->fp = f->fp;
	miss->innermost = f->innermost;
	miss->exact = f->exact;
	miss->fp_lost = f->fp_lost;
	miss->missing = scratch->unwind.walk.missing;
	miss->pad2 = 0;
	miss->leaf_ip = miss->leaf_sp = 0;
	if (f->innermost && fp_leave_frameless(f)) {
		miss->leaf_ip = f->ip;
		miss->leaf_sp = f->sp;
	}
	copy_stack(miss, key);
	return (int)(sizeof(*miss) + miss->stack_size);
}

/* The registers that the miss has in its middle: the context's, or the ones that were saved when
 * the kernel was entered. */
static __always_inline void miss_registers(struct scratch *scratch, const struct arch_regs *regs)
{
	struct profd_miss *miss = miss_of(scratch);

	/* Otherwise unwind_begin() has read them. (The barrier keeps the loads of both apart: one
	 * that is the context's and memory's does not pass the verifier.) */
	if (arch_regs_user(regs)) {
		arch_registers(miss->registers, regs);
		WALK_BARRIER();
	} else {
		arch_registers(miss->registers, &scratch->unwind.saved);
	}
}

#endif
