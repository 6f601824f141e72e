/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * heap_calls.bpf.c - allocations and frees of any program, by uprobes on its allocator's functions.
 *
 * Which allocations are samples is decided here, when the function is entered: all but a few are
 * over with that. A sample's address is known when the function returns, and its stack is walked
 * there: it is the caller's. The threads that run on a CPU count down together (heap_sample.h: what
 * has no memory can be shared); if one is preempted in the middle of it, another's bytes may go
 * uncounted once.
 *
 * Functions of allocators call each other. What is called by one that was seen to be entered, and
 * has not returned, does not count. Whether it has is told by the stack: where its return address
 * lay, which is further out, there still is what it returns to. That is the kernel's trampoline
 * once a return probe waits for it (prepare_uretprobe in kernel/events/uprobes.c). So it does no
 * harm if it never returns (longjmp, an exception).
 *
 * Of functions that may throw there is no return probe: no exception passes the trampoline. What
 * they return is seen at their rets, which have probes of their own, if all of them are known.
 */
#include "heap.h"
#include "profd/heap_sample.h"

/* A call that is under way, of whom the return is of interest. By tid and slot, modulo CALLS. */
#define CALLS 4096
/* No call takes so long, 1 to 10 s: its thread was killed in it, or its probes were detached. */
#define CALL_JIFFIES 1000

struct call {
	__u32 tid;     /* 0: none */
	__u32 session; /* whose it is; what another one left there is none */
	__u64 sp;      /* where its return address lies */
	__u64 back;    /* and what that was at the entry */
	__u64 size;
	__u64 weight; /* 0: it is no sample */
	__u64 old;    /* memory that a realloc was given, if that was a sample; else 0 */
	__u64 where;  /* posix_memalign: where the address is written to */
	__u64 since;  /* jiffies */
	__u32 stamp;  /* of `old` in profd_lives */
	bool loose;   /* nobody waits for its return: it is here for what it calls, and makes way */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CALLS);
	__type(key, __u32);
	__type(value, struct call);
} profd_calls __weak SEC(".maps");

static __always_inline struct call *call_of(__u32 tid, __u32 slot)
{
	__u32 i = (tid * PROFD_MAX_SESSIONS + slot) % CALLS;

	return bpf_map_lookup_elem(&profd_calls, &i);
}

/* 0: no function returns there. */
static __always_inline __u64 trampoline(void)
{
	struct task_struct *task = task_current();

	if (!bpf_core_field_exists(task->mm->uprobes_state.xol_area))
		return 0;
	return BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);
}

/* Is a function that is entered with this stack pointer called by that one? One to which it jumped,
 * as its last act, is entered with the same. */
static __always_inline bool is_nested(const struct call *call, __u64 sp)
{
	__u64 back = 0;

	if (sp > call->sp)
		return false;
	bpf_probe_read_user(&back, sizeof(back), (void *)call->sp);
	return back && (back == trampoline() || (sp < call->sp && back == call->back));
}

/* ---- what is in use ------------------------------------------------------------------------- */

static __always_inline void *live_map(__u32 slot)
{
	return bpf_map_lookup_elem(&profd_lives, &slot);
}

static __always_inline struct profd_live live_key(__u64 address)
{
	return (struct profd_live){address, bpf_get_current_pid_tgid() >> 32};
}

/* NULL: nothing is in use. */
static __always_inline __u32 *live_count(__u32 slot, __u64 address)
{
	void *filters = bpf_map_lookup_elem(&profd_live_filters, &slot);
	__u32 key = 0;

	if (!filters)
		return NULL;
	struct profd_live_filter *filter = bpf_map_lookup_elem(filters, &key);
	return filter ? &filter->counts[profd_live_bucket(address)] : NULL;
}

/* Takes it out. False: it was no sample. */
static __always_inline bool live_remove(__u32 slot, __u64 address, __u32 *stamp)
{
	__u32 *count = live_count(slot, address);

	if (!count || !WALK_READ_ONCE(*count))
		return false;
	struct profd_live key = live_key(address);
	void *live = live_map(slot);
	const __u32 *value = live ? bpf_map_lookup_elem(live, &key) : NULL;

	if (!value)
		return false;
	*stamp = *value;
	if (bpf_map_delete_elem(live, &key))
		return false;
	__sync_fetch_and_add(count, -1);
	return true;
}

