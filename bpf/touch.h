/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * touch.h - fetches cache lines before they are needed.
 *
 * When the clock ticks, hardly anything that a sample needs is in the cache, and one thing leads to
 * the next: so each miss is waited for. A load whose value nobody wants is waited for by nobody; of
 * several such in a row the processor fetches all at a time, with the entries of the TLB, while it
 * goes on.
 */
#ifndef PROFD_BPF_TOUCH_H
#define PROFD_BPF_TOUCH_H

#include "kernel_types.h"

/* p: eight bytes of a map. */
static __always_inline void touch(const void *p)
{
	__u64 value = *(const volatile __u64 *)p;

	__asm__ volatile("" ::"r"(value));
}

#endif
