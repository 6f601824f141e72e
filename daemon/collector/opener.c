/* SPDX-License-Identifier: MIT */
#include "collector/opener.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "helper/process.h"
#include "opener/places.h"
#include "opener/protocol.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Questions that are in the socket ahead of their answers: enough to keep the helper busy. */
#define MAX_IN_FLIGHT 16
/* Those of the last minute, one hang after the other, and two for each helper that is stuck. */
#define MAX_PENALTIES (OPENER_PENALTY_US / OPENER_TIMEOUT_US + 2 * HELPER_MAX_STUCK)
/* A helper that died at once is started again no sooner than this. */
#define RESTART_US (1000 * 1000ULL)

struct pending {
	struct pending *prev, *next;
	opener_done done; /* NULL: cancelled */
	void *userdata;
	uint64_t also;	/* place that it may look at besides that of the question */
	uint64_t where; /* place that the helper looks at */
	size_t size;	/* of the message */
	union {
		struct opener_question q;
		char bytes[sizeof(struct opener_question)];
	}; /* path and near follow */
};

struct penalty {
	uint64_t place, until; /* µs; 0: free */
	pid_t stuck;	       /* the helper that hangs there for longer; 0: none */
};

struct opener {
	sd_event *event;
	char *debug_dirs;
	struct helper helper;
	sd_event_source *answers, *timer;
	struct pending *in_flight, *queue; /* both in order; the first in flight is being served */
	size_t n_in_flight, n_queued;
	uint64_t next_id, timed, timeouts; /* timed: whose time limit the timer has */
	struct penalty penalties[MAX_PENALTIES];
	bool answered; /* this helper answered at least once */
};

static void advance(struct opener *o);

static uint64_t now_us(struct opener *o)
{
	uint64_t now = 0;
	sd_event_now(o->event, CLOCK_MONOTONIC, &now);
	return now;
}

/* The place of the question, and that which it may look at besides. What root's processes map is
 * looked for in no place that somebody arranged: there it is the device that hangs. */
static void find_places(const struct opener_request *r, uint64_t *place, uint64_t *also)
{
	*place = r->pid ? place_of_process(r->pid) : PLACE_FOLDERS;
	*also = r->kind == OPENER_MAPPING ? place_of_device(r->major, r->minor)
		: r->kind == OPENER_DEBUG ? PLACE_FOLDERS
					  : *place;
	if (r->kind == OPENER_MAPPING && place_is_roots(*place))
		*place = *also;
}

static bool is_in_force(struct penalty *p, uint64_t now)
{
	if (p->stuck && !helper_is_stuck(p->stuck))
		p->stuck = 0;
	return p->stuck || p->until > now;
}

static bool is_penalized(struct opener *o, uint64_t place)
{
	uint64_t now = now_us(o);
	for (size_t i = 0; i < MAX_PENALTIES; i++) {
		if (o->penalties[i].place == place && is_in_force(&o->penalties[i], now))
			return true;
	}
	return false;
}

static bool is_refused(struct opener *o, const struct pending *p)
{
	return is_penalized(o, p->q.place) || is_penalized(o, p->also);
}

static void penalize(struct opener *o, uint64_t place, pid_t stuck)
{
	struct penalty *oldest = &o->penalties[0];
	for (size_t i = 1; i < MAX_PENALTIES; i++) {
		struct penalty *p = &o->penalties[i];
		if (!p->stuck == !oldest->stuck ? p->until < oldest->until : !p->stuck)
			oldest = p;
	}
	*oldest = (struct penalty){
		.place = place, .until = now_us(o) + OPENER_PENALTY_US, .stuck = stuck};
}

/* It hung where it looked. A device is nobody's, but who has one that hangs may have many. */
static void penalize_hang(struct opener *o, const struct pending *p, pid_t helper)
{
	pid_t stuck = helper_is_stuck(helper) ? helper : 0;
	penalize(o, p->where, stuck);
	if (p->where == p->also && p->where != PLACE_FOLDERS && p->q.place != p->where)
		penalize(o, p->q.place, stuck);
}

/* Ends one request that is in no list any more; takes the descriptor. */
static void finish(struct pending *p, int fd, int error, const char *real_path)
{
	if (p->done)
		p->done(p->userdata, fd, error, real_path);
	else
		close_fd(fd);
	free(p);
}

static struct pending *pop_in_flight(struct opener *o)
{
	struct pending *p = o->in_flight;
	DL_DELETE(o->in_flight, p);
	o->n_in_flight--;
	return p;
}

