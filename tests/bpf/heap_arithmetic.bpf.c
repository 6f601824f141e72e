/* SPDX-License-Identifier: GPL-2.0-only */
/* heap_arithmetic.bpf.c - the arithmetic of heap samples as the kernel runs it. */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include "profd/heap_sample.h"

/* In: a state of the generator, a size and a mean. Out: all results, and the state after. */
__u64 heap_state, heap_size, heap_mean;
__u64 heap_count, heap_weighted;

SEC("raw_tp")
int heap_compute(void *context)
{
	heap_count = heap_countdown(&heap_state, heap_mean);
	heap_weighted = heap_weight(heap_size, heap_mean);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
