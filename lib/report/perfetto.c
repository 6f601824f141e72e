/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "perfetto.pb-c.h"
#include "profile/frames.h"
#include "profile/strings.h"
#include "report/export.h"
#include "report/flame.h"
#include "report/threads.h"
#include "util/cleanup.h"
#include "util/grow.h"

#define MAX_SAMPLES 1000000 /* packets; the trace then takes some 30 MB */
/* Values that are no counts, such as bytes, are written as so many samples of equal weight. */
#define WEIGHED_SAMPLES 100000
#define SEQUENCE	1
#define STATE_CLEARED	1 /* TracePacket.SequenceFlags */
#define NEEDS_STATE	2
#define MODE_KERNEL	1 /* Profiling.CpuMode */
#define MODE_USER	2
#define CLOCK_BOOT	6 /* BuiltinClock: the trace's own, so nothing is converted */
/* Of samples without labels: 0 would be the idle task. */
#define UNLABELLED_PID INT32_MAX

struct perfetto {
	const struct profile *p;
	struct string_table *texts;
	struct frame_table frames;
	struct thread_table threads;
	size_t sample_type;
	int64_t each;	   /* flame_sample_type() */
	double per_sample; /* units of the value that a written sample stands for */
	double length;	   /* ns, of one, where samples do not keep their time */
	double carry;	   /* units that no sample was written for yet */
	uint8_t *packed;
	size_t packed_capacity;
	FILE *out;
};

/* ---- packets ------------------------------------------------------------------------------ */

/* Field 1 of message Trace. */
static int write_packet(struct perfetto *x, Perfetto__TracePacket *packet)
{
	packet->has_trusted_packet_sequence_id = packet->has_sequence_flags = true;
	packet->trusted_packet_sequence_id = SEQUENCE;
	if (!packet->sequence_flags)
		packet->sequence_flags = NEEDS_STATE;
	size_t size = perfetto__trace_packet__get_packed_size(packet);
	int err = grow(x->packed, 0, x->packed_capacity, size);
	if (err)
		return err;
	fputc(1 << 3 | 2, x->out);
	for (size_t left = size;; left >>= 7) {
		fputc((int)(left > 127 ? (left & 127) | 128 : left), x->out);
		if (left <= 127)
			break;
	}
	perfetto__trace_packet__pack(packet, x->packed);
	fwrite(x->packed, 1, size, x->out);
	return 0;
}

static int write_defaults(struct perfetto *x)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;
	Perfetto__TracePacketDefaults defaults = PERFETTO__TRACE_PACKET_DEFAULTS__INIT;
	Perfetto__PerfSampleDefaults sample = PERFETTO__PERF_SAMPLE_DEFAULTS__INIT;
	Perfetto__Timebase timebase = PERFETTO__TIMEBASE__INIT;
	const struct value_type *type = &x->p->sample_types[x->sample_type];

	timebase.name = x->each ? (char *)"cpu-clock" : (char *)profile_text(x->p, type->type);
	timebase.has_period = true;
	timebase.period = (uint64_t)(x->per_sample * (double)(x->each ? x->each : 1));
	sample.timebase = &timebase;
	defaults.perf_sample_defaults = &sample;
	defaults.has_timestamp_clock_id = true;
	defaults.timestamp_clock_id = CLOCK_BOOT;
	packet.trace_packet_defaults = &defaults;
	packet.sequence_flags = STATE_CLEARED;
	return write_packet(x, &packet);
}

static int write_interned(struct perfetto *x, Perfetto__InternedData *data)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;

	packet.interned_data = data;
	return write_packet(x, &packet);
}

/* ---- names -------------------------------------------------------------------------------- */

static void set_string(Perfetto__InternedString *s, uint64_t id, const char *text)
{
	perfetto__interned_string__init(s);
	s->has_iid = s->has_str = true;
	s->iid = id;
	s->str.data = (uint8_t *)text;
	s->str.len = strlen(text);
}