static __always_inline bool live_add(__u32 slot, __u64 address, __u32 stamp)
{
	__u32 *count = live_count(slot, address);
	struct profd_live key = live_key(address);
	void *live = live_map(slot);

	if (!count || !live)
		return false;
	__sync_fetch_and_add(count, 1);
	long r = bpf_map_update_elem(live, &key, &stamp, BPF_NOEXIST);
	if (r == 0)
		return true;
	__sync_fetch_and_add(count, -1);
	return r == -EEXIST && bpf_map_update_elem(live, &key, &stamp, BPF_EXIST) == 0;
}

/* ---- entry ---------------------------------------------------------------------------------- */

/* A product that does not fit is more than there can be: the function will say so. */
static __always_inline __u64 product(__u64 a, __u64 b)
{
	return heap_mul_high(a, b) ? HEAP_SIZE_MAX : a * b;
}

/* An argument of the function, 0 being the first, where it is at the probe. */
static __always_inline __u64 argument(
	const struct profd_probe *probe, const struct arch_regs *regs, __u32 i)
{
	return arch_register(regs, probe->arguments[i].base);
}

static __always_inline __u64 size_of(const struct profd_probe *probe, const struct arch_regs *regs)
{
	switch (probe->function) {
	case PROFD_FUNCTION_MALLOC:
		return argument(probe, regs, 0);
	case PROFD_FUNCTION_CALLOC:
		return product(argument(probe, regs, 0), argument(probe, regs, 1));
	case PROFD_FUNCTION_REALLOC:
	case PROFD_FUNCTION_ALIGNED:
		return argument(probe, regs, 1);
	case PROFD_FUNCTION_REALLOCARRAY:
		return product(argument(probe, regs, 1), argument(probe, regs, 2));
	default:
		return argument(probe, regs, 2);
	}
}

static __always_inline void count_call(struct hit *hit)
{
	hit->state->heap[hit->slot & PROFD_SLOT_MASK].calls++;
	hit->state->meters[hit->meter & (PROFD_METERS - 1)]++;
}

/* Set before loading: what a probe on a ret costs, in calls: the kernel single-steps it. */
const volatile __u32 profd_ret_hits __weak = 2;

static __always_inline void count_ret(struct hit *hit)
{
	hit->state->heap[hit->slot & PROFD_SLOT_MASK].rets++;
	hit->state->meters[hit->meter & (PROFD_METERS - 1)] += profd_ret_hits;
}

/* Global functions: verifiers go through the arithmetic once, and not for each state of the caller.
 */
__weak __noinline __u64 heap_calls_weight(__u64 size, __u64 mean)
{
	return heap_weight(size, mean);
}

__weak __noinline __u64 heap_calls_distance(__u64 number, __u64 mean)
{
	return heap_distance(number, mean);
}

static __always_inline __u64 countdown(__u64 *random, __u64 mean)
{
	return mean <= 1 ? 1 : heap_calls_distance(heap_random(random), mean);
}

/* The weight of the sample that these bytes are; 0: they are none. */
static __always_inline __u64 draw(struct hit *hit, __u64 size)
{
	struct profd_heap_cpu *heap = &hit->state->heap[hit->slot & PROFD_SLOT_MASK];
	__u64 mean = profd_heaps[hit->slot & PROFD_SLOT_MASK].mean, *random;

	count_call(hit);
	size += !size;
	if (heap->left > size) {
		heap->left -= size;
		return 0;
	}
	random = hit_random(hit);
	__u64 left = heap->left ? heap->left : countdown(random, mean);
	if (left > size) {
		heap->left = left - size;
		return 0;
	}
	heap->left = countdown(random, mean);
	return heap_calls_weight(size, mean);
}

/* A realloc may free what it is given at any moment from now on. flags: enum profd_free_flags.
 * Returns it, if it was a sample; else 0. */
static __always_inline __u64 release_old(
	struct hit *hit, const struct arch_regs *regs, __u32 flags, __u32 *stamp)
{
	__u32 function = hit->probe->function;

