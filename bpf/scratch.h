/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * scratch.h - memory in which a program builds its sample, out of a small pool for each CPU.
 *
 * A clock tick can interrupt another program on its CPU, even another clock (an NMI of the cycles
 * counter on top of a timer interrupt), so each claims an entry of its own; an empty pool is a
 * counted loss. Interrupts nest, so whoever comes in between has released its entry again
 * before the claim below goes on: a plain flag is exact for them. Programs that can be
 * preempted by their like have another pool, in the same map: see unwind_probe.h.
 */
#ifndef PROFD_BPF_SCRATCH_H
#define PROFD_BPF_SCRATCH_H

#include "arch.h"
#include "maps.h"
#include "unwind_state.h"

/* Room for kernel and user frames, rounded up to a power of two so that one mask proves every
 * index. */
#define MAX_FRAMES  512
#define FRAMES_MASK (MAX_FRAMES - 1)
_Static_assert(PROFD_MAX_KERNEL_FRAMES + PROFD_MAX_USER_FRAMES <= MAX_FRAMES, "frames do not fit");

/* See unwind.h. */
struct unwind {
	struct walk walk;
	struct memo_walk memo;
	struct table_frame innermost; /* where the walk began */
	struct arch_regs saved;	      /* the user's, where the kernel was interrupted */
	__u32 first;		      /* frames that are there already */
	__u32 n;		      /* and those that were found */
	__u32 tid;
	__u32 mappings;	  /* version of the array that is walked with */
	bool narrow;	  /* 32-bit pointers */
	bool preemptible; /* by programs like this one: see unwind_probe.h */
	__u8 end;	  /* enum profd_unwind_end */
	__u8 way;	  /* enum profd_unwind_way */
	__u32 users;	  /* preemptible programs that have this entry, or want it */
};

/* What one sample touches lies together: one page, up to some 120 frames, and one miss of the TLB.
 */
struct scratch {
	struct unwind unwind;
	/* Frames that were walked by rows, mostly few, and their numbers (unwind_memo.h). */
	__u8 slow_numbers[MEMO_FRAMES];
	struct memo_entry slow[MEMO_FRAMES];
	/* What a struct profd_alloc has before its sample. */
	__u8 alloc[__builtin_offsetof(struct profd_alloc, sample)];
	/* sample.frames[] is frames[]: a flexible array may not stand in the middle. */
	__u8 sample[sizeof(struct profd_sample)];
	__u64 frames[MAX_FRAMES];
	/* A miss lies behind the frames that there are: all this is its room. */
	__u8 miss[sizeof(struct profd_miss) + PROFD_MISS_STACK];
	/* Of a program that was stopped by a probe, for its arguments. */
	__u64 registers[PROFD_REGISTERS + 1];
} __attribute__((aligned(4096)));
#define MAX_RECORD \
	(__builtin_offsetof(struct scratch, registers) - __builtin_offsetof(struct scratch, sample))
_Static_assert(__builtin_offsetof(struct scratch, frames) ==
		       __builtin_offsetof(struct scratch, sample) + sizeof(struct profd_sample),
	"frames must follow the sample");
_Static_assert(__builtin_offsetof(struct scratch, sample) ==
		       __builtin_offsetof(struct scratch, alloc) +
			       __builtin_offsetof(struct profd_alloc, sample),
	"the sample must follow what is before it");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* which begin at a page */
	__uint(max_entries, 1);		   /* possible CPUs * PROFD_SCRATCHES */
	__type(key, __u32);
	__type(value, struct scratch);
} profd_scratch __weak SEC(".maps");

/* NULL: all are in use. *key is the entry's, also for scratch_release. */
static __always_inline struct scratch *scratch_claim(__u32 cpu, struct profd_cpu *state, __u32 *key)
{
	__u32 i = state->busy[0] ? 1 : 0;

	if (state->busy[i])
		return NULL;
	*key = cpu * PROFD_SCRATCHES + i;
	struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, key);
	if (scratch)
		state->busy[i] = 1;
	return scratch;
}

static __always_inline void scratch_release(struct profd_cpu *state, __u32 key)
{
	state->busy[key % PROFD_SCRATCHES] = 0;
}
_Static_assert(PROFD_SCRATCHES == 2, "scratch_claim looks at two");

#endif
