/* SPDX-License-Identifier: MIT */
/*
 * sample_rings.h - the CPUs' sample rings (profd/abi.h), read through mmap.
 */
#ifndef PROFD_COLLECTOR_SAMPLE_RINGS_H
#define PROFD_COLLECTOR_SAMPLE_RINGS_H

#include <stddef.h>
#include <stdint.h>

#include "profd/abi.h"

struct sample_rings;

/* rings: descriptor of the map of maps that the programs look them up in. cpus: n_cpus of them,
 * mmapped. Both are borrowed. 0 or -ENOMEM. */
int sample_rings_new(struct sample_rings **out, int rings, struct profd_cpu *cpus, unsigned n_cpus);
void sample_rings_free(struct sample_rings *s); /* NULL is fine */

/* A ring for a CPU that has none yet; nothing happens if it has one. 0 or -errno. */
int sample_rings_add(struct sample_rings *s, unsigned cpu);

/* A record. The pointer is valid during the call only. */
typedef void (*sample_rings_handler)(
	void *userdata, const struct profd_record_head *head, size_t size);

/* Hands on what is in the rings, CPU by CPU, and then lets the programs have the room. `size` is
 * head.size; of a record that says it is larger than what is left, or too small for its head, it is
 * all that is left: what lies behind such a one cannot be found. */
void sample_rings_read(struct sample_rings *s, sample_rings_handler handler, void *userdata);
/* The same of one ring. */
void sample_ring_read(const struct profd_samples *samples, struct profd_cpu *cpu,
	sample_rings_handler handler, void *userdata);

/* Bytes of kernel memory. */
uint64_t sample_rings_bytes(const struct sample_rings *s);

#endif
