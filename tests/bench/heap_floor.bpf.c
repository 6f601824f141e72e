/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * heap_floor.bpf.c - programs that do nothing, for the places where heap probes go: what is left is
 * what the kernel takes for a visit.
 */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

/* Of a uprobe session: 1 if nobody wants to see the function return, as for an allocation that is
 * no sample. */
const volatile int floor_skips_return = 0;

SEC("uprobe")
int floor_enter(void *regs)
{
	return floor_skips_return;
}

SEC("uprobe")
int floor_return(void *regs)
{
	return 0;
}

SEC("uprobe")
int floor_free(void *regs)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
