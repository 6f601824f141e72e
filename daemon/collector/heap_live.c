// SPDX-License-Identifier: MIT
#include "collector/heap_live.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "collector/array_map.h"
#include "profd/abi.h"
#include "util/cleanup.h"

/* What is open of a slot has both. */
struct live {
	int table; /* -1: it is not open */
	struct profd_live_filter *filter;
};

struct heap_live {
	int tables, filters;
	struct live slots[PROFD_MAX_SESSIONS];
};

int heap_live_new(struct heap_live **out, int tables, int filters)
{
	struct heap_live *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->tables = tables;
	l->filters = filters;
	for (unsigned slot = 0; slot < PROFD_MAX_SESSIONS; slot++)
		l->slots[slot].table = -1;
	*out = l;
	return 0;
}

static void release(struct live *live)
{
	if (live->filter)
		munmap(live->filter, sizeof(*live->filter));
	live->filter = NULL;
	live->table = close_fd(live->table);
}

void heap_live_free(struct heap_live *l)
{
	if (!l)
		return;
	for (unsigned slot = 0; slot < PROFD_MAX_SESSIONS; slot++)
		release(&l->slots[slot]);
	free(l);
}

static int open_filter(const struct heap_live *l, uint32_t slot, struct profd_live_filter **out)
{
	void *filter;
	int r = array_map_add(l->filters, slot, "profd_live_filt", sizeof(struct profd_live_filter),
		PROT_READ | PROT_WRITE, &filter);

	if (r == 0)
		*out = filter;
	return r;
}

static int open_table(const struct heap_live *l, uint32_t slot, uint32_t n, int *fd)
{
	*fd = bpf_map_create(BPF_MAP_TYPE_HASH, "profd_live", sizeof(struct profd_live),
		sizeof(uint32_t), n, NULL);
	return *fd < 0 ? *fd : bpf_map_update_elem(l->tables, &slot, fd, BPF_ANY);
}

int heap_live_open(struct heap_live *l, unsigned slot, uint32_t n)
{
	struct live *live = &l->slots[slot];
	uint32_t key = slot;
	int r;

	if (live->table >= 0)
		return 0;
	r = open_filter(l, slot, &live->filter);
	if (r == 0)
		r = open_table(l, slot, n, &live->table);
	if (r < 0) {
		bpf_map_delete_elem(l->filters, &key);
		release(live);
	}
	return r;
}

void heap_live_close(struct heap_live *l, unsigned slot)
{
	uint32_t key = slot;

	if (l->slots[slot].table < 0)
		return;
	bpf_map_delete_elem(l->tables, &key);
	bpf_map_delete_elem(l->filters, &key);
	release(&l->slots[slot]);
}

void heap_live_forget(
	struct heap_live *l, unsigned slot, uint64_t address, uint32_t pid, uint32_t stamp)
{
	const struct profd_live key = {.address = address, .tgid = pid};
	struct live *live = &l->slots[slot];
	uint32_t value;

	if (live->table >= 0 && !bpf_map_lookup_elem(live->table, &key, &value) && value == stamp &&
		!bpf_map_delete_elem(live->table, &key))
		__atomic_fetch_sub(
			&live->filter->counts[profd_live_bucket(address)], 1, __ATOMIC_RELAXED);
}

int heap_live_table(const struct heap_live *l, unsigned slot)
{
	return l->slots[slot].table;
}
