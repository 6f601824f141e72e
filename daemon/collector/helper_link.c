/* SPDX-License-Identifier: MIT */
#include "collector/helper_link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "util/cleanup.h"

void helper_link_init(
	struct helper_link *l, sd_event *event, const struct helper_link_options *options)
{
	*l = (struct helper_link){
		.event = event,
		.on_message = options->on_message,
		.on_gone = options->on_gone,
		.userdata = options->userdata,
		.name = options->name,
		.max_message = options->max_message,
		.helper = HELPER_NONE,
	};
	snprintf(l->memory_limit, sizeof(l->memory_limit), "%" PRIu64, options->memory_limit);
}

/* Ends the process and forgets half messages; returns its wait status. */
static int end(struct helper_link *l)
{
	l->source = sd_event_source_disable_unref(l->source);
	free(take_ptr(l->out));
	free(take_ptr(l->body));
	l->out_size = l->out_sent = l->received = 0;
	return helper_stop(&l->helper);
}

void helper_link_stop(struct helper_link *l)
{
	end(l);
}

bool helper_link_is_up(const struct helper_link *l)
{
	return l->helper.socket >= 0;
}

/* The other end has hung up. */
static void report_death(struct helper_link *l)
{
	char how[HELPER_HOW_SIZE];

	bool memory = helper_explain_end(&l->helper, how);
	end(l);
	l->on_gone(l->userdata, memory, how);
}

static void break_off(struct helper_link *l, const char *how)
{
	end(l);
	l->on_gone(l->userdata, false, how);
}

/* Where the next bytes belong, and how many are wanted. */
static char *next_part(struct helper_link *l, size_t *size)
{
	if (l->received < sizeof(l->head)) {
		*size = sizeof(l->head) - l->received;
		return (char *)&l->head + l->received;
	}
	*size = sizeof(l->head) + l->head.size - l->received;
	return l->body + (l->received - sizeof(l->head));
}

/* Makes room for the body once the head is there. */
static int begin_body(struct helper_link *l)
{
	if (l->head.size > l->max_message)
		return -EBADMSG;
	l->body = malloc(l->head.size + 1);
	return l->body ? 0 : -ENOMEM;
}

static void deliver(struct helper_link *l)
{
	struct helper_head head = l->head;
	_cleanup_free_ char *body = take_ptr(l->body);

	l->received = 0;
	l->on_message(l->userdata, head.type, body, head.size);
}

/* Reads what there is, but no more than one message: the rest of the loop has its turn before the
 * next. The callback may stop the link, or send. */
static void receive(struct helper_link *l)
{
	while (helper_link_is_up(l)) {
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
static int flush(struct helper_link *l, const int *fds, size_t n_fds)
{
	while (l->out_sent < l->out_size) {
		ssize_t n = helper_send(l->helper.socket, l->out + l->out_sent,
			l->out_size - l->out_sent, fds, l->out_sent ? 0 : n_fds);

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
	struct helper_link *l = userdata;

	if (events & EPOLLOUT && flush(l, NULL, 0))
		report_death(l);
	else
		receive(l);
	return 0;
}

static int start(struct helper_link *l)
{
	int r = helper_start(&l->helper, l->name, l->memory_limit, SOCK_STREAM);

	if (!r)
		r = sd_event_add_io(l->event, &l->source, l->helper.socket, EPOLLIN, on_socket, l);
	if (r < 0)
		end(l);
	return r < 0 ? r : 0;
}

int helper_link_send(struct helper_link *l, uint32_t type, const void *data, size_t size,
	const int *fds, size_t n_fds)
{
	struct helper_head head = {type, (uint32_t)size};
	int r;

	if (l->out)
		return -EBUSY;
	if (!helper_link_is_up(l)) {
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
	r = flush(l, fds, n_fds);
	if (r)
		end(l);
	return r;
}
