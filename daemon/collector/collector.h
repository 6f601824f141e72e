/* SPDX-License-Identifier: MIT */
/*
 * collector.h - the heart of profd: owns the BPF host, the timeline, the process table, the
 * sessions and their windows, and turns closed windows into files. Everything runs on one
 * sd-event loop.
 */
#ifndef PROFD_COLLECTOR_COLLECTOR_H
#define PROFD_COLLECTOR_COLLECTOR_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "collector/sessions.h"
#include "collector/snapshots.h"
#include "config.h"

struct collector;
struct recording;

/* Opens the store, loads BPF, scans the processes and starts the continuous profile. The config
 * is borrowed until collector_reload or collector_free. On failure -errno and one line in `why`
 * that says what failed, why and what to do. */
int collector_new(struct collector **out, sd_event *event, const struct config *config, char *why,
	size_t why_size);
/* Frees at once, without writing what is open: see collector_shutdown. NULL is fine. */
void collector_free(struct collector *c);

/* Takes new settings. What can only change with a restart is kept and named in a warning log
 * line. 0 or -errno. */
int collector_reload(struct collector *c, const struct config *config);

/* Closes the continuous windows now and opens the next ones (SIGUSR1). */
void collector_close_window(struct collector *c);

/* Ends all recordings and the continuous profile, writes their files, then calls done once. */
void collector_shutdown(struct collector *c, void (*done)(void *userdata), void *userdata);

/* The object of `status --json`, to be freed by the caller; NULL without memory. */
cJSON *collector_status(struct collector *c);
/* One line for systemctl status, such as "2,341 samples, 12 files, 0 lost". */
void collector_status_line(struct collector *c, char *text, size_t size);

/* ---- recordings ----------------------------------------------------------------------------- */

struct recording_request {
	struct session_filter filter; /* copied */
	enum session_type type;
	unsigned frequency;    /* SESSION_CPU: Hz */
	unsigned sample_bytes; /* SESSION_HEAP: mean bytes between samples */
	unsigned max_cost;     /* SESSION_HEAP: % of one CPU; 0: no ceiling */
	unsigned seconds;      /* 0: until stopped or until all pids and tids are gone */
	uid_t uid;	       /* whose it is: named in the file */
	bool deliver;	       /* hand out a descriptor, store nothing */
	bool timestamps;       /* keep the time of each sample */
	bool ages;	       /* SESSION_HEAP: keep ages and lifetimes */
	unsigned temporary;    /* SESSION_HEAP: what lives no longer, us (brief_scale.h); 0: no */
	bool peak;	       /* SESSION_HEAP: and what was so when most was in use */
	bool announced;	       /* all targets have the preload library loaded */
	bool also_descriptor;  /* store it, and hand out a read-only descriptor too */
	/* SESSION_HEAP: what is wanted before the end, and who takes it (with the userdata of the
	 * recording; the descriptor is the callee's, to be closed in any case). False: it was not
	 * taken. With number 0 it is the peak, which comes before the end, if it is known. */
	struct snapshot_plan snapshots;
	bool (*snapshot)(void *userdata, unsigned number, const char *comment, int fd);
	/* What recording_ask_blocks() asked for: n times struct control_block. The same; fd is
	 * -errno if they cannot be had. */
	void (*blocks)(void *userdata, uint32_t pid, size_t n, int fd);
};

enum recording_reason {
	RECORDING_TIME,
	RECORDING_STOPPED,
	RECORDING_TARGET_EXITED,
	RECORDING_DAEMON_STOPPED,
};
/* The text of control.h. */
const char *recording_reason_text(enum recording_reason reason);

struct recording_result {
	int error;	     /* 0, or -errno: no profile; `message` says why */
	const char *message; /* error or warning; "" if none */
	const char *trouble; /* what the numbers do not show; "" if nothing */
	bool unseen;	     /* SESSION_HEAP: of a process nothing was; trouble says why */
	enum session_type type;
	enum recording_reason reason;
	double elapsed;
	uint64_t samples, lost;
	uint64_t calls;	  /* SESSION_HEAP: that were hit; see heap_cost.h */
	double cost;	  /* and what they cost, in CPUs */
	const char *path; /* "" if not stored */
	int fd;		  /* the callee's, or -1 */
};

typedef void (*recording_done)(void *userdata, const struct recording_result *result);

/* All that is to be sampled is: from now on nothing is missed. */
typedef void (*recording_ready)(void *userdata);

/* Starts one. `done` is called exactly once, from the loop, after which the recording is gone, and
 * `ready` before it, at most once: from the loop, too, unless recording_is_ready() at once.
 * 0, or -errno with a line in `why` and what to do in `hint` (-ESRCH: a pid does not exist,
 * -EBUSY: too many sessions). */
int collector_record(struct collector *c, const struct recording_request *request,
	recording_ready ready, recording_done done, void *userdata, struct recording **out,
	char *why, size_t why_size, char *hint, size_t hint_size);
bool recording_is_ready(const struct recording *r);
/* Ends it; `done` follows. */
void recording_stop(struct recording *r, enum recording_reason reason);
/* Ends it, and what was collected is not stored, unless it is already. */
void recording_discard(struct recording *r);
/* So far. */
void recording_progress(struct recording *r, double *elapsed, uint64_t *samples, uint64_t *lost);
uint32_t recording_session(const struct recording *r);
/* Of a heap recording that is ready: takes a snapshot as soon as possible. 0 or -EINVAL. */
int recording_ask_snapshot(struct recording *r, const char *reason);
/* Of a heap recording with ages that is ready: what a process that stands still has in use;
 * `blocks` of the request follows. 0 or -EINVAL. */
int recording_ask_blocks(struct recording *r, uint32_t pid);
/* What of these can be reached: CONTROL_REACH_ characters, one for each; none: that is not known.
 * 0, or -EINVAL: it was not asked for, or is not as many. */
int recording_take_reach(struct recording *r, uint32_t pid, const char *reach);
/* Is it a heap recording that watches this process? */
bool recording_watches(const struct recording *r, uint32_t pid);
/* Of a process whose heap is profiled all the time: writes what there is so far into the store, as
 * a recording of that user. 0 or -ENOENT: it is not. */
int collector_snapshot(struct collector *c, uint32_t pid, uid_t uid);

/* The open continuous window so far, as pprof in an anonymous file: fd is the callee's. error:
 * -errno. 0 or -errno (then done is not called): -ENOENT, there is none of that type. */
typedef void (*window_done)(
	void *userdata, int fd, int error, int64_t start_unix, uint64_t samples);
int collector_open_window(
	struct collector *c, enum session_type type, window_done done, void *userdata);
/* Forgets a pending done of this userdata (its connection is gone). */
void collector_cancel(struct collector *c, void *userdata);

const char *collector_store_path(const struct collector *c);

#endif
