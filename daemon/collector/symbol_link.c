/* SPDX-License-Identifier: MIT */
#include "collector/symbol_link.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "symbolizer/sandbox.h"
#include "util/cleanup.h"

#define EXIT_PATIENCE_MS 100

void symbol_link_init(struct symbol_link *l, sd_event *event, uint64_t memory_limit,
	symbol_link_message on_message, symbol_link_gone on_gone, void *userdata)
{
	*l = (struct symbol_link){
		.event = event,
		.on_message = on_message,
		.on_gone = on_gone,
		.userdata = userdata,
		.helper = HELPER_NONE,
	};
	snprintf(l->memory_limit, sizeof(l->memory_limit), "%" PRIu64, memory_limit);
}

/* Ends the process and forgets half messages; returns its wait status. */
static int end(struct symbol_link *l)
{
	l->source = sd_event_source_disable_unref(l->source);
	free(take_ptr(l->out));
	free(take_ptr(l->body));
	l->out_size = l->out_sent = l->received = 0;
	return helper_stop(&l->helper);
}

void symbol_link_stop(struct symbol_link *l)
{
	end(l);
}

bool symbol_link_is_up(const struct symbol_link *l)
{
	return l->helper.socket >= 0;
}

/* The other end has hung up: why? It closes its socket by exiting, so it is dead or about to be;
 * looking at it leaves the reaping to helper_stop. */
static void report_death(struct symbol_link *l)
{
	struct pollfd exited = {.fd = l->helper.pidfd, .events = POLLIN};
	siginfo_t info = {0};
	char how[64];

	if (l->helper.pid > 0 && poll(&exited, 1, EXIT_PATIENCE_MS) > 0)
		waitid(P_PID, (id_t)l->helper.pid, &info, WEXITED | WNOWAIT | WNOHANG);
	end(l);
	if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
		snprintf(how, sizeof(how), "died of signal %d", info.si_status);
	else if (info.si_code == CLD_EXITED && info.si_status == SYMBOLIZER_EXIT_MEMORY)
		snprintf(how, sizeof(how), "ran out of memory");
	else if (info.si_code == CLD_EXITED)
		snprintf(how, sizeof(how), "exited with code %d", info.si_status);
	else
		snprintf(how, sizeof(how), "hung up");
	l->on_gone(l->userdata, how);
}

static void break_off(struct symbol_link *l, const char *how)
{
	end(l);
	l->on_gone(l->userdata, how);
}

/* Where the next bytes belong, and how many are wanted. */
static char *next_part(struct symbol_link *l, size_t *size)
{
	if (l->received < sizeof(l->head)) {
		*size = sizeof(l->head) - l->received;
		return (char *)&l->head + l->received;
	}
	*size = sizeof(l->head) + l->head.size - l->received;
	return l->body + (l->received - sizeof(l->head));
}

/* Makes room for the body once the head is there. */
static int begin_body(struct symbol_link *l)
{
	if (l->head.size > SYMBOLIZER_MAX_ANSWER)
		return -EBADMSG;
	l->body = malloc(l->head.size + 1);
	return l->body ? 0 : -ENOMEM;
}

static void deliver(struct symbol_link *l)
{
	struct symbolizer_head head = l->head;
	_cleanup_free_ char *body = take_ptr(l->body);

	l->received = 0;
	l->on_message(l->userdata, head.type, body, head.size);
}

/* Reads what there is, but no more than one message: the rest of the loop has its turn before the
 * next. The callback may stop the link, or send. */
static void receive(struct symbol_link *l)
{
	while (symbol_link_is_up(l)) {
		size_t size;
		char *part = next_part(l, &size);
		ssize_t n = size ? helper_receive(l->helper.socket, part, size, NULL, NULL) : 0;

		if (n == -EAGAIN)
			return;
		if (n < 0 || (size && !n)) {
			report_death(l);
			return;
		}
		l->received += (size_t)n;
		if (l->received == sizeof(l->head) && !l->body && begin_body(l)) {
			break_off(l, "sent nonsense");
			return;
		}
		if (l->body && l->received == sizeof(l->head) + l->head.size) {
			deliver(l);
			return;
		}
	}
}

/* Sends the rest of the message. 0 (also if it must wait) or -errno. */
static int flush(struct symbol_link *l, int fd)
{
	while (l->out_sent < l->out_size) {
		size_t n_fds = fd >= 0 && !l->out_sent ? 1 : 0;
		ssize_t n = helper_send(l->helper.socket, l->out + l->out_sent,
			l->out_size - l->out_sent, &fd, n_fds);

		if (n == -EAGAIN && l->out_sent)
			return sd_event_source_set_io_events(l->source, EPOLLIN | EPOLLOUT);
		if (n < 0)
			return (int)n;
		l->out_sent += (size_t)n;
	}
	free(take_ptr(l->out));
	l->out_size = l->out_sent = 0;
	return sd_event_source_set_io_events(l->source, EPOLLIN);
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct symbol_link *l = userdata;

	if (events & EPOLLOUT && flush(l, -1))
		report_death(l);
	else
		receive(l);
	return 0;
}

static int start(struct symbol_link *l)
{
	int r = helper_start(&l->helper, "symbolizer", l->memory_limit, SOCK_STREAM);

	if (!r)
		r = sd_event_add_io(l->event, &l->source, l->helper.socket, EPOLLIN, on_socket, l);
	if (r < 0)
		end(l);
	return r < 0 ? r : 0;
}

int symbol_link_send(struct symbol_link *l, uint32_t type, const void *data, size_t size, int fd)
{
	struct symbolizer_head head = {type, (uint32_t)size};
	int r;

	if (l->out)
		return -EBUSY;
	if (!symbol_link_is_up(l)) {
		r = start(l);
		if (r)
			return r;
	}
	l->out = malloc(sizeof(head) + size);
	if (!l->out)
		return -ENOMEM;
	memcpy(l->out, &head, sizeof(head));
	if (size)
		memcpy(l->out + sizeof(head), data, size);
	l->out_size = sizeof(head) + size;
	l->out_sent = 0;
	r = flush(l, fd);
	if (r)
		end(l);
	return r;
}
