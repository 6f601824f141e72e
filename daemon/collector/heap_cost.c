// SPDX-License-Identifier: MIT
#include "collector/heap_cost.h"

#include "collector/bpf_host.h"
#include "collector/counts.h"
#include "collector/sessions.h"

void heap_cost(const struct bpf_host *bpf, const struct session *session, struct heap_cost *out)
{
	const struct bpf_features *features = bpf_host_features(bpf);
	unsigned slot = session_slot(session);
	const struct counts *counts = bpf_host_counts(bpf);
	uint64_t functions = counts_heap_calls(counts, slot), hits = functions;
	uint64_t rets = counts_heap_rets(counts, slot), returns = functions / 2;
	const struct profd_heap *heap = &bpf_host_heaps(bpf)[slot];
	struct profd_counters counters;

	counts_session(counts, slot, &counters);
	/* Without sessions every allocation is hit twice, if not by a ret; with them only what is
	 * of interest. */
	if (features->uprobe_way != UPROBE_SESSION)
		hits += returns > rets ? returns - rets : 0;
	else
		hits += functions ? counters.taken : 0;
	if (!functions)
		hits = counters.taken + counters.filtered + heap->frees + heap->lost_frees;
	hits += features->ret_hits * rets;
	out->calls = functions ? functions : hits;
	out->metered = functions ? functions + features->ret_hits * rets : hits;
	out->ns = hits * features->uprobe_ns + counters.spent;
}
