/* SPDX-License-Identifier: MIT */
/* samples.h - the way of a sample from the timeline to a window, and what it needs to be unwound.
 */
#ifndef PROFD_COLLECTOR_SAMPLES_H
#define PROFD_COLLECTOR_SAMPLES_H

#include <stddef.h>

#include "profd/abi.h"

struct collector;

/* After the process table is there. 0, or -errno with a line in `why`. */
int samples_open(struct collector *c, char *why, size_t why_size);
/* What waits is dropped. Before the process table goes. */
void samples_close(struct collector *c);

/* A sample whose stack is to be finished, before its turn comes. */
void samples_preview(struct collector *c, const struct profd_sample *sample);
void samples_handle(struct collector *c, const struct profd_sample *sample);
/* The same of an allocation, which is noted first. */
void samples_handle_alloc(struct collector *c, struct profd_alloc *alloc);
void samples_handle_free(struct collector *c, const struct profd_free *freed);
/* It has exited, or replaced its image. */
void samples_process_ended(struct collector *c, uint32_t pid, uint64_t time);
/* The records of a drain were handled: tables and mappings follow. */
void samples_after_drain(struct collector *c);

#endif
