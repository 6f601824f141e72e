// SPDX-License-Identifier: MIT
#include "notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define STATUS_EVERY_USEC    10000000ULL
#define STATUS_ACCURACY_USEC 2000000ULL /* lets the kernel join our wake-up with others */

struct notifier {
	sd_event_source *timer;
	notify_line line;
	void *userdata;
	char last[256];
};

/* Writes the new line if it differs from the last. */
static bool changed_line(struct notifier *n)
{
	char now[sizeof(n->last)] = "";

	n->line(n->userdata, now, sizeof(now));
	if (!strcmp(now, n->last))
		return false;
	memcpy(n->last, now, sizeof(now));
	return true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct notifier *n = userdata;

	if (changed_line(n))
		sd_notifyf(0, "STATUS=%s", n->last);
	int err = sd_event_source_set_time_relative(source, STATUS_EVERY_USEC);
	return err < 0 ? err : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int notifier_new(struct notifier **out, sd_event *event, notify_line line, void *userdata)
{
	struct notifier *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->line = line;
	n->userdata = userdata;
	int err = sd_event_set_watchdog(event, true);
	if (err >= 0 && getenv("NOTIFY_SOCKET"))
		err = sd_event_add_time_relative(event, &n->timer, CLOCK_MONOTONIC,
			STATUS_EVERY_USEC, STATUS_ACCURACY_USEC, on_timer, n);
	if (err < 0) {
		notifier_free(n);
		return err;
	}
	*out = n;
	return 0;
}

void notifier_free(struct notifier *n)
{
	if (!n)
		return;
	sd_event_source_disable_unref(n->timer);
	free(n);
}

void notify_ready(struct notifier *n)
{
	(void)changed_line(n);
	sd_notifyf(0, "READY=1\nSTATUS=%s", n->last);
}

void notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
}

void notify_stopping(const char *status)
{
	sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status);
}
