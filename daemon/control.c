// SPDX-License-Identifier: MIT
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "connection.h"
#include "util/cleanup.h"
#include "util/log.h"

#define USEC_PER_SECOND	 1000000ULL
#define STALL_USEC	 (10 * USEC_PER_SECOND)
#define ACCEPTS_A_SECOND 200

/* ---- a connection's output ---------------------------------------------------------------- */

static bool is_blocked(const struct connection *c)
{
	return c->n_queue || wire_pending(&c->wire);
}

/* 0 when it is on its way, -EAGAIN when the socket is full, other -errno when all is lost. */
static int send_now(struct connection *c, const cJSON *message, int fd)
{
	int err = wire_send(&c->wire, message, &fd, fd >= 0);
	return err == -EWOULDBLOCK ? -EAGAIN : err;
}

static void flush_queue(struct connection *c)
{
	size_t sent = 0;
	int err = wire_flush(&c->wire);

	while (!err && sent < c->n_queue) {
		err = send_now(c, c->queue[sent].json, c->queue[sent].fd);
		if (err)
			break;
		cJSON_Delete(c->queue[sent].json);
		close_fd(c->queue[sent].fd);
		sent++;
	}
	c->n_queue -= sent;
	memmove(c->queue, c->queue + sent, c->n_queue * sizeof(c->queue[0]));
	if (err && err != -EAGAIN)
		c->broken = true;
}

void connection_send(struct connection *c, cJSON *message, int fd)
{
	if (!message || c->fd < 0 || c->broken || c->n_queue == CONNECTION_QUEUE) {
		c->broken = true;
		cJSON_Delete(message);
		close_fd(fd);
		return;
	}
	c->queue[c->n_queue].json = message;
	c->queue[c->n_queue++].fd = fd;
	flush_queue(c);
}

void connection_send_news(struct connection *c, cJSON *message)
{
	if (!is_blocked(c) && c->fd >= 0 && message) {
		int err = send_now(c, message, -1);
		c->broken |= err && err != -EAGAIN;
	}
	cJSON_Delete(message);
}

static cJSON *make_refusal(const char *error, const char *hint)
{
	cJSON *message = cJSON_CreateObject();

	if (!cJSON_AddFalseToObject(message, "ok") ||
		!cJSON_AddStringToObject(message, "error", error) ||
		!cJSON_AddStringToObject(message, "hint", hint)) {
		cJSON_Delete(message);
		return NULL;
	}
	return message;
}

void connection_refuse(struct connection *c, const char *error, const char *hint)
{
	connection_send(c, make_refusal(error, hint), -1);
}

/* ---- a connection's life ------------------------------------------------------------------ */

static int on_stall(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct connection *c = userdata;

	log_debug("a client of uid %u did not read its answer: disconnected", c->peer.uid);
	c->broken = true;
	connection_settle(c);
	return 0;
}

/* Lets go of the client; what the collector still does for it ends later. */
static void disconnect(struct connection *c)
{
	c->io = sd_event_source_disable_unref(c->io);
	c->stall = sd_event_source_disable_unref(c->stall);
	c->progress = sd_event_source_disable_unref(c->progress);
	wire_free(&c->wire);
	c->fd = close_fd(c->fd);
	for (size_t i = 0; i < c->n_queue; i++) {
		cJSON_Delete(c->queue[i].json);
		close_fd(c->queue[i].fd);
	}
	c->n_queue = 0;
}

void connection_free(struct connection *c)
{
	disconnect(c);
	DL_DELETE(c->control->connections, c);
	free(c);
}

/* Listens for what the connection can do next. */
static int watch(struct connection *c)
{
	bool blocked = is_blocked(c);
	uint32_t events = blocked ? EPOLLOUT : c->waits ? 0 : EPOLLIN;
	int err = sd_event_source_set_io_events(c->io, events);

	if (err < 0 || blocked == !!c->stall)
		return err;
	if (blocked)
		return sd_event_add_time_relative(c->control->event, &c->stall, CLOCK_MONOTONIC,
			STALL_USEC, USEC_PER_SECOND, on_stall, c);
	c->stall = sd_event_source_disable_unref(c->stall);
	return 0;
}

void connection_settle(struct connection *c)
{
	if (c->busy)
		return;
	if (!c->broken && c->fd >= 0 && watch(c) >= 0)
		return;
	disconnect(c);
	operation_abandon(c);
}

static void read_request(struct connection *c)
{
	cJSON *message = NULL;
	int got = wire_receive(&c->wire, &message);

	if (got == 1)
		operation_run(c, message);
	else if (got == -EBADMSG || got == -E2BIG)
		connection_refuse(c, "the message is not one JSON object of at most 64 KiB",
			"profctl and profd should be of the same version");
	c->broken |= got < 0;
	cJSON_Delete(message);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct connection *c = userdata;

	c->busy = true;
	if (revents & EPOLLOUT)
		flush_queue(c);
	if (revents & EPOLLIN)
		read_request(c);
	else if (revents & (EPOLLHUP | EPOLLERR))
		c->broken = true;
	c->busy = false;
	connection_settle(c);
	return 0;
}

/* ---- new connections ---------------------------------------------------------------------- */

