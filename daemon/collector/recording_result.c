// SPDX-License-Identifier: MIT
/* recording_result.c - what is left of a recording: its file, what there is to say of it, its cost.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "collector/heap.h"
#include "collector/heap_cost.h"
#include "collector/heap_rate.h"
#include "collector/heap_watch.h"
#include "collector/recording_impl.h"
#include "profile/pprof.h"
#include "util/cleanup.h"

int profile_to_memory(const struct profile *p)
{
	_cleanup_close_ int fd = memfd_create("profd-profile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char path[64];
	int r, reader;

	if (fd < 0)
		return -errno;
	r = pprof_write(p, fd);
	if (r)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return -errno;
	/* A descriptor of its own, that starts at 0 and cannot write. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	return reader < 0 ? -errno : reader;
}

static int store_recording(
	struct recording *r, const struct stream_result *result, char *path, size_t path_size)
{
	struct store_file file;
	int e = store_begin_record(r->c->store, session_type_name(r->request.type), result->start,
		r->request.uid, session_id(stream_session(r->stream)), &file);

	if (e)
		return e;
	e = pprof_write(result->profile, file.fd);
	if (e) {
		store_abort(&file);
		return e;
	}
	e = store_commit(&file, path, path_size);
	if (!e)
		r->c->files_written++;
	return e;
}

void recording_write(struct recording *r, const struct stream_result *result,
	struct recording_result *out, char *path, size_t path_size, char *message,
	size_t message_size)
{
	int e;

	if (!r->request.deliver) {
		e = store_recording(r, result, path, path_size);
		if (e) {
			r->c->write_errors++;
			*path = '\0';
			snprintf(message, message_size,
				"the store %s cannot be written (%s): the profile is handed over "
				"instead",
				store_path(r->c->store), strerror(-e));
		} else if (!r->request.also_descriptor) {
			return;
		}
	}
	out->fd = profile_to_memory(result->profile);
	if (out->fd < 0 && !*path) {
		out->error = out->fd;
		snprintf(message, message_size, "the profile cannot be handed over: %s",
			strerror(-out->fd));
	}
}

/* What the numbers of a heap profile do not show. */
static void explain_heap(const struct recording *r, char *text, size_t size)
{
	const struct profd_heap *counts;
	struct heap_stats stats;

	if (!r->watch)
		return;
	counts = &bpf_host_heaps(r->c->bpf)[session_slot(stream_session(r->stream))];
	stats = heap_stats(stream_heap(r->stream));
	if (!r->is_ready)
		snprintf(text, size, "it ended before all probes were attached");
	else if (*heap_watch_trouble(r->watch))
		snprintf(text, size, "%s", heap_watch_trouble(r->watch));
	else if (counts->lost_frees)
		snprintf(text, size,
			"%llu frees were lost: in-use is too high by what they freed; sample less "
			"(--sample-bytes)",
			(unsigned long long)counts->lost_frees);
	else if (stats.full)
		snprintf(text, size,
			"%" PRIu64 " allocations were too many to remember%s: in-use lacks them; "
			"sample less (--sample-bytes)",
			stats.full, stats.crowded == stats.full ? " of one process" : "");
	else if (r->peak_error)
		snprintf(text, size, "there is no peak: %s",
			r->peak_error == -ENODATA ? "nothing was in use, or it is not known"
						  : strerror(-r->peak_error));
	else if (stats.begun)
		snprintf(text, size,
			"in-use lacks %" PRIu64 " allocations of C++ operators that may throw; "
			"libprofd-heap-cxx.so (LD_PRELOAD) knows them",
			stats.begun);
	else if (counts->thinned)
		snprintf(text, size,
			"over %d samples a second came, or %d of one process: %llu were not taken, "
			"and others stand for them",
			HEAP_RATE_MAX, HEAP_RATE_PROCESS_MAX, (unsigned long long)counts->thinned);
	else if (counts->nonsense)
		snprintf(text, size,
			"%llu allocations were announced with an impossible address, size or "
			"weight",
			(unsigned long long)counts->nonsense);
}

/* Beside whatever else there is to say, as is the next. */
static void explain_unseen(const struct recording *r, char *text, size_t size)
{
	size_t used = strlen(text);
	const char *unseen = r->watch ? heap_watch_unseen(r->watch) : "";

	if (*unseen)
		snprintf(text + used, size - used, "%s%s", used ? "; " : "", unseen);
}

static void explain_snapshots(const struct recording *r, char *text, size_t size)
{
	size_t used = strlen(text);
	const char *and = used ? "; " : "";

	if (!r->taker.snapshots.skipped)
		return;
	if (snapshots_spent(&r->taker.snapshots))
		snprintf(text + used, size - used,
			"%s%" PRIu64 " snapshots were not taken: after %" PRIu64
			" MiB of them there are no more for users without full rights; take fewer "
			"(--snapshot-every), or record as root or in the group profd",
			and, r->taker.snapshots.skipped, r->taker.snapshots.plan.max_bytes >> 20);
	else
		snprintf(text + used, size - used,
			"%s%" PRIu64 " snapshots were not taken: there are no more than %d, and "
			"each must be taken by whoever waits for it before the next",
			and, r->taker.snapshots.skipped, SNAPSHOTS_MAX);
}

void recording_explain(const struct recording *r, char *text, size_t size)
{
	explain_heap(r, text, size);
	explain_unseen(r, text, size);
	explain_snapshots(r, text, size);
}

void recording_cost(const struct recording *r, struct recording_result *out)
{
	struct heap_cost cost;

	if (!r->watch)
		return;
	heap_cost(r->c->bpf, stream_session(r->stream), &cost);
	out->calls = cost.calls;
	out->cost = out->elapsed > 0 ? (double)cost.ns / (double)NS_PER_SECOND / out->elapsed : 0;
}