static void stop_helper(struct opener *o)
{
	o->answers = sd_event_source_disable_unref(o->answers);
	helper_stop(&o->helper);
	o->timed = 0;
	/* What was asked of it and not answered comes first again. */
	DL_CONCAT(o->in_flight, o->queue);
	o->queue = o->in_flight;
	o->in_flight = NULL;
	o->n_queued += o->n_in_flight;
	o->n_in_flight = 0;
}

static void arm_timer(struct opener *o, uint64_t us)
{
	sd_event_source_set_time(o->timer, now_us(o) + us);
	sd_event_source_set_enabled(o->timer, SD_EVENT_ONESHOT);
}

/* The helper hangs or is gone: it costs the request that it was serving. */
static void give_up_first(struct opener *o, int error)
{
	struct pending *first = o->in_flight ? pop_in_flight(o) : NULL;
	pid_t helper = o->helper.pid;
	stop_helper(o);
	if (first && error == -ETIMEDOUT) {
		o->timeouts++;
		penalize_hang(o, first, helper);
	}
	if (first)
		finish(first, -1, error, NULL);
	if (o->answered || error == -ETIMEDOUT)
		advance(o);
	else
		arm_timer(o, RESTART_US);
}

/* 0, or -EBADMSG. */
static int take_answer(struct opener *o, const struct opener_answer *a, ssize_t size, int fd)
{
	const char *path = (const char *)(a + 1);
	struct pending *first = o->in_flight;
	if (size < (ssize_t)sizeof(*a) || (size_t)size != sizeof(*a) + a->path_size || !first ||
		first->q.id != a->id || a->error > 0 || (fd >= 0) != (a->error == 0) ||
		(a->path_size && !opener_string_ok(path, a->path_size))) {
		close_fd(fd);
		return -EBADMSG;
	}
	if (a->error == -EINPROGRESS) {
		first->where = a->place;
		return 0;
	}
	o->answered = true;
	finish(pop_in_flight(o), fd, a->error, a->path_size ? path : NULL);
	return 0;
}

/* Takes all answers there are. 0, or -errno when this helper is of no use any more. */
static int receive_answers(struct opener *o)
{
	union {
		struct opener_answer a;
		char bytes[OPENER_MAX_ANSWER];
	} message;
	bool was_reset = false;
	if (!o->in_flight) /* nothing was asked: the end of the stream, or nonsense */
		return -EPIPE;
	while (o->in_flight) {
		int fd = -1;
		size_t n_fds = 1;
		ssize_t n = helper_receive(
			o->helper.socket, &message, sizeof(message), &fd, &n_fds);
		if (n == -EAGAIN)
			return 0;
		/* It died with questions unread: the kernel says so once (unix_release_sock), ahead
		 * of the answers that it gave before. */
		if (n == -ECONNRESET && !was_reset) {
			was_reset = true;
			continue;
		}
		int error = n <= 0 ? -EPIPE : take_answer(o, &message.a, n, n_fds ? fd : -1);
		if (error)
			return error;
	}
	return 0;
}

static void lose_helper(struct opener *o, int error)
{
	static struct log_limit limit = {.seconds = 60};
	if (log_allowed(&limit))
		log_warning("the opener helper ended (%s); starting another", strerror(-error));
	give_up_first(o, error);
}

static int on_answers(sd_event_source *source, int socket, uint32_t events, void *userdata)
{
	struct opener *o = userdata;
	int error = receive_answers(o);
	if (error)
		lose_helper(o, error);
	else
		advance(o);
	return 0;
}

/* Too long for the first in flight, or time to send. The answer may have come while this process
 * was too busy to read it. */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct opener *o = userdata;
	uint64_t first = o->in_flight ? o->in_flight->q.id : 0;
	int error = first ? receive_answers(o) : 0;
	if (error)
		lose_helper(o, error);
	else if (first && o->in_flight && o->in_flight->q.id == first)
		give_up_first(o, -ETIMEDOUT);
	else
		advance(o);
	return 0;
}

static int start_helper(struct opener *o)
{
	int error = helper_start(&o->helper, "opener", o->debug_dirs, SOCK_SEQPACKET);
	if (error)
		return error;
	o->answered = false;
	error = sd_event_add_io(o->event, &o->answers, o->helper.socket, EPOLLIN, on_answers, o);
	if (error < 0)
		helper_stop(&o->helper);
	return error < 0 ? error : 0;
}

