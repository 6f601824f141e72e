/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the perf events of one session: one on each online CPU, which runs the clock program
 * once a period, and whose own count says how often that should have happened.
 */
#ifndef PROFD_COLLECTOR_CLOCK_H
#define PROFD_COLLECTOR_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/cpus.h"

struct clock;

struct clock_config {
	bool cycles;	    /* the hardware's cycle counter, not the cpu-clock timer */
	unsigned frequency; /* Hz */
	unsigned slot;	    /* of the session: goes into the low bits of the period */
	int program;	    /* descriptor of the BPF program; borrowed during clock_open */
};

/* Opens the events, disabled. 0 or -errno. */
int clock_open(struct clock **out, const struct clock_config *config);
void clock_close(struct clock *clock); /* NULL is fine */

/* All at once, as far as that is possible. 0 or -errno. */
int clock_enable(struct clock *clock);
/* After this no program of this clock runs any more. */
void clock_disable(struct clock *clock);
/* Opens (and, after clock_enable, enables) events on CPUs that came online; closes those of CPUs
 * that went, keeping their count. 0 or -errno. */
int clock_sync(struct clock *clock, const struct cpus *online);

/* In the event's unit: ns of CLOCK time or cycles. */
uint64_t clock_period(const struct clock *clock);
bool clock_is_cycles(const struct clock *clock);

struct clock_reading {
	uint64_t ticks; /* whole periods, summed over CPUs */
	uint64_t count; /* in the event's unit, summed over CPUs */
};
struct clock_reading clock_read(const struct clock *clock);

/* What /proc/stat says of all CPUs since boot, ns (in steps of 10 ms). 0 or -errno. */
struct cpu_times {
	uint64_t idle; /* idle + iowait */
	uint64_t busy; /* everything else that the host's hypervisor let us have */
};
int clock_cpu_times(struct cpu_times *out);

#endif