	if (function != PROFD_FUNCTION_REALLOC && function != PROFD_FUNCTION_REALLOCARRAY)
		return 0;
	__u64 old = argument(hit->probe, regs, 0);
	if (!old || hit->probe->untracked || !live_remove(hit->slot, old, stamp))
		return 0;
	emit_free(hit, old, flags);
	return old;
}

/* An allocation that is a sample. */
struct taken {
	__u64 address; /* 0: it has just begun */
	__u64 size;
	__u64 weight; /* 0: there is none */
};

/* begun: where nobody waits for the return, the sample that it is; else NULL. True: the return is
 * of interest. */
static __always_inline bool enter(
	struct hit *hit, const struct arch_regs *regs, struct taken *begun)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 sp = arch_regs_sp(regs);
	struct call *call = call_of(tid, hit->slot);
	__u32 stamp = 0;

	count_hit(hit);
	if (!call)
		return false;
	bool used = call->tid && call->session == hit->session->id;
	bool own = used && call->tid == tid;
	bool others = used && !own && !call->loose && bpf_jiffies64() - call->since <= CALL_JIFFIES;
	if (own && is_nested(call, sp))
		return false;
	if (own)
		call->tid = 0; /* it has been left without a return */
	__u64 size = size_of(hit->probe, regs), weight = draw(hit, size);
	/* Another thread is in one, whose number has the same place. */
	if (others) {
		release_old(hit, regs, PROFD_FREE_MOVED, &stamp);
		if (weight) {
			count(&hit->counters->taken);
			count(&hit->counters->lost_scratch);
		}
		return false;
	}
	if (begun && size <= profd_heaps[hit->slot & PROFD_SLOT_MASK].most) {
		begun->size = size;
		begun->weight = weight;
	}
	__u64 old = release_old(hit, regs, begun ? PROFD_FREE_MOVED : PROFD_FREE_HELD, &stamp);
	if (begun)
		weight = old = 0;
	if (!weight && !old && !hit->probe->nests)
		return false;
	call->session = hit->session->id;
	call->since = bpf_jiffies64();
	call->sp = sp;
	call->back = 0;
	bpf_probe_read_user(&call->back, sizeof(call->back), (void *)sp);
	call->size = size;
	call->weight = weight;
	call->old = old;
	call->stamp = stamp;
	call->where = hit->probe->function == PROFD_FUNCTION_POSIX_MEMALIGN
			      ? argument(hit->probe, regs, 0)
			      : 0;
	call->loose = begun;
	WALK_BARRIER();
	call->tid = tid;
	return true;
}

/* ---- return --------------------------------------------------------------------------------- */

static __always_inline __u64 address_of(const struct call *call, const struct arch_regs *regs)
{
	__u64 address = arch_result(regs);

	if (!call->where)
		return address;
	if (address || bpf_probe_read_user(&address, sizeof(address), (void *)call->where))
		return 0;
	return address;
}

static __always_inline void sample(struct hit *hit, const struct taken *taken,
	struct arch_regs *regs, void *tail, enum probe_place place)
{
	struct profd_alloc *alloc;
	bool tracked = false;
	__u32 key = 0, stamp = 0;

	if (!hit_accepted(hit)) {
		count(&hit->counters->filtered);
		return;
	}
	struct scratch *scratch = probe_claim(regs, tail, &key);
	if (!scratch) {
		count(&hit->counters->taken);
		count(&hit->counters->lost_scratch);
		return;
	}
	alloc = (void *)scratch->alloc;
	alloc->address = taken->address;
	alloc->size = taken->size;
	alloc->weight = taken->weight;
	alloc->kept = ~0U;
	alloc->flags = PROFD_ALLOC_BEGUN;
	alloc->head.time = bpf_ktime_get_ns();
	if (taken->address) {
		stamp = (__u32)alloc->head.time;
		tracked = !hit->probe->untracked && live_add(hit->slot, taken->address, stamp);
		alloc->flags = tracked ? PROFD_ALLOC_TRACED : PROFD_ALLOC_UNTRACKED;
	}
	if (!emit_alloc(scratch, key, hit, regs, place) && tracked)
		live_remove(hit->slot, taken->address, &stamp);
	probe_release(scratch);
}

/* Others may leave by the same ret, with a return address at the same place. One to which a return
 * probe sends it is waited for there. */
