// SPDX-License-Identifier: MIT
/*
 * The control socket: any bytes from a client, through a real socket and the real server, with a
 * collector that records nothing. The first byte says what else happens: bit 0: recordings and
 * windows end while the client is connected; bit 1: only after it has left; bit 2: the client
 * has no rights on others' processes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../unit/fake_collector.h"
#include "connection.h"
#include "control.h"
#include "util/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sd_event *event;
static struct control *control;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void remove_socket(void)
{
	unlink(address.sun_path);
}

static void start(void)
{
	static const struct privileges privileges;
	char why[256];

	log_setup("fuzz", LOG_LEVEL_ERROR);
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/profd-fuzz-control.%d",
		(int)getpid());
	if (sd_event_new(&event) < 0 ||
		control_new(&control, event, address.sun_path, NULL, &privileges, why, sizeof(why)))
		abort();
	/* Limits a second are time, which a fuzzer has not. */
	sd_event_source_set_ratelimit(control->listener, 0, 0);
	atexit(remove_socket);
}

static void run_loop(void)
{
	while (sd_event_run(event, 0) > 0)
		;
}

static void end_all(void)
{
	for (size_t i = 0; i < FAKE_SESSIONS; i++) {
		if (fake.recordings[i].running)
			fake_finish(&fake.recordings[i], RECORDING_TIME);
	}
	if (fake.window) {
		window_done done = fake.window;
		fake.window = NULL;
		done(fake.window_userdata, fake_file(), 0, 1700000000, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!event)
		start();
	if (!size)
		return 0;
	fake = (struct fake){.stop_is_slow = data[0] & 2};
	control->others_begin = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		abort();
	run_loop();
	if (control->connections) {
		sd_event_source_set_ratelimit(control->connections->io, 0, 0);
		control->connections->peer.full = !(data[0] & 4);
	}
	for (size_t at = 1; at < size;) {
		ssize_t n = send(fd, data + at, size - at, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		at += (size_t)n;
		run_loop();
		if (data[0] & 1)
			end_all();
	}
	close(fd);
	run_loop();
	end_all();
	if (control->connections)
		abort();
	return 0;
}
