/* SPDX-License-Identifier: MIT */
/*
 * heap_probes.h - what the programs know of a session's probes: to which session they belong, and
 * where their arguments are (struct profd_probe). All sessions share one array; probes that say the
 * same share an entry.
 */
#ifndef PROFD_COLLECTOR_HEAP_PROBES_H
#define PROFD_COLLECTOR_HEAP_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/heap_sites.h"

struct bpf_host;
struct heap_places;
struct heap_probes;
struct session;

/* Borrows both. 0, or -EBUSY: without attach cookies one session has them all; or -ENOMEM. */
int heap_probes_new(struct heap_probes **out, struct bpf_host *bpf, const struct session *session);
/* The entries are free when nobody has a reference any more: the session's, and one for each link,
 * whose programs read them until it is detached. */
struct heap_probes *heap_probes_ref(struct heap_probes *p);
void heap_probes_unref(struct heap_probes *p); /* NULL is fine */

/* How often they are hit; as long as there is a reference. */
struct heap_places *heap_probes_places(struct heap_probes *p);

/* The cookie of a USDT probe. 0, or -ENOSPC: there are too many different ones; -EOPNOTSUPP:
 * arguments can lie anywhere only where the kernel has attach cookies. */
int heap_probes_find(struct heap_probes *p, const struct heap_probe *probe, uint64_t *cookie);

/* The cookie of a function of an allocator; meter: counts_take_meter(); untracked: frees are not
 * probed. The same. */
int heap_probes_find_function(struct heap_probes *p, enum heap_allocator allocator,
	const struct heap_site *site, unsigned meter, bool untracked, uint64_t *cookie);
/* Of a ret, whose offset in the file `ret` points to, in its module's. The same. */
int heap_probes_find_ret(
	struct heap_probes *p, const uint64_t *ret, unsigned meter, uint64_t *cookie);

#endif
