// SPDX-License-Identifier: MIT
#include "recording.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "json.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/plural.h"

/* ---- progress: one line of a terminal, rewritten ------------------------------------------------
 */

static void clear_progress(const struct recording *r)
{
	if (r->show_progress)
		fputs("\r\033[K", stderr);
}

static void print_progress(const struct recording *r, const cJSON *event)
{
	char total[32] = "";

	if (!r->show_progress || r->stopping)
		return;
	if (r->seconds)
		snprintf(total, sizeof(total), "/%u", r->seconds);
	fprintf(stderr, "\r%.0f%s s, %.0f sample%s, %.0f lost (Ctrl-C ends it)\033[K",
		json_number(event, "elapsed"), total, json_number(event, "samples"),
		plural(json_number(event, "samples")), json_number(event, "lost"));
}

/* ---- what happens --------------------------------------------------------------------------- */

static bool is_over(const struct take *t)
{
	return t->done || t->failed;
}

static bool all_over(const struct recording *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!is_over(&r->takes[i]))
			return false;
	return true;
}

static int stop(struct recording *r)
{
	int err = 0;

	if (r->stopping || all_over(r))
		return 0;
	r->stopping = true;
	if (r->show_progress)
		fputs("\rending: the profile is being written ...\033[K", stderr);
	for (size_t i = 0; i < r->n; i++) {
		int e = is_over(&r->takes[i])
				? 0
				: client_send(&r->takes[i].client, client_request("stop"));
		err = err ? err : e;
	}
	return err;
}

/* Without a command, the first signal ends the recording and the second the waiting for it. */
static int interrupted(struct recording *r)
{
	if (r->interrupts++) {
		clear_progress(r);
		log_error("not waiting for the profile: %s",
			r->delivered ? "nobody keeps it"
				     : "the daemon may still write it (profctl ls)");
		return -EINTR;
	}
	return stop(r);
}

/* The command decides what its signals mean. Ctrl-C and Ctrl-\ on the terminal have reached
 * it too (the kernel sends those to the whole foreground group); others are passed on. */
static void pass_on(const struct recording *r, const struct signalfd_siginfo *info)
{
	bool from_terminal = info->ssi_signo != SIGTERM && info->ssi_code == SI_KERNEL;

	if (r->child->pid > 0 && !from_terminal)
		kill(r->child->pid, (int)info->ssi_signo);
}

static int ask_snapshot(struct recording *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->takes[i].is_heap && !is_over(&r->takes[i]))
			return client_send(&r->takes[i].client, client_request("snapshot"));
	log_warning("SIGUSR2: only heap recordings have snapshots (--type heap)");
	return 0;
}

static int on_signal(struct recording *r)
{
	struct signalfd_siginfo info;

	if (read(r->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (info.ssi_signo == SIGCHLD) {
		if (!r->child || !child_ended(r->child))
			return 0;
		r->command_ended = !all_over(r);
		return stop(r);
	}
	if (info.ssi_signo == SIGUSR2)
		return ask_snapshot(r);
	if (r->child && r->child->pid > 0) {
		pass_on(r, &info);
		return 0;
	}
	return interrupted(r);
}

static int on_event(struct recording *r, struct take *t, cJSON *event)
{
	const char *name = json_text(event, "event");
	int err = 0;

	if (!strcmp(name, "progress")) {
		/* One line is enough, of the first that tells. */
		if (t == r->takes || is_over(r->takes))
			print_progress(r, event);
	} else if (!strcmp(name, "snapshot")) {
		_cleanup_close_ int fd = wire_take_fd(&t->client.wire);

		clear_progress(r);
		snapshots_take(r->snapshots, event, fd);
	} else if (r->leaks && (!strcmp(name, "blocks") || !strcmp(name, "reached"))) {
		_cleanup_close_ int fd = wire_take_fd(&t->client.wire);

		err = leak_exit_event(r->leaks, &t->client, event, fd);
	} else if (!strcmp(name, "done")) {
		t->done = event;
		return 0;
	} else if (!strcmp(name, "failed") || (json_get(event, "ok") && !json_true(event, "ok"))) {
		clear_progress(r);
		client_refused(event);
		err = -EREMOTEIO;
	}
	cJSON_Delete(event);
	return err;
}

static int on_message(struct recording *r, struct take *t)
{
	for (;;) {
		cJSON *event;
		int got = wire_receive(&t->client.wire, &event);
		if (got < 0) {
			clear_progress(r);
			log_error("the connection to profd is lost (%s): %s", strerror(-got),
				r->delivered ? "and with it the profile, of which no copy goes to "
					       "the store"
					     : "'profctl ls' shows whether the profile was kept");
			return got;
		}
		if (!got)
			return 0;
		int err = on_event(r, t, event);
		if (err || t->done)
			return err;
	}
}

/* A command goes on when profiling has failed: its user wants its result. */
static void wait_for_command(struct recording *r)
{
	struct pollfd p = {.fd = r->signals, .events = POLLIN};

	r->stopping = true;
	if (r->leaks)
		leak_exit_end(r->leaks);
	while (r->child && !child_ended(r->child))
		if (poll(&p, 1, -1) > 0)
			on_signal(r);
}

/* One that has ended, however it did, ends the others. */
static int end_together(struct recording *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (is_over(&r->takes[i]))
			return stop(r);
	return 0;
}

/* Who has come to an end is looked at, as long as there is somebody to tell. */
static int look_at_ends(struct recording *r)
{
	struct take *heap = NULL;

	for (size_t i = 0; i < r->n; i++)
		if (r->takes[i].is_heap && !is_over(&r->takes[i]))
			heap = &r->takes[i];
	if (!r->leaks)
		return 0;
	if (heap)
		return leak_exit_step(r->leaks, &heap->client);
	leak_exit_end(r->leaks);
	return 0;
}

/* Waits, and handles what came. *failed: why one of them failed, if it did. */
static int turn(struct recording *r, int *failed)
{
	struct pollfd p[1 + RECORDING_MAX_TYPES] = {{.fd = r->signals, .events = POLLIN}};

	for (size_t i = 0; i < r->n; i++)
		p[1 + i] = (struct pollfd){
			.fd = is_over(&r->takes[i]) ? -1 : r->takes[i].client.fd, .events = POLLIN};
	if (poll(p, 1 + r->n, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < r->n; i++) {
		int err = p[1 + i].revents ? on_message(r, &r->takes[i]) : 0;

		r->takes[i].failed |= err != 0;
		*failed = *failed ? *failed : err;
	}
	int err = end_together(r);
	if (!err && p[0].revents)
		err = on_signal(r);
	return err ? err : look_at_ends(r);
}

int recording_run(struct recording *r)
{
	int err = 0, failed = 0;

	while (!err && !all_over(r))
		err = turn(r, &failed);
	clear_progress(r);
	wait_for_command(r);
	return err ? err : failed;
}
