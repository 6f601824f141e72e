// SPDX-License-Identifier: MIT
/*
 * heap_duty.c - keeps what uprobes cost the processes of a watch below its ceiling.
 *
 * A process that costs too much is watched one second, then left alone for some, and so on; what a
 * second shows counts for the pause before it, too. What it frees is not seen in the pauses, so
 * what it has in use is not known. When it would have cost little enough for a minute, all is seen
 * again; for longer, if that has turned out to be too early before.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>

#include "collector/counts.h"
#include "collector/heap_ceiling.h"
#include "collector/heap_cost.h"
#include "collector/heap_places.h"
#include "collector/heap_watch_impl.h"
#include "collector/processes.h"
#include "util/log.h"
#include "util/now.h"

#define NS_PER_SECOND 1000000000ULL
/* About as many calls as without them: what is allocated is freed, mostly. */
#define WITH_FREES 2
/* That those who have no ceiling leave to those who have. */
#define METERS_LEFT 64

/* What it costs, ns, that a meter counts one more. */
double heap_duty_call_ns(const struct heap_watch *w)
{
	struct heap_cost cost;

	heap_cost(w->config.bpf, w->config.session, &cost);
	return cost.metered ? (double)cost.ns / (double)cost.metered
			    : (double)bpf_host_features(w->config.bpf)->uprobe_ns;
}

static bool is_metered(const struct watched *p)
{
	return p->duty.meter != 0;
}

/* Up at once, down slowly. */
static void measure(struct heap_watch *w, struct watched *p, double ns_per_call, double ns)
{
	uint64_t calls = counts_meter(bpf_host_counts(w->config.bpf), p->duty.meter);
	uint64_t more = calls > p->duty.calls ? calls - p->duty.calls : 0;
	double load = (double)more * ns_per_call / ns;

	p->duty.calls = calls;
	if (p->duty.pause)
		return;
	p->duty.load = load > p->duty.load ? load : (load + p->duty.load) / 2;
}

/* What it costs if all of it is seen. */
static double whole_load(const struct watched *p)
{
	return p->duty.limited ? p->duty.whole * p->duty.load : p->duty.load;
}

/* whole: what each may cost, if all is seen of each. */
static double find_level(const struct heap_watch *w, bool whole)
{
	double *loads = calloc(HASH_COUNT(w->watched) + 1, sizeof(*loads));
	double level = INFINITY;
	struct watched *p, *next;
	size_t n = 0;

	if (!loads)
		return level;
	HASH_ITER (hh, w->watched, p, next)
		if (is_metered(p))
			loads[n++] = whole ? whole_load(p) : p->duty.load;
	level = heap_ceiling_level(loads, n, w->config.max_cost);
	free(loads);
	return level;
}

/* What is allocated since then stands for so much of the time, in 2^-32. */
static void stand_for(struct heap_watch *w, const struct watched *p, uint32_t kept, uint64_t since)
{
	w->config.limit(w->config.userdata, p->pid, kept, since);
}

/* Returns what to say of it. */
static void explain(
	const struct heap_watch *w, const struct watched *p, double level, char *text, size_t size)
{
	struct process *process = processes_of_pid(w->config.processes, p->pid);
	const char *library = w->config.preload[PRELOAD_PLAIN];
	double load = p->duty.load;

	snprintf(text, size,
		"to watch process %u (%s) would cost %.1f %% of a CPU, of %.3g %% that are "
		"allowed: it is watched %.3g %% of the time, without what is in use; better start "
		"it with LD_PRELOAD=%s",
		p->pid, process ? process_comm(process, p->pid) : "", 100 * whole_load(p),
		100 * w->config.max_cost, load > level ? 100 * level / load : 100,
		library ? library : "libprofd-heap.so");
}

static void pause_for(struct heap_watch *w, struct watched *p, unsigned seconds)
{
	p->duty.pause = seconds;
	heap_gap_open(&p->duty.gap, w->ticked);
	heap_attach_pause(p);
}

static void resume(struct heap_watch *w, struct watched *p)
{
	heap_gap_close(&p->duty.gap, w->ticked);
	heap_attach_resume(p);
}

/* Who is limited has no probes on rets, either. What they add is known of all processes together.
 */
static double times_limited(const struct heap_watch *w)
{
	struct heap_cost cost;

	heap_cost(w->config.bpf, w->config.session, &cost);
	return cost.calls ? WITH_FREES * (double)cost.metered / (double)cost.calls : WITH_FREES;
}

static void limit(struct heap_watch *w, struct watched *p, double level, unsigned pause)
{
	char text[sizeof(w->held)];

	p->duty.limited = true;
	p->duty.whole = times_limited(w);
	p->duty.load /= p->duty.whole;
	heap_patience_limited(&p->duty.patience);
	explain(w, p, level, text, sizeof(text));
	heap_watch_tell(w, p->pid, text);
	stand_for(w, p, UINT32_MAX, w->ticked);
	pause_for(w, p, pause);
}

static void release(struct heap_watch *w, struct watched *p)
{
	heap_attach_pause(p);
	p->duty.load = whole_load(p);
	p->duty.limited = false;
	p->duty.gap = (struct heap_gap){0};
	stand_for(w, p, 0, w->ticked);
	heap_attach_resume(p);
	log_info("process %u is watched all the time again", p->pid);
}

