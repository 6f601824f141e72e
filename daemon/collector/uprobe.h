/* SPDX-License-Identifier: MIT */
/*
 * uprobe.h - one uprobe of one process, with a BPF program. By a multi-uprobe link where the kernel
 * has them (6.6, 89ae89f53d20); else by a perf event of the uprobe PMU, for which kernels since
 * 2025 ask for CAP_SYS_ADMIN (6.16, ba677dbe77af, and in stable ones), see privileges.h.
 */
#ifndef PROFD_COLLECTOR_UPROBE_H
#define PROFD_COLLECTOR_UPROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct uprobe {
	int file;	  /* the module's, opened; borrowed */
	uint64_t offset;  /* of the instruction in the file */
	uint64_t counter; /* of the semaphore in the file (a USDT probe's); 0: none */
	pid_t pid;	  /* -1: every process that maps the file, now or later */
	int program;	  /* borrowed; of the attach type UPROBE_MULTI where that is used */
	bool multi;	  /* struct bpf_features.uprobe_multi */
	uint64_t cookie;  /* for the program, where the kernel has attach cookies */
};

/* enum bpf_attach_type of UAPI; libbpf 1.1 does not know it. */
#define UPROBE_MULTI 48

/* By trying to attach to a folder, which only a kernel that knows such links finds wrong. */
bool uprobe_has_multi(void);

/* Returns a descriptor that holds the probe until it is closed, or -errno. Takes some 5 ms, closing
 * it ten times as long. */
int uprobe_attach(const struct uprobe *uprobe);

#endif
