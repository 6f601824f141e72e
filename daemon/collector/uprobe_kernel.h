/* SPDX-License-Identifier: MIT */
/* uprobe_kernel.h - the system calls behind uprobes.h, which wait for the kernel. */
#ifndef PROFD_COLLECTOR_UPROBE_KERNEL_H
#define PROFD_COLLECTOR_UPROBE_KERNEL_H

#include "collector/uprobes.h"

/* How the kernel wants uprobes to be said in a struct perf_event_attr. */
struct uprobe_pmu {
	uint32_t type;
	uint64_t at_return;	/* bits of config */
	unsigned counter_shift; /* in config */
};

/* 0; -ENOTSUP: this kernel has no uprobes; or -errno. */
int uprobe_pmu_read(struct uprobe_pmu *pmu);

/* Attaches a program to one place. way: PERF; cookies: through a BPF link, which has them. A
 * descriptor, which is all that has to be closed, or -errno. */
int uprobe_attach_perf(const struct uprobe_pmu *pmu, const struct uprobe_request *request,
	const struct uprobe_place *place, bool cookies);
/* Attaches it to all places. way: MULTI or SESSION. A descriptor or -errno. */
int uprobe_attach_multi(const struct uprobe_request *request);

/* Tries what there is on a function of this process. Must not be called from its first thread: a
 * pid filter that knows that one only is not good enough. 0 or -errno. */
int uprobe_try(const struct uprobe_pmu *pmu, struct uprobe_support *support);

#endif
