/* SPDX-License-Identifier: MIT */
#include "helper/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "helper/sandbox.h"
#include "util/cleanup.h"
#include "util/log.h"

#define KILL_PATIENCE_MS 200
#define EXIT_PATIENCE_MS 100
/* Where the child keeps its end of the error pipe until exec closes it. */
#define ERROR_FD (HELPER_SOCKET + 1)

/* Killed, but still in the kernel. helper_start stops at HELPER_MAX_STUCK of a name: there is room
 * for those of every helper, and for what else runs at that time. */
static struct {
	pid_t pid;
	const char *name;
} stuck[8 * HELPER_MAX_STUCK];
static size_t n_stuck;

#define FORK_PATIENCE 1 /* s */

/* Those who close read, who forks writes: he waits for the ones that do, and the others for him. */
static pthread_rwlock_t forking = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

int helper_close_apart(int fd)
{
	pthread_rwlock_rdlock(&forking);
	close_fd(fd);
	pthread_rwlock_unlock(&forking);
	return -1;
}

static void reap_stuck(void)
{
	for (size_t i = 0; i < n_stuck;) {
		if (waitpid(stuck[i].pid, NULL, WNOHANG) == 0)
			i++;
		else
			stuck[i] = stuck[--n_stuck];
	}
}

static size_t count_stuck(const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < n_stuck; i++)
		n += !strcmp(stuck[i].name, name);
	return n;
}

static void leave_behind(const struct helper *h)
{
	if (n_stuck == sizeof(stuck) / sizeof(stuck[0]))
		return;
	stuck[n_stuck].pid = h->pid;
	stuck[n_stuck++].name = h->name;
	if (count_stuck(h->name) == HELPER_MAX_STUCK)
		log_warning("%d %s helpers hang in the kernel, on file systems whose servers do "
			    "not answer: no more are started until one of them has ended",
			HELPER_MAX_STUCK, h->name);
}

bool helper_is_stuck(pid_t pid)
{
	reap_stuck();
	for (size_t i = 0; i < n_stuck; i++)
		if (stuck[i].pid == pid)
			return true;
	return false;
}

bool helper_is_refused(const char *name)
{
	reap_stuck();
	return count_stuck(name) >= HELPER_MAX_STUCK;
}

static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &action, NULL); /* the few that refuse are default anyway */
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts the two descriptors that go along where they belong and closes the rest. Both are first
 * moved out of the way, since each may sit on the other's place. */
static int arrange_descriptors(int sock, int error_fd)
{
	int high_socket = fcntl(sock, F_DUPFD_CLOEXEC, ERROR_FD + 1);
	int high_error = fcntl(error_fd, F_DUPFD_CLOEXEC, ERROR_FD + 1);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (high_socket < 0 || high_error < 0 || null < 0)
		return -errno;
	int high_null = fcntl(null, F_DUPFD_CLOEXEC, ERROR_FD + 1);
	if (high_null < 0 || dup2(high_null, 0) < 0 || dup2(high_null, 1) < 0)
		return -errno;
	if (fcntl(2, F_GETFD) < 0 && dup2(high_null, 2) < 0)
		return -errno;
	if (dup2(high_socket, HELPER_SOCKET) < 0 || dup3(high_error, ERROR_FD, O_CLOEXEC) < 0)
		return -errno;
	return close_range(ERROR_FD + 1, ~0U, 0) < 0 ? -errno : 0;
}

static _Noreturn void run_child(
	pid_t parent, int sock, int error_fd, const char *name, const char *arg)
{
	int error = 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		error = errno;
	else if (getppid() != parent) /* it died before the line above */
		_exit(0);
	if (!error) {
		setsid();
		reset_signals();
		error = -arrange_descriptors(sock, error_fd);
		if (!error)
			error_fd = ERROR_FD;
	}
	if (!error) {
		char *argv[] = {
			program_invocation_short_name, "--helper", (char *)name, (char *)arg, NULL};
		execv("/proc/self/exe", argv);
		error = errno;
	}
	ssize_t written = write(error_fd, &error, sizeof(error));
	_exit(written < 0 ? 126 : 127);
}

