/* SPDX-License-Identifier: MIT */
/* capture_file.h - reads a capture file (include/profd/capture.h) record by record. */
#ifndef TRUTH_CAPTURE_FILE_H
#define TRUTH_CAPTURE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "profd/capture.h"

struct capture_file {
	const uint8_t *bytes;
	size_t size, at;
};

/* One record; what it points to lives as long as the file. */
struct capture_record {
	enum capture_kind kind;
	/* CAPTURE_MAPS: lines, not terminated by a NUL. */
	uint32_t pid;
	const char *maps;
	size_t maps_size;
	/* CAPTURE_SAMPLE */
	struct capture_sample sample;
	const uint8_t *frames; /* sample.n_user uint64_t, not aligned */
	const uint8_t *stack;  /* sample.stack_size bytes */
};

/* 0 or -errno; capture_file_close after success only. */
int capture_file_open(struct capture_file *file, const char *path);
void capture_file_close(struct capture_file *file);

/* 1: there was a record; 0: the end; -EBADMSG: the file is broken, or ends within a record. */
int capture_file_next(struct capture_file *file, struct capture_record *record);

#endif