/* Ids are those of the profile, one up: 0 means none in a trace, and "none" is a mapping here. */
static int write_mapping(struct perfetto *x, size_t id)
{
	const struct mapping *m = &x->p->mappings[id];
	Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
	Perfetto__InternedString path, build_id, *paths = &path, *build_ids = &build_id;
	Perfetto__Mapping mapping = PERFETTO__MAPPING__INIT, *mappings = &mapping;
	uint64_t iid = id + 1;

	set_string(&path, iid, profile_text(x->p, m->file));
	set_string(&build_id, iid, profile_text(x->p, m->build_id));
	mapping.has_iid = mapping.has_build_id = mapping.has_start = mapping.has_end = true;
	mapping.iid = mapping.build_id = iid;
	mapping.start = m->start;
	mapping.end = m->limit;
	mapping.has_start_offset = true;
	mapping.start_offset = m->offset;
	mapping.n_path_string_ids = 1;
	mapping.path_string_ids = &iid;
	data.n_mapping_paths = data.n_build_ids = data.n_mappings = 1;
	data.mapping_paths = &paths;
	data.build_ids = &build_ids;
	data.mappings = &mappings;
	return write_interned(x, &data);
}

static int write_frame(struct perfetto *x, size_t id)
{
	const struct frame *f = &x->frames.frames[id];
	Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
	Perfetto__InternedString name, *names = &name;
	Perfetto__Frame frame = PERFETTO__FRAME__INIT, *frames = &frame;

	set_string(&name, id, strings_text(x->texts, f->name));
	frame.has_iid = frame.has_function_name_id = frame.has_mapping_id = true;
	frame.iid = frame.function_name_id = id;
	frame.mapping_id = (uint64_t)f->mapping + 1;
	data.n_function_names = data.n_frames = 1;
	data.function_names = &names;
	data.frames = &frames;
	return write_interned(x, &data);
}

static int32_t id_or_unlabelled(int64_t id)
{
	return id > 0 && id <= INT32_MAX ? (int32_t)id : UNLABELLED_PID;
}

static int write_thread_name(struct perfetto *x, const struct thread *t)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;
	Perfetto__ProcessTree tree = PERFETTO__PROCESS_TREE__INIT;
	Perfetto__ProcessTree__Process process = PERFETTO__PROCESS_TREE__PROCESS__INIT;
	Perfetto__ProcessTree__Process *processes = &process;
	Perfetto__ProcessTree__Thread thread = PERFETTO__PROCESS_TREE__THREAD__INIT;
	Perfetto__ProcessTree__Thread *threads = &thread;
	char *command = (char *)(*t->process ? t->process : "samples");

	process.has_pid = thread.has_tid = thread.has_tgid = true;
	process.pid = thread.tgid = id_or_unlabelled(t->pid);
	process.n_cmdline = 1;
	process.cmdline = &command;
	thread.tid = id_or_unlabelled(t->tid);
	thread.name = (char *)(*t->comm ? t->comm : "samples");
	tree.n_processes = tree.n_threads = 1;
	tree.processes = &processes;
	tree.threads = &threads;
	packet.process_tree = &tree;
	packet.has_timestamp = true;
	packet.timestamp = (uint64_t)x->threads.start;
	return write_packet(x, &packet);
}

/* ---- samples ------------------------------------------------------------------------------ */

