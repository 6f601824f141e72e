// SPDX-License-Identifier: MIT
#include "standalone.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "util/cleanup.h"
#include "util/log.h"

#define START_SECONDS  60 /* BPF programs are verified, the kernel's symbols read */
#define STOP_SECONDS   20
#define STEP_MS	       20
#define STEPS_A_SECOND (1000 / STEP_MS)

static void wait_step(void)
{
	struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
	nanosleep(&step, NULL);
}

/* Beside this program, in a sibling sbin/ as installed, else what PATH finds. */
static void find_profd(char *out, size_t size)
{
	static const char *const places[] = {"profd", "../sbin/profd"};
	char self[PATH_MAX];

	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = NULL;
	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
	}
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		int length = snprintf(out, size, "%.*s/%s", (int)(slash - self), self, places[i]);
		if (length > 0 && (size_t)length < size && !access(out, X_OK))
			return;
	}
	snprintf(out, size, "profd");
}

static _Noreturn void run_profd(
	const struct standalone *s, const char *program, int log, const sigset_t *mask)
{
	/* Ctrl-C is for profctl, which then stops profd in order; if profctl dies, so does profd.
	 */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigprocmask(SIG_SETMASK, mask, NULL);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	execlp(program, "profd", "--foreground", "--types=", "--store", s->folder, "--socket",
		s->socket, (char *)NULL);
	fprintf(stderr, "cannot run %s: %s\n", program, strerror(errno));
	_exit(127);
}

/* What profd wrote before it gave up, line by line. */
static void show_log(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		const char *text = strncmp(line, "profd: ", 7) ? line : line + 7;
		log_error("profd: %s", text);
	}
}

/* 0 once it listens; -errno when it ended or takes too long. */
static int wait_until_ready(struct standalone *s, const char *log)
{
	for (int i = 0; i < START_SECONDS * STEPS_A_SECOND; i++) {
		struct client c;
		if (!client_open(&c, s->socket)) {
			client_close(&c);
			return 0;
		}
		if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
			s->pid = 0;
			log_error("the private profd did not start%s",
				geteuid() ? ": it needs root, or the capabilities of profd.service"
					  : "");
			show_log(log);
			return -ECHILD;
		}
		wait_step();
	}
	log_error("the private profd did not begin to listen within %d s", START_SECONDS);
	show_log(log);
	return -ETIMEDOUT;
}

static int start(struct standalone *s, const char *log_path, const sigset_t *mask)
{
	char program[PATH_MAX + 16];

	find_profd(program, sizeof(program));
	_cleanup_close_ int log = open(log_path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0600);
	if (log < 0 || (s->pid = fork()) < 0) {
		int err = -errno;
		s->pid = 0;
		log_error("cannot start profd: %s", strerror(-err));
		return err;
	}
	if (!s->pid)
		run_profd(s, program, log, mask);
	return wait_until_ready(s, log_path);
}

int standalone_start(struct standalone *s, const sigset_t *mask)
{
	const char *base = getenv("TMPDIR");
	_cleanup_free_ char *log = NULL;
	int err = 0;

	*s = (struct standalone){0};
	if (asprintf(&s->folder, "%s/profd-XXXXXX", base && *base ? base : "/tmp") < 0)
		return -ENOMEM;
	if (!mkdtemp(s->folder)) {
		err = -errno;
		log_error("cannot make a temporary folder %s: %s", s->folder, strerror(-err));
		free(s->folder);
		s->folder = NULL;
		return err;
	}
	if (asprintf(&s->socket, "%s/profd.sock", s->folder) < 0 ||
		asprintf(&log, "%s/profd.log", s->folder) < 0)
		err = -ENOMEM;
	if (!err)
		err = start(s, log, mask);
	if (err)
		standalone_stop(s);
	return err;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

void standalone_stop(struct standalone *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGTERM);
		int i = 0;
		while (waitpid(s->pid, NULL, WNOHANG) == 0 && i++ < STOP_SECONDS * STEPS_A_SECOND)
			wait_step();
		if (i > STOP_SECONDS * STEPS_A_SECOND) {
			kill(s->pid, SIGKILL);
			waitpid(s->pid, NULL, 0);
		}
	}
	if (s->folder)
		nftw(s->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free(s->folder);
	free(s->socket);
	*s = (struct standalone){0};
}
