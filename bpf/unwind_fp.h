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
static __always_inline int fp_step(struct table_frame *u, bool narrow)
{
	__u64 size = narrow ? 4 : 8;
	__u64 pair[2] = {};

	/* sp is the lower bound: below it nothing is alive. */
	if (u->fp < u->sp || u->fp - u->sp > FP_MAX_FRAME || u->fp & (size - 1))
		return PROFD_END_FRAME_POINTER;
	if (bpf_probe_read_user(pair, 2 * size, (void *)u->fp))
		return PROFD_END_UNREADABLE;
	if (narrow) {
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

/* Functions that do without a frame are small. */
#define FP_LEAF_BYTES 1024

/* Reads what stands before a return address. */
static __always_inline bool fp_read_call(__u8 code[ARCH_CODE], __u64 address)
{
	return address >= FP_MIN_ADDRESS && address < ARCH_USER_END &&
	       bpf_probe_read_user(code, ARCH_CODE, (void *)(address - ARCH_CODE)) == 0;
}

/* Does that call lead to the beginning of the code around ip? Then where, else 0. */
static __always_inline __u64 fp_target(const __u8 code[ARCH_CODE], __u64 address, __u64 ip)
{
	__u64 target = arch_call_target(code, address);

	return target <= ip && ip - target < FP_LEAF_BYTES ? target : 0;
}

/* The word on top of the stack is the return address of a function without a frame, if the call
 * before it leads to that function, or if the next instruction is one of those without a frame.
 * It can also be what an earlier call left in a variable not yet written; but then the frame
 * pointer has a return address whose call leads at least as close to where we are. */
static __always_inline bool fp_is_frameless(const struct table_frame *u, __u64 address)
{
	__u8 code[ARCH_CODE] = {};
	__u64 framed = 0;

	if (!fp_read_call(code, address))
		return false;
	__u64 target = fp_target(code, address, u->ip);
	if (target) {
		if (bpf_probe_read_user(&framed, sizeof(framed), (void *)(u->fp + 8)) ||
			!fp_read_call(code, framed))
			return true;
		return target > fp_target(code, framed, u->ip);
	}
	return arch_after_call(code) && bpf_probe_read_user(code, ARCH_CODE, (void *)u->ip) == 0 &&
	       arch_frameless(code);
}

/* Where a function has no frame, or not yet, or no more, the frame pointer is its caller's, and
 * following it would leave the caller out. Ticks often hit just there, since an interrupt that
 * is due comes in after a call or a return. True: u is in the caller now. */
static __always_inline bool fp_leave_frameless(struct table_frame *u)
{
	__u8 code[ARCH_CODE] = {};
	__u64 top[2] = {};

	if (bpf_probe_read_user(top, sizeof(top), (void *)u->sp))
		return false;
	if (u->fp && top[0] == u->fp) {
		/* It was saved just now, and still is the caller's. */
		if (!fp_read_call(code, top[1]) || !arch_after_call(code))
			return false;
		u->ip = top[1];
		u->sp += 16;
		return true;
	}
	if (!fp_is_frameless(u, top[0]))
		return false;
	u->ip = top[0];
	u->sp += 8;
	return true;
}

/* Begins to walk the stack of `unwind`, behind unwind.first frames that are there. False: that was
 * all; unwind.n, and .end, say what was found. */
static __always_inline bool fp_begin(struct unwind *unwind, __u64 *frames)
{
	struct table_frame *u = &unwind->walk.frame;

	frames[unwind->first & FRAMES_MASK] = u->ip;
	unwind->n = 1;
	if (!unwind->narrow && fp_leave_frameless(u)) {
		frames[(unwind->first + 1) & FRAMES_MASK] = u->ip;
		unwind->n = 2;
	}
	/* A leaf's register of zero says nothing about its callers. */
	unwind->end = u->fp ? PROFD_END_LIMIT : PROFD_END_FRAME_POINTER;
	return u->fp;
}

/* One step of it. False: that was the last one. */
static __always_inline bool fp_go_on(struct unwind *unwind, __u64 *frames)
{
	struct table_frame *u = &unwind->walk.frame;

	if (unwind->n >= PROFD_MAX_USER_FRAMES)
		return false;
	int end = fp_step(u, unwind->narrow);
	if (end != FP_GO_ON) {
		unwind->end = (__u8)end;
		return false;
	}
	frames[(unwind->first + unwind->n++) & FRAMES_MASK] = u->ip;
	if (!u->fp) /* the ABI marks the outermost frame with zero */
		unwind->end = PROFD_END_COMPLETE;
	return u->fp;
}

#endif
