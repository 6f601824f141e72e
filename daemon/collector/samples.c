/* SPDX-License-Identifier: MIT */
/*
 * samples.c - what becomes of a sample: its stack is finished if it has to be, its addresses become
 * places in modules, and it goes into the window of its session.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/capture.h"
#include "collector/collector_impl.h"
#include "collector/mappings.h"
#include "collector/samples.h"
#include "util/preload_path.h"

/* ---- addresses ---------------------------------------------------------------------------- */

/* Of the user frame i: where the call was, for a return address; where it was interrupted, else. */
static uint64_t address_of(const struct profd_sample *s, size_t i)
{
	uint64_t frame = s->frames[s->n_kernel + i];
	bool returns = i > 0 || s->flags & PROFD_SAMPLE_RETURNED;

	return frame & PROFD_FRAME_EXACT ? frame & ~PROFD_FRAME_EXACT : frame - returns;
}

/* Frames hold references: a later one can make the table read the process's maps again, and what
 * the earlier ones lead to may be mapped no more. */
static size_t resolve_frames(struct collector *c, struct process *process,
	const struct profd_sample *s, struct frame *frames)
{
	struct module *kernel = processes_kernel_module(c->processes);
	size_t n = 0;

	for (size_t i = 0; i < s->n_kernel; i++)
		frames[n++] = (struct frame){module_ref(kernel), s->frames[i] - (i > 0)};
	for (size_t i = 0; i < s->n_user; i++, n++) {
		uint64_t address = address_of(s, i);

		if (process)
			process_resolve(c->processes, process, address, &frames[n]);
		else
			frames[n] = (struct frame){NULL, address};
		if (frames[n].module)
			module_ref(frames[n].module);
	}
	return n;
}

static void release_frames(const struct frame *frames, size_t n)
{
	for (size_t i = 0; i < n; i++)
		module_unref(frames[i].module);
}

/* Whoever allocates is outside of the library that says so. */
static size_t count_own(const struct frame *frames, size_t n)
{
	size_t own = 0;

	while (own < n && frames[own].module && frames[own].module->kind == MODULE_FILE &&
		frames[own].module->path && is_preload_name(frames[own].module->path))
		own++;
	return own;
}

/* ---- stacks that were walked by mappings of the past ---------------------------------------- */

static bool same_place(const struct memory_map *a, const struct memory_map *b, uint64_t address)
{
	if (!a || !b)
		return a == b;
	return a->module == b->module &&
	       (address - a->start) + ((uint64_t)a->file_page << MAPPINGS_PAGE_SHIFT) ==
		       (address - b->start) + ((uint64_t)b->file_page << MAPPINGS_PAGE_SHIFT);
}

/* Programs learn of new mappings when their records were read here, up to a second late, and rules
 * of what was mapped before lead anywhere. Returns how many frames are good: the first whose code
 * was replaced is, but not where it led to. */
static size_t count_good_frames(
	const struct mappings *used, const struct mappings *now, const struct profd_sample *s)
{
	for (size_t i = 0; i < s->n_user; i++) {
		uint64_t address = address_of(s, i);

		if (!same_place(mappings_find(used, address), mappings_find(now, address), address))
			return i + 1;
	}
	return s->n_user;
}

/* What is good of a sample is left; the rest may be a plausible stack, and wrong. */
static size_t good_frames(
	struct collector *c, const struct profd_sample *s, struct process *process)
{
	const struct mappings *now = process_mappings(process), *used;

	if (!s->mappings || !now)
		return s->n_user;
	used = spaces_mappings(c->spaces, s->process.pid, s->mappings);
	if (!used || used == now)
		return s->n_user;
	return count_good_frames(used, now, s);
}

/* ---- samples ------------------------------------------------------------------------------ */

static struct stream *stream_of(struct collector *c, uint32_t session)
{
	struct stream *s;

	for (s = c->streams; s; s = stream_next(s))
		if (session_id(stream_session(s)) == session)
			return s;
	return NULL;
}

static void deliver(void *userdata, const struct profd_sample *s, const struct profd_miss *miss,
	struct process *process)
{
	struct frame frames[PROFD_MAX_KERNEL_FRAMES + PROFD_MAX_USER_FRAMES];
	struct collector *c = userdata;
	struct stream *stream = stream_of(c, s->session);
	size_t n, inner;

	if (!stream)
		return;
	if (c->capture && miss && process && s->flags & PROFD_SAMPLE_CAPTURED)
		capture_write(c->capture, s, miss, process);
	n = resolve_frames(c, process, s, frames);
	inner = s->allocation ? count_own(frames, n) : 0;
	/* Reading maps can settle a module that a publication waits for, and with that an ended
	 * stream can go. */
	stream = stream_of(c, s->session);
	if (stream) {
		session_count_stack(stream_session(stream), s->way, s->user_end);
		stream_add(stream, &(struct window_sample){
					   .process = process,
					   .pid = s->process.pid,
					   .tid = s->tid,
					   .comm = process ? process_comm(process, s->tid) : "",
					   .frames = frames + inner,
					   .n_frames = n - inner,
					   .end = s->user_end,
					   .time = s->head.time,
					   .allocation = s->allocation,
				   });
	}
	release_frames(frames, n);
}

