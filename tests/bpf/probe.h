/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* probe.h - what the uprobe's program and its loader share. */
#ifndef TESTS_PROBE_H
#define TESTS_PROBE_H

#include "profd/abi.h"

/* The record is a struct profd_sample; its session is the enum profd_missing of the stack. */

struct probe_counts {
	__u64 hits; /* = records + the losses */
	__u64 records;
	__u64 lost_scratch, lost_ring;
	__u64 collisions; /* whose first entry was somebody else's */
};

#endif
