/* SPDX-License-Identifier: MIT */
/* cpus.h - which CPUs there are, and perf events on one of them. */
#ifndef PROFD_COLLECTOR_CPUS_H
#define PROFD_COLLECTOR_CPUS_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many as the largest kernels are built for (CONFIG_NR_CPUS on x86-64). */
#define CPUS_MAX 8192

struct cpus {
	uint64_t bits[CPUS_MAX / 64];
};

static inline bool cpus_has(const struct cpus *c, unsigned cpu)
{
	return cpu < CPUS_MAX && c->bits[cpu / 64] >> (cpu % 64) & 1;
}

/* A list as sysfs writes it, "0-3,8\n". 0, or -EINVAL, -ERANGE. */
int cpus_parse(const char *text, struct cpus *out);
/* Those that are online now. One small file is read. 0 or -errno. */
int cpus_online(struct cpus *out);

/* Opens an event for all tasks on a CPU; close-on-exec. The descriptor or -errno. */
int cpus_open_event(struct perf_event_attr *attr, unsigned cpu);

#endif