/* What the child reported; an empty pipe means that exec closed it. */
static int read_child_error(int fd)
{
	int error = 0;
	ssize_t n;
	do {
		n = read(fd, &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(error) ? -error : 0;
}

static int start(struct helper *h, const char *name, const char *arg, int socket_type)
{
	*h = HELPER_NONE;
	if (helper_is_refused(name))
		return -EAGAIN;

	_cleanup_close_ int ours = -1, theirs = -1, error_read = -1, error_write = -1;
	int pair[2];
	if (socketpair(AF_UNIX, socket_type | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	error_read = pair[0];
	error_write = pair[1];
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return -errno;

	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_child(parent, theirs, error_write, name, arg);

	*h = (struct helper){
		.pid = pid, .socket = take_fd(ours), .pidfd = pidfd_open(pid, 0), .name = name};
	int error = h->pidfd < 0 ? -errno : 0;
	if (!error) {
		error_write = close_fd(error_write);
		error = read_child_error(error_read);
	}
	if (error)
		helper_stop(h);
	return error;
}

int helper_start(struct helper *h, const char *name, const char *arg, int socket_type)
{
	struct timespec until;
	bool locked;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FORK_PATIENCE;
	/* Without it, too: what is closed meanwhile is closed later, then. */
	locked = !pthread_rwlock_clockwrlock(&forking, CLOCK_MONOTONIC, &until);
	r = start(h, name, arg, socket_type);
	if (locked)
		pthread_rwlock_unlock(&forking);
	return r;
}

int helper_stop(struct helper *h)
{
	int status = 0;
	reap_stuck();
	h->socket = close_fd(h->socket);
	if (h->pid > 0) {
		kill(h->pid, SIGKILL); /* our own child, not reaped yet: the pid is still its */
		struct pollfd exited = {.fd = h->pidfd, .events = POLLIN};
		if (h->pidfd >= 0)
			poll(&exited, 1, KILL_PATIENCE_MS);
		if (waitpid(h->pid, &status, WNOHANG) == 0) {
			status = SIGKILL;
			leave_behind(h);
		}
	}
	h->pidfd = close_fd(h->pidfd);
	h->pid = -1;
	return status;
}

uint64_t helper_cpu_us(const struct helper *h)
{
	struct timespec used;
	clockid_t clock;

	if (h->pid < 0 || clock_getcpuclockid(h->pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

/* It closes its socket by exiting, so it is dead or about to be. */
bool helper_explain_end(const struct helper *h, char how[HELPER_HOW_SIZE])
{
	struct pollfd exited = {.fd = h->pidfd, .events = POLLIN};
	siginfo_t info = {0};

	if (h->pid > 0 && poll(&exited, 1, EXIT_PATIENCE_MS) > 0)
		waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOWAIT | WNOHANG);
	if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
		snprintf(how, HELPER_HOW_SIZE, "died of signal %d", info.si_status);
	else if (info.si_code == CLD_EXITED && info.si_status == SANDBOX_EXIT_MEMORY)
		snprintf(how, HELPER_HOW_SIZE, "ran out of memory");
	else if (info.si_code == CLD_EXITED)
		snprintf(how, HELPER_HOW_SIZE, "exited with code %d", info.si_status);
	else
		snprintf(how, HELPER_HOW_SIZE, "hung up");
	return info.si_code == CLD_EXITED && info.si_status == SANDBOX_EXIT_MEMORY;
}

ssize_t helper_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(HELPER_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (n_fds > HELPER_MAX_FDS)
		return -EMSGSIZE;
	if (n_fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	ssize_t n;
	do {
		n = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Takes the descriptors out of a message; those beyond `room` are closed and make it fail. */
static int take_descriptors(struct msghdr *message, int *fds, size_t room, size_t *n_fds)
{
	int error = message->msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : 0;
	*n_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*n_fds < room) {
				fds[(*n_fds)++] = fd;
			} else {
				close_fd(fd);
				error = -EMSGSIZE;
			}
		}
	}
	while (error && *n_fds > 0)
		close_fd(fds[--*n_fds]);
	return error;
}

ssize_t helper_receive(int socket, void *data, size_t size, int *fds, size_t *n_fds)
{
	union {
		char bytes[CMSG_SPACE(HELPER_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	size_t room = n_fds ? *n_fds : 0, received = 0;
	if (n_fds)
		*n_fds = 0;
	ssize_t n;
	do {
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	int error = take_descriptors(&message, fds, room, &received);
	if (error)
		return error;
	if (n_fds)
		*n_fds = received;
	return n;
}
