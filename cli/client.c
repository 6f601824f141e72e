// SPDX-License-Identifier: MIT
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "json.h"
#include "util/cleanup.h"
#include "util/log.h"

/* The daemon may be closing a window, or symbolizing the open one for us. */
#define ANSWER_SECONDS 120

int client_open(struct client *c, const char *socket_path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t n = strlen(socket_path);

	c->fd = -1;
	wire_init(&c->wire, -1);
	if (n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, socket_path, n + 1);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	c->fd = take_fd(fd);
	wire_init(&c->wire, c->fd);
	return 0;
}

void client_close(struct client *c)
{
	wire_free(&c->wire);
	c->fd = close_fd(c->fd);
}

void client_explain(int err, const char *socket_path, bool standalone)
{
	const char *or_alone = standalone ? ", or add --standalone" : "";

	switch (-err) {
	case ENOENT:
		log_error("no profd is listening on %s: start it (systemctl start profd)%s",
			socket_path, or_alone);
		break;
	case ECONNREFUSED:
		log_error("%s is there, but its profd is gone: start it again (systemctl restart "
			  "profd)%s",
			socket_path, or_alone);
		break;
	case EACCES:
		log_error("you may not connect to %s: see who may with 'ls -ld' on it and its "
			  "folders, or run as root",
			socket_path);
		break;
	case EAGAIN:
		log_error("profd on %s is busy: its queue of connections is full, try again",
			socket_path);
		break;
	case ENAMETOOLONG:
		log_error("%s: the path of a socket has at most %zu bytes", socket_path,
			sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
		break;
	default:
		log_error("cannot connect to %s: %s", socket_path, strerror(-err));
	}
}

cJSON *client_request(const char *op)
{
	cJSON *request = cJSON_CreateObject();

	if (request && !cJSON_AddStringToObject(request, "op", op)) {
		cJSON_Delete(request);
		return NULL;
	}
	return request;
}

int client_send(struct client *c, cJSON *request)
{
	int err = request ? wire_send(&c->wire, request, NULL, 0) : -ENOMEM;

	cJSON_Delete(request);
	if (err)
		log_error("cannot ask profd: %s", strerror(-err));
	return err;
}

static int explain_receive(int err)
{
	if (err == -ECONNRESET)
		log_error("profd closed the connection: 'journalctl -u profd' may say why");
	else if (err == -ETIMEDOUT)
		log_error("profd does not answer: 'systemctl status profd' may say why");
	else if (err == -EBADMSG || err == -E2BIG)
		log_error(
			"profd sent what is not a message: do profctl and profd have one version?");
	else
		log_error("cannot hear from profd: %s", strerror(-err));
	return err;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int client_receive(struct client *c, unsigned seconds, cJSON **out)
{
	int64_t until = now_ms() + (int64_t)seconds * 1000;

	for (;;) {
		int got = wire_receive(&c->wire, out);
		if (got)
			return got > 0 ? 0 : explain_receive(got);
		int64_t left = until - now_ms();
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (!ready)
			return explain_receive(-ETIMEDOUT);
		if (ready < 0 && errno != EINTR)
			return explain_receive(-errno);
	}
}

void client_refused(const cJSON *answer)
{
	const char *error = json_text(answer, "error"), *hint = json_text(answer, "hint");

	log_error("%s%s%s", *error ? error : "profd refused, and gave no reason", *hint ? ": " : "",
		hint);
}

int client_ask(struct client *c, cJSON *request, cJSON **out)
{
	_cleanup_json_ cJSON *answer = NULL;
	int err = client_send(c, request);

	if (!err)
		err = client_receive(c, ANSWER_SECONDS, &answer);
	if (err)
		return err;
	if (!json_true(answer, "ok")) {
		client_refused(answer);
		return -EREMOTEIO;
	}
	*out = take_ptr(answer);
	return 0;
}

int client_query(const char *socket_path, cJSON *request, cJSON **out, int *fd)
{
	struct client c;
	int err = client_open(&c, socket_path);

	if (err) {
		cJSON_Delete(request);
		client_explain(err, socket_path, false);
		return err;
	}
	err = client_ask(&c, request, out);
	if (!err && fd) {
		*fd = wire_take_fd(&c.wire);
		if (*fd < 0) {
			log_error("profd answered without the file that it was asked for");
			cJSON_Delete(take_ptr(*out));
			err = -EBADMSG;
		}
	}
	client_close(&c);
	return err;
}
