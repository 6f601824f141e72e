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
#define FP_MAX_FRAME (8ULL << 20)
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

/* A tick in the first or last instructions of a function finds its caller's frame pointer: the
 * walk would skip the caller. Its address is on top of the stack then; a call in front of it
 * shows that it is one. True: u is in the caller now. */
static __always_inline bool fp_unframed(struct unwind *u)
{
	__u8 code[8] = {};
	__u64 address = 0;

	if (u->narrow || bpf_probe_read_user(code, 4, (void *)u->ip))
		return false;
	int gap = arch_unframed(code);
	if (gap == ARCH_FRAMED || bpf_probe_read_user(&address, 8, (void *)(u->sp + gap)) ||
		address < FP_MIN_ADDRESS || address >= ARCH_USER_END ||
		bpf_probe_read_user(code, 8, (void *)(address - 8)) || !arch_after_call(code))
		return false;
	u->ip = address;
	u->sp += gap + 8;
	return true;
}

static __always_inline __u32 fp_walk(struct unwind *u, __u64 *frames)
{
	__u32 first = u->first, n = 1;

	frames[first & FRAMES_MASK] = u->ip;
	if (fp_unframed(u)) {
		frames[(first + 1) & FRAMES_MASK] = u->ip;
		n = 2;
	}
	/* A leaf's register of zero says nothing about its callers. */
	u->end = PROFD_END_FRAME_POINTER;
	if (!u->fp)
		return n;
	u->end = PROFD_END_LIMIT;
#pragma clang loop unroll(disable)
	for (; n < PROFD_MAX_USER_FRAMES; n++) {
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
