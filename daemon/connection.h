/* SPDX-License-Identifier: MIT */
/*
 * connection.h - one client of the control socket: private to control.c (sockets, queues,
 * limits) and operations.c (what requests do).
 *
 * A callback of the loop or the collector works on a connection and ends with
 * connection_settle(), the only place that closes one; until then a failure only marks it.
 */
#ifndef PROFD_CONNECTION_H
#define PROFD_CONNECTION_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "access.h"
#include "collector/collector.h"
#include "control/wire.h"
#include "privileges.h"

#define CONTROL_MAX_CONNECTIONS	      64
#define CONTROL_MAX_OTHERS	      48 /* of users without full rights */
#define CONTROL_MAX_PER_USER	      8	 /* of one such user */
#define CONTROL_MAX_OTHERS_RECORDINGS 4	 /* leaves sessions to those with full rights */
#define CONTROL_MAX_OWN_RECORDINGS    2	 /* of one of the others */
/* A request with as many pids and tids as are allowed takes 20 KiB; parsing 1 MiB of JSON would
 * take tens of milliseconds and 40 MiB, as often as any local user likes. */
#define CONTROL_MAX_REQUEST (64u << 10)
/* Bytes of snapshots that such a user has been sent and has not read: they are in memory. */
#define CONTROL_MAX_UNREAD (16u << 20)
/* On one connection; more wait their turn. */
#define CONTROL_MAX_REQUESTS_PER_SECOND 100
/* Recordings that users without full rights begin: so many at once, then one a second. */
#define CONTROL_OTHERS_BURST 8
/* A scan of a store with a week's windows takes 50 ms: its result serves for so long. */
#define CONTROL_LISTING_SECONDS 10

/* Requests are not read while something waits, so an answer and the end of a recording are all
 * that can wait. */
#define CONNECTION_QUEUE 4

struct control;
struct store_entry;

struct connection {
	struct connection *next, *prev; /* in control->connections */
	struct control *control;
	struct peer peer;
	struct wire wire;
	int fd; /* -1: the client is gone and its recording has not ended yet */
	sd_event_source *io;
	sd_event_source *stall;	   /* runs while the peer does not take an answer */
	sd_event_source *progress; /* runs while it records */
	struct {
		cJSON *json;
		int fd;
	} queue[CONNECTION_QUEUE];
	size_t n_queue;
	uint64_t unread;	     /* bytes of snapshots since the peer had read all */
	struct recording *recording; /* NULL: none */
	bool waits;		     /* for the open window: reads no requests */
	bool busy;		     /* inside on_io, which settles */
	bool broken;		     /* to be closed */
};

struct control {
	sd_event *event;	     /* borrowed */
	struct collector *collector; /* borrowed */
	const struct privileges *privileges;
	gid_t group;
	char *path;
	dev_t device; /* of the socket file: at the end it is removed only if it is ours */
	ino_t inode;
	int fd;
	sd_event_source *listener;
	struct connection *connections; /* also those whose client is gone */
	struct store_entry *listing;	/* of the store; valid while `forget` runs */
	size_t n_listing;
	sd_event_source *forget;
	uint64_t others_begin; /* CLOCK_MONOTONIC, us: up to when beginnings are used up */
};

/* Sends or queues a message. The message and fd (-1: none) are the callee's. NULL: memory ran
 * out while it was made, which ends the connection. */
void connection_send(struct connection *c, cJSON *message, int fd);
/* As connection_send, but for news that may be dropped. */
void connection_send_news(struct connection *c, cJSON *message);
/* {"ok":false,…} */
void connection_refuse(struct connection *c, const char *error, const char *hint);
void connection_settle(struct connection *c);

/* operations.c: does what a request asks; answers now or later. */
void operation_run(struct connection *c, const cJSON *message);
/* The client left: ends its recording or forgets its window. May free c when no recording runs;
 * with one, c is freed when that has ended. */
void operation_abandon(struct connection *c);
/* Drops the listing of the store: a new recording is in it, or it has served long enough. */
void control_forget_listing(struct control *control);
/* Frees a connection that is in no list of the loop any more. */
void connection_free(struct connection *c);

#endif
