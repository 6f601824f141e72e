/* SPDX-License-Identifier: MIT */
/*
 * record.h - one event of the host, as the timeline hands it on: from the BPF rings (samples,
 * allocations, fork, exec, exit) or from perf's side-band (comm, mmap, ksymbol, lost), in order of
 * time.
 */
#ifndef PROFD_COLLECTOR_RECORD_H
#define PROFD_COLLECTOR_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profd/abi.h"

enum record_kind {
	RECORD_SAMPLE,
	RECORD_ALLOC,
	RECORD_FREE,
	RECORD_FORK,
	RECORD_EXEC,
	RECORD_EXIT,
	RECORD_CGROUP,
	RECORD_COMM,	/* PERF_RECORD_COMM */
	RECORD_MMAP,	/* PERF_RECORD_MMAP2, executable mappings only */
	RECORD_KSYMBOL, /* PERF_RECORD_KSYMBOL: a BPF program was loaded or unloaded */
	RECORD_LOST,	/* side-band or process records were lost: tables must be read again */
};

/* Pointers are valid during the callback only. Strings from the side-band are NUL-terminated by
 * the timeline, whatever the ring held. */
struct record {
	uint64_t time; /* CLOCK_MONOTONIC, ns */
	enum record_kind kind;
	union {
		const struct profd_sample *sample;
		struct profd_alloc *alloc; /* ours: its sample's number is given here */
		const struct profd_free *freed;
		const struct profd_process_record *process; /* FORK … CGROUP */
		struct {
			uint32_t pid, tid;
			bool exec; /* the image was just replaced: all mappings are gone */
			const char *comm;
		} comm;
		struct {
			uint32_t pid, tid;
			uint64_t start, length, offset; /* offset: bytes into the file */
			uint32_t major, minor;
			uint64_t inode, inode_generation;
			const char *path; /* as the kernel names it: path, "[vdso]", "//anon", … */
		} mmap;
		struct {
			uint64_t address;
			uint32_t length;
			bool unregister;
			const char *name;
		} ksymbol;
		struct {
			uint64_t count;
		} lost;
	};
};

#endif