/* Its id is the sample's number, one up. */
static int write_callstack(struct perfetto *x, size_t sample, uint32_t *mode)
{
	Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
	Perfetto__Callstack stack = PERFETTO__CALLSTACK__INIT, *stacks = &stack;
	int err = frame_table_stack(&x->frames, &x->p->samples[sample]);
	size_t n = x->frames.stack_n;

	if (err)
		return err;
	_cleanup_free_ uint64_t *ids = calloc(n + 1, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ids[i] = x->frames.stack[i];
	enum frame_kind leaf = n ? x->frames.frames[ids[n - 1]].kind : FRAME_NATIVE;
	*mode = leaf == FRAME_KERNEL ? MODE_KERNEL : MODE_USER;
	stack.has_iid = true;
	stack.iid = sample + 1;
	stack.n_frame_ids = n;
	stack.frame_ids = ids;
	data.n_callstacks = 1;
	data.callstacks = &stacks;
	return write_interned(x, &data);
}

/* How many samples to write for this one; what is left over counts for the next. */
static uint64_t copies(struct perfetto *x, size_t sample)
{
	int64_t value = x->p->values[sample * x->p->n_sample_types + x->sample_type];

	if (value <= 0)
		return 0;
	x->carry += (double)value;
	double n = floor(x->carry / x->per_sample);
	x->carry -= n * x->per_sample;
	return (uint64_t)n;
}

static int write_sample(struct perfetto *x, const struct thread *thread, size_t sample, double *at)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;
	Perfetto__PerfSample s = PERFETTO__PERF_SAMPLE__INIT;
	int64_t time = sample_timestamp(x->p, sample);
	uint64_t n = copies(x, sample);

	if (!n)
		return 0;
	int err = write_callstack(x, sample, &s.cpu_mode);
	s.has_pid = s.has_tid = s.has_cpu = s.has_callstack_iid = s.has_cpu_mode = true;
	s.pid = (uint32_t)id_or_unlabelled(thread->pid);
	s.tid = (uint32_t)id_or_unlabelled(thread->tid);
	s.callstack_iid = sample + 1;
	packet.perf_sample = &s;
	packet.has_timestamp = true;
	for (uint64_t i = 0; i < n && !err; i++) {
		packet.timestamp = (uint64_t)(time ? time : x->threads.start + (int64_t)*at);
		*at += x->length;
		err = write_packet(x, &packet);
	}
	return err;
}

static int write_thread(struct perfetto *x, const struct thread *thread)
{
	double at = 0;
	int err = write_thread_name(x, thread);

	for (size_t i = 0; i < thread->n && !err; i++)
		err = write_sample(x, thread, x->threads.samples[thread->first + i], &at);
	return err;
}

static void choose_weight(struct perfetto *x)
{
	const char *unit = profile_text(x->p, x->p->sample_types[x->sample_type].unit);
	double total = 0;

	for (size_t i = 0; i < x->p->n_samples; i++)
		total += fmax(0, (double)x->p->values[i * x->p->n_sample_types + x->sample_type]);
	x->per_sample = ceil(total / (strcmp(unit, "count") ? WEIGHED_SAMPLES : MAX_SAMPLES));
	x->per_sample = fmax(x->per_sample, 1);
	x->length = thread_clock(x->p, x->sample_type).per_unit * x->per_sample;
}

static int write_all(struct perfetto *x)
{
	int err = write_defaults(x);

	for (size_t i = 0; i < x->p->n_mappings && !err; i++)
		err = write_mapping(x, i);
	for (size_t i = 1; i < x->frames.n && !err; i++)
		err = write_frame(x, i);
	for (size_t i = 0; i < x->threads.n && !err; i++)
		err = write_thread(x, &x->threads.threads[i]);
	return err ? err : export_end(x->out);
}

int perfetto_write(const struct profile *p, size_t sample_type, FILE *out)
{
	struct perfetto x = {
		.p = p, .texts = strings_new(), .sample_type = sample_type, .out = out};
	int err = x.texts ? frame_table_init(&x.frames, p, x.texts) : -ENOMEM;

	/* Counts are what such samples are. */
	flame_sample_type(p, false, &x.sample_type, &x.each);
	choose_weight(&x);
	if (!err)
		err = thread_table_init(&x.threads, p);
	errno = 0;
	if (!err)
		err = write_all(&x);
	free(x.packed);
	thread_table_free(&x.threads);
	frame_table_free(&x.frames);
	strings_free(x.texts);
	return err;
}