/* Who was held to a ceiling that is no more is released at once. */
static bool may_go(const struct heap_watch *w, struct watched *p, double whole_level)
{
	return !(w->config.max_cost > 0) ||
	       heap_patience_tick(&p->duty.patience, whole_load(p) <= whole_level);
}

static void hold(struct heap_watch *w, struct watched *p, double level, double whole_level)
{
	struct heap_duty *d = &p->duty;
	uint32_t random = 0;
	unsigned pause;

	if (d->pause) {
		if (--d->pause == 0)
			resume(w, p);
		return;
	}
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)now_ns();
	pause = heap_ceiling_pause(d->load, level, random);
	if (!d->limited) {
		heap_patience_free(&d->patience);
		if (d->load > level)
			limit(w, p, level, pause ? pause : 1);
		return;
	}
	stand_for(w, p, UINT32_MAX, w->ticked);
	if (may_go(w, p, whole_level))
		release(w, p);
	else if (pause)
		pause_for(w, p, pause);
}

void heap_duty_forget(struct heap_watch *w, uint32_t pid)
{
	w->config.limit(w->config.userdata, pid, UINT32_MAX, 0);
	w->config.limit(w->config.userdata, pid, 0, 0);
}

static void explain_shut_out(
	const struct heap_watch *w, const struct watched *p, char *text, size_t size)
{
	struct process *process = processes_of_pid(w->config.processes, p->pid);

	snprintf(text, size,
		"process %u (%s) is not watched: no more than %d can be held to a ceiling of what "
		"it costs; watch fewer, or without a ceiling",
		p->pid, process ? process_comm(process, p->pid) : "", PROFD_METERS - 1);
}

bool heap_duty_begin(struct heap_watch *w, struct watched *p)
{
	bool ceiling = w->config.max_cost > 0, was_out = p->duty.shut_out;
	struct counts *counts = bpf_host_counts(w->config.bpf);
	char text[sizeof(w->held)];

	/* One that has probes already must not be counted in part. */
	if (!is_metered(p) && !heap_attach_is_probed(p)) {
		p->duty.meter = counts_take_meter(counts, ceiling ? 0 : METERS_LEFT);
		p->duty.calls = counts_meter(counts, p->duty.meter);
	}
	p->duty.shut_out = ceiling && !is_metered(p);
	if (!p->duty.shut_out)
		return true;
	if (!was_out) {
		explain_shut_out(w, p, text, sizeof(text));
		heap_watch_tell(w, p->pid, text);
	}
	return false;
}

/* There is a ceiling now, or is none any more, or a meter that another had. */
static void begin_late(struct heap_watch *w, struct watched *p)
{
	bool probed = w->config.max_cost > 0 && heap_attach_is_probed(p);

	if (!probed && !p->duty.shut_out)
		return;
	if (probed) {
		heap_attach_pause(p);
		heap_duty_forget(w, p->pid);
	}
	if (heap_duty_begin(w, p))
		heap_attach_resume(p);
}

void heap_duty_attached(struct heap_watch *w, struct watched *p)
{
	/* The first was there before this is known. */
	uint64_t since = p->duty.gap.ends;
	uint32_t kept = heap_gap_share(&p->duty.gap, now_ns(), w->ticked + NS_PER_SECOND);

	if (kept)
		stand_for(w, p, kept, since);
}

void heap_duty_hold_to(struct heap_watch *w, double max_cost)
{
	struct watched *p, *next;

	if (fabs(max_cost - w->config.max_cost) < DBL_EPSILON)
		return;
	w->config.max_cost = max_cost;
	HASH_ITER (hh, w->watched, p, next)
		p->duty.patience = (struct heap_patience){
			.wanted = p->duty.limited ? HEAP_CALM_TICKS : 0};
}

void heap_duty_tick(struct heap_watch *w)
{
	uint64_t now = now_ns(), ns = now - w->ticked;
	double ns_per_call = heap_duty_call_ns(w), level = INFINITY, whole_level = INFINITY;
	struct watched *p, *next;

	w->ticked = now;
	*w->held = '\0';
	if (!ns)
		return;
	heap_places_tick(heap_probes_places(w->probes), ns);
	HASH_ITER (hh, w->watched, p, next)
		if (is_metered(p))
			measure(w, p, ns_per_call, (double)ns);
	if (w->config.max_cost > 0) {
		level = find_level(w, false);
		whole_level = find_level(w, true);
	}
	HASH_ITER (hh, w->watched, p, next) {
		if (is_metered(p))
			hold(w, p, level, whole_level);
		else
			begin_late(w, p);
		if (p->duty.limited && !*w->held)
			explain(w, p, level, w->held, sizeof(w->held));
		if (p->duty.shut_out && !*w->held)
			explain_shut_out(w, p, w->held, sizeof(w->held));
	}
}

void heap_duty_end(struct heap_watch *w, struct watched *p)
{
	/* At the end of it all there are still records on their way. */
	if (p->duty.limited && !w->is_over)
		stand_for(w, p, 0, 0);
	counts_give_meter(bpf_host_counts(w->config.bpf), p->duty.meter);
	p->duty = (struct heap_duty){0};
}