static __always_inline bool leaves(const struct call *call)
{
	__u64 back = 0;

	bpf_probe_read_user(&back, sizeof(back), (void *)call->sp);
	return back == call->back && back != trampoline();
}

static __always_inline void leave(
	struct hit *hit, struct arch_regs *regs, void *tail, enum probe_place place)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call *call = call_of(tid, hit->slot);
	__u64 sp = arch_regs_sp(regs) - (place == PROBE_RETURNED ? sizeof(__u64) : 0);

	if (!call || call->tid != tid || call->session != hit->session->id || call->sp != sp)
		return;
	if (place == PROBE_LEAVING && !leaves(call))
		return;
	__u64 begin = bpf_ktime_get_ns(), address = address_of(call, regs);
	if (call->old && !address && call->size) {
		live_add(hit->slot, call->old, call->stamp);
		emit_free(hit, call->old, PROFD_FREE_RESTORED);
	}
	if (call->weight && address) {
		const struct taken taken = {address, call->size, call->weight};
		sample(hit, &taken, regs, tail, place);
	}
	WALK_BARRIER();
	call->tid = 0;
	__sync_fetch_and_add(&hit->counters->spent, bpf_ktime_get_ns() - begin);
}

/* ---- programs ------------------------------------------------------------------------------- */

/* By multi-uprobes or perf events: two programs, at the same instruction. Of functions that may
 * throw the first one, and that on their rets. */
SEC("uprobe")
int profd_heap_enter(struct arch_regs *regs)
{
	struct hit hit;

	if (hit_begin(&hit, regs, PROFD_PROBES))
		enter(&hit, regs, NULL);
	return 0;
}

SEC("uprobe")
int profd_heap_return(struct arch_regs *regs)
{
	struct hit hit;

	if (hit_begin(&hit, regs, PROFD_PROBES))
		leave(&hit, regs, &profd_probe_tail, PROBE_RETURNED);
	return 0;
}

SEC("uprobe")
int profd_heap_ret(struct arch_regs *regs)
{
	struct hit hit;

	if (!hit_begin(&hit, regs, PROFD_PROBES))
		return 0;
	count_hit(&hit);
	count_ret(&hit);
	leave(&hit, regs, &profd_probe_tail, PROBE_LEAVING);
	return 0;
}

/* By uprobe sessions (6.13): one program, and no trap at the return if it returns 1 at the entry.
 * At the entry it is where the probe is; bpf_get_func_ip says where that was, at both. */
SEC("uprobe")
int profd_heap_session(struct arch_regs *regs)
{
	struct hit hit;
	bool entry = arch_regs_ip(regs) == bpf_get_func_ip(regs);

	if (!hit_begin(&hit, regs, PROFD_PROBES))
		return 1;
	if (entry)
		return enter(&hit, regs, NULL) ? 0 : 1;
	leave(&hit, regs, &profd_session_tail, PROBE_RETURNED);
	return 0;
}

/* Of functions that may throw and whose rets are not known. An exception cannot pass the kernel's
 * trampoline, to which a function returns that is waited for: the program would end. In a session,
 * too: where two processes are watched, the kernel waits for each one's returns on behalf of the
 * other (uprobe_prog_run). */
SEC("uprobe")
int profd_heap_begin(struct arch_regs *regs)
{
	struct taken taken = {};
	struct hit hit;

	if (!hit_begin(&hit, regs, PROFD_PROBES))
		return 0;
	enter(&hit, regs, &taken);
	if (taken.weight) {
		__u64 begin = bpf_ktime_get_ns();
		sample(&hit, &taken, regs, &profd_probe_tail, PROBE_ENTERED);
		__sync_fetch_and_add(&hit.counters->spent, bpf_ktime_get_ns() - begin);
	}
	return 0;
}

SEC("uprobe")
int profd_heap_free(struct arch_regs *regs)
{
	struct hit hit;
	__u32 stamp;

	if (!hit_begin(&hit, regs, PROFD_PROBES))
		return 0;
	__u64 address = argument(hit.probe, regs, 0);
	count_hit(&hit);
	count_call(&hit);
	if (address && live_remove(hit.slot, address, &stamp))
		emit_free(&hit, address, 0);
	return 0;
}

char LICENSE[] SEC("license") __weak = "GPL";
