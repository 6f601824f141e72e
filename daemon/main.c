// SPDX-License-Identifier: MIT
/* main.c - profd: from the command line to the event loop and back. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "collector/collector.h"
#include "collector/opener.h"
#include "collector/unwinder.h"
#include "config.h"
#include "control.h"
#include "notify.h"
#include "options.h"
#include "privileges.h"
#include "symbolizer/symbolizer.h"
#include "util/cleanup.h"
#include "util/log.h"

#define NICE_SYMBOLIZER 5

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct daemon {
	const struct options *options;
	struct config *config; /* in force */
	struct privileges privileges;
	sd_event *event;
	struct collector *collector;
	struct control *control;
	struct notifier *notifier;
	bool stopping;
};

/* ---- settings ----------------------------------------------------------------------------- */

static void log_lines(char *text)
{
	char *rest = text;

	for (char *line; (line = strtok_r(rest, "\n", &rest));)
		log_error("%s", line);
}

/* Settings that the caller frees with free_config; NULL after logging what is wrong with them. */
static struct config *load_config(const struct options *options)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	struct config *config = calloc(1, sizeof(*config));
	FILE *errors = open_memstream(&text, &size);
	int mistakes = -ENOMEM;

	if (config && errors)
		mistakes = options_config(options, config, errors);
	if (errors)
		fclose(errors);
	if (!mistakes)
		return config;
	if (text)
		log_lines(text);
	if (config)
		config_free(config);
	free(config);
	return NULL;
}

static void free_config(struct config *config)
{
	if (config)
		config_free(config);
	free(config);
}

static int check_config(const struct options *options)
{
	struct config config = {0};
	const char *path = options_config_path(options);
	int mistakes = options_config(options, &config, stderr);

	config_free(&config);
	if (mistakes)
		return EXIT_FAILED;
	if (path && access(path, F_OK) == 0)
		printf("%s: ok\n", path);
	else
		printf("flags: ok; there is no file to check%s%s\n", path ? ": " : "",
			path ? path : "");
	return EXIT_DONE;
}

/* ---- signals ------------------------------------------------------------------------------ */

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct daemon *d = userdata;

	if (d->stopping)
		return 0;
	notify_reloading();
	struct config *config = load_config(d->options);
	if (config) {
		/* The collector holds on to the new one even where it cannot follow all of it. */
		int err = collector_reload(d->collector, config);
		free_config(d->config);
		d->config = config;
		if (err)
			log_error("reloaded, but not all is in force: %s", strerror(-err));
		else
			log_info("reloaded");
	} else {
		log_error("not reloaded: the settings stay as they were");
	}
	notify_ready(d->notifier);
	return 0;
}

static int on_close_window(
	sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct daemon *d = userdata;

	if (!d->stopping)
		collector_close_window(d->collector);
	return 0;
}

static void on_shut_down(void *userdata)
{
	struct daemon *d = userdata;
	sd_event_exit(d->event, EXIT_DONE);
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct daemon *d = userdata;

	if (d->stopping) {
		log_warning("told to stop again: the open window is given up");
		return sd_event_exit(d->event, EXIT_FAILED);
	}
	d->stopping = true;
	notify_stopping("Writing the open window");
	log_info("stopping");
	control_close(d->control);
	collector_shutdown(d->collector, on_shut_down, d);
	return 0;
}

static const struct {
	int signal;
	sd_event_signal_handler_t handler;
} signals[] = {
	{SIGHUP, on_reload},
	{SIGUSR1, on_close_window},
	{SIGTERM, on_stop},
	{SIGINT, on_stop},
};
#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* From here on signals wait for the loop; a peer that hangs up is an errno, not a signal. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < N_SIGNALS; i++)
		sigaddset(&set, signals[i].signal);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int handle_signals(struct daemon *d)
{
	for (size_t i = 0; i < N_SIGNALS; i++) {
		int err = sd_event_add_signal(
			d->event, NULL, signals[i].signal, signals[i].handler, d);
		if (err < 0)
			return err;
	}
	return 0;
}

/* ---- life --------------------------------------------------------------------------------- */

