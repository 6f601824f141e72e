/* SPDX-License-Identifier: MIT */
/*
 * fake_collector.h - what control.c and operations.c need of the collector and the store, for
 * tests without BPF. Defines the functions, so that the linker takes none from the libraries:
 * include it once in a program.
 */
#ifndef PROFD_FAKE_COLLECTOR_H
#define PROFD_FAKE_COLLECTOR_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/collector.h"
#include "store/store.h"

#define FAKE_SESSIONS 7
#define FAKE_CONTENT  "profile"

struct recording {
	uint32_t session;
	bool running;
	struct recording_request request;
	recording_done done;
	void *userdata;
};

struct fake {
	struct recording recordings[FAKE_SESSIONS];
	uint32_t sessions; /* started so far */
	struct recording *last;
	bool stop_is_slow; /* recording_stop leaves the end to fake_finish */
	window_done window;
	void *window_userdata;
	unsigned cancelled, snapshots;
	size_t status_padding; /* bytes that make status long */
	const struct store_entry *entries;
	size_t n_entries;
	unsigned listings;
};

static struct fake fake;

static int fake_file(void)
{
	int fd = memfd_create("fake", MFD_CLOEXEC);
	if (fd >= 0 &&
		(write(fd, FAKE_CONTENT, strlen(FAKE_CONTENT)) < 0 || lseek(fd, 0, SEEK_SET)))
		abort();
	return fd;
}

static void fake_finish(struct recording *r, enum recording_reason reason)
{
	bool fd = r->request.deliver || r->request.also_descriptor;
	struct recording_result result = {
		.message = "",
		.trouble = "",
		.reason = reason,
		.elapsed = 1.5,
		.samples = 94,
		.lost = 1,
		.path = r->request.deliver ? "" : "/store/records/x.cpu.pb.gz",
		.fd = fd ? fake_file() : -1,
	};

	r->running = false;
	r->done(r->userdata, &result);
}

__attribute__((unused)) static unsigned fake_running(void)
{
	unsigned n = 0;
	for (size_t i = 0; i < FAKE_SESSIONS; i++)
		n += fake.recordings[i].running;
	return n;
}

const char *recording_reason_text(enum recording_reason reason)
{
	return reason == RECORDING_STOPPED ? "stopped" : "other";
}

cJSON *collector_status(struct collector *c)
{
	cJSON *status = cJSON_CreateObject();
	char *padding = calloc(1, fake.status_padding + 1);

	memset(padding, 'p', fake.status_padding);
	cJSON_AddStringToObject(status, "padding", padding);
	free(padding);
	return status;
}

int collector_record(struct collector *c, const struct recording_request *request,
	recording_ready ready, recording_done done, void *userdata, struct recording **out,
	char *why, size_t why_size, char *hint, size_t hint_size)
{
	for (size_t i = 0; i < FAKE_SESSIONS; i++) {
		struct recording *r = &fake.recordings[i];
		if (r->running)
			continue;
		*r = (struct recording){++fake.sessions, true, *request, done, userdata};
		fake.last = *out = r;
		return 0;
	}
	snprintf(why, why_size, "all sessions are taken");
	snprintf(hint, hint_size, "wait");
	return -EBUSY;
}

bool recording_is_ready(const struct recording *r)
{
	return true;
}

void recording_stop(struct recording *r, enum recording_reason reason)
{
	if (!fake.stop_is_slow)
		fake_finish(r, reason);
}

void recording_discard(struct recording *r)
{
	r->request.deliver = true;
	recording_stop(r, RECORDING_STOPPED);
}

void recording_progress(struct recording *r, double *elapsed, uint64_t *samples, uint64_t *lost)
{
	*elapsed = 1;
	*samples = 50;
	*lost = 0;
}

int recording_ask_snapshot(struct recording *r, const char *reason)
{
	fake.snapshots++;
	return 0;
}

int collector_snapshot(struct collector *c, uint32_t pid, uid_t uid)
{
	if (pid != 9)
		return -ENOENT;
	fake.snapshots += 100 + uid;
	return 0;
}

int recording_ask_blocks(struct recording *r, uint32_t pid)
{
	if (r->request.type != SESSION_HEAP)
		return -EINVAL;
	r->request.blocks(r->userdata, pid, pid % 1000, -ENOMEM);
	return 0;
}

int recording_take_reach(struct recording *r, uint32_t pid, const char *reach)
{
	return strlen(reach) == pid % 1000 ? 0 : -EINVAL;
}

bool recording_watches(const struct recording *r, uint32_t pid)
{
	return pid == 7;
}

uint32_t recording_session(const struct recording *r)
{
	return r->session;
}

int collector_open_window(
	struct collector *c, enum session_type type, window_done done, void *userdata)
{
	if (type != SESSION_CPU)
		return -ENOENT;
	if (fake.window)
		return -EBUSY;
	fake.window = done;
	fake.window_userdata = userdata;
	return 0;
}

void collector_cancel(struct collector *c, void *userdata)
{
	if (fake.window && fake.window_userdata == userdata) {
		fake.window = NULL;
		fake.cancelled++;
	}
}

const char *collector_store_path(const struct collector *c)
{
	return "/store";
}

int store_open(struct store **out, const char *path, bool create, char *why, size_t why_size)
{
	*out = NULL;
	return 0;
}

void store_close(struct store *s)
{
}

int store_list(const struct store *s, struct store_entry **out, size_t *n)
{
	fake.listings++;
	*out = (struct store_entry *)fake.entries;
	*n = fake.n_entries;
	return 0;
}

void store_list_free(struct store_entry *entries, size_t n)
{
}

#endif
