/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unwind_fp.h - the unwinder that follows frame pointers.
 *
 * At the frame pointer lie the caller's frame pointer and the return address. Code that was built
 * without them uses the register for anything, so a step counts only if the frame address rises
 * and the return address can be one; otherwise the stack ends there, marked as such.
 */
#ifndef PROFD_BPF_UNWIND_FP_H
#define PROFD_BPF_UNWIND_FP_H

#include "arch.h"
#include "scratch.h"

/* No frame is larger than a whole stack usually may be (RLIMIT_STACK is 8 MiB by default). */
#define FP_MAX_FRAME   (8ULL << 20)
/* vm.mmap_min_addr keeps the first page free of code. */
#define FP_MIN_ADDRESS 4096

#define FP_GO_ON (-1)

/* One step outwards: FP_GO_ON, then u->ip is the return address, or why there is none. */
static __always_inline int fp_step(struct unwind *u)
{
	__u64 size = u->narrow ? 4 : 8;
	__u64 pair[2] = {};

	/* sp is the lower bound: below it nothing is alive. */
	if (u->fp < u->sp || u->fp - u->sp > FP_MAX_FRAME || u->fp & (size - 1))
		return PROFD_END_FRAME_POINTER;
	if (bpf_probe_read_user(pair, 2 * size, (void *)u->fp))
		return PROFD_END_UNREADABLE;
	if (u->narrow) {
		pair[1] = pair[0] >> 32;
		pair[0] = (__u32)pair[0];
	}
	if (!pair[1])
		return PROFD_END_COMPLETE;
	if (pair[1] < FP_MIN_ADDRESS || pair[1] >= ARCH_USER_END)
		return PROFD_END_FRAME_POINTER;
	u->ip = pair[1];
	u->sp = u->fp + 2 * size;
	u->fp = pair[0];
	return FP_GO_ON;
}

static __always_inline __u32 fp_walk(struct unwind *u, __u64 *frames)
{
	__u32 first = u->first;

	frames[first & FRAMES_MASK] = u->ip;
	/* A leaf's register of zero says nothing about its callers. */
	u->end = PROFD_END_FRAME_POINTER;
	if (!u->fp)
		return 1;
	u->end = PROFD_END_LIMIT;
#pragma clang loop unroll(disable)
	for (__u32 n = 1; n < PROFD_MAX_USER_FRAMES; n++) {
		int end = fp_step(u);
		if (end != FP_GO_ON) {
			u->end = (__u8)end;
			return n;
		}
		frames[(first + n) & FRAMES_MASK] = u->ip;
		if (!u->fp) { /* the ABI marks the outermost frame with zero */
			u->end = PROFD_END_COMPLETE;
			return n + 1;
		}
	}
	return PROFD_MAX_USER_FRAMES;
}

__weak __noinline int unwind_user(__u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&profd_scratch, &key);

	return scratch ? (int)fp_walk(&scratch->unwind, scratch->frames) : 0;
}

#endif