/* As it would be if the walk had stopped there. */
static void deliver_cut(
	struct collector *c, const struct profd_sample *s, struct process *process, size_t n_user)
{
	union {
		struct profd_sample sample;
		char room[sizeof(struct profd_sample) +
			  (PROFD_MAX_KERNEL_FRAMES + PROFD_MAX_USER_FRAMES) * sizeof(uint64_t)];
	} cut;

	memcpy(&cut, s, sizeof(*s) + (s->n_kernel + n_user) * sizeof(s->frames[0]));
	cut.sample.n_user = (uint16_t)n_user;
	cut.sample.user_end = PROFD_END_CHANGED;
	cut.sample.miss_size = 0;
	deliver(c, &cut.sample, NULL, process);
}

/* What is known of the process helps with its next samples already. */
void samples_preview(struct collector *c, const struct profd_sample *s)
{
	struct process *process = profd_sample_miss(s)->missing == PROFD_MISSING_PROCESS
					  ? processes_known(c->processes, &s->process)
					  : NULL;

	if (process)
		spaces_publish(c->spaces, process);
}

void samples_handle(struct collector *c, const struct profd_sample *s)
{
	struct stream *stream = stream_of(c, s->session);
	struct process *process;
	size_t good;

	if (!stream)
		return;
	session_count_read(stream_session(stream));
	process = processes_find(c->processes, &s->process);
	if (!process) {
		deliver(c, s, NULL, NULL);
		return;
	}
	/* A walk that starts anew does not care what the first one was made by. */
	good = (s->flags & (PROFD_SAMPLE_MISSED | PROFD_SAMPLE_CAPTURED)) ==
			       (PROFD_SAMPLE_MISSED | PROFD_SAMPLE_CAPTURED)
		       ? s->n_user
		       : good_frames(c, s, process);
	if (good < s->n_user)
		deliver_cut(c, s, process, good);
	else if (s->flags & PROFD_SAMPLE_MISSED)
		finisher_add(c->finisher, s, process, monotonic_now());
	else
		deliver(c, s, s->miss_size ? profd_sample_miss(s) : NULL, process);
}

void samples_handle_alloc(struct collector *c, struct profd_alloc *alloc)
{
	struct stream *stream = stream_of(c, alloc->sample.session);

	if (!stream)
		return;
	stream_alloc(stream, alloc);
	samples_handle(c, &alloc->sample);
}

void samples_handle_free(struct collector *c, const struct profd_free *freed)
{
	struct stream *stream = stream_of(c, freed->session);

	if (stream)
		stream_freed(stream, freed);
}

void samples_process_ended(struct collector *c, uint32_t pid, uint64_t time)
{
	for (struct stream *s = c->streams; s; s = stream_next(s))
		stream_process_ended(s, pid, time);
}

/* Of stacks that wait to be finished: about 3000 of the usual size, which a heap recording of a new
 * program can bring before its tables are loaded. Where every sample carries its stack, and nobody
 * wants to miss one, more. */
#define WAITING_BYTES	      (32u << 20)
#define WAITING_CAPTURE_BYTES (256u << 20)

/* ---- life --------------------------------------------------------------------------------- */

static void on_tables_changed(void *userdata, const struct module *module, uint32_t entry)
{
	struct collector *c = userdata;

	finisher_resume(c->finisher, module, entry);
}

static int fail(int r, const char *what, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s: %s", what, strerror(-r));
	return r;
}

int samples_open(struct collector *c, char *why, size_t why_size)
{
	struct table_memory *memory = bpf_host_tables(c->bpf);
	int r = unwinder_new(&c->unwinder, c->event, c->opener, c->config->cache);

	if (r)
		return fail(r, "the unwinder cannot be started", why, why_size);
	r = tables_new(&c->tables, memory, c->unwinder, c->config->tables, on_tables_changed, c);
	if (r)
		return fail(r, "unwind tables", why, why_size);
	r = spaces_new(&c->spaces, memory, c->tables);
	if (r)
		return fail(r, "mappings for the unwinder", why, why_size);
	r = finisher_new(&c->finisher, memory, c->tables, c->spaces, c->processes,
		c->config->capture ? WAITING_CAPTURE_BYTES : WAITING_BYTES, deliver, c);
	if (r)
		return fail(r, "finisher of stacks", why, why_size);
	if (c->config->capture)
		r = capture_open(&c->capture, c->config->capture);
	if (r)
		snprintf(why, why_size, "%s cannot be captured into: %s%s", c->config->capture,
			strerror(-r), r == -EEXIST ? ": name a file that is not there yet" : "");
	return r;
}

void samples_close(struct collector *c)
{
	capture_close(c->capture);
	unwinder_free(c->unwinder);
	finisher_free(c->finisher);
	spaces_free(c->spaces);
	tables_free(c->tables);
}

void samples_after_drain(struct collector *c)
{
	uint64_t now = monotonic_now();

	finisher_expire(c->finisher, now);
	spaces_sync(c->spaces, now, timeline_horizon(c->timeline));
	tables_settle(c->tables, now);
}
