/* SPDX-License-Identifier: MIT */
/*
 * client.h - profctl's end of the control socket.
 *
 * Functions that take the trouble to explain a failure (they say so) print it once, as it is
 * known best there; who calls them only passes the error on.
 */
#ifndef PROFD_CLI_CLIENT_H
#define PROFD_CLI_CLIENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "control/wire.h"

struct client {
	int fd; /* non-blocking */
	struct wire wire;
};

/* 0 or -errno, silently: client_explain() has the words. */
int client_open(struct client *c, const char *socket);
void client_close(struct client *c);
/* standalone: whether to recommend --standalone. */
void client_explain(int err, const char *socket, bool standalone);

/* Sends a request (and deletes it). 0 or -errno, explained. */
int client_send(struct client *c, cJSON *request);
/* Waits for one message, at most `seconds`. 0 or -errno, explained. */
int client_receive(struct client *c, unsigned seconds, cJSON **out);
/* Sends a request and waits for its answer, which is one with "ok":true. 0 or -errno, explained. */
int client_ask(struct client *c, cJSON *request, cJSON **out);
/* Prints "error" and "hint" of an answer. */
void client_refused(const cJSON *answer);
/* {"op":"…"}; NULL without memory, which client_send and client_ask take as such. */
cJSON *client_request(const char *op);

/* The whole of a simple query: connect, ask, take one descriptor if `fd` is not NULL.
 * 0 or -errno, explained. */
int client_query(const char *socket, cJSON *request, cJSON **out, int *fd);

#endif
