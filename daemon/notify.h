/* SPDX-License-Identifier: MIT */
/*
 * notify.h - tells systemd how the service is (sd_notify(3)): ready, reloading, stopping, and a
 * status line that is sent about every ten seconds when it has changed. Without systemd
 * (no NOTIFY_SOCKET) all of it does nothing.
 */
#ifndef PROFD_NOTIFY_H
#define PROFD_NOTIFY_H

#include <stddef.h>
#include <systemd/sd-event.h>

struct notifier;

typedef void (*notify_line)(void *userdata, char *text, size_t size);

/* Turns on the loop's watchdog if the service has one. `line` writes the status line. 0 or
 * -errno. */
int notifier_new(struct notifier **out, sd_event *event, notify_line line, void *userdata);
void notifier_free(struct notifier *n);

void notify_ready(struct notifier *n);
void notify_reloading(void);
void notify_stopping(const char *status);

#endif
