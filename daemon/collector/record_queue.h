/* SPDX-License-Identifier: MIT */
/*
 * record_queue.h - records from many rings, copied, checked and sorted by time: the part of the
 * timeline that needs no kernel.
 *
 * Copies live in chunks that do not move; a chunk is used again when all its records were handed
 * on. Records with the same time keep the order in which they were put in.
 */
#ifndef PROFD_COLLECTOR_RECORD_QUEUE_H
#define PROFD_COLLECTOR_RECORD_QUEUE_H

#include "collector/record.h"

struct record_queue;

typedef void (*record_queue_handler)(void *userdata, const struct record *record);

int record_queue_new(struct record_queue **out);
void record_queue_free(struct record_queue *q); /* NULL is fine */

/* A record out of a BPF ring, `size` bytes as the ring says. 0, -EBADMSG if its sizes contradict
 * each other, or -ENOMEM. */
int record_queue_put_bpf(struct record_queue *q, const struct profd_record_head *head, size_t size);
/* Any other record; its string is copied. 0 or -ENOMEM. */
int record_queue_put(struct record_queue *q, const struct record *record);

/* Hands on, in order of time, every record with a time below `horizon`. */
void record_queue_take(
	struct record_queue *q, uint64_t horizon, record_queue_handler handler, void *userdata);
/* The same for the older half, whatever its time. */
void record_queue_take_half(struct record_queue *q, record_queue_handler handler, void *userdata);

size_t record_queue_count(const struct record_queue *q);
size_t record_queue_bytes(const struct record_queue *q);

#endif