static void write_status_line(void *userdata, char *text, size_t size)
{
	struct daemon *d = userdata;
	collector_status_line(d->collector, text, size);
}

static int reduce_privileges(struct daemon *d)
{
	char why[400];

	privileges_raise_limits();
	int err = privileges_reduce(&d->privileges);
	if (err) {
		log_error("capabilities cannot be given up: %s", strerror(-err));
		return err;
	}
	if (!privileges_suffice(&d->privileges, why, sizeof(why))) {
		log_error("%s", why);
		return -EPERM;
	}
	if (*d->privileges.missing)
		log_warning("without %s, part of the processes and names will be missing",
			d->privileges.missing);
	if (!d->privileges.uid)
		log_info("running as root, with these capabilities only: %s",
			d->privileges.effective);
	return 0;
}

static int start_collector(struct daemon *d)
{
	char why[512] = "";
	int err = collector_new(&d->collector, d->event, d->config, why, sizeof(why));

	if (!err)
		return 0;
	log_error("%s", *why ? why : strerror(-err));
	return err;
}

static int start(struct daemon *d)
{
	char why[512];
	int err = sd_event_default(&d->event);

	if (err >= 0)
		err = handle_signals(d);
	if (err < 0) {
		log_error("event loop: %s", strerror(-err));
		return err;
	}
	err = start_collector(d);
	if (err)
		return err;
	err = control_new(&d->control, d->event, d->config->socket, d->collector, &d->privileges,
		why, sizeof(why));
	if (err) {
		log_error("%s", why);
		return err;
	}
	err = notifier_new(&d->notifier, d->event, write_status_line, d);
	if (err)
		log_error("service manager: %s", strerror(-err));
	return err;
}

static int run(const struct options *options)
{
	struct daemon d = {.options = options};
	int code = EXIT_FAILED;

	block_signals();
	d.config = load_config(options);
	if (d.config && !reduce_privileges(&d) && !start(&d)) {
		log_info("profiling; store %s, socket %s", d.config->store, d.config->socket);
		notify_ready(d.notifier);
		code = sd_event_loop(d.event);
		if (code < 0) {
			log_error("event loop: %s", strerror(-code));
			code = EXIT_FAILED;
		}
	}
	notifier_free(d.notifier);
	collector_free(d.collector);
	control_free(d.control);
	sd_event_unref(d.event);
	free_config(d.config);
	return code;
}

/* A helper ends with its socket or by SIGKILL; signals that are meant for profd, but sent to all
 * processes of the service, must not end it. */
static int run_helper(int argc, char **argv)
{
	const char *name = argc > 2 ? argv[2] : "", *arg = argc > 3 ? argv[3] : "";

	for (size_t i = 0; i < N_SIGNALS; i++)
		signal(signals[i].signal, SIG_IGN);
	log_setup("profd", LOG_LEVEL_INFO);
	/* Stacks wait for tables and files a while, names for a minute. */
	privileges_lower_priority(strcmp(name, "symbolizer") ? 0 : NICE_SYMBOLIZER);
	if (!strcmp(name, "opener"))
		return opener_main(arg);
	if (!strcmp(name, "symbolizer"))
		return symbolizer_main(arg);
	if (!strcmp(name, "unwinder"))
		return unwinder_main(arg);
	log_error("there is no helper '%s'", name);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct options options;
	char why[512];

	if (argc > 1 && !strcmp(argv[1], "--helper"))
		return run_helper(argc, argv);
	if (options_parse(&options, argc, argv, why, sizeof(why))) {
		fprintf(stderr, "profd: %s\nTry profd --help.\n", why);
		return EXIT_USAGE;
	}
	if (options.help) {
		options_help(stdout);
		return EXIT_DONE;
	}
	if (options.version) {
		puts("profd " PROFD_VERSION);
		return EXIT_DONE;
	}
	if (options.check_config)
		return check_config(&options);
	if (options.foreground)
		unsetenv("JOURNAL_STREAM"); /* what makes log.h write for the journal */
	log_setup("profd", LOG_LEVEL_INFO);
	return run(&options);
}
