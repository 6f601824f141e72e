// SPDX-License-Identifier: MIT
#include "collector/helper_client.h"

#include <errno.h>
#include <string.h>

#include "collector/debug_request.h"
#include "collector/opener.h"
#include "helper/protocol.h"
#include "helper/scratch.h"
#include "symbols/build_id.h"
#include "util/cleanup.h"

#define US_PER_SECOND 1000000ULL
#define CPU_LIMIT     (10 * US_PER_SECOND) /* for one answer */
#define LOOK_AGAIN    (US_PER_SECOND / 10) /* at least until then, if it is not over yet */
#define IDLE_PATIENCE (3 * US_PER_SECOND)  /* then the process ends, if nobody asks */

/* 0: never. */
static void set_timer(struct helper_client *c, uint64_t us)
{
	uint64_t now;

	if (!us) {
		sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
		return;
	}
	if (sd_event_now(c->event, CLOCK_MONOTONIC, &now) < 0)
		return;
	sd_event_source_set_time(c->timer, now + us);
	sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

/* What is left of the helper's time for the question: 0 if it is over. On a busy machine a helper,
 * which is nice, waits for most of its time: that says nothing about the file. */
static uint64_t time_left(const struct helper_client *c)
{
	uint64_t now = c->works_since, cpu = helper_cpu_us(&c->link.helper);
	uint64_t cpu_left = cpu < c->cpu_limit ? c->cpu_limit - cpu : 0, left;

	sd_event_now(c->event, CLOCK_MONOTONIC, &now);
	now -= c->works_since;
	left = now < c->patience_left ? c->patience_left - now : 0;
	return cpu_left < left ? cpu_left : left;
}

static void look_later(struct helper_client *c, uint64_t left)
{
	set_timer(c, left > LOOK_AGAIN ? left : LOOK_AGAIN);
}

/* The helper works from here on, with what is left of its time. */
static void work(struct helper_client *c)
{
	c->state = HELPER_CLIENT_ASKED;
	sd_event_now(c->event, CLOCK_MONOTONIC, &c->works_since);
	look_later(c, time_left(c));
}

static void pause_work(struct helper_client *c)
{
	uint64_t now = c->works_since;

	c->state = HELPER_CLIENT_WANTED;
	sd_event_now(c->event, CLOCK_MONOTONIC, &now);
	now -= c->works_since;
	c->patience_left -= now < c->patience_left ? now : c->patience_left - 1;
	set_timer(c, 0);
}

/* ---- trouble ------------------------------------------------------------------------------ */

static void fail(struct helper_client *c, enum helper_failure failure, const char *how)
{
	bool asked = c->state != HELPER_CLIENT_IDLE;

	helper_link_stop(&c->link);
	set_timer(c, 0);
	opener_cancel(c->opener, c);
	c->state = HELPER_CLIENT_IDLE;
	if (asked)
		c->options.on_failure(c->options.userdata, failure, how);
}

static void refuse(struct helper_client *c)
{
	c->stats.refused_answers++;
	fail(c, HELPER_SPOKE_NONSENSE, "gave a broken answer");
}

static void on_gone(void *userdata, bool memory, const char *how)
{
	struct helper_client *c = userdata;

	c->stats.crashes++;
	fail(c, memory ? HELPER_LACKED_MEMORY : HELPER_DIED, how);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct helper_client *c = userdata;
	uint64_t left = c->state == HELPER_CLIENT_ASKED ? time_left(c) : 0;

	if (left) {
		look_later(c, left);
	} else if (c->state == HELPER_CLIENT_ASKED) {
		c->stats.timeouts++;
		fail(c, HELPER_WAS_SLOW, "took too long");
	} else {
		helper_client_idle(c);
	}
	return 0;
}

/* ---- debug files -------------------------------------------------------------------------- */

/* The opener is done: the helper gets the file, or hears that there is none. */
static void send_file(struct helper_client *c, int fd)
{
	int r = helper_link_send(&c->link, HELPER_FILE, NULL, 0, &fd, fd >= 0);

	close_fd(fd);
	if (r) {
		on_gone(c, false, "hung up");
		return;
	}
	work(c);
}

static void on_opened(void *userdata, int fd, int error, const char *real_path)
{
	struct helper_client *c = userdata;

	if (c->state == HELPER_CLIENT_WANTED)
		send_file(c, fd);
	else
		close_fd(fd);
}

static bool is_scratch(const void *data, size_t size)
{
	return size == strlen(HELPER_SCRATCH) && !memcmp(data, HELPER_SCRATCH, size);
}

/* It may be a while until there is one: the helper goes on without. */
static void on_lacked(struct helper_client *c, const char *name, size_t size)
{
	char build_id[BUILD_ID_MAX_HEX + 1] = "";

	if (size < sizeof(build_id))
		memcpy(build_id, name, size);
	if (c->options.on_lacked && build_id_is_plain(build_id))
		c->options.on_lacked(c->options.userdata, build_id);
	pause_work(c);
	send_file(c, -1);
}

static void on_want(struct helper_client *c, const void *data, size_t size)
{
	const char *name = data;
	int r = -EBADMSG;

	if (is_scratch(data, size) && !c->has_scratch) {
		c->has_scratch = true;
		pause_work(c);
		send_file(c, c->options.scratch ? scratch_open(c->options.scratch) : -1);
		return;
	}
	if (size && *name == HELPER_LACKED && ++c->wants <= HELPER_MAX_WANTS) {
		on_lacked(c, name + 1, size - 1);
		return;
	}
	if (++c->wants <= HELPER_MAX_WANTS)
		r = debug_request(c->opener, c->file, data, size, on_opened, c);
	if (r == -EBADMSG) {
		refuse(c);
		return;
	}
	pause_work(c); /* the opener has its own limit */
	if (r)
		send_file(c, -1);
}

/* ---- messages ----------------------------------------------------------------------------- */

static void on_answer(struct helper_client *c, const void *data, size_t size)
{
	int r;

	/* Who answers before the whole question is out has not heard it. */
	if (c->link.out) {
		refuse(c);
		return;
	}
	c->state = HELPER_CLIENT_IDLE;
	set_timer(c, IDLE_PATIENCE);
	r = c->options.on_answer(c->options.userdata, data, size);
	if (!r)
		return;
	c->state = HELPER_CLIENT_ASKED;
	if (r == -ENOMEM)
		fail(c, HELPER_LACKED_MEMORY, "ran out of memory");
	else if (r == -ENOSPC)
		fail(c, HELPER_LACKED_ROOM, "found no room on the disk");
	else
		refuse(c);
}

static void on_message(void *userdata, uint32_t type, const void *data, size_t size)
{
	struct helper_client *c = userdata;
	struct helper_hello hello;

	if (type == HELPER_ANSWER && c->state == HELPER_CLIENT_ASKED) {
		on_answer(c, data, size);
	} else if (type == HELPER_WANT && c->state == HELPER_CLIENT_ASKED) {
		on_want(c, data, size);
	} else if (type == HELPER_HELLO && size == sizeof(hello) && !c->greeted) {
		memcpy(&hello, data, sizeof(hello));
		c->greeted = true;
		c->stats.seccomp = hello.seccomp == 1;
	} else {
		refuse(c);
	}
}

/* ---- the outside -------------------------------------------------------------------------- */

int helper_client_init(struct helper_client *c, sd_event *event, struct opener *opener,
	const struct helper_client_options *options)
{
	struct helper_link_options link = {
		.name = options->name,
		.memory_limit = options->memory_limit,
		.max_message = options->max_answer,
		.on_message = on_message,
		.on_gone = on_gone,
		.userdata = c,
	};
	int r;

	*c = (struct helper_client){.options = *options, .opener = opener};
	c->event = sd_event_ref(event);
	helper_link_init(&c->link, event, &link);
	r = sd_event_add_time(event, &c->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000, on_timer, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void helper_client_close(struct helper_client *c)
{
	helper_link_stop(&c->link);
	opener_cancel(c->opener, c);
	c->state = HELPER_CLIENT_IDLE;
	c->timer = sd_event_source_disable_unref(c->timer);
	c->event = sd_event_unref(c->event);
}

static int send_question(struct helper_client *c, const void *question, size_t size, const int *fds)
{
	if (!helper_link_is_up(&c->link))
		c->greeted = c->has_scratch = false;
	return helper_link_send(&c->link, HELPER_REQUEST, question, size, fds, fds[1] >= 0 ? 2 : 1);
}

int helper_client_ask(struct helper_client *c, const void *question, size_t size,
	const struct module *file, int more)
{
	const int fds[HELPER_MESSAGE_FDS] = {file->fd, more};
	bool was_up = helper_link_is_up(&c->link);
	int r = send_question(c, question, size, fds);

	if (r && was_up) /* it has died since the last answer */
		r = send_question(c, question, size, fds);
	if (r)
		return r;
	c->file = file;
	c->wants = 0;
	c->patience_left = c->options.patience;
	c->cpu_limit = helper_cpu_us(&c->link.helper) + CPU_LIMIT;
	work(c);
	return 0;
}

void helper_client_idle(struct helper_client *c)
{
	if (c->state == HELPER_CLIENT_IDLE)
		helper_link_stop(&c->link);
}
