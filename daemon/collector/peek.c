/* SPDX-License-Identifier: MIT */
/* The open continuous window, for whoever asks for the last minutes up to now. */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "collector/collector_impl.h"
#include "util/cleanup.h"

struct peek {
	struct collector *c;
	window_done done; /* NULL: its asker is gone */
	void *userdata;
	struct peek *prev, *next;
};

static int peek_finished(void *userdata, const struct stream_result *result)
{
	struct peek *p = userdata;
	int fd = -1, error = result->error;

	DL_DELETE(p->c->peeks, p);
	if (p->done && !p->c->freeing) {
		if (!error) {
			fd = profile_to_memory(result->profile);
			error = fd < 0 ? fd : 0;
		}
		p->done(p->userdata, error ? -1 : fd, error, result->start.tv_sec, result->samples);
	}
	free(p);
	return 0;
}

int collector_open_window(
	struct collector *c, enum session_type type, window_done done, void *userdata)
{
	struct stream *s = c->continuous[type];
	struct peek *p;
	int r;

	if (!s || stream_stopping(s))
		return -ENOENT;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->c = c;
	p->done = done;
	p->userdata = userdata;
	DL_APPEND(c->peeks, p);
	r = stream_peek(s, monotonic_now(), NULL, peek_finished, p);
	if (r) {
		DL_DELETE(c->peeks, p);
		free(p);
	}
	return r;
}

void collector_cancel(struct collector *c, void *userdata)
{
	struct peek *p;

	DL_FOREACH (c->peeks, p)
		if (p->userdata == userdata)
			p->done = NULL;
}
