// SPDX-License-Identifier: MIT
/*
 * heap_arithmetic - runs the arithmetic of heap samples (profd/heap_sample.h) in the kernel, with
 * many numbers of all sizes, and compares it with the same here. Prints how many were equal.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

#include "profd/heap_sample.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "heap_arithmetic.skel.h"
#pragma GCC diagnostic pop

#define ROUNDS 20000

/* One of 1 to 2^bits, of all orders of magnitude alike. */
static __u64 any(__u64 *random, unsigned int bits)
{
	unsigned int drop = (unsigned int)(heap_random(random) % (bits + 1));

	return (heap_random(random) >> (64 - bits) >> drop) + 1;
}

/* False: something differs, which is printed. */
static bool equal(struct heap_arithmetic_bpf__bss *bpf, int program, __u64 *random)
{
	__u64 state = heap_random(random), size = any(random, 47), mean = any(random, 40), count;
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int error;

	bpf->heap_state = state;
	bpf->heap_size = size;
	bpf->heap_mean = mean;
	error = bpf_prog_test_run_opts(program, &options);
	if (error) {
		fprintf(stderr, "heap_arithmetic: cannot run the program: %s\n", strerror(-error));
		return false;
	}
	count = heap_countdown(&state, mean);
	if (bpf->heap_state == state && bpf->heap_count == count &&
		bpf->heap_weighted == heap_weight(size, mean))
		return true;
	printf("size %llu, mean %llu: count %llu, weight %llu; in the kernel %llu, %llu\n", size,
		mean, count, heap_weight(size, mean), bpf->heap_count, bpf->heap_weighted);
	return false;
}

int main(void)
{
	struct heap_arithmetic_bpf *bpf = heap_arithmetic_bpf__open_and_load();
	__u64 random = 1;
	int n = 0;

	if (!bpf) {
		fputs("heap_arithmetic: the kernel does not take the program\n", stderr);
		return 1;
	}
	while (n < ROUNDS && equal(bpf->bss, bpf_program__fd(bpf->progs.heap_compute), &random))
		n++;
	printf("%d\n", n);
	heap_arithmetic_bpf__destroy(bpf);
	return n < ROUNDS;
}