/* Ends the first of the queue without having asked. */
static void refuse_first(struct opener *o, int error)
{
	struct pending *p = o->queue;
	DL_DELETE(o->queue, p);
	o->n_queued--;
	finish(p, -1, error, NULL);
}

/* Sends what fits and sets the time limit of the first. */
static void advance(struct opener *o)
{
	int error = 0;
	while (o->queue && o->n_in_flight < MAX_IN_FLIGHT) {
		if (is_refused(o, o->queue)) {
			refuse_first(o, -ETIMEDOUT);
			continue;
		}
		if (o->helper.pid < 0 && !error)
			error = start_helper(o);
		if (error) { /* no process can be made now: those that come later try again */
			refuse_first(o, error);
			continue;
		}
		struct pending *p = o->queue;
		ssize_t n = helper_send(o->helper.socket, p->bytes, p->size, NULL, 0);
		if (n < 0) /* -EAGAIN: later. Otherwise on_answers sees the end of the stream. */
			break;
		DL_DELETE(o->queue, p);
		o->n_queued--;
		DL_APPEND(o->in_flight, p);
		o->n_in_flight++;
	}
	/* Where it looks does not give it more time. */
	if (o->in_flight && o->in_flight->q.id != o->timed) {
		o->timed = o->in_flight->q.id;
		arm_timer(o, OPENER_TIMEOUT_US);
	}
	if (!o->in_flight)
		sd_event_source_set_enabled(o->timer, SD_EVENT_OFF);
}

int opener_new(struct opener **out, sd_event *event, const char *debug_dirs)
{
	struct opener *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->helper = HELPER_NONE;
	o->event = sd_event_ref(event);
	o->debug_dirs = strdup(debug_dirs ? debug_dirs : "");
	int error = o->debug_dirs ? 0 : -ENOMEM;
	if (!error)
		error = sd_event_add_time(
			event, &o->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000, on_timer, o);
	if (error < 0) {
		opener_free(o);
		return error;
	}
	sd_event_source_set_enabled(o->timer, SD_EVENT_OFF);
	*out = o;
	return 0;
}

void opener_free(struct opener *o)
{
	if (!o)
		return;
	stop_helper(o);
	while (o->queue)
		refuse_first(o, -ECANCELED);
	sd_event_source_disable_unref(o->timer);
	sd_event_unref(o->event);
	free(o->debug_dirs);
	free(o);
}

int opener_submit(
	struct opener *o, const struct opener_request *r, opener_done done, void *userdata)
{
	size_t path_size = r->path ? strlen(r->path) + 1 : 0;
	size_t near_size = r->near ? strlen(r->near) + 1 : 0;
	if (o->n_queued >= OPENER_MAX_QUEUED)
		return -ENOBUFS;
	if (path_size > PATH_MAX || near_size > PATH_MAX)
		return -ENAMETOOLONG;
	struct pending *p = calloc(1, sizeof(*p) + path_size + near_size);
	if (!p)
		return -ENOMEM;
	p->done = done;
	p->userdata = userdata;
	p->size = sizeof(p->q) + path_size + near_size;
	p->q = (struct opener_question){
		.id = ++o->next_id,
		.start = r->start,
		.end = r->end,
		.inode = r->inode,
		.kind = r->kind,
		.pid = r->pid,
		.major = r->major,
		.minor = r->minor,
		.owner = r->owner,
		.path_size = (uint32_t)path_size,
		.near_size = (uint32_t)near_size,
	};
	find_places(r, &p->q.place, &p->also);
	p->where = p->q.place;
	char *strings = (char *)(&p->q + 1);
	if (path_size)
		memcpy(strings, r->path, path_size);
	if (near_size)
		memcpy(strings + path_size, r->near, near_size);
	DL_APPEND(o->queue, p);
	o->n_queued++;
	/* Callbacks come from the loop only: an answer, a time limit or a penalty is never handed
	 * out from here. */
	if (!o->in_flight && sd_event_source_get_enabled(o->timer, NULL) == 0)
		arm_timer(o, 0);
	return 0;
}

void opener_cancel(struct opener *o, void *userdata)
{
	struct pending *p, *next;
	DL_FOREACH (o->in_flight, p) {
		if (p->userdata == userdata)
			p->done = NULL;
	}
	DL_FOREACH_SAFE(o->queue, p, next)
	{
		if (p->userdata != userdata)
			continue;
		DL_DELETE(o->queue, p);
		o->n_queued--;
		free(p);
	}
}

uint64_t opener_timeouts(const struct opener *o)
{
	return o->timeouts;
}