/* Why this peer cannot come in as well, or NULL. */
static const char *find_limit(const struct control *control, const struct peer *peer)
{
	const struct connection *c;
	unsigned all = 0, others = 0, same = 0;

	DL_FOREACH (control->connections, c) {
		all++;
		others += !c->peer.full;
		same += !c->peer.full && c->peer.uid == peer->uid;
	}
	if (all >= CONTROL_MAX_CONNECTIONS)
		return "profd has too many clients";
	if (!peer->full && others >= CONTROL_MAX_OTHERS)
		return "profd has too many clients of ordinary users";
	if (!peer->full && same >= CONTROL_MAX_PER_USER)
		return "you have too many connections to profd";
	return NULL;
}

/* Tells a client why it is not let in, if that can be done without waiting. */
static void turn_away(int fd, const char *reason)
{
	struct wire wire;
	cJSON *message = make_refusal(reason, "try again when other commands have ended");

	wire_init(&wire, fd);
	if (message)
		(void)wire_send(&wire, message, NULL, 0);
	wire_free(&wire);
	cJSON_Delete(message);
}

/* Takes fd over in any case. */
static int add_connection(struct control *control, int fd, const struct peer *peer)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		close_fd(fd);
		return -ENOMEM;
	}
	c->control = control;
	c->peer = *peer;
	c->fd = fd;
	wire_init(&c->wire, fd);
	c->wire.no_fds = true;
	c->wire.max_message = CONTROL_MAX_REQUEST;
	DL_APPEND(control->connections, c);
	int err = sd_event_add_io(control->event, &c->io, fd, EPOLLIN, on_io, c);
	if (err >= 0)
		err = sd_event_source_set_ratelimit(
			c->io, USEC_PER_SECOND, CONTROL_MAX_REQUESTS_PER_SECOND);
	if (err < 0)
		connection_free(c);
	return err;
}

static void let_in(struct control *control, int fd)
{
	struct peer peer;
	int err = access_identify(fd, control->group, &peer);

	if (!err) {
		const char *limit = find_limit(control, &peer);
		if (limit) {
			turn_away(fd, limit);
			close_fd(fd);
			return;
		}
		err = add_connection(control, fd, &peer);
	} else {
		close_fd(fd);
	}
	if (err < 0)
		log_warning("a client could not be let in: %s", strerror(-err));
}

/* The source's rate limit keeps this from spinning when descriptors run out. */
static int on_connect(sd_event_source *source, int listener, uint32_t revents, void *userdata)
{
	static struct log_limit limit = {.seconds = 60};
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		let_in(userdata, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && log_allowed(&limit))
		log_warning("control socket: %s", strerror(errno));
	return 0;
}

/* ---- the socket --------------------------------------------------------------------------- */

static int make_address(const char *path, struct sockaddr_un *address, char *why, size_t why_size)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path)) {
		snprintf(why, why_size, "socket %s: the path is too long", path);
		return -ENAMETOOLONG;
	}
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Removes the socket of a daemon that is dead. -EADDRINUSE: it is alive; -EEXIST: something else
 * has that name. */
static int clear_stale(const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)) || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int bind_socket(struct control *c, const struct sockaddr_un *address)
{
	struct stat st = {0};
	/* Everybody may connect from the first moment on. */
	mode_t mask = umask(0111);
	int err = bind(c->fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : 0;

	umask(mask);
	if (err)
		return err;
	if (listen(c->fd, SOMAXCONN) || chmod(c->path, 0666) || lstat(c->path, &st))
		err = -errno;
	if (err) {
		unlink(c->path);
		return err;
	}
	c->device = st.st_dev;
	c->inode = st.st_ino;
	return 0;
}

static int open_socket(struct control *c, char *why, size_t why_size)
{
	struct sockaddr_un address;
	int err = make_address(c->path, &address, why, why_size);

	if (err)
		return err;
	err = clear_stale(&address);
	if (!err) {
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		err = c->fd < 0 ? -errno : bind_socket(c, &address);
	}
	if (err == -EADDRINUSE)
		snprintf(why, why_size,
			"another profd listens on %s: stop it, or give this one its own --socket",
			c->path);
	else if (err == -ENOENT)
		snprintf(why, why_size, "socket %s: its folder does not exist", c->path);
	else if (err == -EEXIST)
		snprintf(why, why_size, "socket %s: something else has that name", c->path);
	else if (err)
		snprintf(why, why_size, "socket %s: %s", c->path, strerror(-err));
	return err;
}

int control_new(struct control **out, sd_event *event, const char *path,
	struct collector *collector, const struct privileges *privileges, char *why,
	size_t why_size)
{
	struct control *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;

	snprintf(why, why_size, "control socket: no memory");
	if (c) {
		*c = (struct control){
			.event = event,
			.collector = collector,
			.privileges = privileges,
			.group = access_group(),
			.path = strdup(path),
			.fd = -1,
		};
		if (c->path)
			err = open_socket(c, why, why_size);
	}
	if (!err)
		err = sd_event_add_io(event, &c->listener, c->fd, EPOLLIN, on_connect, c);
	if (err >= 0)
		err = sd_event_source_set_ratelimit(c->listener, USEC_PER_SECOND, ACCEPTS_A_SECOND);
	if (err < 0) {
		control_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void control_close(struct control *c)
{
	struct stat st;

	c->listener = sd_event_source_disable_unref(c->listener);
	if (c->fd >= 0 && c->inode && !lstat(c->path, &st) && st.st_dev == c->device &&
		st.st_ino == c->inode)
		unlink(c->path);
	c->fd = close_fd(c->fd);
}

void control_free(struct control *c)
{
	if (!c)
		return;
	control_close(c);
	while (c->connections)
		connection_free(c->connections);
	control_forget_listing(c);
	free(c->path);
	free(c);
}
