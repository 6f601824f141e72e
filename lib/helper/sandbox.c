/* SPDX-License-Identifier: MIT */
#include "helper/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "helper/process.h"

#define NOBODY	  65534
#define MAX_FILES 64 /* see CODE_MODULES_MAX */

/* AddressSanitizer needs terabytes of address space, and calls that no filter of ours allows. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static int limit(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit l = {value, value}, now;

	if (!getrlimit(resource, &now) && now.rlim_max < value)
		l.rlim_cur = l.rlim_max = now.rlim_max;
	return setrlimit(resource, &l) ? -errno : 0;
}

static int set_limits(const struct sandbox_limits *limits)
{
	int r = limit(RLIMIT_CORE, 0);

	signal(SIGXFSZ, SIG_IGN);
	mallopt(M_ARENA_MAX, 1);
	if (!r)
		r = limit(RLIMIT_NOFILE, MAX_FILES);
	if (!r)
		r = limit(RLIMIT_FSIZE, limits->file_size);
	if (!r && !SANITIZED)
		r = limit(RLIMIT_DATA, limits->memory);
	return r;
}

/* root becomes nobody. In a user namespace without that id root stays root, without capabilities.
 */
static int drop_identity(void)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) && errno != EPERM)
		return -errno;
	if (setresgid(NOBODY, NOBODY, NOBODY) && errno != EPERM && errno != EINVAL)
		return -errno;
	if (setresuid(NOBODY, NOBODY, NOBODY) && errno != EPERM && errno != EINVAL)
		return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int r = 0;

	if (!none)
		return -ENOMEM;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (cap_set_proc(none))
		r = -errno;
	cap_free(none);
	return r;
}

static int allow_plain(scmp_filter_ctx filter)
{
	static const int calls[] = {SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(write),
		SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(recvfrom),
		SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise),
		SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(exit),
		SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(getrandom),
		SCMP_SYS(restart_syscall), SCMP_SYS(sysinfo) /* qsort */};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);

		if (r)
			return r;
	}
	return 0;
}

/* libdw looks for further files on its own (alternate and split debug info): it is told that
 * there are none, instead of dying for it. */
static int refuse_paths(scmp_filter_ctx filter)
{
	static const int calls[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat),
		SCMP_SYS(lstat), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(access),
		SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(getcwd)};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), calls[i], 0);

		if (r && r != -EDOM && r != -EFAULT) /* not every architecture has all of them */
			return r;
	}
	return 0;
}

static int allow_some_arguments(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			SCMP_A1(SCMP_CMP_EQ, F_GETFD, 0));
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			SCMP_A1(SCMP_CMP_EQ, F_GETFL, 0));
	if (!r) /* fstat() of newer C libraries */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
			SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), 1,
			SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0));
	return r;
}

/* Any other call ends the process. */
static bool filter_calls(bool may_write)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? allow_plain(filter) : -ENOMEM;

	if (!r)
		r = allow_some_arguments(filter);
	if (!r && may_write)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(pwrite64), 0);
	if (!r && may_write)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fallocate), 0);
	if (!r)
		r = refuse_paths(filter);
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return !r;
}

int sandbox_enter(const struct sandbox_limits *limits, bool *seccomp, const char **why)
{
	int r;

	*seccomp = false;
	*why = "close descriptors";
	if (close_range(HELPER_SOCKET + 1, ~0U, 0))
		return -errno;
	*why = "leave the folder";
	if (chdir("/"))
		return -errno;
	*why = "give up the user id";
	r = drop_identity();
	if (!r) {
		*why = "give up capabilities";
		r = drop_capabilities();
	}
	if (!r) {
		*why = "limit memory";
		r = set_limits(limits);
	}
	if (r)
		return r;
	*why = "give up privileges for good";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	/* The leak checker of sanitizer builds traces its own process. */
	if (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	/* A change of the user id has cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (!SANITIZED)
		*seccomp = filter_calls(limits->file_size > 0);
	return 0;
}
