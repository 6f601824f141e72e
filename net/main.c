// SPDX-License-Identifier: MIT
/* main.c - profd-net: what profd, which has no network, wants from it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "config.h"
#include "debuginfod/servers.h"
#include "fetcher.h"
#include "options.h"
#include "util/cleanup.h"
#include "util/log.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void print_help(void)
{
	fputs("Usage: profd-net [FLAG...]\n"
	      "Fetches debug files for profd from debuginfod's servers, into profd's cache.\n"
	      "It stays in the foreground: systemctl start profd-net runs it as a service.\n\n"
	      "  --config FILE        settings (" CONFIG_PATH ", unless --store is given)\n"
	      "  --foreground         plain log lines on standard error, also in a service\n"
	      "  --help, --version\n\n"
	      "Keys of the settings are flags, as with profd. These are used:\n"
	      "  --debuginfod URLS    servers, with blanks between them\n"
	      "  --debuginfod-size SIZE\n"
	      "                       all files together; one may have half of it\n"
	      "  --cache DIR          profd's cache (with --store DIR it is DIR/.cache)\n",
		stdout);
}

/* A descriptor that is readable once somebody wants this process to end; -errno. */
static int open_stop(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int fetch_all(const struct config *config)
{
	struct debuginfod_servers servers;
	char why[256] = "it cannot wait for signals", shown[512];
	_cleanup_close_ int stop = open_stop();
	const struct fetcher_options options = {
		.cache = config->cache, .keep_bytes = config->debuginfod_size, .stop = stop};

	if (stop < 0 || debuginfod_servers_parse(&servers, config->debuginfod, why, sizeof(why))) {
		log_error("%s", why);
		return EXIT_FAILED;
	}
	if (!servers.n) {
		log_info("there is nothing to do: debuginfod= in [symbols] names no server");
		debuginfod_servers_free(&servers);
		return EXIT_DONE;
	}
	debuginfod_servers_show(config->debuginfod, shown, sizeof(shown));
	log_info("fetching debug files from %s into %s/debuginfod", shown, config->cache);
	return fetcher_run(&options, &servers) ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct options options;
	struct config config = {0};
	char why[512];

	if (options_parse(&options, argc, argv, why, sizeof(why))) {
		fprintf(stderr, "profd-net: %s\nTry profd-net --help.\n", why);
		return EXIT_USAGE;
	}
	if (options.check_config || options.capture_path) {
		fprintf(stderr, "profd-net: --%s is a flag of profd\n",
			options.check_config ? "check-config" : "capture");
		return EXIT_USAGE;
	}
	if (options.help) {
		print_help();
		return EXIT_DONE;
	}
	if (options.version) {
		puts("profd-net " PROFD_VERSION);
		return EXIT_DONE;
	}
	if (options.foreground)
		unsetenv("JOURNAL_STREAM"); /* what makes log.h write for the journal */
	log_setup("profd-net", LOG_LEVEL_INFO);
	int code = options_config(&options, &config, stderr) ? EXIT_FAILED : fetch_all(&config);
	config_free(&config);
	return code;
}
