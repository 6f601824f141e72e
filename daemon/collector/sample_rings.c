// SPDX-License-Identifier: MIT
#include "collector/sample_rings.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "collector/array_map.h"

struct sample_rings {
	int rings;
	struct profd_cpu *cpus;
	unsigned n_cpus;
	struct profd_samples **samples; /* by CPU; NULL: none */
};

int sample_rings_new(struct sample_rings **out, int rings, struct profd_cpu *cpus, unsigned n_cpus)
{
	struct sample_rings *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->samples = calloc(n_cpus, sizeof(struct profd_samples *));
	if (!s->samples) {
		free(s);
		return -ENOMEM;
	}
	s->rings = rings;
	s->cpus = cpus;
	s->n_cpus = n_cpus;
	*out = s;
	return 0;
}

void sample_rings_free(struct sample_rings *s)
{
	if (!s)
		return;
	for (unsigned cpu = 0; cpu < s->n_cpus; cpu++)
		if (s->samples[cpu])
			munmap(s->samples[cpu], sizeof(struct profd_samples));
	free(s->samples);
	free(s);
}

int sample_rings_add(struct sample_rings *s, unsigned cpu)
{
	void *samples;
	int r;

	if (s->samples[cpu])
		return 0;
	r = array_map_add(
		s->rings, cpu, "profd_samples", sizeof(struct profd_samples), PROT_READ, &samples);
	if (r == 0)
		s->samples[cpu] = samples;
	return r;
}

/* Bytes from `at` up to where the programs were. */
static uint32_t readable(uint32_t at, uint32_t head)
{
	return head >= at ? head - at : (uint32_t)sizeof(struct profd_samples) - at;
}

void sample_ring_read(const struct profd_samples *samples, struct profd_cpu *cpu,
	sample_rings_handler handler, void *userdata)
{
	uint32_t head = __atomic_load_n(&cpu->head, __ATOMIC_ACQUIRE), at = cpu->tail;

	while (at != head) {
		const struct profd_record_head *record = (const void *)&samples->bytes[at];
		uint32_t room = readable(at, head);

		if (record->size < sizeof(*record) || record->size > room) {
			handler(userdata, record, room);
			at = head;
			break;
		}
		handler(userdata, record, record->size);
		at = profd_samples_next(at, record->size);
	}
	__atomic_store_n(&cpu->tail, at, __ATOMIC_RELEASE);
}

void sample_rings_read(struct sample_rings *s, sample_rings_handler handler, void *userdata)
{
	for (unsigned cpu = 0; cpu < s->n_cpus; cpu++)
		if (s->samples[cpu])
			sample_ring_read(s->samples[cpu], &s->cpus[cpu], handler, userdata);
}

uint64_t sample_rings_bytes(const struct sample_rings *s)
{
	uint64_t bytes = 0;

	for (unsigned cpu = 0; cpu < s->n_cpus; cpu++)
		if (s->samples[cpu])
			bytes += sizeof(struct profd_samples);
	return bytes;
}
