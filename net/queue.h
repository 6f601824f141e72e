/* SPDX-License-Identifier: MIT */
/* queue.h - the requests that lie in the spool (debuginfod/spool.h), the oldest first. Their names
 * come from files of profiled processes. */
#ifndef PROFD_NET_QUEUE_H
#define PROFD_NET_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "symbols/build_id.h"

#define QUEUE_MAX 4096 /* requests; the youngest beyond that are thrown away */

struct queued {
	char build_id[BUILD_ID_MAX_HEX + 1];
	int64_t since;	     /* Unix time, ns */
	uint64_t not_before; /* CLOCK_MONOTONIC, ns: a server was in trouble */
};

/* Zero-initialised is empty. */
struct queue {
	struct queued *items;
	size_t n, capacity;
};

void queue_free(struct queue *q);
/* Takes what is in the folder now; what is no request is removed from it. 0 or -errno. */
int queue_read(struct queue *q, int spool);
/* The first that may be tried now, or NULL; *wakes: when there will be one (0: there is none). */
struct queued *queue_first(const struct queue *q, uint64_t now, uint64_t *wakes);
/* It is done: takes it out of the folder and the queue. */
void queue_remove(struct queue *q, int spool, struct queued *item);

#endif
