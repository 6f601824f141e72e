/* SPDX-License-Identifier: MIT */
/* heap_cost.h - what a heap session costs the programs that it watches. */
#ifndef PROFD_COLLECTOR_HEAP_COST_H
#define PROFD_COLLECTOR_HEAP_COST_H

#include <stdint.h>

struct bpf_host;
struct session;

struct heap_cost {
	uint64_t calls;	  /* of functions and USDT probes that were hit */
	uint64_t metered; /* what the meters of all that are watched have counted */
	uint64_t ns; /* of the CPU time of all that were hit: as measured for one hit when profd
			started, and by the programs themselves for what they took */
};

/* Since the session began. Of sessions of type heap, until they are released. */
void heap_cost(const struct bpf_host *bpf, const struct session *session, struct heap_cost *out);

#endif
